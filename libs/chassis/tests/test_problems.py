"""Refusals and faults as problems that never echo what was sent."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import httpx2
import pytest
from accord_chassis import problems, telemetry
from accord_chassis.problems import MOST_ERRORS, TYPES, kebab
from accord_contracts.message import Code
from accord_contracts.problem import Problem, Refusal
from chassis_surroundings import Lines, logged
from fastapi import FastAPI, Header, HTTPException, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pymongo.errors import AutoReconnect

SENTINEL = "Aroha Ngata"


class AlreadyTakenUp(Refusal):
    """Another agency has taken it up.

    What follows the first line is for us.
    """


class Gone(Refusal):
    """It was erased."""

    status = 410


class NotKnown(Refusal):
    """A valid bearer token is needed."""

    status = 401


class Away(Refusal):
    """It cannot be had at present."""

    status = 503


REFUSALS = {each.__name__: each for each in (AlreadyTakenUp, Gone, NotKnown, Away)}


class Cat(BaseModel):
    """One of two kinds."""

    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    """The other."""

    kind: Literal["dog"]
    tricks: list[str]


def even(value: int) -> int:
    if value % 2:
        raise ValueError(f"{SENTINEL} is odd")
    return value


class Sent(BaseModel):
    """A request with every kind of field."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=3)]
    pair: Annotated[int, AfterValidator(even)] = 0
    people: list["Sent"] = []
    answers: dict[Code, bool] = {}
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


class Answered(BaseModel):
    """What a route promises to answer."""

    count: int


def application() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    problems.put_off(app, AutoReconnect)

    @app.post("/sent/{number}")
    async def sent(
        number: int,
        sent: Sent,
        page: Annotated[int, Query()] = 1,
        idempotency_key: Annotated[str, Header(max_length=2)] = "",
    ) -> None:
        raise AssertionError((number, sent, page, idempotency_key))

    @app.get("/refused/{name}")
    async def refused(name: str, detail: str = "") -> None:
        raise REFUSALS[name](detail) if detail else REFUSALS[name]

    @app.get("/failed")
    async def failed(text: str) -> None:
        raise LookupError(text)

    @app.get("/away")
    async def away(text: str) -> None:
        raise AutoReconnect(text)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, SENTINEL, headers={"X-Pot": "short"})

    @app.get("/promised")
    async def promised(count: str) -> Answered:
        return {"count": count}  # type: ignore[return-value]

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    # Starlette raises what it has answered with a 500 once more, for the server's log.
    over = httpx2.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=over, base_url="http://toy") as opened:
        yield opened


def problem_in(answer: httpx2.Response) -> Problem:
    """The problem in an answer, whose form is checked on the way."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code
    assert found.type.startswith(TYPES)
    assert SENTINEL not in answer.text
    return found


Client = httpx2.AsyncClient


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("AlreadyTakenUp", 409, "already-taken-up"),
        ("Gone", 410, "gone"),
        ("NotKnown", 401, "not-known"),
        ("Away", 503, "away"),
    ],
)
async def test_a_refusal_is_told_by_its_name_and_its_first_line(
    client: Client, name: str, status: int, kind: str
) -> None:
    answer = await client.get(f"/refused/{name}")

    problem = problem_in(answer)
    assert answer.status_code == status
    assert problem.type == TYPES + kind
    assert problem.title == (REFUSALS[name].__doc__ or "").splitlines()[0]
    assert problem.detail is None


async def test_a_refusal_may_say_more(client: Client) -> None:
    answer = await client.get("/refused/Gone", params={"detail": "In May."})

    assert problem_in(answer).detail == "In May."


async def test_who_is_not_known_is_told_how_to_make_themselves_known(
    client: Client,
) -> None:
    answer = await client.get("/refused/NotKnown")

    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/refused/Away", f"/away?text={SENTINEL}"])
async def test_what_may_pass_is_put_off(client: Client, path: str) -> None:
    answer = await client.get(path)

    assert problem_in(answer).status == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_every_wrong_field_is_named_by_its_rule(client: Client) -> None:
    answer = await client.post(
        f"/sent/{SENTINEL}",
        params={"page": SENTINEL},
        headers={"Idempotency-Key": SENTINEL},
        json={
            "name": SENTINEL,
            "pair": 1,
            "people": [{"name": "Ari"}, {"name": SENTINEL}],
            "answers": {"ok": SENTINEL, SENTINEL: True},
            "pet": {"kind": SENTINEL},
            SENTINEL: SENTINEL,
        },
    )

    problem = problem_in(answer)
    assert (problem.status, problem.type) == (422, f"{TYPES}invalid-request")
    assert {(each.pointer, each.rule) for each in problem.errors} == {
        ("/path/number", "int parsing"),
        ("/query/page", "int parsing"),
        ("/header/idempotency-key", "string too long"),
        ("/body/name", "string too long"),
        ("/body/pair", "value error"),
        ("/body/people/1/name", "string too long"),
        ("/body/answers/*", "bool parsing"),
        ("/body/answers/*/*", "string pattern mismatch"),
        ("/body/pet", "union tag invalid"),
        ("/body/*", "extra forbidden"),
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", SENTINEL.encode(), b'"' + SENTINEL.encode() + b'"', b"[1]",
     b"[" * 30_000, b"null"],
)  # fmt: skip
async def test_a_body_that_is_none_is_refused(client: Client, body: bytes) -> None:
    answer = await client.post(
        "/sent/1", content=body, headers={"Content-Type": "application/json"}
    )

    assert problem_in(answer).status in {400, 422}


async def test_a_small_request_does_not_cause_a_huge_answer(client: Client) -> None:
    people = [{"name": 1} for _ in range(5000)]

    answer = await client.post("/sent/1", json={"name": "Ari", "people": people})

    assert len(problem_in(answer).errors) == MOST_ERRORS


async def test_a_fault_tells_nothing_but_that_there_was_one(client: Client) -> None:
    with logged() as lines:
        answer = await client.get("/failed", params={"text": SENTINEL})

    problem = problem_in(answer)
    assert (problem.status, problem.type) == (500, f"{TYPES}fault")
    assert problem.detail is None
    [line] = lines.of("request.failed")
    assert line["fault"] == "LookupError"
    assert "test_problems:" in line["place"]
    assert_untold(lines)


async def test_an_answer_that_breaks_its_own_schema_is_a_fault(client: Client) -> None:
    with logged() as lines:
        answer = await client.get("/promised", params={"count": SENTINEL})

    assert problem_in(answer).status == 500
    assert lines.of("request.failed")
    assert_untold(lines)


def assert_untold(lines: Lines) -> None:
    assert SENTINEL not in lines.stream.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", f"/nowhere/{SENTINEL}", 404, "Not Found"),
        ("DELETE", "/failed", 405, "Method Not Allowed"),
        ("GET", "/teapot", 418, "I'm a Teapot"),
    ],
)
async def test_what_http_refuses_is_told_in_its_own_words(
    client: Client, method: str, path: str, status: int, title: str
) -> None:
    answer = await client.request(method, path)

    problem = problem_in(answer)
    assert answer.status_code == status
    assert problem.title == title
    assert problem.type == f"{TYPES}http-{status}"


async def test_what_http_says_in_headers_is_kept(client: Client) -> None:
    assert (await client.delete("/failed")).headers["allow"] == "GET"
    assert (await client.get("/teapot")).headers["x-pot"] == "short"


async def test_a_problem_names_its_trace(client: Client) -> None:
    traced = f"00-{'a' * 32}-{'b' * 16}-00"

    with telemetry.span("test", parent=traced):
        answer = await client.get("/nowhere")

    assert problem_in(answer).instance == f"urn:accord:trace:{'a' * 32}"
    assert problem_in(await client.get("/nowhere")).instance is None


@pytest.mark.parametrize(
    ("name", "written"),
    [("Gone", "gone"), ("AlreadyTakenUp", "already-taken-up")],
)
def test_a_kind_is_a_class_name_in_kebab_case(name: str, written: str) -> None:
    assert kebab(name) == written
