"""What people ask of what is held of them, and what he must not learn by asking."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import EPOCH
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    eventually,
    new_id,
    sent_by,
)
from accord_contracts.access import Side
from accord_contracts.referrals import (
    AgencyKind,
    NoticeOverdue,
    ReferralReceived,
    RightsOverdue,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from referrals import erasing
from referrals.answering import Counter, collect, enter_notice, take, used_violence
from referrals.domain.amendment import Change
from referrals.domain.case import Case
from referrals.domain.erasure import (
    ERASED_NAME,
    Decision,
    Erased,
    NoSuchPerson,
    Tombstone,
)
from referrals.domain.ledger import (
    Disclosure,
    FieldGroup,
    Reading,
    of_reading,
    of_referral,
)
from referrals.domain.notice import Notice, Told3A
from referrals.domain.referral import Referral
from referrals.domain.request import Identity
from referrals.domain.rights import (
    HANDED_OUT_FOR,
    NEITHER_ALLOWED,
    Answer,
    AskRight,
    DecidedAlready,
    DecidedAnew,
    ExtendedFor,
    Ground,
    NotExtended,
    NothingReleased,
    OwnDecision,
    Part,
    Right,
    RightsRequest,
    export_of,
    misfits_of_answer,
)
from referrals.erasing import Shelves
from referrals.rights_store import Notices, RightsRequests
from referrals_builders import JOHN, MERE, POLICY, Running, body, referral
from referrals_builders import person as described
from test_amending import hears
from test_one_person import HEMI, RIPEKA, Desk
from test_roles import Table

DAY = timedelta(days=1)
ALL = frozenset(Part)
HIM, HER = new_id(), new_id()
ONE, OTHER = (Identity(issuer="i", subject=each) for each in ("one", "other"))
ACCESS = AskRight.model_validate(
    {"right": "access", "person_id": HIM, "proof": "in_person", "reference": "a1"}
)
CORRECTION = ACCESS.model_copy(update={"right": Right.CORRECTION})


def answer(
    outcome: str, *release: str, grounds: tuple[str, ...] = (), **where: Any
) -> Answer:
    told = {"outcome": outcome, "release": list(release), "grounds": list(grounds)}
    told |= where
    return Answer.model_validate(told)


def rules(answered: Answer, asked: AskRight = ACCESS, *, violent: bool = False) -> Any:
    found = misfits_of_answer(answered, asked, used_violence=violent)
    return [each.rule for each in found]


@pytest.mark.parametrize("ground", Ground)
def test_nothing_is_kept_quiet_about_but_on_the_grounds_of_section_47(
    ground: Ground,
) -> None:
    quiet = answer("neither_confirmed_nor_denied", grounds=(ground,))
    mixed = answer("neither_confirmed_nor_denied", grounds=("s53_c", ground))

    allowed = {"s49_1_a_i", "s49_1_d", "s51", "s52", "s53_c"}
    assert {each.value for each in NEITHER_ALLOWED} == allowed
    expected = [] if ground in allowed else ["no_ground_of_section_47"]
    assert rules(quiet) == rules(mixed) == expected


THERE = {"referral_id": new_id()}
MISFIT, OTHERWISE = "not_for_this_outcome", "not_what_was_asked_for"


@pytest.mark.parametrize(
    ("answered", "asked", "wrong"),
    [
        (answer("granted", "identity"), ACCESS, []),
        (answer("granted"), ACCESS, [MISFIT]),
        (answer("granted", "identity", grounds=("s50",)), ACCESS, [MISFIT]),
        (answer("partly", "identity", grounds=("s53_b",)), ACCESS, []),
        (answer("partly", "identity"), ACCESS, [MISFIT]),
        (answer("refused"), ACCESS, [MISFIT]),
        (answer("refused", "identity", grounds=("s50",)), ACCESS, [MISFIT]),
        (answer("neither_confirmed_nor_denied"), ACCESS, [MISFIT]),
        (answer("corrected", corrected_in=THERE), ACCESS, [OTHERWISE]),
        (answer("corrected", corrected_in=THERE), CORRECTION, []),
        (answer("corrected"), CORRECTION, [MISFIT]),
        (answer("statement_attached", corrected_in=THERE), CORRECTION, [MISFIT]),
        (answer("statement_attached"), CORRECTION, []),
        (answer("granted", "identity"), CORRECTION, [OTHERWISE]),
    ],
)  # fmt: skip
def test_an_answer_fits_what_was_asked_for(
    answered: Answer, asked: AskRight, wrong: list[str]
) -> None:
    assert rules(answered, asked) == wrong


def test_of_nobody_nothing_is_held_or_nothing_is_said() -> None:
    nobody = ACCESS.model_copy(update={"person_id": None})

    assert rules(answer("nothing_held"), nobody) == []
    quiet = answer("neither_confirmed_nor_denied", grounds=("s49_1_a_i",))
    assert rules(quiet, nobody) == []
    assert rules(answer("granted", "identity"), nobody) == ["nobody_is_known"]


@pytest.mark.parametrize("part", [e for e in Part if e is not Part.IDENTITY])
def test_whoever_uses_violence_is_never_released_more_than_who_he_is(
    part: Part,
) -> None:
    assert rules(answer("granted", part), violent=True) == [
        "never_to_who_uses_violence"
    ]
    assert rules(answer("granted", "identity"), violent=True) == []


def told(kind: AgencyKind, him: dict[str, Any], **fields: Any) -> Referral:
    her = {
        **MERE,
        "contact_points": [{"channel": "post", "value": "9 Hidden Lane"}],
    }
    made = referral(her, {**JOHN, **him}, **fields)
    sender = made.sender.model_copy(update={"agency_kind": kind})
    return made.model_copy(update={"person_ids": (HER, HIM), "sender": sender})


WORDS = st.text("abcdefghij", min_size=3, max_size=8)


@given(
    names=st.lists(WORDS, min_size=1, max_size=4),
    kinds=st.lists(st.sampled_from(AgencyKind), min_size=4, max_size=4),
    parts=st.sets(st.sampled_from(Part)),
)
def test_his_file_tells_him_nothing_of_her_and_not_who_spoke(
    names: list[str], kinds: list[AgencyKind], parts: set[Part]
) -> None:
    referrals = [
        told(
            kind,
            {
                "given_name": name,
                "contact_points": [{"channel": "phone", "value": "1"}],
            },
            narrative="She said so.",
            place={"area": "riccarton", "address": "9 Hidden Lane"},
        )
        for name, kind in zip(names, kinds, strict=False)
    ]
    disclosure = Disclosure(
        id=new_id(), person_id=HIM, at=NOON, group=FieldGroup.PIECES, agency="refuge"
    )

    made = export_of(
        frozenset({HIM}), frozenset(parts), referrals, [disclosure], used_violence=True
    )

    known = {AgencyKind.POLICE, AgencyKind.CORRECTIONS, AgencyKind.COURT}
    theirs = {n for n, kind in zip(names, kinds, strict=False) if kind in known}
    wanted = theirs if Part.IDENTITY in parts else set()
    assert {each.given_name for each in made.identity} == wanted
    assert (made.contact, made.episodes, made.disclosures) == ((), (), ())
    text = made.model_dump_json()
    others = set(AgencyKind) - known
    for secret in ("Mere", "Hidden", "She said", "riccarton", "refuge", HER, *others):
        assert secret not in text


def test_she_has_hers_but_no_number_that_is_his_too() -> None:
    shared = {"channel": "phone", "value": "021 555 0100"}
    own = {"channel": "email", "value": "mere@example.org"}
    sister = {"channel": "other_person", "value": "Her sister, 021 555 0199"}
    her = {**MERE, "contact_points": [shared, own, sister]}
    him = {**JOHN, "contact_points": [{**shared, "value": "0215550100"}]}
    held = referral(her, him, narrative="He did it.")
    held = held.model_copy(update={"person_ids": (HER, HIM)})
    entry = Disclosure(
        id=new_id(), person_id=HER, at=NOON, agency="refuge", inquiry_id=new_id()
    )

    made = export_of(frozenset({HER}), ALL, [held], [entry], used_violence=False)

    assert [each.value for each in made.contact] == ["mere@example.org"]
    assert [each.given_name for each in made.identity] == ["Mere"]
    assert [each.role for each in made.episodes] == ["person_harmed"]
    assert [each.agency for each in made.disclosures] == ["refuge"]
    text = made.model_dump_json()
    for secret in ("John", "0100", "0199", "He did it", HIM):
        assert secret not in text


def test_where_she_went_is_told_to_whoever_was_harmed_there_alone() -> None:
    case_id = new_id()
    asked = Disclosure(
        id=new_id(), person_id=HER, at=NOON, agency="refuge", inquiry_id=new_id()
    )
    went = asked.model_copy(
        update={
            "agency": "waikato",
            "case_id": case_id,
            "inquiry_id": None,
            "transfer": True,
        }
    )

    def told(*harmed_in: str) -> list[str | None]:
        made = export_of(
            frozenset({HER}),
            ALL,
            [],
            [asked, went],
            used_violence=False,
            harmed_in=frozenset(harmed_in),
        )
        return [each.agency for each in made.disclosures]

    assert told(case_id) == ["refuge", "waikato"]
    assert told(new_id()) == ["refuge"]


def test_who_referred_a_case_is_told_to_whoever_was_harmed_in_it_alone() -> None:
    case_id = new_id()
    spoke = Disclosure(
        id=new_id(),
        person_id=HER,
        at=NOON,
        holder="helpline",
        case_id=case_id,
        referral_id=new_id(),
    )

    def told(*harmed_in: str) -> list[str | None]:
        made = export_of(
            frozenset({HER}),
            ALL,
            [],
            [spoke],
            used_violence=False,
            harmed_in=frozenset(harmed_in),
        )
        return [each.holder for each in made.disclosures]

    assert told(case_id) == ["helpline"]
    assert told(new_id()) == []


@pytest.mark.parametrize("group", [FieldGroup.PIECES, FieldGroup.CONTACT])
def test_who_reads_in_a_case_is_told_to_whoever_was_harmed_in_it_alone(
    group: FieldGroup,
) -> None:
    """Her relatives are not to have from their own files where she gets help."""
    case_id = new_id()
    refuge = Reading("i", "s", "refuge", new_id(), None)
    read = of_reading(HER, case_id, refuge, NOON, group)

    def told(*harmed_in: str) -> list[str | None]:
        made = export_of(
            frozenset({HER}),
            ALL,
            [],
            [read],
            used_violence=False,
            harmed_in=frozenset(harmed_in),
        )
        return [each.agency for each in made.disclosures]

    assert told(case_id) == ["refuge"]
    assert told(new_id()) == []


def test_what_was_taken_out_of_a_referral_was_told_all_the_same() -> None:
    phone = {"channel": "phone", "value": "1"}
    held = referral({**MERE, "contact_points": [phone]}, JOHN, narrative="He did it.")
    held = held.model_copy(update={"person_ids": (HER, HIM)})
    told = held.told.model_copy(update={"people": (described(), held.told.people[1])})
    change = Change(
        id=new_id(),
        fingerprint="",
        at=NOON,
        by="x",
        was={"address/0": "[]"},
        fields=("narrative",),
    )
    now = held.model_copy(
        update={
            "told": told.model_copy(update={"narrative": None}),
            "changes": (change,),
        }
    )

    def groups(of: Referral, who: str) -> list[FieldGroup | None]:
        return [each.group for each in of_referral(of, who, None)]

    both = [FieldGroup.CONTACT, FieldGroup.IDENTITY, FieldGroup.PIECES]
    assert groups(held, HER) == groups(now, HER) == both
    assert groups(now, HIM) == [FieldGroup.IDENTITY, FieldGroup.PIECES]
    assert groups(now, new_id()) == []


def asked_for(asked: AskRight = ACCESS) -> RightsRequest:
    return RightsRequest(
        id=new_id(),
        asked=asked,
        asked_at=NOON,
        answer_by=NOON + 28 * DAY,
        taken_by=ONE,
    )


def test_two_people_answer_and_only_for_a_while() -> None:
    decided = asked_for().decide(answer("granted", "identity"), ONE, NOON)
    with pytest.raises(OwnDecision):
        decided.confirm(NOON, ONE, NOON)
    with pytest.raises(NothingReleased):
        decided.released(NOON)
    confirmed = decided.confirm(NOON, OTHER, NOON)

    assert confirmed.released(NOON) == {Part.IDENTITY}
    assert confirmed.confirm(NOON, OTHER, NOON + DAY) is confirmed
    with pytest.raises(NothingReleased):
        confirmed.released(NOON + HANDED_OUT_FOR)
    with pytest.raises(DecidedAlready):
        confirmed.decide(answer("granted", "identity"), ONE, NOON)


def test_whoever_confirms_confirms_what_they_have_read() -> None:
    little = asked_for().decide(answer("granted", "identity"), ONE, NOON)
    all_ = little.decide(answer("granted", *ALL), ONE, NOON + DAY)

    with pytest.raises(DecidedAnew):
        all_.confirm(NOON, OTHER, NOON + DAY)
    assert all_.confirm(NOON + DAY, OTHER, NOON + DAY).released(NOON + DAY) == ALL


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"notified_at": NOON, "exception": "serious_threat"},
        {"exception": "serious_threat"},
        {"notified_at": NOON, "revisit_at": NOON},
    ],
)
def test_whoever_is_not_told_is_looked_at_again(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Told3A.model_validate(wrong)


def test_the_last_entry_counts() -> None:
    excepted = Told3A.model_validate(
        {"exception": "serious_threat", "revisit_at": NOON + DAY}
    )
    first = Notice(id=HER).enter(excepted, by="x", at=NOON)
    told_ = first.enter(Told3A(notified_at=NOON), by="x", at=NOON)

    assert first.tell_by == first.alarm_at == NOON + DAY
    assert first.fall_due().alarm_at is None
    assert first.enter(excepted, by="y", at=NOON) is first
    assert (told_.tell_by, len(told_.entries)) == (None, 2)


STANDING = {"decided_at": NOON.isoformat()}


async def by(
    running: Running, who: str, method: str, path: str, sent: Any = None
) -> httpx2.Response:
    now = int(running.service.clock.now().timestamp())
    headers = running.bearer("referrals.rights", agency="", subject=who, auth_time=now)
    return await running.http.request(method, f"/v1/{path}", headers=headers, json=sent)


async def referred(running: Running) -> tuple[Case, str, str]:
    answered = await running.submit(body(), key=new_id())
    id_ = answered.json()["referral_id"]
    case = await eventually(lambda: running.cases.of_referral(id_))
    assert case
    parts = {each.role.value: each.person_id for each in case.people}
    return case, parts["person_harmed"], parts["person_using_violence"]


async def taken(running: Running, person_id: str | None, **fields: Any) -> str:
    told_ = {"right": "access", "person_id": person_id, "proof": "document"}
    sent = {**told_, "reference": f"f{new_id()[:8]}", **fields}
    answered = await by(running, "one", "POST", "rights", sent)
    assert answered.status_code == 201, answered.text
    return str(answered.json()["rights_id"])


async def test_his_request_is_answered_without_a_word_of_her(
    running: Running,
) -> None:
    _, _, him = await referred(running)
    path = f"rights/{await taken(running, him)}"
    too_much = {"outcome": "granted", "release": ["identity", "episodes"]}
    refused = await by(running, "one", "POST", f"{path}/decision", too_much)
    quiet = {"outcome": "neither_confirmed_nor_denied", "grounds": ["s49_1_a_i"]}
    decided = await by(running, "one", "POST", f"{path}/decision", quiet)
    own = await by(running, "one", "POST", f"{path}/confirmation", STANDING)
    confirmed = await by(running, "other", "POST", f"{path}/confirmation", STANDING)
    export = await by(running, "one", "GET", f"{path}/export")

    assert refused.status_code == 422
    assert decided.is_success, decided.text
    assert (own.status_code, confirmed.status_code) == (403, 200)
    assert export.status_code == 404


async def test_what_is_asked_for_is_taken_down_once(running: Running) -> None:
    _, _, him = await referred(running)
    twice = [await taken(running, him, reference="file_1") for _ in range(2)]
    said = {"right": "correction", "statement": "No.", "reference": "file_1"}
    usual = {"person_id": him, "proof": "document"}
    other = await by(running, "one", "POST", "rights", {**usual, **said})
    unfounded = {**usual, "right": "correction", "reference": "file_2"}
    without = await by(running, "one", "POST", "rights", unfounded)

    assert twice[0] == twice[1]
    assert (other.status_code, without.status_code) == (409, 422)


async def test_her_file_is_handed_out_once_two_have_agreed(running: Running) -> None:
    case, her, _ = await referred(running)
    path = f"rights/{await taken(running, her)}"
    grant = {"outcome": "partly", "release": ["identity"], "grounds": ["s53_b"]}
    assert (await by(running, "one", "POST", f"{path}/decision", grant)).is_success
    before = await by(running, "one", "GET", f"{path}/export")
    confirmed = await by(running, "other", "POST", f"{path}/confirmation", STANDING)
    assert confirmed.is_success
    export = await by(running, "one", "GET", f"{path}/export")
    waiting = await by(running, "one", "GET", "rights")

    assert before.status_code == 404
    assert [each["given_name"] for each in export.json()["identity"]] == ["Mere"]
    assert waiting.json() == []
    barred = new_id()
    running.standings.tell(barred, case.id, conflict=True)
    headers = running.bearer("referrals.rights", agency="", worker=barred)
    seen = await running.http.get(f"/v1/{path}", headers=headers)
    assert seen.status_code == 404


async def test_her_file_and_what_was_told_of_her_are_of_both_ids_that_she_has(
    running: Running,
) -> None:
    _, her, _ = await referred(running)
    desk = Desk(running)
    (ripeka, _), elsewhere = await desk.refers(RIPEKA, HEMI)
    await desk.merges(her, ripeka)
    path = f"rights/{await taken(running, her)}"
    grant = {"outcome": "partly", "release": ["identity"], "grounds": ["s53_b"]}
    await by(running, "one", "POST", f"{path}/decision", grant)
    await by(running, "other", "POST", f"{path}/confirmation", STANDING)

    export = await by(running, "one", "GET", f"{path}/export")

    names = {each["given_name"] for each in export.json()["identity"]}
    assert names == {"Mere", "Rīpeka"}
    officer = new_id()
    headers = running.bearer("referrals.disclosures", agency="", worker=officer)

    async def ledger() -> httpx2.Response:
        path = f"/v1/people/{her}/disclosures"
        return await running.http.get(path, headers=headers)

    told = (await ledger()).json()["disclosures"]
    assert {each["case_id"] for each in told} >= {elsewhere.id}
    assert len(told) == 2
    running.standings.tell(officer, elsewhere.id, conflict=True)
    assert (await ledger()).status_code == 404


async def test_what_was_told_of_violence_is_not_forgotten_with_a_decision(
    running: Running,
) -> None:
    held, her, him = await referred(running)
    desk, shelves = Desk(running), running.service.parts[Shelves]
    assert not await used_violence(her, shelves)
    she = {**RIPEKA, "role": "person_using_violence"}
    others, _ = await desk.refers({**HEMI, "role": "person_harmed"}, she)
    await desk.merges(her, others[1])
    assert await used_violence(her, shelves)

    assert (await Table(running).decides(held.id, him, her)).status_code == 204

    async def put_right() -> bool:
        [told_] = await running.referrals.of_person(him)
        return bool(told_.put_right)

    assert await eventually(put_right)
    assert await used_violence(him, shelves)


async def test_whoever_is_barred_from_a_case_of_another_who_is_she_sees_nothing(
    running: Running,
) -> None:
    _, her, _ = await referred(running)
    path = f"rights/{await taken(running, her)}"
    desk = Desk(running)
    others, elsewhere = await desk.refers(RIPEKA, HEMI)
    barred = new_id()
    running.standings.tell(barred, elsewhere.id, conflict=True)
    headers = running.bearer("referrals.rights", agency="", worker=barred)

    async def seen() -> int:
        return (await running.http.get(f"/v1/{path}", headers=headers)).status_code

    before = await seen()
    await desk.merges(her, others[0])
    assert (before, await seen()) == (200, 404)


async def test_a_statement_is_read_by_who_may_read_all_cases_of_theirs(
    running: Running,
) -> None:
    case, _, him = await referred(running)
    (_, same), second = await Desk(running).refers(RIPEKA, JOHN)
    assert (same == him, second.id == case.id) == (True, False)
    path = f"rights/{await taken(running, him, right='correction', statement='No.')}"
    no = {"outcome": "statement_attached"}
    assert (await by(running, "one", "POST", f"{path}/decision", no)).is_success
    confirmed = await by(running, "other", "POST", f"{path}/confirmation", STANDING)
    assert confirmed.is_success
    of_one, of_both = new_id(), new_id()
    running.standings.tell(of_one, second.id)

    async def seen_by(worker: str) -> int:
        headers = running.bearer("referrals.history", agency="", worker=worker)
        at = f"/v1/cases/{case.id}/statements"
        return len((await running.http.get(at, headers=headers)).json())

    assert (await seen_by(of_one), await seen_by(of_both)) == (0, 1)


def test_access_is_extended_once_and_before_it_is_due() -> None:
    asked = asked_for()
    more = (10, ExtendedFor.CONSULTATIONS, ONE)

    extended = asked.extend(*more, NOON + 27 * DAY)

    assert extended.answer_by == extended.due_at == NOON + 38 * DAY
    assert extended.extended
    assert extended.extended.instead_of == NOON + 28 * DAY
    assert extended.extend(*more, NOON + 28 * DAY) is extended
    correction = asked_for(CORRECTION)
    with pytest.raises(NotExtended):
        extended.extend(11, ExtendedFor.CONSULTATIONS, ONE, NOON + 28 * DAY)
    with pytest.raises(NotExtended):
        asked.extend(*more, NOON + 28 * DAY)
    with pytest.raises(NotExtended):
        correction.extend(*more, NOON)
    answered = asked.decide(answer("nothing_held"), ONE, NOON)
    with pytest.raises(NotExtended):
        answered.confirm(NOON, OTHER, NOON).extend(*more, NOON)


async def test_more_time_is_taken_and_said_and_no_more_than_is_reasonable(
    running: Running, clock: SimulatedClock
) -> None:
    _, her, _ = await referred(running)
    path = f"rights/{await taken(running, her)}"
    more = {"days": 28, "reason": "large_quantity"}

    too_long = await by(
        running, "one", "POST", f"{path}/extension", {**more, "days": 29}
    )
    taken_ = await by(running, "one", "POST", f"{path}/extension", more)
    clock.advance(timedelta(days=POLICY.rights.answer_days, hours=1))
    await running.service.sweep_once()

    assert (too_long.status_code, taken_.status_code) == (422, 200)
    assert taken_.json()["extended"] == "large_quantity"
    [kept] = await running.service.parts[Counter].shelves.rights.of_people([her])
    assert kept.late_told_at is None
    assert kept.answer_by.isoformat() == taken_.json()["answer_by"].replace(
        "Z", "+00:00"
    )


async def test_nothing_is_called_corrected_where_nothing_was(running: Running) -> None:
    case, _, him = await referred(running)
    mine = case.episodes[0].referral_id
    other, _, _ = await referred(running)
    path = f"rights/{await taken(running, him, right='correction', statement='No.')}"

    async def decided(**where: str) -> int:
        told = {"outcome": "corrected", "corrected_in": where}
        return (await by(running, "one", "POST", f"{path}/decision", told)).status_code

    places = [{"referral_id": mine}, {"case_id": case.id}, {"case_id": new_id()}]
    before = [await decided(**each) for each in (*places, {})]
    corrected = {"people": [{"person": 1, "given_name": "Jon"}]}
    assert (await running.amend(mine, corrected)).status_code == 202
    assert [await decided(**each) for each in places] == [200, 422, 422]
    headers = running.bearer("referrals.roles", agency="", worker=COORDINATOR)
    [her] = case.harmed
    told = {"harmed": him, "using_violence": her, "reason": "looked_into"}
    turned = await running.http.post(
        f"/v1/cases/{case.id}/roles", headers=headers, json=told
    )

    assert before == [422] * 4
    assert turned.status_code == 204
    assert await decided(case_id=case.id) == 200
    elsewhere = other.episodes[1].referral_id
    assert await decided(referral_id=elsewhere) == 422


async def test_what_is_written_of_somebody_while_they_are_erased_is_forgotten(
    running: Running,
) -> None:
    _, her, _ = await referred(running)
    counter, gone = running.service.parts[Counter], Erased.PERSON
    decision = Decision(reason="asked", by="x", at=NOON)
    tombstone = Tombstone(id=her, kind=gone, decision=decision)
    await counter.shelves.tombstones.keep(tombstone)
    asked = CORRECTION.model_copy(update={"person_id": her, "statement": "I was not."})

    with pytest.raises(NoSuchPerson):
        await take(asked, ONE, counter)
    with pytest.raises(NoSuchPerson):
        await enter_notice(her, Told3A(notified_at=NOON), "x", counter)

    [left] = await counter.shelves.rights.of_people([her])
    assert left.asked.statement == ERASED_NAME
    assert await counter.shelves.notices.get(her) is None


async def test_what_was_not_corrected_stands_beside_it_and_goes_with_them(
    running: Running,
) -> None:
    case, _, him = await referred(running)
    said = "I was not there that night."
    path = f"rights/{await taken(running, him, right='correction', statement=said)}"
    no = {"outcome": "statement_attached"}
    assert (await by(running, "one", "POST", f"{path}/decision", no)).is_success
    confirmed = await by(running, "other", "POST", f"{path}/confirmation", STANDING)
    assert confirmed.is_success

    async def seen_by(worker: str) -> httpx2.Response:
        headers = running.bearer("referrals.history", agency="", worker=worker)
        at = f"/v1/cases/{case.id}/statements"
        return await running.http.get(at, headers=headers)

    outreach = new_id()
    using = frozenset({Side.PERSON_USING_VIOLENCE})
    running.standings.tell(outreach, case.id, sides=using)
    shown = await seen_by(COORDINATOR)
    assert [each["statement"] for each in shown.json()] == [said]
    assert (await seen_by(outreach)).status_code == 404
    stored = running.service.store(RightsRequests)
    raw = await stored.documents.find_one({"asked.person_id": him})
    assert said.encode() not in repr(raw).encode()

    await stored.forget(him)
    [gone] = await stored.of_people([him])
    assert gone.asked.statement != said


async def test_who_is_not_answered_in_time_is_told_of_once(
    running: Running, clock: SimulatedClock
) -> None:
    case, her, _ = await referred(running)
    waits = await taken(running, her)
    nobody = await taken(running, None)
    answered = f"rights/{await taken(running, her)}"
    granted = {"outcome": "granted", "release": ["identity"]}
    await by(running, "one", "POST", f"{answered}/decision", granted)
    await by(running, "other", "POST", f"{answered}/confirmation", STANDING)

    clock.advance(timedelta(days=POLICY.rights.answer_days, hours=1))

    told = await hears(running, RightsOverdue, 2)
    assert {each.request_id: each.case_id for each in told} == {
        waits: case.id,
        nobody: nobody,
    }
    assert {each.late_by for each in told} == {3600.0}
    store = running.service.store(RightsRequests)
    assert await store.due_now(clock.now() + 99 * DAY) == []


async def test_an_exception_comes_back_when_it_is_to_be_looked_at(
    running: Running, clock: SimulatedClock
) -> None:
    _, her, _ = await referred(running)
    path = f"people/{her}/notice"
    later = {"exception": "serious_threat", "revisit_at": (NOON + DAY).isoformat()}
    assert (await by(running, "one", "PUT", path, later)).is_success
    assert (await by(running, "one", "GET", "notices")).json() == []
    clock.advance(DAY)
    [due] = (await by(running, "one", "GET", "notices")).json()
    assert due["person_id"] == her
    done = {"notified_at": NOON.isoformat()}
    assert (await by(running, "one", "PUT", path, done)).is_success
    assert (await by(running, "one", "GET", "notices")).json() == []
    assert len((await by(running, "one", "GET", path)).json()["entries"]) == 2


async def notices(
    running: Running, method: str, path: str, sent: Any = None
) -> httpx2.Response:
    """Ask as ``by``, whenever one has logged in."""
    headers = running.bearer("referrals.rights", agency="")
    return await running.http.request(method, f"/v1/{path}", headers=headers, json=sent)


async def test_whoever_is_referred_is_told_in_time_or_it_is_an_alarm_once(
    running: Running, clock: SimulatedClock
) -> None:
    case, her, him = await referred(running)
    within = timedelta(days=POLICY.rights.notice_days)
    store = running.service.store(Notices)
    assert await eventually(lambda: store.get(her))
    assert (await notices(running, "GET", "notices")).json() == []
    told = {"notified_at": NOON.isoformat()}
    assert (await notices(running, "PUT", f"people/{him}/notice", told)).is_success

    clock.advance(within + timedelta(hours=1))

    [alarm] = await hears(running, NoticeOverdue, 1)
    assert (alarm.case_id, alarm.person_id, alarm.revisit) == (case.id, her, False)
    [due] = (await notices(running, "GET", "notices")).json()
    assert due["person_id"] == her
    # It is told once of each time that falls due, also when it is another.
    later = (clock.now() + DAY).isoformat()
    why = {"exception": "serious_threat", "revisit_at": later}
    assert (await notices(running, "PUT", f"people/{her}/notice", why)).is_success
    assert (await notices(running, "GET", "notices")).json() == []
    clock.advance(DAY)
    _, again = await hears(running, NoticeOverdue, 2)
    assert (again.person_id, again.revisit, again.late_by) == (her, True, 0)
    assert await store.due_now(clock.now() + 99 * DAY) == []


async def test_whoever_was_told_once_has_no_clock_when_they_are_referred_again(
    running: Running, clock: SimulatedClock
) -> None:
    _, her, him = await referred(running)
    desk = Desk(running)
    (ripeka, _), _ = await desk.refers(RIPEKA, HEMI)
    await desk.merges(her, ripeka)
    told = {"notified_at": NOON.isoformat()}
    for each in (ripeka, him):
        answer = await by(running, "one", "PUT", f"people/{each}/notice", told)
        assert answer.is_success
    clock.advance(timedelta(days=1))
    again = await referred(running)
    assert again[1:] == (her, him)

    store = running.service.store(Notices)
    await sent_by(running.service, running.broker)
    for each in (her, ripeka, him):
        assert (await held_of(store, each)).tell_by is None


async def test_nobody_stands_as_told_because_a_stranger_was(running: Running) -> None:
    _, her, _ = await referred(running)
    desk = Desk(running)
    (ripeka, _), _ = await desk.refers(RIPEKA, HEMI)
    match_id = await desk.merges(her, ripeka)
    told = {"notified_at": NOON.isoformat()}
    path = f"people/{ripeka}/notice"
    assert (await by(running, "one", "PUT", path, told)).is_success
    store = running.service.store(Notices)
    assert (await held_of(store, her)).tell_by is None

    assert (await desk.takes_back(match_id)).is_success

    async def parted() -> bool:
        return not (await held_of(store, her)).entries

    assert await eventually(parted)
    within = timedelta(days=POLICY.rights.notice_days)
    assert (await held_of(store, her)).tell_by == NOON + within
    assert [each.told for each in (await held_of(store, ripeka)).entries] == [
        Told3A(notified_at=NOON)
    ]


async def test_whom_a_slip_made_has_no_clock_once_it_is_put_right(
    running: Running,
) -> None:
    await referred(running)
    slip = {**MERE, "given_name": "Aroha", "date_of_birth": "1970-01-01"}
    posted = await running.submit(body(people=[slip, JOHN]), key=new_id())
    referral_id = posted.json()["referral_id"]
    case = await eventually(lambda: running.cases.of_referral(referral_id))
    assert case
    [aroha] = case.harmed
    counter = running.service.parts[Counter]
    store = counter.shelves.notices
    assert await eventually(lambda: store.get(aroha))
    right = {k: MERE[k] for k in ("given_name", "date_of_birth")}

    await running.amend(referral_id, {"people": [{"person": 0, **right}]})

    async def gone() -> bool:
        return await store.get(aroha) is None

    assert await eventually(gone)
    said = await sent_by(running.service, running.broker)
    late = [
        each
        for each in said
        if isinstance(each.data, ReferralReceived)
        and aroha in {party.person_id for party in each.data.parties}
    ]
    for each in late:
        await collect(each, counter=counter)
    assert late
    assert await gone()


async def held_of(store: Notices, person_id: str) -> Notice:
    held = await store.get(person_id)
    assert held
    return held


async def test_whoever_is_erased_meanwhile_has_no_clock(running: Running) -> None:
    _, her, _ = await referred(running)
    counter = running.service.parts[Counter]
    assert await eventually(lambda: counter.shelves.notices.get(her))
    decision = Decision(reason="asked", by="x", at=NOON)
    await erasing.forget(her, decision, counter.shelves)
    said = await sent_by(running.service, running.broker)
    [message] = [e for e in said if isinstance(e.data, ReferralReceived)]

    await collect(message, counter=counter)

    assert await counter.shelves.notices.get(her) is None


async def test_every_query_is_served_by_an_index(running: Running) -> None:
    rights = running.service.store(RightsRequests)
    notices = running.service.store(Notices)
    for store, query in (
        (rights, {"decided.confirmed_at": None}),
        (rights, {"asked.person_id": {"$in": ["x"]}}),
        (notices, {"tell_by": {"$gt": EPOCH, "$lte": NOON}}),
        (notices, {"alarm_at": {"$gt": EPOCH, "$lte": NOON}}),
    ):
        plan = await store.documents.find(query).explain()
        winning = str(plan["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in winning, winning
