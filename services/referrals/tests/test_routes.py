"""The service over HTTP, alive, over a real store."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.clock import SimulatedClock
from accord_chassis.settings import BadConfiguration
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_contracts.allocation import AllocationAccepted, Role
from accord_contracts.message import Event, Lane
from accord_contracts.plans import PlanAgreed, PlanClosed
from accord_contracts.risk import RiskAssessed, RiskLevel
from referrals.app import Settings, create_app
from referrals.routes.lines import TOGETHER
from referrals.store import Cases, Referrals
from referrals_builders import JOHN, MERE, POLICY, Running, body

SECRET = "Sentinelname"


def ndjson(*lines: dict[str, Any] | str) -> bytes:
    texts = (each if isinstance(each, str) else json.dumps(each) for each in lines)
    return "\n".join(texts).encode()


def results(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    return [json.loads(each) for each in answer.text.splitlines()]


def pointers(problem: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["pointer"], each["rule"]) for each in problem["errors"]]


async def hears(running: Running, event: Event, producer: str) -> None:
    """Have the service hear an event, as if another had published it."""
    packet = replace(pack(message_of(event)), user=producer)
    assert running.broker.route(topology.EVENTS, packet)


async def case_of(running: Running, referral_id: str) -> str:
    cases = running.service.store(Cases)
    found = await eventually(lambda: cases.of_referral(referral_id))
    assert found
    return found.id


async def test_a_submitted_referral_gets_a_receipt(running: Running) -> None:
    answer = await running.submit(body(reference="P-17"), key="17")

    assert answer.status_code == 202
    receipt = answer.json()
    hours = POLICY.expected_hours[Lane.ROUTINE]
    expected = {
        "assessed_by": NOON + timedelta(hours=hours.assessed),
        "allocated_by": NOON + timedelta(hours=hours.allocated),
        "contacted_by": NOON + timedelta(hours=hours.contacted),
    }
    assert receipt == {
        "referral_id": receipt["referral_id"],
        "case_id": None,
        "reference": "P-17",
        "received_at": "2026-11-02T12:00:00Z",
        "expected": {
            name: at.isoformat().replace("+00:00", "Z") for name, at in expected.items()
        },
        "status_url": f"/v1/referrals/{receipt['referral_id']}",
    }
    assert answer.headers["Location"] == receipt["status_url"]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_status_url_answers(running: Running) -> None:
    receipt = (await running.submit(body(), key="17")).json()

    answer = await running.http.get(receipt["status_url"], headers=running.bearer())

    assert answer.status_code == 200
    assert answer.json() == {
        "referral_id": receipt["referral_id"],
        "reference": None,
        "status": "received",
        "received_at": "2026-11-02T12:00:00Z",
        "assessed_at": None,
        "allocated_at": None,
        "being_acted_on_at": None,
        "contact_made_at": None,
        "closed_at": None,
        "closed_as": None,
        "more_information_needed": None,
        "parts_corrected_at": None,
        "expected": receipt["expected"],
        "amendments": [],
        "withdrawn": None,
    }


async def test_behind_a_gateway_the_status_url_has_its_path(running: Running) -> None:
    app = running.http._transport.app  # type: ignore[attr-defined]
    app.root_path = "/api/referrals"

    answer = await running.submit(body(), key="17")

    assert answer.headers["Location"].startswith("/api/referrals/v1/referrals/")


async def test_a_referral_finds_its_case_and_the_loop_closes(
    running: Running, clock: SimulatedClock
) -> None:
    referral_id = (await running.submit(body(), key="17")).json()["referral_id"]
    case_id = await case_of(running, referral_id)
    at = NOON + timedelta(minutes=1)
    worker_id = new_id()
    assessed = RiskAssessed(
        case_id=case_id,
        referral_id=referral_id,
        level=RiskLevel.HIGH,
        previous=None,
        provisional=False,
        reasons=(),
        unknowns=(),
        policy_version="test",
        assessed_at=at,
        reassess_by=at,
        first_referred_at=NOON,
    )
    accepted = AllocationAccepted(
        case_id=case_id,
        allocation_id=new_id(),
        role=Role.INDEPENDENT_VICTIM_SPECIALIST,
        first_referred_at=NOON,
        worker_id=worker_id,
        accepted_at=at,
    )
    agreed = PlanAgreed(case_id=case_id, plan_version=1, agreed_at=at)
    closed = PlanClosed(
        case_id=case_id,
        plan_version=1,
        reason="goals_met",
        assessment_revision=1,
        closed_at=at,
    )
    steps: list[tuple[Event, str, str]] = [
        (assessed, "risk", "assessed"),
        (accepted, "allocation", "allocated"),
        (agreed, "plans", "being_acted_on"),
        (closed, "plans", "closed"),
    ]

    clock.advance(timedelta(hours=POLICY.feedback.told_of_stages[Lane.ROUTINE]))
    for event, producer, status in steps:
        await hears(running, event, producer)

        async def seen(status: str = status) -> bool:
            return bool((await running.status(referral_id)).json()["status"] == status)

        await eventually(seen)

    shown = (await running.status(referral_id)).json()
    text = json.dumps(shown)
    assert shown["closed_at"] == "2026-11-03T15:00:00Z"
    assert "high" not in text
    assert case_id not in text
    assert worker_id not in text


async def test_two_agencies_that_refer_the_same_pair_have_one_case(
    running: Running,
) -> None:
    answers = await asyncio.gather(
        running.submit(body(), key="1"),
        running.submit(body(people=[MERE]), key="1", agency="hospital"),
    )

    first, second = (each.json()["referral_id"] for each in answers)
    assert first != second
    assert await case_of(running, first) == await case_of(running, second)


async def test_posted_again_it_gets_the_same_answer(running: Running) -> None:
    first = await running.submit(body(answers={"injury": "yes"}), key="17")
    await case_of(running, first.json()["referral_id"])

    again = await running.submit(body(answers={"injury": "yes"}), key='"17"')

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Location"] == first.headers["Location"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("17", '"17"', True),
        ('"1 7"', '"1 7"', True),
        (r'"a\"b"', r'"a\"b"', True),
        (r'"a\\b"', r"a\b", True),
        ('"17"', '"18"', False),
    ],
)
async def test_a_key_in_quotes_says_what_is_within_them(
    running: Running, one: str, other: str, *, same: bool
) -> None:
    first, again = [await running.submit(body(), key=key) for key in (one, other)]

    assert (first.status_code, again.status_code) == (202, 202)
    ids = {each.json()["referral_id"] for each in (first, again)}
    assert len(ids) == (1 if same else 2)


async def test_the_agencys_own_reference_stands_in_for_a_key(running: Running) -> None:
    first = await running.submit(body(reference="P-17"))
    again = await running.submit(body(reference="P-17"))
    other = await running.submit(body(reference="P-18"))

    assert first.json() == again.json()
    assert other.json()["referral_id"] != first.json()["referral_id"]


@pytest.mark.parametrize(
    ("fields", "key", "status", "kind"),
    [
        ({}, None, 400, "no-key"),
        ({"incidents": ["stalking"]}, "17", 422, "key-used-before"),
        ({"incidents": ["stalking"], "reference": "P-17"}, None, 422, "key-used-befor"),
        ({}, "a key", 422, "invalid-request"),
        ({}, "", 422, "invalid-request"),
        ({}, "x" * 201, 422, "invalid-request"),
        ({}, '"a"b"', 422, "invalid-request"),
        ({}, r'"a\b"', 422, "invalid-request"),
        ({}, '"17";a=1', 422, "invalid-request"),
    ],
)
async def test_a_key_or_reference_is_needed_and_holds_for_one_referral(
    running: Running, fields: dict[str, Any], key: str | None, status: int, kind: str
) -> None:
    await running.submit(body(), key="17")
    await running.submit(body(reference="P-17"))

    answer = await running.submit(body(**fields), key=key)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].startswith(f"urn:accord:problem:{kind}")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"answers": {SECRET.casefold(): "yes"}}, ("/body/answers/*", "unknown quest")),
        ({"answers": {SECRET: "yes"}}, ("/body/answers/*/*", "string pattern mism")),
        ({"answers": {"injury": SECRET}}, ("/body/answers/*", "enum")),
        ({"occurred_at": "2099-01-01T00:00:00Z"}, ("/body/occurred_at", "in the fut")),
        ({"people": [JOHN]}, ("/body/people", "nobody harmed")),
        ({SECRET: 1}, ("/body/*", "extra forbidden")),
        (
            {"people": [{**MERE, "given_name": [SECRET]}]},
            ("/body/people/0/given_name", "string type"),
        ),
        (
            {"people": [{**MERE, "date_of_birth": SECRET}]},
            ("/body/people/0/date_of_birth", "string pattern mismatch"),
        ),
        (
            {"people": [{**MERE, "date_of_birth": "2027-01-01"}]},
            ("/body/people/0/date_of_birth", "in the future"),
        ),
        ({"sharing": {"purpose": SECRET}}, ("/body/sharing/purpose", "enum")),
        ({"wishes": {"area": SECRET}}, ("/body/wishes/area", "string pattern mism")),
    ],
)
async def test_a_problem_names_the_field_and_echoes_nothing(
    running: Running,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, Any],
    wrong: tuple[str, str],
) -> None:
    answer = await running.submit(body(**fields), key="17")

    assert answer.status_code == 422
    pointer, rule = pointers(answer.json())[0]
    assert pointer == wrong[0]
    assert rule.startswith(wrong[1])
    assert SECRET.casefold() not in answer.text.casefold()
    assert SECRET.casefold() not in capsys.readouterr().out.casefold()


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"null", b'{"people": '])
async def test_what_is_no_referral_is_refused(running: Running, sent: bytes) -> None:
    headers = {**running.bearer(), "Content-Type": "application/json"}

    answer = await running.http.post("/v1/referrals", headers=headers, content=sent)

    assert answer.status_code == 422


async def test_a_referral_has_a_greatest_size(running: Running) -> None:
    answer = await running.submit(body(narrative="x" * 70_000), key="17")

    assert answer.status_code == 413


async def test_text_that_is_no_text_is_refused(running: Running) -> None:
    headers = {**running.bearer(), "Idempotency-Key": "17"}
    headers["Content-Type"] = "application/json"
    sent = json.dumps(body(narrative="\ud800")).encode()

    answer = await running.http.post("/v1/referrals", headers=headers, content=sent)

    assert pointers(answer.json()) == [("/body/narrative", "string unicode")]


@pytest.mark.parametrize(
    ("path", "scope"),
    [("/v1/referrals", "referrals.read"), ("/v1/referrals/batch", "referrals.read")],
)
async def test_submitting_needs_the_scope(
    running: Running, path: str, scope: str
) -> None:
    headers = {**running.bearer(scope), "Idempotency-Key": "17"}

    answer = await running.http.post(path, headers=headers, json=body())

    assert answer.status_code == 403
    assert (await running.http.post(path, json=body())).status_code == 401


async def test_another_agencys_referral_is_as_unknown_as_none(
    running: Running,
) -> None:
    mine = (await running.submit(body(), key="17")).json()["referral_id"]
    await case_of(running, mine)

    others = await running.status(mine, agency="hospital")
    nobodys = await running.status(new_id())

    assert others.status_code == nobodys.status_code == 404
    drop = re.compile(r'"instance":"[^"]*",?')
    assert drop.sub("", others.text) == drop.sub("", nobodys.text)


async def test_reading_needs_the_scope_and_an_id(running: Running) -> None:
    mine = (await running.submit(body(), key="17")).json()["referral_id"]

    headers = running.bearer("referrals.submit")
    answer = await running.http.get(f"/v1/referrals/{mine}", headers=headers)

    assert answer.status_code == 403
    assert (await running.status("17")).status_code == 422


async def test_a_batch_answers_line_by_line(running: Running) -> None:
    await running.submit(body(reference="known"))

    answer = await running.submit_lines(
        ndjson(
            body(reference="new"),
            body(reference="known"),
            "",
            body(reference="known", incidents=["stalking"]),
            body(),
            "{" + SECRET,
            body(reference="wrong", people=[{"role": SECRET}]),
            body(reference="odd", answers={SECRET.casefold(): "yes"}),
            body(reference="long", narrative="x" * 70_000),
            '{"reference": "deep", "answers": ' + '{"a":' * 40 + "1" + "}" * 41,
            body(reference="last"),
        )
    )

    assert answer.headers["Content-Type"] == "application/x-ndjson"
    told = [
        (each["line"], each["status"], each.get("problem", {}).get("status"))
        for each in results(answer)
    ]
    assert told == [
        (1, "accepted", None),
        (2, "repeated", None),
        (4, "refused", 422),
        (5, "refused", 400),
        (6, "refused", 422),
        (7, "refused", 422),
        (8, "refused", 422),
        (9, "refused", 413),
        (10, "refused", 422),
        (11, "accepted", None),
    ]
    assert SECRET.casefold() not in answer.text.casefold()
    by_line = {each["line"]: each for each in results(answer)}
    assert pointers(by_line[7]["problem"])[0] == ("/people/0/role", "enum")
    assert pointers(by_line[8]["problem"]) == [("/answers/*", "unknown question")]
    for line in (1, 2, 11):
        receipt = by_line[line]["receipt"]
        assert (await running.status(receipt["referral_id"])).status_code == 200


async def test_a_line_gets_the_receipt_that_it_would_get_alone(
    running: Running,
) -> None:
    [line] = results(await running.submit_lines(ndjson(body(reference="P-17"))))

    alone = (await running.submit(body(reference="P-17"))).json()

    assert {**line["receipt"], "case_id": None} == alone


async def test_a_long_batch_is_answered_in_order_and_stored_once(
    running: Running,
) -> None:
    count = 3 * TOGETHER + 7
    lines = ndjson(*(body(reference=f"P-{each % count}") for each in range(count)))

    first = results(await running.submit_lines(lines + b"\r\n"))
    again = results(await running.submit_lines(lines))

    assert [each["line"] for each in first] == [*range(1, count + 1)]
    assert {each["status"] for each in first} == {"accepted"}
    assert {each["status"] for each in again} == {"repeated"}
    stored = running.service.store(Referrals).documents
    assert await stored.count_documents({}) == count


async def test_the_same_line_twice_in_a_batch_is_one_referral(
    running: Running,
) -> None:
    lines = ndjson(*[body(reference="P-17")] * 5)

    told = results(await running.submit_lines(lines))

    statuses = sorted(each["status"] for each in told)
    assert statuses == ["accepted", *["repeated"] * 4]


async def test_a_batch_is_sent_as_lines_and_has_a_greatest_size(
    running: Running,
) -> None:
    headers = {**running.bearer(), "Content-Type": "application/json"}
    as_json = await running.http.post(
        "/v1/referrals/batch", headers=headers, content=ndjson(body())
    )

    too_long = await running.submit_lines(b" " * (10 * 1024 * 1024 + 1))

    assert as_json.status_code == 415
    assert too_long.status_code == 413
    assert results(await running.submit_lines(b"")) == []


async def test_everything_that_the_description_refers_to_is_in_it(
    running: Running,
) -> None:
    described = (await running.http.get("/openapi.json")).json()

    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert named <= set(described["components"]["schemas"])


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (None, "There is no referrals.yaml"),
        ("questions: [", "is not YAML"),
        (yaml.safe_dump({"version": "x"}), "expected_hours: Field required"),
    ],
)
def test_without_a_policy_the_service_does_not_start(
    settings: Settings, tmp_path: Any, policy: str | None, said: str
) -> None:
    if policy is not None:
        (tmp_path / "referrals.yaml").write_text(policy)

    with pytest.raises(BadConfiguration, match=said):
        create_app(settings.model_copy(update={"locality": tmp_path}))
