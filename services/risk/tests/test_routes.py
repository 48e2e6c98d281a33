"""Risk over HTTP."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.testing import COORDINATOR, NOON, Alive, new_id
from accord_contracts.access import Side
from accord_contracts.referrals import Answer, Party, PersonRole
from accord_contracts.risk import RiskLevel
from risk.domain.assessment import Assessment
from risk.domain.judgement.record import Contact
from risk.handlers import assess_corrected, assess_referral, stop_clock
from risk.judging import confirm_lowering, reassess
from risk.linking import note_one_person
from risk.store import Assessments
from risk_builders import (
    ALL_NO,
    POLICY,
    closed,
    one_person,
    referral,
    roles_decided,
)


@pytest.fixture
def client(risk: Alive) -> httpx2.AsyncClient:
    return risk.http


SENTINEL = "Sentinel Street 7"


@pytest.fixture
def worker(issuer: DevelopmentIssuer) -> dict[str, str]:
    token = issuer.token(
        "worker", "risk.read", "risk.work", region="test", worker=COORDINATOR
    )
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def case_id(risk: Alive) -> str:
    """A case that has been assessed."""
    message = referral("escalation")
    store = risk.service.store(Assessments)
    await assess_referral(message, assessments=store, policy=POLICY)
    return message.data.case_id


async def test_an_assessment_says_what_it_rests_on(
    client: httpx2.AsyncClient, case_id: str, worker: dict[str, str]
) -> None:
    answer = await client.get(f"/v1/assessments/{case_id}", headers=worker)

    assert answer.status_code == 200
    shown = answer.json()
    assert shown["level"] == "low"
    assert shown["reasons"] == ["escalation", "incident_verbal_abuse"]
    assert shown["answers"]["escalation"] == "yes"
    assert shown["unknowns"] == []
    assert shown["policy_version"] == POLICY.version
    assert answer.headers["cache-control"] == "no-store"


async def test_a_closed_case_has_no_reassessment_due_until_an_answer_says_yes(
    client: httpx2.AsyncClient, risk: Alive, case_id: str, worker: dict[str, str]
) -> None:
    path = f"/v1/assessments/{case_id}"

    open_ = (await client.get(path, headers=worker)).json()
    store = risk.service.store(Assessments)
    await stop_clock(closed(case_id), assessments=store)
    stopped = (await client.get(path, headers=worker)).json()
    nothing = await client.post(f"{path}/answers", json={"answers": {}}, headers=worker)
    yes = {"answers": {"stalking": "yes"}}
    added = await client.post(f"{path}/answers", json=yes, headers=worker)

    assert (open_["reassessment"], stopped["reassessment"]) == ("ahead", "stopped")
    assert open_["reassess_by"]
    assert stopped["reassess_by"] is None
    assert stopped["level"] == open_["level"]
    assert nothing.json()["reassessment"] == "stopped"
    assert added.json()["reassessment"] == "ahead"
    assert added.json()["reassess_by"]


async def test_answers_are_added_and_weighed(
    client: httpx2.AsyncClient, case_id: str, worker: dict[str, str]
) -> None:
    answer = await client.post(
        f"/v1/assessments/{case_id}/answers",
        json={"answers": {"threat_to_kill": Answer.YES}},
        headers=worker,
    )

    assert answer.status_code == 200
    assert answer.json()["level"] == "high"
    assert answer.json()["previous"] == "low"


async def test_an_unknown_case_is_not_found(
    client: httpx2.AsyncClient, worker: dict[str, str]
) -> None:
    answer = await client.get(f"/v1/assessments/{new_id()}", headers=worker)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:accord:problem:not-assessed"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"answers": {SENTINEL: "yes"}}, "/body/answers/*"),
        ({"answers": {"escalation": SENTINEL}}, "/body/answers/"),
        ({"answers": {}, SENTINEL: 1}, "/body/*"),
        ({}, "/body/answers"),
        ([SENTINEL], "/body"),
    ],
)
async def test_a_wrong_field_is_named_and_never_echoed(
    client: httpx2.AsyncClient,
    case_id: str,
    worker: dict[str, str],
    body: Any,
    pointer: str,
) -> None:
    answer = await client.post(
        f"/v1/assessments/{case_id}/answers", json=body, headers=worker
    )

    assert answer.status_code == 422
    assert SENTINEL not in answer.text
    assert any(each["pointer"].startswith(pointer) for each in answer.json()["errors"])


async def test_a_question_that_is_not_the_localitys_is_refused(
    client: httpx2.AsyncClient, case_id: str, worker: dict[str, str]
) -> None:
    answer = await client.post(
        f"/v1/assessments/{case_id}/answers",
        json={"answers": {"shoe_size": "yes"}},
        headers=worker,
    )

    assert answer.status_code == 422
    assert "shoe_size" not in answer.text


async def test_no_token_is_not_authenticated_and_a_lesser_one_not_allowed(
    client: httpx2.AsyncClient, case_id: str, issuer: DevelopmentIssuer
) -> None:
    path = f"/v1/assessments/{case_id}"
    reader = issuer.token("reader", "risk.read", region="test", worker=COORDINATOR)
    headers = {"Authorization": f"Bearer {reader}"}

    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=headers)).status_code == 200
    refused = await client.post(
        f"{path}/answers", json={"answers": {}}, headers=headers
    )
    assert refused.status_code == 403


async def test_an_assessment_can_be_said_aloud(
    client: httpx2.AsyncClient, case_id: str, worker: dict[str, str]
) -> None:
    path = f"/v1/assessments/{case_id}"
    told = {"answers": {"strangulation": "yes", "stalking": "unknown"}}

    shown = (await client.post(f"{path}/answers", json=told, headers=worker)).json()

    assert shown["level"] == "high"
    said = " ".join(shown["explanation"])
    assert "The risk is high." in said
    assert "Whatever the scores, this makes it high: strangulation or choking." in said
    assert "Tier high: independent victim specialist" in said
    assert f"It was weighed by {POLICY.version}." in said
    assert shown["tier"]["clocks"]["safe_contact"] == 24
    assert [each["instrument"] for each in shown["results"]] == ["triage", "da5"]


async def test_a_form_that_was_filled_in_is_weighed_and_kept(
    client: httpx2.AsyncClient, case_id: str, worker: dict[str, str]
) -> None:
    path = f"/v1/assessments/{case_id}/answers"
    told = {
        "answers": {},
        "instruments": {"dash": {"total": 14}, "dyra": {"total": 3}},
    }

    shown = (await client.post(path, json=told, headers=worker)).json()

    assert shown["level"] == "high"
    assert "dash_visible_high_risk" in shown["reasons"]
    assert {key: each["total"] for key, each in shown["forms"].items()} == {
        "dash": 14,
        "dyra": 3,
    }
    assert any("no level rests on it" in each for each in shown["explanation"])


@pytest.mark.parametrize(
    "forms", [{"tea_leaves": {"total": 1}}, {"dash": {"answers": {"shoe_size": "yes"}}}]
)
async def test_a_form_of_no_instrument_of_the_locality_is_refused(
    client: httpx2.AsyncClient,
    case_id: str,
    worker: dict[str, str],
    forms: dict[str, Any],
) -> None:
    path = f"/v1/assessments/{case_id}/answers"

    told = {"answers": {}, "instruments": forms}
    answer = await client.post(path, json=told, headers=worker)

    assert answer.status_code == 422
    assert "shoe_size" not in answer.text


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"dash": {"numbers": {"dash_01": 1}}}, "dash.dash_01"),
        ({"e_hits": {"answers": {"e_hits_1": "yes"}}}, "e_hits.e_hits_1"),
        ({"da5": {"total": 3}}, "da5.total"),
    ],
)
@pytest.mark.parametrize("name", ["answers", "reassessment"])
async def test_what_would_not_count_as_it_is_told_is_refused_by_name(
    risk: Alive,
    case_id: str,
    worker: dict[str, str],
    name: str,
    *,
    form: dict[str, Any],
    field: str,
) -> None:
    told = {"answers": {}, "instruments": form}
    if name == "reassessment":
        told["contact"] = "none"

    path = f"/v1/assessments/{case_id}/{name}"
    answer = await risk.http.post(path, json=told, headers=worker)

    assert answer.status_code == 422
    assert answer.json()["detail"] == f"not answered so: instruments.{field}"


async def test_a_level_is_raised_proved_and_lowered_and_its_history_says_by_whom(
    client: httpx2.AsyncClient,
    risk: Alive,
    case_id: str,
    worker: dict[str, str],
) -> None:
    path = f"/v1/assessments/{case_id}"

    async def post(name: str, body: dict[str, Any]) -> httpx2.Response:
        return await client.post(f"{path}/{name}", json=body, headers=worker)

    raised = await post("raising", {"level": "high", "reason": "agency_warns"})
    early = await post("lowering", {"level": "low", "reason": "danger_has_passed"})
    before = (await client.get(f"{path}/proof", headers=worker)).json()
    found = {"answers": ALL_NO, "contact": "in_person"}
    await found_low_the_day_before(risk, case_id)
    assert (await post("reassessment", found)).json()["level"] == "high"
    asked = await post("lowering", {"level": "low", "reason": "danger_has_passed"})
    own = await post("lowering/confirmation", {"level": "low"})
    lowered = await settled_lowering(risk, case_id)
    history = (await client.get(f"{path}/history", headers=worker)).json()

    assert (raised.status_code, raised.json()["level"]) == (200, "high")
    assert early.status_code == 409
    assert early.json()["type"] == "urn:accord:problem:not-proven"
    assert "lower_assessments_in_a_row, contact_in_person" in early.json()["detail"]
    assert before["lowering"]["missing"] == [
        "lower_assessments_in_a_row", "contact_in_person", "second_person",
    ]  # fmt: skip
    assert asked.status_code == 202
    assert asked.json()["lowering"]["missing"] == ["second_person"]
    assert asked.json()["asked"]["by"] == COORDINATOR
    assert own.json()["type"] == "urn:accord:problem:takes-a-second-person"
    assert lowered.level is RiskLevel.LOW
    assert [(e["how"], e["level"], e["by"]) for e in history["changes"]] == [
        ("weighed", "low", None),
        ("raised", "high", COORDINATOR),
        ("lowered", "low", COORDINATOR),
    ]
    assert [each["contact"] for each in history["reassessments"]] == ["in_person"] * 2


async def found_low_the_day_before(risk: Alive, case_id: str) -> None:
    """Have somebody have found it low; two on one day count as one."""
    await reassess(
        case_id,
        ALL_NO,
        Contact.IN_PERSON,
        by=new_id(),
        at=NOON - timedelta(days=1),
        assessments=risk.service.store(Assessments),
        policy=POLICY,
    )


async def settled_lowering(risk: Alive, case_id: str) -> Assessment:
    """Have somebody else confirm it."""
    return await confirm_lowering(
        case_id,
        RiskLevel.LOW,
        by=new_id(),
        at=NOON + timedelta(hours=1),
        assessments=risk.service.store(Assessments),
        policy=POLICY,
    )


async def test_pairs_put_right_and_children_are_shown_beside_their_case(
    client: httpx2.AsyncClient, risk: Alive, worker: dict[str, str]
) -> None:
    roles = (
        PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE, PersonRole.CHILD,
    )  # fmt: skip
    using, harmed, child = (Party(person_id=new_id(), role=each) for each in roles)
    message = referral("stalking", "threat_to_kill", parties=(harmed, using, child))
    store = risk.service.store(Assessments)
    await assess_referral(message, assessments=store, policy=POLICY)
    case_id, known_too = message.data.case_id, new_id()
    right = roles_decided(case_id, known_too, using.person_id, corrected=True)
    await assess_corrected(right, assessments=store, policy=POLICY)
    linked, _ = one_person(case_id, known_too, harmed.person_id)
    await note_one_person(linked, assessments=store, policy=POLICY)

    path = f"/v1/assessments/{case_id}/people"
    shown = (await client.get(path, headers=worker)).json()

    [pair], [one] = shown["pairs"], shown["children"]
    assert (pair["harmed_id"], pair["using_violence_id"]) == (
        harmed.person_id,
        using.person_id,
    )
    assert one["child_id"] == child.person_id
    for each in (pair["risk"], one["risk"]):
        assert each["level"] == "high"
        assert {"stalking", "threat_to_kill"} <= set(each["reasons"])


async def test_when_somebody_came_into_danger_by_what_and_why_is_shown_of_each(
    client: httpx2.AsyncClient,
    risk: Alive,
    worker: dict[str, str],
    issuer: DevelopmentIssuer,
) -> None:
    roles = (
        PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE, PersonRole.CHILD,
    )  # fmt: skip
    harmed, using, child = (Party(person_id=new_id(), role=each) for each in roles)
    first = referral(parties=(harmed, using))
    case_id = first.data.case_id
    second = referral("threat_to_kill", case_id=case_id, parties=(harmed, using, child))
    store = risk.service.store(Assessments)
    for message in (first, second):
        await assess_referral(message, assessments=store, policy=POLICY)

    meets_him = new_id()
    risk.standings.tell(meets_him, case_id, sides={Side.PERSON_USING_VIOLENCE})
    token = issuer.token("worker", "risk.read", region="test", worker=meets_him)

    path = f"/v1/assessments/{case_id}/people/history"
    hidden = await client.get(path, headers={"Authorization": f"Bearer {token}"})
    shown = (await client.get(path, headers=worker)).json()

    assert hidden.status_code == 404
    [pair], [one] = shown["pairs"], shown["children"]
    assert pair["harmed_id"] == harmed.person_id
    assert pair["using_violence_id"] == using.person_id
    assert one["child_id"] == child.person_id
    levels = [(e["previous"], e["level"], e["referral_id"]) for e in pair["changes"]]
    assert levels == [
        (None, "low", first.data.referral_id),
        ("low", "high", second.data.referral_id),
    ]
    assert "threat_to_kill" in pair["changes"][1]["why"]
    assert [each["level"] for each in one["changes"]] == ["high"]


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("raising", {"level": SENTINEL, "reason": "agency_warns"}, "/body/level"),
        ("raising", {"level": "high", "reason": SENTINEL}, "/body/reason"),
        ("reassessment", {"answers": {}, "contact": SENTINEL}, "/body/contact"),
        ("lowering", {"level": "low"}, "/body/reason"),
        ("lowering/confirmation", {"level": "low", SENTINEL: 1}, "/body/*"),
    ],
)
async def test_what_is_wrong_with_a_judgement_is_named_and_never_echoed(
    client: httpx2.AsyncClient,
    case_id: str,
    worker: dict[str, str],
    *,
    name: str,
    body: Any,
    pointer: str,
) -> None:
    path = f"/v1/assessments/{case_id}/{name}"
    answer = await client.post(path, json=body, headers=worker)

    assert answer.status_code == 422
    assert SENTINEL not in answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.fixture
def analyst(issuer: DevelopmentIssuer) -> dict[str, str]:
    token = issuer.token("analyst", "risk.validity", region="test")
    return {"Authorization": f"Bearer {token}"}


async def test_validity_says_that_there_is_too_little_and_is_drawn(
    client: httpx2.AsyncClient, case_id: str, analyst: dict[str, str]
) -> None:
    answer = await client.get("/v1/validity?days=90", headers=analyst)
    plot = await client.get("/v1/validity/plot", headers=analyst)
    other = await client.get("/v1/validity?days=91", headers=analyst)

    assert answer.status_code == 200
    assert answer.json()["says"] == "too_little"
    assert answer.json()["groups"] == []
    assert case_id not in answer.text
    assert plot.headers["content-type"] == "image/svg+xml"
    assert "Too little data" in plot.text
    assert other.status_code == 422


async def test_groups_are_noted_by_the_localitys_codes_and_weigh_nothing(
    client: httpx2.AsyncClient, risk: Alive, case_id: str, worker: dict[str, str]
) -> None:
    path = f"/v1/assessments/{case_id}"
    before = (await client.get(path, headers=worker)).json()

    noted = await client.put(
        f"{path}/groups", json={"groups": {"ethnicity": "maori"}}, headers=worker
    )
    refused = await client.put(
        f"{path}/groups", json={"groups": {"ethnicity": "martian"}}, headers=worker
    )

    assert noted.status_code == 204
    assert refused.status_code == 422
    assert "martian" not in refused.text
    assert (await client.get(path, headers=worker)).json() == before
    held = await risk.service.store(Assessments).get(case_id)
    assert held
    assert held.groups == {"ethnicity": "maori"}


async def test_another_service_is_told_what_is_missing_before_a_response_ends(
    client: httpx2.AsyncClient, risk: Alive, issuer: DevelopmentIssuer, case_id: str
) -> None:
    token = issuer.token("plans", "risk.ask", region="test")
    headers = {"Authorization": f"Bearer {token}"}
    one, other = new_id(), new_id()

    async def missing(closed_by: str) -> list[str]:
        asked = {"case_id": case_id, "closed_by": closed_by}
        answer = await client.post("/v1/proofs", json=asked, headers=headers)
        assert answer.status_code == 200
        assert answer.json()["case_id"] == case_id
        found: list[str] = answer.json()["missing"]
        return found

    before = await missing(one)
    await reassess(
        case_id,
        ALL_NO,
        Contact.IN_PERSON,
        by=one,
        at=NOON,
        assessments=risk.service.store(Assessments),
        policy=POLICY,
    )

    assert before == ["lower_assessments_in_a_row", "contact_in_person"]
    # Nobody ends a response on the word of their own reassessment.
    assert await missing(one) == ["second_person"]
    assert await missing(other) == []
    unknown = {"case_id": new_id(), "closed_by": one}
    answer = await client.post("/v1/proofs", json=unknown, headers=headers)
    assert answer.status_code == 404


async def test_only_a_service_asks_for_a_proof(
    client: httpx2.AsyncClient, case_id: str, worker: dict[str, str]
) -> None:
    asked = {"case_id": case_id, "closed_by": new_id()}

    answer = await client.post("/v1/proofs", json=asked, headers=worker)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("skills", "why_not"),
    [(["odara_certified"], None), (["driving"], "not_a_certified_sender")],
)
@pytest.mark.parametrize("path", ["answers", "reassessment"])
async def test_who_is_certified_is_in_the_directory(
    *,
    risk: Alive,
    client: httpx2.AsyncClient,
    case_id: str,
    worker: dict[str, str],
    path: str,
    skills: list[str],
    why_not: str | None,
) -> None:
    told = {"coordinator": True, "skills": frozenset(skills)}
    risk.standings.tell(COORDINATOR, case_id, **told)
    guards = dict.fromkeys(POLICY.used["odara"].applies_if, "yes")
    odara = {"answers": guards, "total": 13, "certified": True}
    body = {"answers": {}, "instruments": {"odara": odara}}
    body |= {"contact": "remote"} if path == "reassessment" else {}

    answer = await client.post(
        f"/v1/assessments/{case_id}/{path}", json=body, headers=worker
    )

    assert answer.status_code == 200
    results = answer.json()["results"]
    [found] = [each for each in results if each["instrument"] == "odara"]
    assert found["why_not"] == why_not
    assert answer.json()["level"] == ("low" if why_not else "high")
    said = any("not known to have one" in e for e in answer.json()["explanation"])
    assert said == (why_not is not None)
