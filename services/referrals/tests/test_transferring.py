"""Handing a case over to another region: what goes, what stays, and what is closed."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    eventually,
    message_of,
    new_id,
)
from accord_chassis.topology import queue_of
from accord_contracts.calendar import Day, Window
from accord_contracts.grounds import Belief, S20Purpose
from accord_contracts.message import Lane
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    TransferConfirmed,
    TransferOutdated,
    TransferUnconfirmed,
    TriggerCancelled,
    TriggerKind,
    TriggerScheduled,
    TriggerTold,
)
from referrals.domain.case import Case, find_case
from referrals.domain.contact import Confirmation, Heard, Held, Kept, Point
from referrals.domain.erasure import Decision
from referrals.domain.handover import Handover, HandoverTerms
from referrals.domain.ledger import FieldGroup
from referrals.domain.package import Known, packed, reached
from referrals.domain.receipt import receipt_id
from referrals.domain.telling import Channel, Safety
from referrals.domain.transferring import TransferredElsewhere, transfer
from referrals.domain.trigger import State
from referrals.domain.window import Windows
from referrals.keeping import Disclosures
from referrals.receiving import Receipts, await_receipt, forget
from referrals.triggers import Triggers, dates_of, schedule, scheduled
from referrals_builders import (
    HARMED,
    JOHN,
    MERE,
    POLICY,
    RULES,
    USING,
    Running,
    body,
    case,
    household,
    referral,
)
from test_amending import hears
from test_erasing import refer
from test_merging import asks as merges

TERMS = HandoverTerms(
    to="waikato",
    reason="she_moved",
    purpose=S20Purpose.PROTECTION,
    belief=Belief.WILL_HELP,
    consulted=True,
)
DECISION = Decision(reason="she_moved", by="somebody", at=NOON)
HANDOVER = Handover(terms=TERMS, decision=DECISION)
TOLD: dict[str, Any] = TERMS.model_dump(mode="json")

PHONE = {"channel": "phone", "value": "021 555 0001", "safety": "safe"}
NIGHT = (Window(days=frozenset({Day.SATURDAY}), starts="21:00", ends="23:00"),)
MORNING = (Window(days=frozenset(Day), starts="09:00", ends="12:00"),)
GONE = {"channel": "text", "value": "021 555 0002", "safety": "unsafe"}


def gone_elsewhere(one: Case) -> Case:
    return transfer(one, HANDOVER, POLICY.retention)


def test_a_family_that_is_referred_anew_has_a_case_of_its_own_again() -> None:
    pair = household(("mere", HARMED), ("john", USING))
    first = gone_elsewhere(case(pair))

    second, _ = Case(id="second", opened_at=NOON).join("r2", pair, [first])
    third, _ = Case(id="third", opened_at=NOON).join(
        "r3", pair, [first, gone_elsewhere(second)]
    )

    assert find_case([first], pair) is None
    assert find_case([first, second], pair) is second
    keys = [{*each.keys} for each in (first, second, third)]
    assert all(keys)
    assert not keys[0] & keys[1]
    assert not keys[1] & keys[2]
    again, _ = second.join("r4", pair, [first])
    assert again.keys == second.keys


def test_a_family_has_a_case_of_its_own_when_the_first_one_is_gone() -> None:
    pair = household(("mere", HARMED), ("john", USING))
    first = gone_elsewhere(case(pair))
    second, _ = Case(id="second", opened_at=NOON).join("r2", pair, [first])
    second = gone_elsewhere(second)

    third, _ = Case(id="third", opened_at=NOON).join("r3", pair, [second])

    assert not {*second.keys} & {*third.keys}


def test_two_first_referrals_after_a_transfer_claim_the_same() -> None:
    pair = household(("mere", HARMED), ("john", USING))
    first = gone_elsewhere(case(pair))

    one, _ = Case(id="one", opened_at=NOON).join("r1", pair, [first])
    other, _ = Case(id="other", opened_at=NOON).join("r2", pair, [first])

    assert one.keys == other.keys


def test_a_case_is_transferred_once_and_to_one_region() -> None:
    done = gone_elsewhere(case(household(("mere", HARMED))))
    other = HANDOVER.model_copy(update={"terms": TERMS.model_copy(update={"to": "x"})})

    assert gone_elsewhere(done) is done
    assert not done.is_open
    assert done.erase_at
    with pytest.raises(TransferredElsewhere):
        transfer(done, other, POLICY.retention)


def test_who_is_erased_and_what_was_taken_back_is_not_told() -> None:
    child = {"role": "child", "given_name": "Moana"}
    told = referral(MERE, JOHN, child, narrative="[erased]").recognised(("m", "j", "c"))

    [left] = packed([told], TERMS, Known(gone=frozenset({"j"})), at=NOON, rules=RULES)
    nobody = packed([told], TERMS, Known(gone=frozenset({"m"})), at=NOON, rules=RULES)

    assert left.people == ("m", "c")
    assert [each.given_name for each in left.referral.people] == ["Mere", "Moana"]
    assert left.referral.narrative is None
    assert nobody == ()


def test_parts_are_told_as_a_person_has_put_them_right() -> None:
    told = referral(MERE, JOHN).recognised(("m", "j"))
    right = told.with_parts({"m": USING, "j": HARMED}, NOON)

    [body_] = packed([right], TERMS, Known(), at=NOON, rules=RULES)

    assert [each.role for each in body_.referral.people] == [USING, HARMED]


def test_what_another_case_told_of_a_number_is_not_told_but_warns() -> None:
    here, there = new_id(), new_id()
    number = "021 555 0001"
    own = Heard(here, NOON, Channel.PHONE, number, safety=Safety.SAFE)
    others = Heard(
        there, NOON, Channel.PHONE, number, safety=Safety.SAFE, code_word="kererū"
    )
    warns = Heard(there, NOON, Channel.PHONE, number, safety=Safety.UNSAFE)
    reach = f"contact_number:{number}"

    def told(*heard: Heard) -> list[tuple[Safety, str | None]]:
        point = Point(id=new_id(), reach=reach, heard=heard)
        found = reached([point], frozenset({here}), NOON, POLICY.contacts)
        return [(each.safety, each.code_word) for each in found]

    assert told(own, others) == [(Safety.SAFE, None)]
    assert told(own, warns) == [(Safety.UNSAFE, None)]
    assert told(others) == []


def test_what_she_said_of_a_number_goes_at_any_hour_by_the_channels_told_here() -> None:
    here, number = new_id(), "021 555 0001"
    reach = f"contact_number:{number}"
    said = Confirmation(
        at=NOON,
        by="x",
        channels=frozenset({Channel.PHONE, Channel.TEXT}),
        until=NOON + timedelta(days=28),
        held=Held(value=number, hours=NIGHT, code_word="kererū", duress_word="tūī"),
    )
    own = Heard(here, NOON, Channel.PHONE, number)
    kept = Kept(id=new_id(), reach=reach, confirmation=said)
    point = Point(id=kept.id, reach=reach, heard=(own,), kept=kept)

    [told] = reached([point], frozenset({here}), NOON, POLICY.contacts)

    assert (told.channel, told.safety) == (Channel.PHONE, Safety.SAFE)
    assert (told.hours, told.windows) == (None, NIGHT)
    assert (told.code_word, told.duress_word) == ("kererū", "tūī")


@pytest.mark.parametrize(
    ("told", "safety", "goes"),
    [
        ([NIGHT], Safety.SAFE, NIGHT),
        ([NIGHT, None], Safety.SAFE, NIGHT),
        ([NIGHT, MORNING], Safety.UNKNOWN, None),
        ([None], Safety.SAFE, None),
    ],
)
def test_hours_that_agencies_told_go_unless_two_told_others(
    told: list[Windows | None], safety: Safety, goes: Windows | None
) -> None:
    here, number = new_id(), "021 555 0001"
    reach = f"contact_number:{number}"
    heard = tuple(
        Heard(here, NOON, Channel.PHONE, number, safety=Safety.SAFE, windows=each)
        for each in told
    )

    [point] = reached(
        [Point(new_id(), reach, heard)], frozenset({here}), NOON, POLICY.contacts
    )

    assert (point.safety, point.windows) == (safety, goes)


def test_what_she_said_is_good_at_no_hour_goes_as_such() -> None:
    here, number = new_id(), "021 555 0001"
    said = Confirmation(
        at=NOON,
        by="x",
        channels=frozenset({Channel.PHONE}),
        until=NOON + timedelta(days=28),
        held=Held(value=number, hours=()),
    )
    kept = Kept(id=new_id(), reach=f"contact_number:{number}", confirmation=said)
    own = Heard(here, NOON, Channel.PHONE, number)

    [told] = reached(
        [Point(kept.id, kept.reach, (own,), kept)],
        frozenset({here}),
        NOON,
        POLICY.contacts,
    )

    assert told.safety is Safety.UNKNOWN


async def region(running: Running, code: str = "waikato") -> None:
    known = await running.register(code, registered_as="family_violence_agency")
    assert known.status_code == 200, known.text


async def asks(
    running: Running, one: str, *, method: str = "POST", **told: Any
) -> httpx2.Response:
    """Have a coordinator transfer a case, or read what goes."""
    claims = {"worker": told.pop("worker", COORDINATOR)}
    headers = running.bearer("referrals.transfer", agency="", **claims)
    sent = {"json": {**TOLD, **told}} if method == "POST" else {}
    path = f"/v1/cases/{one}/transfer"
    return await running.http.request(method, path, headers=headers, **sent)


async def test_what_the_other_region_gets_can_be_posted_as_it_is(
    running: Running,
) -> None:
    await region(running)
    released = {"kind": "prison_release", "on": "2026-12-24", "about": [1]}
    people = [{**MERE, "contact_points": [PHONE, GONE]}, JOHN]
    referral_id, one = await refer(
        running, body(people=people, triggers=[released], narrative="What was seen.")
    )

    answer = await asks(running, one.id)
    again = await asks(running, one.id)
    read = await asks(running, one.id, method="GET")

    assert answer.status_code == 201, answer.text
    package = answer.json()
    assert again.json()["referrals"] == read.json()["referrals"] == package["referrals"]
    [told] = package["referrals"]
    sent = told["referral"]
    assert sent["reference"] == f"transfer-{referral_id}"
    points = sent["people"][0]["contact_points"]
    assert [(e["value"], e["safety"]) for e in points] == [
        (PHONE["value"], Safety.SAFE), (GONE["value"], Safety.UNSAFE),
    ]  # fmt: skip
    assert [each["kind"] for each in sent["triggers"]] == [TriggerKind.PRISON_RELEASE]
    assert sent["sharing"]["purpose"] == "fva20_c"
    assert not any(each in answer.text for each in one.harmed)

    posted = await running.submit(sent)
    assert posted.status_code == 202, posted.text
    _, opened = await refer(running, body(people=people))
    assert opened.id != one.id


async def test_what_was_transferred_is_told_and_stands_in_the_ledger(
    running: Running,
) -> None:
    await region(running)
    released = {"kind": "prison_release", "on": "2026-12-24"}
    people = [{**MERE, "contact_points": [PHONE]}, JOHN]
    _, one = await refer(running, body(people=people, triggers=[released]))
    triggers = running.service.store(Triggers)
    await eventually(lambda: triggers.of_case(one.id))

    await asks(running, one.id)

    [told] = await hears(running, CaseTransferred)
    assert told.case_id == one.id
    assert "waikato" not in told.model_dump_json()
    await hears(running, TriggerCancelled)
    disclosures = running.service.store(Disclosures)
    [mere] = one.harmed

    async def entered() -> set[FieldGroup | None]:
        return {each.group for each in await disclosures.about(mere)}

    assert await eventually(entered) == {FieldGroup.IDENTITY, FieldGroup.CONTACT}
    [entry, _] = await disclosures.about(mere)
    assert (entry.agency, entry.purpose) == ("waikato", S20Purpose.PROTECTION)
    assert entry.transfer


async def receives(
    running: Running, one: str, agency: str = "", worker: str = ""
) -> httpx2.Response:
    """Have somebody say that the other region has a case."""
    claims = {"agency": agency, "worker": worker}
    headers = running.bearer("referrals.transfer", **claims)
    path = f"/v1/cases/{one}/transfer/receipt"
    return await running.http.post(path, headers=headers)


async def test_a_case_that_nobody_confirms_to_have_is_an_alarm_until_somebody_does(
    running: Running, clock: SimulatedClock
) -> None:
    await region(running)
    await region(running, "otago")
    _, one = await refer(running, body())
    early = await receives(running, one.id, worker=COORDINATOR)
    package = (await asks(running, one.id)).json()
    within = timedelta(hours=POLICY.transfers.receipt_hours)
    receipts = running.service.store(Receipts)
    assert await eventually(lambda: receipts.get(receipt_id(one.id)))

    clock.advance(within + timedelta(minutes=5))

    [late] = await hears(running, TransferUnconfirmed)
    assert (late.case_id, late.worker_id) == (one.id, COORDINATOR)
    assert late.late_by == 300
    other = await receives(running, one.id, agency="otago")
    colleague = await receives(running, one.id, worker=new_id())
    assert (other.status_code, colleague.status_code) == (404, 404)
    assert other.json()["type"] == colleague.json()["type"]
    for _ in range(2):
        answer = await receives(running, one.id, agency="waikato")
        assert answer.status_code == 200, answer.text
    [told] = await hears(running, TransferConfirmed)
    assert told.transfer_id == late.transfer_id
    assert "waikato" not in told.model_dump_json()
    held = await receipts.get(late.transfer_id)
    assert held
    assert held.received
    assert (held.received.agency, held.received.at) == ("waikato", clock.now())
    read = (await asks(running, one.id, method="GET")).json()["receipt"]
    assert read == answer.json()
    assert (early.status_code, package["receipt"]["received_at"]) == (404, None)
    assert await receipts.due_now(clock.now() + timedelta(days=99)) == []


async def test_what_was_received_in_time_is_no_alarm_and_goes_with_its_case(
    running: Running, clock: SimulatedClock
) -> None:
    await region(running)
    _, one = await refer(running, body())
    await asks(running, one.id)
    # Who works for another agency and coordinates it says so for the other region.
    answer = await receives(running, one.id, agency="refuge", worker=COORDINATOR)
    assert answer.status_code == 200
    [told] = await hears(running, CaseTransferred)
    receipts = running.service.store(Receipts)

    async def heard_it_all() -> bool:
        queues = (running.broker.queues[queue_of("referrals", each)] for each in Lane)
        return running.service.idle() and not any(each.ready for each in queues)

    # The service hears of its own hand-over too, and would await it after the end.
    await eventually(heard_it_all)

    held = await receipts.get(receipt_id(one.id))
    assert held
    assert held.received
    assert held.received.agency is None

    # Heard of only now, and once more: it was received.
    rules, cases = POLICY.transfers, running.cases
    for _ in range(2):
        await await_receipt(
            message_of(told), receipts=receipts, cases=cases, rules=rules
        )

    assert await receipts.due_now(clock.now() + timedelta(days=99)) == []
    erased = CaseErased(case_id=one.id, reason="asked", erased_at=NOON)
    await forget(message_of(erased), receipts=receipts)
    assert await receipts.get(receipt_id(one.id)) is None


async def test_its_agency_sees_and_changes_its_referral_as_in_any_case_that_is_closed(
    running: Running, clock: SimulatedClock
) -> None:
    await region(running)
    released = {"kind": "prison_release", "on": "2026-12-24"}
    referral_id, one = await refer(running, body(triggers=[released]))
    triggers = running.service.store(Triggers)
    await eventually(lambda: triggers.of_case(one.id))
    headers = {**running.bearer("referrals.submit"), "Idempotency-Key": "w"}
    below = f"/v1/referrals/{referral_id}"
    reads = running.bearer("referrals.read")
    seen = (await running.http.get(f"{below}/triggers", headers=reads)).json()
    await asks(running, one.id)
    await hears(running, TriggerCancelled)

    dates = await running.http.get(f"{below}/triggers", headers=reads)
    moved = await running.http.put(
        f"{below}/triggers/0", headers=headers, json={"on": "2026-12-26"}
    )
    order = {
        "kind": "bail",
        "starts_at": "2026-11-01T00:00:00Z",
        "ends_at": "2027-11-01T00:00:00Z",
        "bound": [1],
    }
    bound = await running.http.post(f"{below}/orders", headers=headers, json=order)
    again = await running.http.post(
        f"{below}/orders", headers=headers, json={**order, "ends_at": None}
    )
    amended = await running.amend(referral_id, {"narrative": "More."})
    package = (await asks(running, one.id, method="GET")).json()
    off = await running.http.delete(f"{below}/triggers/0", headers=headers)
    over = await running.http.post(
        f"{below}/orders/{bound.json()['order_id']}/end",
        headers=headers,
        json={"reason": "discharged"},
    )
    withdrawn = await running.http.post(
        f"{below}/withdrawal", headers=headers, json={"reason": "duplicate"}
    )

    answers = (dates, moved, bound, again, amended, off, over, withdrawn)
    codes = [each.status_code for each in answers]
    told = (await running.status(referral_id)).json()
    clock.advance(timedelta(hours=27))
    assert (told["status"], told["closed_as"]) == ("received", None)
    assert codes == [200, 200, 201, 201, 202, 204, 200, 202]
    assert dates.json() == seen
    assert "transferred" not in "".join(each.text for each in answers)
    assert (await running.status(referral_id)).json()["closed_as"] == "ended"
    [told] = package["referrals"]
    [date] = told["referral"]["triggers"]
    assert date["at"].startswith("2026-12-25T11:00")
    assert told["referral"]["narrative"] == "More."
    assert [each["kind"] for each in told["orders"]] == ["bail"]
    # Whoever handed it over is to pass on what was told since; but nothing says where.
    outdated = await hears(running, TransferOutdated, 6)
    assert {(e.case_id, e.referral_id) for e in outdated} == {(one.id, referral_id)}
    assert {each.worker_id for each in outdated} == {COORDINATOR}
    # The date twice, the order three times, and the amendment.
    assert sorted(each.number or 0 for each in outdated) == [0, 0, 0, 0, 0, 1]
    assert not any("waikato" in each.model_dump_json() for each in outdated)
    # Nobody here hears of what is ahead in it any more.
    assert len(await hears(running, TriggerScheduled)) == 1


def test_a_date_goes_also_before_its_clock_is_set() -> None:
    release = {"kind": "prison_release", "on": "2026-12-24"}
    told = referral(triggers=[release, {**release, "on": "2026-12-09"}])
    told = told.recognised(("m", "j"))

    first, second = dates_of([told], new_id(), ())
    moved = first.move(NOON, by="somebody", at=NOON)

    assert first.happens_at == told.due[0]
    assert dates_of([told], first.case_id, [moved]) == (moved, second)


async def test_a_date_heard_of_after_the_transfer_is_told_to_its_agency_alone(
    running: Running,
) -> None:
    triggers = running.service.store(Triggers)
    pair = household(("mere", HARMED), ("john", USING))
    gone = await running.cases.save(gone_elsewhere(case(pair)))
    told = TriggerTold(
        case_id=gone.id,
        trigger_id=new_id(),
        kind=TriggerKind.HEARING,
        due_at=NOON + timedelta(days=1),
        referral_id=new_id(),
        number=0,
        agency="police",
        person_ids=(),
        reference=None,
    )

    await schedule(
        message_of(told),
        triggers=triggers,
        cases=running.cases,
        rules=POLICY.triggers,
        clock=SimulatedClock(NOON),
    )

    held = await triggers.get(told.trigger_id)
    assert held
    assert (held.state, held.elsewhere) == (State.SCHEDULED, True)
    assert scheduled(held) == []


async def test_what_is_merged_into_it_goes_with_it(running: Running) -> None:
    await region(running)
    hana = [{**MERE, "given_name": "Hana"}, {**JOHN, "given_name": "Jon"}]
    _, one = await refer(running, body())
    wishes = {"not_told": ["waikato"]}
    _, other = await refer(running, body(people=hana, wishes=wishes))
    await merges(running, "merge", one.id, other.id)

    wished = await asks(running, one.id)
    refused = await asks(running, other.id, against_wish=True)
    answer = await asks(running, one.id, against_wish=True)
    apart = await merges(running, "merge", other.id, one.id)

    assert wished.json()["errors"][0]["rule"] == "wished not to be told"
    assert (refused.status_code, answer.status_code) == (409, 201)
    assert len(answer.json()["referrals"]) == 2
    assert apart.status_code == 409
    told = {each.case_id for each in await hears(running, CaseTransferred, 2)}
    assert told == {one.id, other.id}


async def test_whom_she_wishes_untold_or_nobody_knows_gets_nothing(
    running: Running,
) -> None:
    await region(running)
    _, one = await refer(running, body(wishes={"not_told": ["waikato"]}))

    wished = await asks(running, one.id)
    unknown = await asks(running, one.id, to="nowhere")
    unread = await asks(running, one.id, method="GET")
    colleague = await asks(running, one.id, worker=new_id())
    anyway = await asks(running, one.id, against_wish=True)

    rules = [each.json()["errors"] for each in (wished, unknown)]
    assert rules == [
        [{"pointer": "/body/to", "rule": "wished not to be told"}],
        [{"pointer": "/body/to", "rule": "not in the register"}],
    ]
    assert (unread.status_code, colleague.status_code) == (404, 404)
    assert anyway.status_code == 201


async def test_a_case_that_waits_for_who_harmed_whom_is_decided_before(
    running: Running,
) -> None:
    await region(running)
    _, one = await refer(running, body())
    turned = [
        {**MERE, "role": "person_using_violence"},
        {**JOHN, "role": "person_harmed"},
    ]
    await refer(running, body(people=turned))

    async def refused() -> bool:
        return (await asks(running, one.id)).status_code == 409

    assert await eventually(refused)
