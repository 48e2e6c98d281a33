"""Refusals and faults as RFC 9457 problems that never echo what was sent."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from accord_contracts.problem import Problem, Refusal, WrongField
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Scope

from accord_chassis.telemetry import current_trace_id, place_of

log = structlog.get_logger()

TYPES = "urn:accord:problem:"
"""What a problem's ``type`` begins with; the rest is the refusal's name, kebab-case."""

HIDDEN = "*"
"""Stands for a name that came with the request and is in no schema of ours."""

MOST_ERRORS = 100
"""Wrong fields that an answer names: a small request must not cause a huge answer."""

AGAIN_SECONDS = 5
"""When to come back, if what is needed is away at present."""


@cache
def names_in(model: type[BaseModel]) -> frozenset[str]:
    """Give every field name that a model's schema holds, nested ones included."""
    names: set[str] = set()

    def collect(node: Any) -> None:  # noqa: ANN401 - Any JSON.
        if isinstance(node, dict):
            names.update(node.get("properties", {}))
            for each in node.values():
                collect(each)
        elif isinstance(node, list):
            for each in node:
                collect(each)

    collect(model.model_json_schema())
    return frozenset(names)


def broken_rules(errors: Iterable[Any], known: frozenset[str]) -> list[tuple[str, str]]:
    """Name where rules were broken, as JSON Pointers, and which. Never a value.

    A key of a mapping or the name of an unknown field is input too, and may be
    somebody's name: only names of our own schemas are told.
    """
    return [
        (
            "".join(f"/{_safe(part, known)}" for part in each["loc"]),
            each["type"].replace("_", " "),
        )
        for each in islice(errors, MOST_ERRORS)
    ]


def _safe(part: int | str, known: frozenset[str]) -> str:
    if isinstance(part, int) or part in known:
        return str(part)
    return HIDDEN


def problem_response(
    status: int,
    kind: str,
    title: str,
    *,
    detail: str | None = None,
    errors: Sequence[WrongField] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make the answer that tells a problem."""
    trace_id = current_trace_id()
    body = Problem(
        type=TYPES + kind,
        title=title,
        status=status,
        detail=detail,
        instance=f"urn:accord:trace:{trace_id}" if trace_id else None,
        errors=tuple(errors),
    )
    return JSONResponse(
        body.model_dump(mode="json", exclude_none=True),
        status_code=status,
        media_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def refusal_response(refused: Refusal) -> JSONResponse:
    """Tell a rule's no: the class is the kind, its docstring the title."""
    title = (type(refused).__doc__ or "Refused.").strip().splitlines()[0]
    status = type(refused).status
    return problem_response(
        status,
        kebab(type(refused).__name__),
        title,
        detail=str(refused) or None,
        headers=refused.headers or HEADERS.get(status),
    )


HEADERS: dict[int, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(AGAIN_SECONDS)},
}
"""What HTTP asks for besides a problem, by status."""


def wrong_fields(
    errors: Iterable[Any], known: frozenset[str]
) -> tuple[WrongField, ...]:
    """Give the fields of a request that broke a rule, each once for each rule."""
    return tuple(
        WrongField(pointer=pointer, rule=rule)
        for pointer, rule in broken_rules(errors, known)
    )


def invalid_response(errors: Iterable[Any], known: frozenset[str]) -> JSONResponse:
    """Tell that a request does not fit its schema, every field named."""
    return problem_response(
        422,
        "invalid-request",
        "The request does not fit its schema.",
        errors=wrong_fields(errors, known),
    )


def kebab(name: str) -> str:
    """Write a class's name as a problem type names it."""
    return "".join(
        f"-{each.lower()}" if each.isupper() and place else each.lower()
        for place, each in enumerate(name)
    )


def install(app: FastAPI) -> None:
    """Have an application answer every refusal and fault with a problem."""
    app.state.known_names = {}

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return refusal_response(refusal)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, wrong: RequestValidationError) -> JSONResponse:
        return invalid_response(wrong.errors(), _known_to(request.scope))

    @app.exception_handler(HTTPException)
    async def http(request: Request, raised: HTTPException) -> JSONResponse:
        headers = dict(raised.headers or {})
        if raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework knows the methods of one route, not of all at an address.
            described = request.app.openapi()["paths"].get(route_of(request.scope))
            if described:
                headers["Allow"] = ", ".join(sorted(map(str.upper, described)))
        return http_response(raised.status_code, headers=headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, fault: Exception) -> JSONResponse:
        log.error("request.failed", fault=type(fault).__name__, place=place_of(fault))
        return problem_response(500, "fault", "The service failed; it has been logged.")


TOLD = {
    400: "The request cannot be read, or lacks the key that tells it from another.",
    401: "There is no valid token.",
    403: "The token does not allow this.",
    404: "There is no such thing, or none that this caller may know of.",
    408: "The request's body did not arrive in time.",
    409: "What is there does not allow this now.",
    412: "It has changed since it was read.",
    413: "The request is too large.",
    415: "The body is not of a type that this route reads.",
    422: "A field breaks a rule; every one is named, no value is told.",
    428: "Say by If-Match which version of it this is decided on.",
    429: "More was asked for than one may ask for at a time: see Retry-After.",
    500: "The service failed; it has been logged.",
    503: "Something that is needed is away at present: see Retry-After.",
}
"""Every refusal that a route may answer, as its description tells it."""

PROBLEM_SCHEMA = "#/components/schemas/Problem"


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Add to the description of an API that every route may refuse, and how it does."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    held = document.setdefault("components", {})
    schemas = held.setdefault("schemas", {})
    schemas.update(schema.pop("$defs", {}), Problem=schema)
    for name in ("HTTPValidationError", "ValidationError"):
        # The framework's own form of a 422, which echoes values: ours does not.
        schemas.pop(name, None)
    told = {"application/problem+json": {"schema": {"$ref": PROBLEM_SCHEMA}}}
    held["responses"] = {
        str(status): {"description": text, "content": told}
        for status, text in TOLD.items()
    }
    refusals = {
        each: {"$ref": f"#/components/responses/{each}"} for each in map(str, TOLD)
    }
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].update(refusals)
    _allow_repetition(document)
    return document


def _allow_repetition(node: Any) -> None:  # noqa: ANN401 - Any JSON.
    """Say of a set only what is asked: what is repeated in it is counted once."""
    if isinstance(node, dict) and node.pop("uniqueItems", None):
        node.pop("maxItems", None)
    for each in node.values() if isinstance(node, dict) else node:
        if isinstance(each, dict | list):
            _allow_repetition(each)


def put_off(app: FastAPI, *passing: type[Exception]) -> None:
    """Have an application answer what may pass with 503 and when to come back."""

    async def away(_: Request, fault: Exception) -> JSONResponse:
        log.warning("request.put_off", fault=type(fault).__name__)
        return problem_response(
            503,
            "try-again",
            "Something that is needed is away at present: try again soon.",
            headers=HEADERS[HTTPStatus.SERVICE_UNAVAILABLE],
        )

    for each in passing:
        app.add_exception_handler(each, away)


def http_response(
    status: int, *, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Tell a refusal of HTTP itself, in HTTP's own words: they hold nobody's."""
    title = HTTPStatus(status).phrase
    return problem_response(status, f"http-{status}", title, headers=headers)


def route_of(scope: Scope) -> str:
    """Give the pattern of the route that answers, with the prefix of its router."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(included or scope.get("route"), "path", "none")
    return path


def _known_to(scope: Scope) -> frozenset[str]:
    """Give every name that the description of the route which was asked publishes.

    Of this route alone: to describe all of a service takes a second, for which nobody
    else would be answered.
    """
    remembered: dict[Any, frozenset[str]] = scope["app"].state.known_names
    endpoint = scope["endpoint"]
    if endpoint not in remembered:
        names: set[str] = {"body", "query", "path", "header"}

        def collect(node: Any) -> None:  # noqa: ANN401 - Any JSON.
            if isinstance(node, dict):
                names.update(node.get("properties", {}))
                if isinstance(node.get("name"), str):
                    names.add(node["name"])
                for each in node.values():
                    collect(each)
            elif isinstance(node, list):
                for each in node:
                    collect(each)

        collect(get_openapi(title="", version="", routes=[scope["route"]]))
        remembered[endpoint] = frozenset(names)
    return remembered[endpoint]
