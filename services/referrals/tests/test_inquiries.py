"""Asking agencies what they know, their decisions, and the disclosure ledger."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    audited,
    eventually,
    message_of,
    new_id,
    sent_by,
)
from accord_contracts.access import AGENCIES, Side, listed_id
from accord_contracts.grounds import Belief, S20Purpose
from accord_contracts.message import Lane, Message
from accord_contracts.papers import Audience
from accord_contracts.plans import (
    MeetingAsked,
    PaperGroup,
    PaperReleased,
    PaperTold,
)
from accord_contracts.referrals import (
    AgencyKind,
    Answer,
    InformationDecided,
    InformationOverdue,
    InformationPushed,
    InformationRequested,
    InformationWithdrawn,
    SharingDecision,
    SharingReason,
    WithdrawalReason,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from referrals import erasing, keeping
from referrals.accounting import enter_reading
from referrals.domain.agency import Agency, Registration, Standing
from referrals.domain.amendment import Change
from referrals.domain.case import Case, Taken
from referrals.domain.erasure import ERASED_NAME, Decision
from referrals.domain.inquiry import (
    MOST_DECISIONS,
    DecidedBefore,
    Inquiry,
    InquiryOver,
    Learned,
    Said,
    Terms,
)
from referrals.domain.ledger import (
    FieldGroup,
    Reading,
    of_asking,
    of_decision,
    of_learned,
)
from referrals.domain.registration import registered_under_s19
from referrals.erasing import Shelves
from referrals.inquiring import (
    Bureau,
    ask_for_meeting,
    enter_learned,
    enter_paper,
    push,
    tell_overdue,
)
from referrals.keeping import Disclosures, Inquiries
from referrals.routes import inquiries as inquiries_routes
from referrals_builders import JOHN, MERE, POLICY, Running, body, referral
from test_one_person import HEMI, RIPEKA, Desk

DAY = timedelta(days=1)
PEOPLE = tuple(sorted((new_id(), new_id())))
TEXT = "He was seen outside her work."
GROUNDS = {
    "belief": "may_help",
    "consulted": False,
    "why_not_safe": "danger_is_imminent",
}
OTHERWISE = {"purpose": "fva20_a", "consulted": True}
FOR_HER = {"purpose": "fva20_c", "consulted": True}
DECISION = Decision(reason="asked", by="x", at=NOON)


def terms(**told: Any) -> Terms:
    usual = {"people": PEOPLE, "purpose": "fva20_c", **GROUNDS}
    return Terms.model_validate(usual | told)


def asked(**told: Any) -> Inquiry:
    rules = POLICY.inquiries
    return Inquiry.ask(
        new_id(), "hospital", terms(**told), by="x", at=NOON, rules=rules
    )


def said(**told: Any) -> dict[str, Any]:
    """Give a decision as an agency sends it: one that shares an answer."""
    usual = {
        "decision": "shared",
        "reason": "will_or_may_help",
        "answers": {"stalking": "yes"},
        **GROUNDS,
    }
    return usual | told


def declined(**told: Any) -> dict[str, Any]:
    return said(
        decision="declined",
        reason="nothing_held",
        belief="no_reasonable_grounds",
        answers={},
        **told,
    )


def decided(inquiry: Inquiry, *sayings: dict[str, Any]) -> Inquiry:
    for number, each in enumerate(sayings, start=len(inquiry.decisions)):
        words = Said.model_validate(each)
        inquiry = inquiry.decide(words, replaces=number, by="y", at=NOON)
    return inquiry


@pytest.mark.parametrize(
    "wrong",
    [
        said(answers={}),
        said(belief="no_reasonable_grounds"),
        said(reason="nothing_held"),
        said(consulted=False, why_not_safe=None),
        declined() | {"answers": {"stalking": "yes"}},
        declined() | {"reason": "will_or_may_help"},
        said(decision="partly", answers={}),
    ],
)
def test_a_decision_and_what_it_shares_agree(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Said.model_validate(wrong)


def test_nobody_is_told_of_anybody_without_belief() -> None:
    with pytest.raises(ValidationError):
        terms(belief="no_reasonable_grounds")


def test_the_clock_is_the_localitys_unless_somebody_says_otherwise() -> None:
    assert asked().due_at == NOON + DAY
    assert asked(purpose="fva20_a").due_at == NOON + 3 * DAY
    assert asked(needed_by=NOON + 9 * DAY).due_at == NOON + 9 * DAY


def test_the_same_wish_is_the_same_inquiry_however_it_is_put() -> None:
    case, rules = new_id(), POLICY.inquiries
    one = Inquiry.ask(case, "hospital", terms(), by="x", at=NOON, rules=rules)
    turned = terms(people=(*reversed(PEOPLE), PEOPLE[0]))
    again = Inquiry.ask(case, "hospital", turned, by="z", at=NOON, rules=rules)
    other = Inquiry.ask(case, "refuge", terms(), by="x", at=NOON, rules=rules)

    assert again.id == one.id
    assert other.id != one.id


def test_a_decision_is_changed_only_by_another_that_names_it() -> None:
    first = decided(asked(), said())
    same = Said.model_validate(said())
    other = Said.model_validate(declined())

    assert first.due_at is None
    assert first.decide(same, replaces=0, by="y", at=NOON) is first
    for replaces in (0, 2):
        with pytest.raises(DecidedBefore):
            first.decide(other, replaces=replaces, by="y", at=NOON)
    changed = first.decide(other, replaces=1, by="y", at=NOON)
    assert [each.said for each in changed.decisions] == [same, other]


def test_an_inquiry_that_stands_no_more_is_not_decided_on() -> None:
    inquiry = asked()
    words = Said.model_validate(said())

    with pytest.raises(InquiryOver):
        inquiry.decide(words, replaces=0, by="y", at=inquiry.stands_until)
    many = decided(inquiry, *[said()] * MOST_DECISIONS)
    with pytest.raises(InquiryOver):
        many.decide(words, replaces=MOST_DECISIONS, by="y", at=NOON)


@given(
    st.lists(st.sets(st.sampled_from(PEOPLE), min_size=1), max_size=4), st.booleans()
)
def test_the_ledger_has_an_entry_for_everybody_of_whom_something_was_told(
    about: list[set[str]],
    answers: bool,  # noqa: FBT001 - Drawn by Hypothesis.
) -> None:
    pieces = [{"about": sorted(each), "text": TEXT} for each in about]
    told = {"stalking": "yes"} if answers else {}
    shares = bool(pieces or answers)
    words = said(answers=told, pieces=pieces) if shares else declined()
    inquiry = decided(asked(), words)

    found = [*of_decision(inquiry, 1)]

    of_pieces = {e.person_id for e in found if e.group is FieldGroup.PIECES}
    of_answers = {e.person_id for e in found if e.group is FieldGroup.INDICATORS}
    assert of_pieces == set().union(*about)
    assert of_answers == (set(PEOPLE) if answers else set())
    assert len({each.id for each in found}) == len(found)
    assert {(e.holder, e.agency) for e in found} <= {("hospital", None)}
    assert {e.person_id for e in of_asking(inquiry)} == set(PEOPLE)
    assert {e.agency for e in of_asking(inquiry)} == {"hospital"}


def test_a_tombstone_of_the_ledger_has_no_value_left() -> None:
    [entry, _] = of_asking(asked())

    entry = entry.model_copy(update={"transfer": True, "own": True})
    left = entry.tombstone(DECISION).model_dump(exclude_none=True)

    assert not left.pop("transfer")
    assert not left.pop("own")
    assert left.keys() == {"id", "version", "person_id", "at", "erased"}


@pytest.mark.parametrize(
    ("entry", "registered"),
    [
        ({"registered_as": Standing.FAMILY_VIOLENCE_AGENCY}, True),
        ({"registered_as": Standing.SOCIAL_SERVICES_PRACTITIONER}, True),
        ({}, False),
        ({"registered_as": "family_violence_agency", "valid_from": NOON + DAY}, False),
        ({"registered_as": "family_violence_agency", "valid_until": NOON}, False),
    ],
)
def test_who_is_registered_under_s19_is_a_matter_of_dates(
    entry: dict[str, Any], *, registered: bool
) -> None:
    told = Registration(kind=AgencyKind.NGO, **entry)

    assert registered_under_s19(Agency.named("refuge", told), NOON) is registered


# Over HTTP, on a real store.


async def case_of(running: Running, **fields: Any) -> Case:
    """Have a family referred, and agencies that may be asked."""
    for agency, entry in (
        ("hospital", {"registered_as": "family_violence_agency"}),
        ("refuge", {"registered_as": "social_services_practitioner"}),
        ("employer", {}),
    ):
        assert (await running.register(agency, **entry)).status_code == 200
    posted = await running.submit(body(**fields), key=new_id())
    referral_id = posted.json()["referral_id"]
    found = await eventually(lambda: running.cases.of_referral(referral_id))
    assert found
    return found


async def works(
    running: Running, method: str, path: str, told: Any = None, **claims: Any
) -> httpx2.Response:
    """Have the coordinator, or another worker, ask for something."""
    claims = {"worker": COORDINATOR, **claims}
    headers = running.bearer("referrals.inquire", agency="", **claims)
    return await running.http.request(method, f"/v1/{path}", headers=headers, json=told)


async def ask(
    running: Running, case: Case, *agencies: str, **told: Any
) -> httpx2.Response:
    usual = {
        "agencies": agencies or ["hospital"],
        "people": [each.person_id for each in case.people],
        "purpose": "fva20_c",
        **GROUNDS,
    }
    worker = told.pop("worker", COORDINATOR)
    path = f"cases/{case.id}/inquiries"
    return await works(running, "POST", path, usual | told, worker=worker)


def him(case: Case) -> list[str]:
    """Give who used violence in a case."""
    return [e.person_id for e in case.people if e.role == "person_using_violence"]


async def inquiry_of(running: Running, case: Case, **told: Any) -> str:
    answer = await ask(running, case, **told)
    assert answer.status_code == 201, answer.text
    [made] = answer.json()["inquiries"]
    return str(made["inquiry_id"])


async def sees(running: Running, agency: str = "hospital") -> list[dict[str, Any]]:
    headers = running.bearer("referrals.answer", agency=agency)
    answer = await running.http.get("/v1/inquiries", headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["inquiries"]
    return found


async def decides(
    running: Running, inquiry_id: str, told: dict[str, Any], agency: str = "hospital"
) -> httpx2.Response:
    headers = running.bearer("referrals.answer", agency=agency)
    path = f"/v1/inquiries/{inquiry_id}/decision"
    return await running.http.post(path, headers=headers, json=told)


async def ledger_of(running: Running, person_id: str) -> httpx2.Response:
    headers = running.bearer("referrals.disclosures", agency="")
    path = f"/v1/people/{person_id}/disclosures"
    return await running.http.get(path, headers=headers)


async def told_by(running: Running, kind: type[Any]) -> list[Any]:
    found = await sent_by(running.service, running.broker)
    return [each for each in found if isinstance(each.data, kind)]


async def entered(running: Running, person_id: str, count: int) -> list[dict[str, Any]]:
    """Wait until so much stands in the ledger about somebody, by inquiries."""

    async def look() -> list[dict[str, Any]] | None:
        told = (await ledger_of(running, person_id)).json()["disclosures"]
        found = [each for each in told if each["inquiry_id"]]
        return found if len(found) == count else None

    found = await eventually(look)
    assert found
    return found


async def test_an_agency_sees_whom_it_is_asked_about_and_nothing_of_the_case(
    running: Running,
) -> None:
    contact = [{"channel": "post", "value": "1 Somewhere Street"}]
    nhi = [{"system": "nhi", "value": "ZZZ0016"}]
    mere = {**MERE, "contact_points": contact, "identifiers": nhi}
    case = await case_of(running, people=[mere, JOHN], narrative="What was seen.")
    await inquiry_of(running, case, questions=["stalking"])

    [shown] = await sees(running)

    described = {
        way["given_name"]: way for each in shown["people"] for way in each["described"]
    }
    assert described["Mere"] == {
        "given_name": "Mere",
        "family_name": "Tāmihana",
        "date_of_birth": "1991-03-07",
        "gender": "not_stated",
    }
    assert described.keys() == {"Mere", "John"}
    assert shown["questions"] == ["stalking"]
    for hidden in (case.id, "Somewhere", "What was seen", "ZZZ0016", "person_harmed"):
        assert hidden not in str(shown)


@pytest.mark.parametrize(("own", "noticed"), [("CARTER", 1), ("Tai", 0), ("", 0)])
async def test_who_finds_their_own_name_among_those_sought_is_noticed(
    running: Running, own: str, noticed: int
) -> None:
    case = await case_of(running)
    await inquiry_of(running, case)
    claims = {"agency": "hospital", "family_name": own}
    headers = running.bearer("referrals.answer", **claims)

    answer = await running.http.get("/v1/inquiries", headers=headers)

    assert JOHN["family_name"] in answer.text
    entries = await audited(running.service.audit)
    seen = [each for each in entries if each.action == "namesake.seen"]
    assert [each.resource for each in seen] == ["inquiries"] * noticed


async def test_an_agency_sees_and_decides_its_own_inquiries_only(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)

    assert await sees(running, "refuge") == []
    refused = await decides(running, inquiry_id, said(), agency="refuge")
    assert refused.status_code == 404
    assert (await decides(running, new_id(), said())).status_code == 404
    held = await running.service.store(Inquiries).get(inquiry_id)
    assert held
    assert held.latest is None


async def test_asked_twice_while_it_stands_it_is_one_inquiry(
    running: Running, clock: SimulatedClock
) -> None:
    case = await case_of(running)
    first = await inquiry_of(running, case)
    assert await inquiry_of(running, case) == first
    clock.advance(40 * DAY)

    assert await sees(running) == []
    later = await inquiry_of(running, case)

    assert later != first
    assert await inquiry_of(running, case) == later
    assert len(await told_by(running, InformationRequested)) <= 2


async def test_who_is_beyond_s19_is_told_only_under_ipp_11_with_a_ground(
    running: Running,
) -> None:
    case = await case_of(running)

    refused = await ask(running, case, "hospital", "employer", "nobody")
    told = await ask(running, case, "employer", ipp11="serious_threat")

    rules = {each["pointer"]: each["rule"] for each in refused.json()["errors"]}
    assert refused.status_code == 422
    assert rules == {
        "/body/agencies/1": "not registered under s19",
        "/body/agencies/2": "not in the register",
    }
    assert await sees(running) == []
    assert told.status_code == 201
    assert len(await sees(running, "employer")) == 1


async def test_who_is_no_longer_registered_sees_and_decides_nothing(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    assert len(await sees(running)) == 1
    await running.register("hospital")

    assert await sees(running) == []
    assert (await decides(running, inquiry_id, said())).status_code == 404


async def withdraw(
    running: Running, case: Case, inquiry_id: str, worker: str = COORDINATOR
) -> int:
    path = f"cases/{case.id}/inquiries/{inquiry_id}/withdrawal"
    told = {"reason": "wrong_person"}
    return (await works(running, "POST", path, told, worker=worker)).status_code


async def test_who_is_asked_no_more_sees_and_decides_nothing(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case, people=him(case))
    [john] = him(case)
    before = await entered(running, john, 1)
    outreach = new_id()
    side = frozenset({Side.PERSON_USING_VIOLENCE})
    running.standings.tell(outreach, case.id, sides=side)
    other = await case_of(running, people=[{**MERE, "given_name": "Hana"}])
    assert await withdraw(running, case, inquiry_id, outreach) == 404
    assert await withdraw(running, other, inquiry_id) == 404
    assert len(await sees(running)) == 1

    found = [await withdraw(running, case, inquiry_id) for _ in range(2)]

    assert found == [204, 204]
    assert await sees(running) == []
    assert (await decides(running, inquiry_id, said())).status_code == 404
    [told] = await told_by(running, InformationWithdrawn)
    assert (told.data.inquiry_id, told.data.agency) == (inquiry_id, "hospital")
    assert await entered(running, john, 1) == before
    shown = await works(running, "GET", f"cases/{case.id}/inquiries")
    [view] = shown.json()["inquiries"]
    assert (view["withdrawn_for"], view["inquiry_id"]) == ("wrong_person", inquiry_id)
    # Asked anew it is another inquiry.
    assert await inquiry_of(running, case, people=him(case)) != inquiry_id


def test_what_does_not_stand_any_more_is_not_withdrawn() -> None:
    over = DECISION.model_copy(update={"at": NOON + 400 * DAY})

    with pytest.raises(InquiryOver):
        asked().withdraw(over)
    withdrawn = asked().withdraw(DECISION)
    assert withdrawn.withdraw(over) is withdrawn
    assert (withdrawn.due_at, withdrawn.stands(NOON)) == (None, False)
    assert not withdrawn.stands(NOON - DAY)


async def test_what_cannot_be_asked_is_refused_field_by_field(running: Running) -> None:
    case = await case_of(running)

    answer = await ask(
        running,
        case,
        people=[new_id()],
        questions=["stalking", "shoe_size"],
        needed_by=NOON.isoformat(),
    )

    assert answer.status_code == 422
    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/body/people/0",
        "/body/questions/1",
        "/body/needed_by",
    }


async def test_only_who_leads_or_coordinates_asks_and_outreach_sees_nothing(
    running: Running,
) -> None:
    case = await case_of(running)
    specialist, outreach = new_id(), new_id()
    using = frozenset({Side.PERSON_USING_VIOLENCE})
    running.standings.tell(outreach, case.id, sides=using)
    inquiry_id = await inquiry_of(running, case)
    paths = (f"cases/{case.id}/inquiries", f"cases/{case.id}/inquiries/{inquiry_id}")

    for worker in (specialist, outreach):
        assert (await ask(running, case, worker=worker)).status_code == 404
    for path in paths:
        seen = await works(running, "GET", path, worker=specialist)
        hidden = await works(running, "GET", path, worker=outreach)
        assert (seen.status_code, hidden.status_code) == (200, 404)
    elsewhere = f"cases/{new_id()}/inquiries/{inquiry_id}"
    assert (await works(running, "GET", elsewhere)).status_code == 404


async def test_what_is_shared_reaches_the_case_as_the_agencys_own_word(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    [mere] = case.harmed
    pieces = [{"about": [mere], "text": TEXT}]

    answer = await decides(running, inquiry_id, said(pieces=pieces))

    assert answer.status_code == 200, answer.text
    assert TEXT not in answer.text
    path = f"cases/{case.id}/inquiries"
    whole = (await works(running, "GET", f"{path}/{inquiry_id}")).json()
    [piece] = whole["shared"]
    assert (piece["agency"], piece["text"], piece["about"]) == (
        "hospital",
        TEXT,
        [mere],
    )
    assert piece["purpose"] == "fva20_c"
    assert TEXT not in (await works(running, "GET", path)).text
    kept = await running.service.store(Inquiries).documents.find_one({})
    assert TEXT not in str(kept)


async def test_a_decision_is_told_once_with_its_codes(running: Running) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    told = said(answers={"strangulation": "yes"})

    first = await decides(running, inquiry_id, told)
    again = await decides(running, inquiry_id, told)
    other = await decides(running, inquiry_id, declined())
    changed = await decides(running, inquiry_id, declined(replaces=1))

    assert first.json() == again.json()
    assert (other.status_code, changed.json()["number"]) == (409, 2)
    held = await running.service.store(Inquiries).get(inquiry_id)
    assert held
    assert len(held.decisions) == 2


async def test_a_grave_answer_is_told_in_the_urgent_lane(running: Running) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    heard: list[Any] = []
    store = running.service.store(Inquiries)
    save = store.save

    async def listen(entity: Inquiry, *events: Any, **how: Any) -> Inquiry:
        heard.extend((each, how.get("lane")) for each in events)
        return await save(entity, *events, **how)

    store.save = listen  # type: ignore[method-assign]  # Hears what is told.
    await decides(running, inquiry_id, said(answers={"strangulation": "yes"}))

    [(told, lane)] = heard
    assert isinstance(told, InformationDecided)
    assert dict(told.answers) == {"strangulation": "yes"}
    assert lane is Lane.URGENT


async def test_silence_is_told_of_once(running: Running, clock: SimulatedClock) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    store, bureau = running.service.store(Inquiries), running.service.parts[Bureau]
    clock.advance(DAY + timedelta(hours=1))

    async def told() -> Inquiry | None:
        held = await store.get(inquiry_id)
        return held if held and held.due_at is None else None

    late = await eventually(told)
    assert late
    await tell_overdue(late, bureau=bureau)

    held = await store.get(inquiry_id)
    assert held == late
    assert (await decides(running, inquiry_id, said())).status_code == 200


async def test_the_ledger_says_who_got_what_of_whom_on_which_ground(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    [mere] = case.harmed
    [john] = {each.person_id for each in case.people} - {mere}
    pieces = [{"about": [mere], "text": TEXT}]
    await decides(running, inquiry_id, said(pieces=pieces, belief="will_help"))

    of_mere, of_john = await entered(running, mere, 3), await entered(running, john, 2)

    by_group = {each["group"]: each for each in of_mere}
    assert by_group["identity"]["agency"] == "hospital"
    assert by_group["identity"]["holder"] is None
    assert by_group["pieces"]["holder"] == "hospital"
    assert by_group["pieces"]["case_id"] == case.id
    assert by_group["pieces"]["belief"] == "will_help"
    assert by_group["identity"]["why_not_safe"] == "danger_is_imminent"
    assert {each["purpose"] for each in of_mere} == {"fva20_c"}
    assert {each["group"] for each in of_john} == {"identity", "indicators"}
    assert (await ledger_of(running, new_id())).status_code == 404
    assert TEXT not in (await ledger_of(running, mere)).text


async def test_the_ledger_says_what_a_referral_told_and_who_was_shown_how_to_reach_her(
    running: Running, clock: SimulatedClock
) -> None:
    safe = {"channel": "phone", "value": "021 555 0100", "safety": "safe"}
    people = [{**MERE, "contact_points": [safe]}, JOHN]
    case = await case_of(running, people=people, narrative=TEXT)
    [mere] = case.harmed
    headers = running.bearer("referrals.contacts", agency="refuge", worker=COORDINATOR)
    path = f"/v1/people/{mere}/contacts?purpose=fva20_b"

    # Once a day, however often it is read.
    for _ in range(2):
        shown = await running.http.get(path, headers=headers)
        assert shown.json()["contacts"][0]["value"] == safe["value"]

    told = (await ledger_of(running, mere)).json()["disclosures"]
    [referral_id] = [each.referral_id for each in case.episodes]
    by_agency = [e["group"] for e in told if e["referral_id"] == referral_id]
    assert by_agency == ["contact", "identity", "pieces"]
    assert {e["holder"] for e in told if e["referral_id"]} == {"police"}
    assert {e["case_id"] for e in told} == {case.id}
    [read] = [each for each in told if each["worker"]]
    assert (read["group"], read["agency"]) == ("contact", "refuge")
    assert (read["worker"], read["purpose"]) == (COORDINATOR, "fva20_b")
    assert "0100" not in (await ledger_of(running, mere)).text
    clock.advance(DAY)
    await running.http.get(path, headers=headers)
    told = (await ledger_of(running, mere)).json()["disclosures"]
    assert len([each for each in told if each["worker"]]) == 2


async def test_what_may_not_be_used_is_nothing_that_was_shown(running: Running) -> None:
    unsafe = {"channel": "phone", "value": "021 555 0100", "safety": "unsafe"}
    case = await case_of(running, people=[{**MERE, "contact_points": [unsafe]}, JOHN])
    [mere] = case.harmed
    headers = running.bearer("referrals.contacts", agency="", worker=COORDINATOR)

    await running.http.get(
        f"/v1/people/{mere}/contacts?purpose=fva20_b", headers=headers
    )

    told = (await ledger_of(running, mere)).json()["disclosures"]
    assert not [each for each in told if each["worker"]]


@pytest.mark.parametrize(
    "stands",
    [{"excluded": True}, {"sides": frozenset({Side.PERSON_USING_VIOLENCE})}],
    ids=["barred", "serves him"],
)
async def test_who_is_barred_from_a_case_or_serves_him_does_not_read_a_ledger(
    running: Running, stands: dict[str, Any]
) -> None:
    case = await case_of(running)
    [mere] = case.harmed
    barred = new_id()
    running.standings.tell(barred, case.id, **stands)
    headers = running.bearer("referrals.disclosures", agency="", worker=barred)

    answer = await running.http.get(f"/v1/people/{mere}/disclosures", headers=headers)

    assert answer.status_code == 404


async def test_what_is_entered_while_somebody_is_erased_is_bare(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves, person, case = running.service.parts[Shelves], new_id(), new_id()
    save = Disclosures.save

    async def erased_meanwhile(store: Disclosures, entry: Any) -> Any:
        monkeypatch.undo()
        await erasing.forget(person, DECISION, shelves)
        return await save(store, entry)

    monkeypatch.setattr(Disclosures, "save", erased_meanwhile)
    reading = Reading(
        issuer="somewhere", subject="somebody", agency=None, worker=None, purpose=None
    )
    await enter_reading([person], case, reading, NOON, shelves)

    [entry] = await shelves.disclosures.about(person)
    assert entry.erased == DECISION
    assert (entry.group, entry.case_id, entry.purpose) == (None, None, None)


async def test_who_is_erased_is_in_no_piece_and_the_ledger_stays_bare(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    [mere] = case.harmed
    [john] = {each.person_id for each in case.people} - {mere}
    pieces = [
        {"about": [mere, john], "text": TEXT},
        {"about": [john], "text": "He moved."},
    ]
    await decides(running, inquiry_id, said(pieces=pieces))
    await entered(running, mere, 3)
    shelves = running.service.parts[Shelves]

    await erasing.erase_person(mere, DECISION, NOON, shelves)

    path = f"cases/{case.id}/inquiries/{inquiry_id}"
    shared = (await works(running, "GET", path)).json()["shared"]
    assert [each["text"] for each in shared] == [ERASED_NAME, "He moved."]
    left = (await ledger_of(running, mere)).json()["disclosures"]
    assert len(left) == 3
    assert {each["erased"] for each in left} == {True}
    assert {value for each in left for value in (each["group"], each["agency"])} == {
        None
    }
    [shown] = await sees(running)
    described = {each["person_id"]: each["described"] for each in shown["people"]}
    assert described[mere] == []
    assert described[john]
    again = said(pieces=[{"about": [mere], "text": TEXT}], replaces=1)
    assert (await decides(running, inquiry_id, again)).status_code == 422
    assert (await ask(running, case)).status_code == 422


async def test_with_its_case_all_that_was_shared_is_erased(running: Running) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    [mere] = case.harmed
    await decides(running, inquiry_id, said(pieces=[{"about": [mere], "text": TEXT}]))
    await entered(running, mere, 3)
    store, shelves = running.service.store(Inquiries), running.service.parts[Shelves]

    await erasing.erase_case(case.id, DECISION, NOON, shelves)

    async def erased() -> Inquiry | None:
        held = await store.get(inquiry_id)
        return held if held and held.erased else None

    held = await eventually(erased)
    assert held
    assert held.decisions == ()
    assert await sees(running) == []
    keys = await store.vault.keys_of(store.record(inquiry_id))
    assert keys
    assert not any(keys.values())
    assert (await decides(running, inquiry_id, said())).status_code == 404


def told_on(group: PaperGroup, side: Side, person_id: str | None = None) -> PaperTold:
    return PaperTold(group=group, side=side, person_id=person_id)


async def left(running: Running, case: Case, *told: PaperTold, **fields: Any) -> None:
    """Have plans tell that a paper has left, twice."""
    usual = {
        "release_id": new_id(),
        "meeting_id": None,
        "audience": Audience.AGENCY,
        "agency": "refuge",
        "person_id": None,
        "worker_id": COORDINATOR,
        "released_at": NOON,
    }
    message = message_of(PaperReleased(case_id=case.id, told=told, **usual | fields))
    for _ in range(2):
        await enter_paper(message, bureau=running.service.parts[Bureau])


async def told_to(
    running: Running, agency: str, worker: str = "", **where: str
) -> dict[str, Any]:
    headers = running.bearer("referrals.disclosures", agency="", worker=worker)
    path = f"/v1/agencies/{agency}/disclosures"
    answer = await running.http.get(path, headers=headers, params=where)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_paper_that_left_stands_in_the_ledger_of_whom_it_is_about(
    running: Running,
) -> None:
    child = {**MERE, "given_name": "Tama", "role": "child", "date_of_birth": "2018"}
    case = await case_of(running, people=[MERE, JOHN, child])
    [mere], [john] = case.harmed, him(case)
    [tama] = {each.person_id for each in case.people} - {mere, john}

    await left(
        running,
        case,
        told_on(PaperGroup.PLAN, Side.PERSON_HARMED),
        told_on(PaperGroup.RISK, Side.WHOLE_CASE),
        told_on(PaperGroup.NEEDS, Side.PERSON_HARMED, mere),
        told_on(PaperGroup.WORDS, Side.PERSON_USING_VIOLENCE),
    )

    async def about(person_id: str) -> list[str]:
        told = (await ledger_of(running, person_id)).json()["disclosures"]
        found = [each for each in told if each["release_id"]]
        assert {(e["agency"], e["worker"]) for e in found} == {("refuge", COORDINATOR)}
        return sorted(each["group"] for each in found)

    assert await about(mere) == ["needs", "plan", "risk"]
    assert await about(tama) == ["plan", "risk"]
    assert await about(john) == ["risk", "words"]


async def test_what_an_agency_was_ever_told_is_read_a_page_at_a_time(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (keeping, inquiries_routes):
        monkeypatch.setattr(each, "TOLD_PAGE", 2)
    case = await case_of(running)
    await inquiry_of(running, case, agencies=["hospital"])
    risk = told_on(PaperGroup.RISK, Side.WHOLE_CASE)
    for hours in (0, 1, 1):
        at = NOON - timedelta(hours=hours)
        await left(running, case, risk, released_at=at)
    await left(running, case, risk, agency="hospital")

    pages, where = [], {}
    while True:
        page = await told_to(running, "refuge", **where)
        pages.append(page["disclosures"])
        if page["until"] is None:
            break
        where = {"until": page["until"], "after": page["after"]}

    assert [len(each) for each in pages] == [2, 2, 2, 0]
    told = [each for page in pages for each in page]
    assert [e["at"] for e in told] == sorted((e["at"] for e in told), reverse=True)
    assert len({(e["release_id"], e["person_id"]) for e in told}) == 6
    assert {each["agency"] for each in told} == {"refuge"}
    by_inquiry = [
        each
        for each in (await told_to(running, "hospital"))["disclosures"]
        if each["inquiry_id"]
    ]
    assert {each["group"] for each in by_inquiry} <= {"identity"}
    assert [
        each.case_id
        for each in await audited(running.service.audit)
        if each.action == "disclosures.read" and each.case_id
    ]


async def test_whoever_is_barred_from_a_case_does_not_read_what_an_agency_has_of_it(
    running: Running,
) -> None:
    case, barred = await case_of(running), new_id()
    await left(running, case, told_on(PaperGroup.RISK, Side.WHOLE_CASE))
    running.standings.tell(barred, case.id, excluded=True)

    assert len((await told_to(running, "refuge"))["disclosures"]) == 2
    assert (await told_to(running, "refuge", barred))["disclosures"] == []


async def test_how_full_a_page_is_does_not_tell_a_barred_reader_what_is_hidden(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (keeping, inquiries_routes):
        monkeypatch.setattr(each, "TOLD_PAGE", 2)
    hidden = await case_of(running)
    others = [{**MERE, "given_name": "Ana"}, {**JOHN, "given_name": "Tom"}]
    seen, barred = await case_of(running, people=others), new_id()
    running.standings.tell(barred, hidden.id, excluded=True)
    for hours, case in enumerate((hidden, seen, hidden, hidden, seen, hidden)):
        at = NOON - timedelta(hours=hours)
        told = told_on(PaperGroup.RISK, Side.WHOLE_CASE)
        await left(running, case, told, released_at=at)

    pages, where = [], {}
    while True:
        page = await told_to(running, "refuge", barred, **where)
        pages.append(page["disclosures"])
        if page["until"] is None:
            break
        where = {"until": page["until"], "after": page["after"]}

    assert [len(each) for each in pages] == [2, 2, 0]
    told_of = {each["person_id"] for page in pages for each in page}
    assert told_of == {each.person_id for each in seen.people}


async def test_a_pack_about_two_cases_of_somebody_is_in_the_ledger_for_each(
    running: Running,
) -> None:
    one = await case_of(running)
    others = [{**MERE, "given_name": "Ana"}, JOHN]
    two, pack = await case_of(running, people=others), new_id()
    [john] = him(one)
    assert one.id != two.id
    assert him(two) == [john]
    for case in (one, two):
        told = told_on(PaperGroup.RISK, Side.WHOLE_CASE)
        await left(running, case, told, release_id=pack)

    found = await running.service.parts[Bureau].disclosures.about(john)
    assert sorted(e.case_id or "" for e in found if e.release_id == pack) == sorted(
        [one.id, two.id]
    )


async def test_every_query_is_served_by_an_index(running: Running) -> None:
    inquiries = running.service.store(Inquiries)
    disclosures = running.service.store(Disclosures)

    for store, query in (
        (inquiries, {"agency": "hospital", "_id": {"$gt": ""}}),
        (inquiries, {"case_id": "c", "_id": {"$gt": ""}}),
        (inquiries, {"terms.people": "p"}),
        (inquiries, {"learned.through": {"$in": ["p"]}}),
        (disclosures, {"person_id": "p"}),
        (disclosures, {"agency": "a", "at": NOON, "_id": {"$gt": ""}}),
        (disclosures, {"agency": "a", "at": {"$lt": NOON}}),
    ):
        plan = await store.documents.find(query).explain()
        assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])


def test_an_agency_is_registered_from_when_to_when() -> None:
    periods = (
        {"registered_as": "family_violence_agency", "until": NOON},
        {"registered_as": "social_services_practitioner", "since": NOON + DAY},
    )
    told = Registration.model_validate({"kind": "ngo", "periods": periods})
    agency = Agency.named("refuge", told)

    found = [registered_under_s19(agency, NOON + n * DAY) for n in (-1, 0, 0.5, 1)]

    assert found == [True, False, False, True]
    assert told.standing(NOON + DAY) is Standing.SOCIAL_SERVICES_PRACTITIONER


def test_what_is_shared_elsewhere_is_told_without_its_words() -> None:
    him, her, other = sorted((new_id(), new_id(), new_id()))
    mine = asked(people=(him, her))
    pieces = [{"about": [him], "text": TEXT}]
    there = asked(people=(him, other))
    both = decided(there, said(pieces=pieces))
    alone = decided(asked(people=(him,)), said(pieces=pieces))

    some, all_ = (mine.concerns(each, 1, NOON) for each in (both, alone))

    assert some
    assert all_
    assert (some.about, some.answers) == ((him,), {})
    assert (all_.about, all_.answers) == ((him,), {"stalking": "yes"})
    assert TEXT not in f"{some!r} {all_!r}"
    assert mine.learn(some).learn(some).learned == (some,)
    assert mine.learn(some).without_learned_about(him).learned == ()


def test_what_was_shared_elsewhere_gives_way_to_what_replaces_it() -> None:
    mine = asked()
    there = decided(asked(), said(), said(answers={"stalking": "no"}))
    first, second = (mine.concerns(there, each, NOON) for each in (1, 2))
    elsewhere = mine.concerns(decided(asked(), said()), 1, NOON)
    assert first
    assert second
    assert elsewhere

    knows = mine.learn(first).learn(elsewhere).learn(second)

    assert knows.learned == (elsewhere, second)
    assert knows.learn(first) is knows
    assert knows.without_learned_from(there).learned == (elsewhere,)
    assert mine.without_learned_from(there) is mine
    # Each is a disclosure of its own, whatever stands now.
    entered = [
        {each.id for each in of_learned(mine, new_id(), "hospital", one.about, one.at)}
        for one in (first, second)
    ]
    assert all(entered)
    assert entered[0].isdisjoint(entered[1])


def test_what_was_told_before_an_inquiry_was_over_stays_as_far_as_it_is_said() -> None:
    both = {"stalking": "yes", "strangulation": "yes"}
    less = both | {"strangulation": "no", "threats_to_kill": "yes"}
    mine, over = asked(), NOON + 99 * DAY
    there = decided(asked(), said(answers=both))
    first = mine.concerns(there, 1, NOON)
    assert first
    knows = mine.learn(first)

    again = knows.concerns(there, 1, over)
    left = knows.concerns(decided(there, said(answers=less)), 2, over)

    assert again == first
    assert left
    assert (left.about, left.answers) == (first.about, {"stalking": "yes"})
    assert knows.learn(left).learned == (left,)
    assert knows.concerns(decided(there, declined()), 2, over) is None
    elsewhere = decided(asked(people=PEOPLE[:1]), said(answers=both))
    some = mine.concerns(elsewhere, 1, NOON)
    assert some
    of_other = Learned.model_validate(first.model_dump() | {"about": PEOPLE[1:]})
    assert some.as_far_as(of_other) is None


@pytest.mark.parametrize(
    "other",
    [
        asked(purpose="fva20_a"),
        asked(people=(new_id(),)),
    ],
)
def test_nothing_is_told_to_whoever_asked_for_something_else(other: Inquiry) -> None:
    mine = asked()

    assert mine.concerns(decided(other, said()), 1, NOON) is None
    assert mine.concerns(decided(mine, said()), 1, NOON) is None
    assert mine.concerns(decided(asked(), declined()), 1, NOON) is None
    assert mine.concerns(decided(asked(), said()), 1, NOON + 99 * DAY) is None
    assert mine.concerns(decided(asked(), said()), 1, NOON)


async def test_what_becomes_known_later_is_pushed_to_who_asked_for_the_same(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry = await inquiry_of(running, case)
    other = await case_of(running, people=[{**MERE, "given_name": "Aroha"}, JOHN])
    there = await inquiry_of(running, other, people=him(other))

    assert (await decides(running, there, said())).is_success

    async def pushed() -> Inquiry | None:
        held = await running.service.store(Inquiries).get(inquiry)
        return held if held and held.learned else None

    held = await eventually(pushed)
    assert held
    [learned] = held.learned
    assert (learned.agency, learned.about) == ("hospital", tuple(him(other)))

    async def entered() -> bool:
        found = await running.service.store(Disclosures).about(him(other)[0])
        return any(each.case_id == case.id and each.holder for each in found)

    assert await eventually(entered)

    assert (await decides(running, there, declined(replaces=1))).is_success

    async def taken_back() -> bool:
        held = await running.service.store(Inquiries).get(inquiry)
        return bool(held and not held.learned)

    assert await eventually(taken_back)
    late = InformationDecided(
        case_id=other.id,
        inquiry_id=there,
        agency="hospital",
        number=1,
        decision=SharingDecision.SHARED,
        reason=SharingReason.WILL_OR_MAY_HELP,
        answers={"stalking": Answer.YES},
        decided_at=NOON,
    )
    await push(message_of(late), bureau=running.service.parts[Bureau])
    assert await taken_back()


async def test_what_becomes_known_is_pushed_by_every_id_that_somebody_has(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry, [john] = await inquiry_of(running, case), him(case)
    (_, hemi), other = await (desk := Desk(running)).refers(RIPEKA, HEMI)
    await desk.merges(john, hemi)
    there = await inquiry_of(running, other, people=[hemi])

    assert (await decides(running, there, said())).is_success

    assert await learns(running, inquiry, "stalking")
    [pushed] = [each.data for each in await told_by(running, InformationPushed)]
    # By the id by which the case knows him.
    assert (pushed.case_id, pushed.person_ids) == (case.id, (john,))
    # A referral too, and what is forgotten of either id is forgotten.
    people = [{**HEMI, "role": "person_harmed"}]
    again = body(people=people, answers={"strangulation": "yes"}, sharing=FOR_HER)
    assert (await running.submit(again, key=new_id(), agency="hospital")).is_success
    assert await learns(running, inquiry, "stalking", "strangulation")
    await erasing.forget(hemi, DECISION, running.service.parts[Shelves])
    assert await learns(running, inquiry)


async def test_what_was_learned_by_the_id_of_a_stranger_is_forgotten(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry, [john] = await inquiry_of(running, case), him(case)
    (_, hemi), other = await (desk := Desk(running)).refers(RIPEKA, HEMI)
    match_id = await desk.merges(john, hemi)
    there = await inquiry_of(running, other, people=[hemi])
    assert (await decides(running, there, said())).is_success
    assert await learns(running, inquiry, "stalking")

    assert (await desk.takes_back(match_id)).is_success

    async def forgotten() -> bool:
        held = await running.service.store(Inquiries).get(inquiry)
        return held is not None and held.learned == ()

    assert await eventually(forgotten)


def test_what_was_shared_of_her_with_a_stranger_stays_without_answers() -> None:
    her, him, stranger, again = (new_id() for _ in range(4))
    learned = Learned(
        source=new_id(),
        number=1,
        agency="refuge",
        about=(her, him),
        through=(stranger,),
        answers={"stalking": Answer.YES},
        at=NOON,
    )
    knows = asked(people=(her, him)).learn(learned)
    parted = frozenset({him, stranger, again})

    known = knows.without_learned_of_another(parted, {stranger: him})
    [still] = knows.without_learned_of_another(parted, {again: stranger}).learned

    assert known is knows
    assert (still.about, still.through, still.answers) == ((her,), (), {})


async def test_what_another_agency_refers_later_is_pushed_and_ends_when_taken_back(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry = await inquiry_of(running, case)
    about = him(case)
    elsewhere: dict[str, Any] = {
        "people": [{**MERE, "given_name": "Aroha"}, JOHN],
        "answers": {"stalking": "yes"},
        "sharing": {**OTHERWISE, "purpose": "fva20_c"},
    }
    await case_of(running, **elsewhere | {"sharing": OTHERWISE})
    posted = await running.submit(body(**elsewhere), key=new_id(), agency="hospital")
    referral_id = posted.json()["referral_id"]

    async def learned() -> Any:
        held = await running.service.store(Inquiries).get(inquiry)
        return held.learned if held else ()

    [one] = await eventually(learned)
    # The other woman is not asked about here: what was answered of her is not told.
    assert (one.agency, one.about, one.answers) == ("hospital", tuple(about), {})

    await running.withdraw(referral_id, agency="hospital")

    async def forgotten() -> bool:
        return not await learned()

    assert await eventually(forgotten)


async def referred_elsewhere(running: Running, **told: Any) -> str:
    """Have a hospital refer the same two in another case, for her protection."""
    usual: dict[str, Any] = {
        "people": [{**JOHN, "role": "person_harmed"}, {**MERE, "role": "other"}],
        "answers": {"stalking": "yes"},
        "sharing": {**OTHERWISE, "purpose": "fva20_c"},
    }
    posted = await running.submit(body(**usual | told), key=new_id(), agency="hospital")
    return str(posted.json()["referral_id"])


async def learns(running: Running, inquiry: str, *answers: str) -> bool:
    """Wait until an inquiry knows so much of what was told elsewhere, and no more."""

    async def look() -> bool:
        held = await running.service.store(Inquiries).get(inquiry)
        return held is not None and [*answers] == [
            code for each in held.learned for code in each.answers
        ]

    return bool(await eventually(look))


async def test_an_amendment_after_an_inquiry_is_over_takes_back_what_it_takes_back(
    running: Running, clock: SimulatedClock
) -> None:
    case = await case_of(running)
    inquiry = await inquiry_of(running, case)
    referral_id = await referred_elsewhere(running)
    assert await learns(running, inquiry, "stalking")
    clock.advance(99 * DAY)

    more = {"answers": {"stalking": "yes", "strangulation": "yes"}}
    await running.amend(referral_id, more, agency="hospital")

    async def heeded() -> bool:
        [known] = (await running.service.store(Inquiries).get(inquiry)).learned  # type: ignore[union-attr]
        return known.number > 1

    assert await eventually(heeded)
    assert await learns(running, inquiry, "stalking")
    pushed = await told_by(running, InformationPushed)
    assert len(pushed) == 1
    no = {"answers": {"stalking": "no", "strangulation": "yes"}}
    await running.amend(referral_id, no, key="b", seen=1, agency="hospital")
    assert await learns(running, inquiry)


async def test_what_waited_until_an_inquiry_is_over_is_not_told_to_it(
    running: Running, clock: SimulatedClock
) -> None:
    case = await case_of(running)
    other = await case_of(running, people=[{**MERE, "given_name": "Aroha"}, JOHN])
    there = await inquiry_of(running, other, people=him(other))
    assert (await decides(running, there, said())).is_success
    told = await told_by(running, InformationDecided)
    inquiry = await inquiry_of(running, case)
    clock.advance(99 * DAY)

    for each in told:
        await push(each, bureau=running.service.parts[Bureau])

    held = await running.service.store(Inquiries).get(inquiry)
    assert told
    assert held
    assert held.learned == ()


async def test_what_is_shared_for_another_purpose_since_is_taken_back(
    running: Running,
) -> None:
    case = await case_of(running)
    first = await inquiry_of(running, case)
    other = await inquiry_of(running, case, purpose="fva20_a")
    referral_id = await referred_elsewhere(running)
    assert await learns(running, first, "stalking")

    amended = await running.amend(
        referral_id, {"sharing": OTHERWISE}, agency="hospital"
    )

    assert amended.status_code == 202
    assert await learns(running, other, "stalking")
    assert await learns(running, first)


async def test_with_a_case_goes_what_it_told_other_cases(running: Running) -> None:
    case = await case_of(running)
    inquiry = await inquiry_of(running, case)
    elsewhere = await case_of(running, people=[{**MERE, "given_name": "Aroha"}, JOHN])
    there = await inquiry_of(running, elsewhere, people=him(elsewhere))
    assert (await decides(running, there, said())).is_success
    assert await learns(running, inquiry, "stalking")
    referral_id = await referred_elsewhere(running)
    assert await learns(running, inquiry, "stalking", "stalking")
    third = await eventually(lambda: running.cases.of_referral(referral_id))
    assert third
    assert len({case.id, elsewhere.id, third.id}) == 3
    shelves = running.service.parts[Shelves]

    await erasing.erase_case(third.id, DECISION, NOON, shelves)
    assert await learns(running, inquiry, "stalking")
    await erasing.erase_case(elsewhere.id, DECISION, NOON, shelves)
    assert await learns(running, inquiry)

    # He is in this case still, and may ask what was told of him to whom.
    [john] = him(case)
    told = await running.service.store(Disclosures).about(john)
    assert [e.case_id for e in told if e.holder == "hospital"].count(case.id) == 2


async def test_the_ledger_has_what_was_told_though_it_was_taken_back_since(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry = await inquiry_of(running, case)
    [john] = him(case)
    told = InformationPushed(
        case_id=case.id,
        inquiry_id=inquiry,
        agency="refuge",
        person_ids=(john,),
        answers={"stalking": Answer.YES},
        learned_at=NOON,
    )
    message = message_of(told)

    for _ in range(2):
        await enter_learned(message, bureau=running.service.parts[Bureau])

    about = await running.service.store(Disclosures).about(john)
    [entry] = [each for each in about if each.holder == "refuge"]
    assert (entry.case_id, entry.group) == (case.id, FieldGroup.INDICATORS)


def test_what_is_referred_elsewhere_tells_answers_only_of_who_is_asked_about() -> None:
    him, her = new_id(), new_id()
    told = referral(
        MERE, JOHN, answers={"stalking": "yes"},
        sharing={"purpose": "fva20_c", "consulted": True},
    )  # fmt: skip
    told = told.recognised((her, him))
    both, one = asked(people=(him, her)), asked(people=(him,))

    all_, some = (each.concerns_referral(told, NOON) for each in (both, one))

    assert all_
    assert some
    assert (all_.about, all_.answers) == (tuple(sorted((him, her))), told.told.answers)
    assert (some.about, some.answers) == ((him,), {})
    knows = both.learn(all_)
    # An amendment of something else is not told; one that takes an answer back is.
    change = Change(id=new_id(), by="desk", at=NOON, fingerprint="")
    more = told.model_copy(update={"changes": (change,)})
    again = knows.concerns_referral(more, NOON)
    assert again == all_
    assert knows.learn(again) is knows
    bare = more.model_copy(
        update={"told": told.told.model_copy(update={"answers": {}})}
    )
    less = knows.concerns_referral(bare, NOON)
    assert less
    assert knows.learn(less).learned == (less,)
    withdrawn = told.withdraw(change, WithdrawalReason.OTHER)
    assert knows.concerns_referral(withdrawn, NOON) is None
    assert both.concerns_referral(told, NOON + 99 * DAY) is None
    assert both.learn(all_).concerns_referral(told, NOON + 99 * DAY) == all_
    assert knows.without_learned_from(told).learned == ()


async def test_an_agency_that_she_wishes_untold_is_asked_only_by_saying_so(
    running: Running,
) -> None:
    case = await case_of(running, wishes={"not_told": ["hospital"]})

    refused = await ask(running, case)
    asked_ = await ask(running, case, against_wish=True)

    assert refused.status_code == 422
    assert [e["rule"] for e in refused.json()["errors"]] == ["wished not to be told"]
    assert asked_.status_code == 201


def never_asks(running: Running, case: Case, agency: str) -> None:
    """Name an agency on a case's lists as never to be asked."""
    running.standings.tell(listed_id(AGENCIES, agency), case.id, excluded=True)


async def test_an_agency_that_is_never_to_be_asked_is_not(running: Running) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    never_asks(running, case, "hospital")
    never_asks(running, case, "refuge")

    refused = await ask(running, case, "refuge")
    bureau = running.service.parts[Bureau]
    await ask_for_meeting(before_a_meeting(case, "refuge"), bureau=bureau)

    assert refused.status_code == 422
    assert [e["rule"] for e in refused.json()["errors"]] == ["never to be asked"]
    assert len(await bureau.inquiries.of_case(case.id, "")) == 1
    # Asked before it was named, it sees nothing any more.
    assert await sees(running) == []
    assert (await decides(running, inquiry_id, said())).status_code == 404


async def test_of_an_agency_that_is_named_since_nothing_is_said_when_it_is_silent(
    running: Running, clock: SimulatedClock
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    never_asks(running, case, "hospital")
    clock.advance(DAY + timedelta(hours=1))

    async def over() -> bool:
        held = await running.service.store(Inquiries).get(inquiry_id)
        return held is not None and held.due_at is None

    assert await eventually(over)
    assert await told_by(running, InformationOverdue) == []


async def test_a_meeting_asks_when_the_lists_can_be_asked_for(running: Running) -> None:
    case, bureau = await case_of(running), running.service.parts[Bureau]
    command = before_a_meeting(case, "hospital")
    running.standings.away = True
    with pytest.raises(ConnectionError):
        await ask_for_meeting(command, bureau=bureau)

    running.standings.away = False
    await ask_for_meeting(command, bureau=bureau)

    assert len(await bureau.inquiries.of_case(case.id, "")) == 1


async def test_a_clerk_who_is_named_on_the_lists_finds_no_inquiry(
    running: Running,
) -> None:
    case = await case_of(running)
    inquiry_id = await inquiry_of(running, case)
    at = int(running.service.clock.now().timestamp())
    issuer = DEVELOPMENT_ISSUER

    async def found(subject: str) -> tuple[int, int]:
        claims = {"agency": "hospital", "subject": subject, "auth_time": at}
        headers = running.bearer("referrals.answer", **claims)
        listed = await running.http.get("/v1/inquiries", headers=headers)
        path = f"/v1/inquiries/{inquiry_id}/decision"
        told = await running.http.post(path, headers=headers, json=declined())
        return len(listed.json()["inquiries"]), told.status_code

    relative = listed_id(issuer, "relative")
    running.standings.tell(relative, case.id, excluded=True)

    assert await found("relative") == (0, 404)
    assert await found("colleague") == (1, 200)


def before_a_meeting(case: Case, *agencies: str, **told_: Any) -> Message[MeetingAsked]:
    """Give the command to ask agencies about a case before a meeting."""
    told = MeetingAsked(
        case_id=case.id,
        meeting_id=new_id(),
        agencies=agencies,
        purpose=S20Purpose.ASSESSMENT,
        belief=Belief.MAY_HELP,
        consulted=True,
        why_not_safe=None,
        needed_by=NOON + DAY,
        asked_by=COORDINATOR,
        asked_at=NOON,
    )
    return message_of(told.model_copy(update=told_))


async def test_a_meeting_asks_once_whom_it_may_and_says_who_decided(
    running: Running,
) -> None:
    case = await case_of(running, wishes={"not_told": ["refuge"]})
    bureau = running.service.parts[Bureau]
    command = before_a_meeting(case, "hospital", "refuge", "employer", "nobody")

    await ask_for_meeting(command, bureau=bureau)
    await ask_for_meeting(command, bureau=bureau)

    [asked_] = await bureau.inquiries.of_case(case.id, "")
    assert (asked_.agency, asked_.asked_by) == ("hospital", COORDINATOR)
    assert (asked_.needed_by, asked_.due_at) == (NOON + DAY, None)
    assert {*asked_.terms.people} == {each.person_id for each in case.people}
    [told] = await told_by(running, InformationRequested)
    assert told.data.agency == "hospital"
    assert [e["needed_by"] for e in await sees(running)] != []


async def test_a_meeting_asks_nobody_about_a_case_that_is_erased(
    running: Running,
) -> None:
    case = await case_of(running)
    shelves, bureau = running.service.parts[Shelves], running.service.parts[Bureau]
    await erasing.erase_case(case.id, DECISION, NOON, shelves)

    await ask_for_meeting(before_a_meeting(case, "hospital"), bureau=bureau)

    assert await bureau.inquiries.of_case(case.id, "") == []


async def test_a_meeting_asks_again_about_something_new_and_once_if_told_twice(
    running: Running,
) -> None:
    case = await case_of(running)
    bureau = running.service.parts[Bureau]
    meeting = new_id()
    first = before_a_meeting(case, "hospital", meeting_id=meeting)
    await ask_for_meeting(first, bureau=bureau)
    # The household is another when the message is delivered again.
    held = await running.cases.get(case.id)
    assert held
    await running.cases.save(held.model_copy(update={"people": held.people[:1]}))
    await ask_for_meeting(first, bureau=bureau)
    assert len(await bureau.inquiries.of_case(case.id, "")) == 1

    later = NOON + timedelta(hours=1)
    news = before_a_meeting(case, "hospital", meeting_id=meeting, asked_at=later)
    for _ in range(2):
        await ask_for_meeting(news, bureau=bureau)

    assert len(await bureau.inquiries.of_case(case.id, "")) == 2


async def test_a_command_that_comes_late_asks_nobody(
    running: Running, clock: SimulatedClock
) -> None:
    case = await case_of(running)
    bureau = running.service.parts[Bureau]
    clock.advance(DAY)

    await ask_for_meeting(before_a_meeting(case, "hospital"), bureau=bureau)

    assert await bureau.inquiries.of_case(case.id, "") == []


async def test_who_is_merged_into_a_case_is_asked_about_and_their_wishes_heeded(
    running: Running,
) -> None:
    case = await case_of(running)
    people = [{**MERE, "given_name": "Hana"}, {**JOHN, "given_name": "Jon"}]
    other = await case_of(running, people=people, wishes={"not_told": ["refuge"]})
    taken = {other.id: Taken(at=NOON, children=False)}
    await running.cases.save(case.model_copy(update={"taken": taken}))
    await running.cases.save(other.model_copy(update={"merged_into": case.id}))
    bureau = running.service.parts[Bureau]
    everybody = {each.person_id for one in (case, other) for each in one.people}

    await ask_for_meeting(before_a_meeting(case, "hospital", "refuge"), bureau=bureau)
    by_name = await ask(running, case, "hospital", people=sorted(everybody))
    unwished = await ask(running, case, "refuge")

    first, *_ = asked_ = await bureau.inquiries.of_case(case.id, "")
    assert {each.agency for each in asked_} == {"hospital"}
    assert {*first.terms.people} == everybody
    assert (by_name.status_code, unwished.status_code) == (201, 422)
