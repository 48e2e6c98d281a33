"""Every route that shows names raises the alarm where somebody looks up their own.

Whoever adds one is stopped here until it calls ``note_namesakes``, or is listed with
why it need not.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from accord.catalogue import SERVICES
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

NOTES = "note_namesakes("

EXCUSED: dict[str, str] = {}
"""Routes that show a family name and need not call it, by method and path: why."""


def routes() -> Iterator[APIRoute]:
    """Give every route of every service, found without asking anybody."""
    for service in SERVICES:
        package = importlib.import_module(service)
        found = pkgutil.walk_packages(package.__path__, f"{service}.")
        for name in (e.name for e in found if not e.name.endswith("__main__")):
            router = getattr(importlib.import_module(name), "router", None)
            if isinstance(router, APIRouter):
                yield from (e for e in router.routes if isinstance(e, APIRoute))


def shows_names(route: APIRoute) -> bool:
    """Tell whether somebody's family name can stand in what a route answers."""
    if route.response_model is None:
        return False
    schema = TypeAdapter(route.response_model).json_schema(mode="serialization")
    return "family_name" in set(_properties(schema))


def _properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for each in schema.values():
            yield from _properties(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _properties(each)


def named(route: APIRoute) -> str:
    return f"{' '.join(sorted(route.methods))} {route.path}"


SHOWING = {named(each): each for each in routes() if shows_names(each)}


def test_there_are_routes_that_show_names() -> None:
    known = {
        "GET /inquiries",
        "GET /matches/{match_id}",
        "GET /cases/{case_id}/transfer",
    }

    assert known <= set(SHOWING)
    assert set(EXCUSED) <= set(SHOWING)


@pytest.mark.parametrize("name", [each for each in SHOWING if each not in EXCUSED])
def test_whoever_is_shown_names_is_noticed_if_one_is_their_own(name: str) -> None:
    assert NOTES in inspect.getsource(SHOWING[name].endpoint)
