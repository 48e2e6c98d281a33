"""Every text that a service keeps is in an inventory that says what kind it is.

Whoever adds a text field to a document is stopped here until ``docs/fields.yaml`` says
how it is kept: so that no name or address ends up in the clear unnoticed.
"""

import importlib
from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import yaml
from accord.catalogue import SERVICES
from accord_chassis.sealing import SealedStore
from accord_chassis.store import Store
from pydantic import BaseModel

INVENTORY = Path(__file__).parents[2] / "docs/fields.yaml"

CLASSES = {
    "id", "code", "sealed", "blind", "digest", "day", "hidden", "place", "system",
    "event",
}  # fmt: skip

Fields = dict[str, str]


def stores() -> Iterator[tuple[str, type[Store[Any]]]]:
    """Give every store of every service, found without asking anybody."""
    for service in SERVICES:
        importlib.import_module(f"{service}.app")
        for each in _offspring(Store):
            if each.__module__.startswith(f"{service}."):
                yield service, each


def _offspring(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _offspring(each)


def texts(model: type[BaseModel]) -> Iterator[str]:
    """Give the paths of all fields of a document that can hold a text."""
    fields = model.model_fields.items()
    # What is excluded is never written.
    told = [(name, field.annotation) for name, field in fields if not field.exclude]
    told += [(n, f.return_type) for n, f in model.model_computed_fields.items()]
    for name, annotation in told:
        yield from (f"{name}{path}" for path in _within(annotation))


def _within(annotation: Any) -> Iterator[str]:
    """Give the paths of texts inside one field, or nothing."""
    inner = get_args(annotation)
    if inner:
        found = (path for each in inner for path in _within(each))
        yield from dict.fromkeys(found)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from (f".{path}" for path in texts(annotation))
    elif _may_hold_text(annotation):
        yield ""


def _may_hold_text(annotation: Any) -> bool:
    if not isinstance(annotation, type):
        return annotation is Any
    # A date is kept as a text. What a closed scale holds is known.
    text = issubclass(annotation, str | bytes) and not issubclass(annotation, Enum)
    return text or annotation in {object, date}


def inventory() -> Mapping[str, Mapping[str, str]]:
    """Read what is written down."""
    found: dict[str, dict[str, str]] = yaml.safe_load(INVENTORY.read_text("utf-8"))
    return found


def test_every_text_that_is_kept_has_a_class() -> None:
    kept = {
        f"{service}.{store.collection}": sorted({*texts(store.entity)})
        for service, store in stores()
    }

    written = {name: sorted(fields) for name, fields in inventory().items()}

    assert written == kept


def test_every_class_is_one_that_is_explained() -> None:
    used = {each for fields in inventory().values() for each in fields.values()}

    assert used <= CLASSES


def test_what_is_sealed_is_kept_in_a_store_that_seals() -> None:
    sealing = {
        f"{service}.{store.collection}"
        for service, store in stores()
        if issubclass(store, SealedStore)
    }

    assert sealing == {
        name for name, fields in inventory().items() if "sealed" in fields.values()
    }


class Noted(BaseModel):
    """Where the note is."""

    note: str | None = None
    count: int = 0


class Careless(BaseModel):
    """A document to which somebody added a note."""

    id: str
    told: tuple[dict[str, Noted], ...] = ()


def test_a_text_is_found_however_deep_it_stands() -> None:
    assert [*texts(Careless)] == ["id", "told", "told.note"]
