"""What reaches who harmed her is not used for her, wherever it was told (ADR 81)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, eventually, new_id
from accord_contracts.access import Side
from referrals.domain.contact import (
    ContactBook,
    Kept,
    Point,
    SuspendedFor,
    Suspension,
    also_reaches,
    from_his_side,
    heed_suspensions,
)
from referrals.domain.household import Member, opposed
from referrals.domain.telling import Channel
from referrals_builders import CHILD, HARMED, JOHN, MERE, USING, Running, body
from test_contact import FIRST, PERSON, confirmed, known, said, told, used
from test_contacts import (
    NUMBER,
    OTHER_NUMBER,
    SIDES,
    ask,
    confirm,
    contact,
    permission,
    points,
    read,
    refusals,
    told_of,
)
from test_erasing import refer
from test_merging import asks as merge
from test_one_person import Desk

WRITTEN_OTHERWISE = "+64 (0) 21 5550100"
HIS = contact(WRITTEN_OTHERWISE, channel="text", safety="unknown")
JOHN_TOO = {**JOHN, "contact_points": [HIS]}
LATER = NOON + timedelta(hours=1)


async def other_of(running: Running, person: str) -> str:
    """Give who else is in somebody's first case."""
    [case, *_] = await running.cases.of_people([person])
    return next(e.person_id for e in case.people if e.person_id != person)


async def refused(running: Running, person: str) -> list[str | None]:
    """Give why a service may not call somebody; that no value is told is seen to."""
    answer = await permission(running, person)
    found = answer.json()["permissions"]
    assert all((each["value"] is None) is bool(each["refused"]) for each in found)
    return [each["refused"] for each in found]


@pytest.mark.parametrize(
    ("people", "against"),
    [
        ({"mere": HARMED, "john": USING, "moana": CHILD}, {"john"}),
        ({"john": USING, "mere": HARMED, "jack": USING}, {"john", "jack"}),
        ({"mere": HARMED, "moana": CHILD}, set()),
    ],
)
def test_nothing_for_her_may_reach_who_uses_violence(
    people: dict[str, Any], against: set[str]
) -> None:
    case = [Member(person_id=who, role=role) for who, role in people.items()]

    assert opposed(frozenset({"mere"}), case) == against


def test_nothing_for_him_may_reach_anybody_else() -> None:
    case = [
        Member(person_id="john", role=USING),
        Member(person_id="mere", role=HARMED),
        Member(person_id="moana", role=CHILD),
    ]

    assert opposed(frozenset({"john", "john too"}), case) == {"mere", "moana"}
    both_ways = [*case, Member(person_id="john", role=HARMED)]
    assert opposed(frozenset({"john"}), both_ways) == frozenset()


def reaching(
    *who: str, book: ContactBook | None = None, complete: bool = True
) -> Point:
    [point] = known(told(), book=book)
    [point] = also_reaches([point], {point.reach: {*who}}, complete=complete)
    return point


def test_only_what_was_known_when_she_was_asked_is_believed_to_be_hers() -> None:
    asked = ContactBook(id=PERSON).confirm(
        FIRST, reaching("r1").reach, said(), [reaching("r1")]
    )

    assert used(reaching("r1")) == "read_by_others"
    assert used(reaching("r1", book=asked)) == "permitted"
    assert used(reaching("r1", "r2", book=asked)) == "read_by_others"
    # Of whom too much was told, nobody knows what reaches them.
    assert used(reaching(complete=False)) == "not_confirmed"
    assert used(reaching(complete=False, book=asked)) == "permitted"


def test_a_suspension_holds_for_others_until_they_were_asked_after_it() -> None:
    why = Suspension(
        reason=SuspendedFor.SOMEONE_ELSE_ANSWERED, by="x", at=NOON - timedelta(hours=1)
    )
    [point] = known(told())
    theirs = Kept(id=new_id(), reach=point.reach, suspension=why)
    asked = known(told(), book=confirmed(said(), told()))
    later = theirs.model_copy(
        update={"suspension": why.model_copy(update={"at": LATER})}
    )

    assert used(heed_suspensions([point], [theirs])[0]) == "suspended"
    assert used(heed_suspensions(asked, [theirs])[0]) == "permitted"
    assert used(heed_suspensions(asked, [theirs, later, theirs])[0]) == "suspended"
    elsewhere = theirs.model_copy(update={"reach": f"{point.reach}9"})
    assert used(heed_suspensions([point], [elsewhere])[0]) == "permitted"


@pytest.mark.parametrize("first", ["police", "hospital"])
async def test_a_number_told_as_his_elsewhere_is_not_used_for_her(
    running: Running, first: str
) -> None:
    tellings: dict[str, Any] = {
        "police": ((), {"john": JOHN_TOO}),
        "hospital": ((contact(),), {}),
    }
    for agency in sorted(tellings, key=lambda each: each != first):
        hers, fields = tellings[agency]
        mere = await told_of(running, *hers, agency=agency, **fields)

    [point] = await points(running, mere)

    assert (point["value"], refusals(point)) == (None, ["read_by_others"])
    assert await refused(running, mere) == ["read_by_others"]
    # Asked, she says that it is hers; whoever tells it as his after that is heeded.
    assert await confirm(running, mere, point["contact_id"]) == 204
    assert (await points(running, mere))[0]["value"] == NUMBER
    await told_of(running, agency="police", john=JOHN_TOO)
    assert await refused(running, mere) == ["read_by_others"]


async def test_what_an_amendment_tells_as_his_is_not_used_for_her(
    running: Running,
) -> None:
    mere = await told_of(running, agency="police")
    assert await told_of(running, contact(), agency="hospital") == mere
    assert await refused(running, mere) == [None]
    theirs = await running.referrals.of_person(mere)
    by_police = next(each for each in theirs if each.sender.agency == "police")

    added = {"add_contact_points": [{"person": 1, **HIS}]}
    assert (await running.amend(by_police.id, added)).status_code == 202

    async def heeded() -> bool:
        return await refused(running, mere) == ["read_by_others"]

    await eventually(heeded)
    # Taken back, it still warns.
    assert (await running.withdraw(by_police.id)).status_code == 202
    assert await refused(running, mere) == ["read_by_others"]


async def test_what_he_himself_said_reaches_him_is_not_used_for_her(
    running: Running, clock: SimulatedClock
) -> None:
    mere = await told_of(running, contact())
    john, point = await other_of(running, mere), new_id()
    said_of_his = {"value": WRITTEN_OTHERWISE, "channels": ["text"]}
    assert await confirm(running, john, point, **said_of_his) == 204

    assert await refused(running, mere) == ["read_by_others"]

    # What is suspended for the one is suspended for the other, until she is asked.
    clock.advance(timedelta(minutes=1))
    assert await confirm(running, mere) == 204
    assert await refused(running, mere) == [None]
    clock.advance(timedelta(minutes=1))
    path = f"{john}/contacts/{point}/suspension"
    why = {"reason": "someone_else_answered"}
    assert (await ask(running, "POST", path, why)).status_code == 204
    assert await refused(running, mere) == ["suspended"]
    clock.advance(timedelta(minutes=1))
    assert await confirm(running, mere) == 204
    assert await refused(running, mere) == [None]


async def test_who_harmed_another_of_a_merged_case_is_not_reached_for_her(
    running: Running,
) -> None:
    hana = {**MERE, "given_name": "Hana"}
    _, his = await refer(running, body(people=[hana, JOHN_TOO]))
    alone = {**MERE, "contact_points": [contact()]}
    _, hers = await refer(running, body(people=[alone]))
    [mere] = [each.person_id for each in hers.people]
    assert await refused(running, mere) == [None]

    assert (await merge(running, "merge", his.id, hers.id)).status_code == 200
    assert await refused(running, mere) == ["read_by_others"]

    assert (await merge(running, "unmerge", his.id, hers.id)).status_code == 200
    assert await refused(running, mere) == [None]


async def test_who_he_also_is_is_not_reached_for_her(running: Running) -> None:
    jack = {**JOHN, "given_name": "Jack", "family_name": "Karaka"}
    elsewhere = {**MERE, "given_name": "Hana", "family_name": "Rangi"}
    mere = await told_of(running, contact(), contact(OTHER_NUMBER))
    john = await other_of(running, mere)
    his = {**jack, "contact_points": [HIS]}
    _, other = await refer(running, body(people=[elsewhere, his]))
    [also] = [e.person_id for e in other.people if e.role is USING]
    assert await refused(running, mere) == [None, None]

    await Desk(running).merges(john, also)

    assert await refused(running, mere) == ["read_by_others", None]


OUTREACH = {"sides": frozenset({Side.PERSON_USING_VIOLENCE})}


async def outreach_in(running: Running, person: str) -> str:
    """Give somebody who serves the person using violence in each case of somebody."""
    worker = new_id()
    for each in await running.cases.of_people([person]):
        running.standings.tell(worker, each.id, **OUTREACH)
    return worker


async def test_who_serves_him_reaches_him_and_nobody_else(running: Running) -> None:
    his = [
        contact(OTHER_NUMBER),
        contact(),
        contact("john@example.org", channel="email"),
    ]
    mere = await told_of(running, john={**JOHN, "contact_points": his})
    assert await told_of(running, contact(), agency="hospital") == mere
    john = await other_of(running, mere)
    worker = await outreach_in(running, john)

    answer = await read(running, john, worker=worker)

    assert answer.status_code == 200, answer.text
    found = {each["value"] for each in answer.json()["contacts"]}
    assert found == {OTHER_NUMBER, "john@example.org"}
    assert (await read(running, mere, worker=worker)).status_code == 404
    # Whoever sees both sides sees that there is a third, and why it is not used.
    assert len(await points(running, john)) == len(his)
    assert await confirm(running, john, value="021 555 0133", worker=worker) == 204
    assert await confirm(running, mere, worker=worker) == 404


async def test_what_she_told_of_him_is_not_shown_to_who_serves_him(
    running: Running,
) -> None:
    asked_by = {"who": "person_harmed", "person": 0, "agreed": True}
    hers = {**MERE, "contact_points": [contact(OTHER_NUMBER)]}
    people = [hers, {**JOHN, "contact_points": [contact()]}]
    _, case = await refer(running, body(people=people, asked_by=asked_by))
    [john] = [e.person_id for e in case.people if e.role is USING]
    worker = await outreach_in(running, john)

    answer = await read(running, john, worker=worker)

    assert (answer.status_code, answer.json()["contacts"]) == (200, [])
    [point] = await points(running, john)
    assert refusals(point) == ["read_by_others"]


JACK = {**JOHN, "given_name": "Jack"}


async def harmed_elsewhere(running: Running, *his: dict[str, Any], worker: str) -> str:
    """Have John named as harmed by Jack in a case that a worker has no part in."""
    john = {**JOHN, "role": "person_harmed", "contact_points": his}
    _, case = await refer(running, body(people=[john, JACK]))
    side = Side.PERSON_USING_VIOLENCE
    running.standings.tell(worker, case.id, own_side=side)
    return case.id


@pytest.fixture
async def john(running: Running) -> str:
    """Somebody who uses violence, of whom two numbers are told."""
    his = [contact(leave_message=True), contact(OTHER_NUMBER)]
    mere = await told_of(running, john={**JOHN, "contact_points": his})
    return await other_of(running, mere)


async def test_who_serves_him_sees_the_same_when_he_is_harmed_in_another_case(
    running: Running, john: str
) -> None:
    worker = await outreach_in(running, john)
    before = await read(running, john, worker=worker)
    assert len(before.json()["contacts"]) == 2

    new = contact("021 555 0177", code_word="piwakawaka")
    again = contact(code_word="piwakawaka", leave_message=False)
    other = await harmed_elsewhere(running, new, again, worker=worker)
    specialist = new_id()
    running.standings.tell(specialist, other, sides=SIDES)
    [his] = [e for e in await running.cases.of_people([john]) if e.id != other]
    running.standings.tell(specialist, his.id)
    hidden = {"value": "021 555 0188", "worker": specialist}
    assert await confirm(running, john, **hidden) == 204
    home = {"value": "1 Somewhere Street", "channels": ["post"], "worker": specialist}
    assert await confirm(running, john, **home) == 204
    # Whoever coordinates works on both cases, and asks for the one where he is harmed.
    assert await confirm(running, john, value="021 555 0166") == 204

    after = await read(running, john, worker=worker)

    assert (after.status_code, after.json()) == (200, before.json())
    assert len(await points(running, john)) == 6
    assert await confirm(running, john, value="021 555 0155", worker=worker) == 204
    found = (await read(running, john, worker=worker)).json()["contacts"]
    assert len(found) == 3


@pytest.mark.parametrize("limit", [{"safety": "unsafe"}, {"read_by": "Jack"}])
async def test_what_is_not_safe_for_him_elsewhere_is_left_out_and_not_refused(
    running: Running, john: str, limit: dict[str, Any]
) -> None:
    worker = await outreach_in(running, john)

    await harmed_elsewhere(running, contact(**limit), worker=worker)

    answer = await read(running, john, worker=worker)
    [left] = answer.json()["contacts"]
    assert (left["value"], refusals(left)) == (OTHER_NUMBER, [None])


async def test_who_meets_whoever_harmed_him_has_nothing_of_him(
    running: Running, john: str
) -> None:
    worker = await outreach_in(running, john)
    other = await harmed_elsewhere(running, worker=worker)
    assert (await read(running, john, worker=worker)).status_code == 200

    running.standings.tell(worker, other, **OUTREACH)

    assert (await read(running, john, worker=worker)).status_code == 404


async def test_who_meets_whoever_harmed_who_he_also_is_has_nothing_of_him(
    running: Running, john: str
) -> None:
    worker = await outreach_in(running, john)
    also = {**MERE, "given_name": "Hone", "family_name": "Karaka"}
    _, other = await refer(running, body(people=[also, JACK]))
    [hone] = other.harmed
    running.standings.tell(worker, other.id, **OUTREACH)
    assert (await read(running, john, worker=worker)).status_code == 200

    await Desk(running).merges(john, hone)

    assert (await read(running, john, worker=worker)).status_code == 404


def test_an_address_is_moved_from_by_what_one_may_see_alone() -> None:
    here, there = (
        told(value=each, channel=Channel.POST) for each in ("1 Here", "2 There")
    )
    hers = replace(there, referral_id="r2", shared=True)
    points = known(here, hers)

    seen = from_his_side(points, frozenset())

    assert [each.moved for each in points] == [True, True]
    assert [each.moved for each in seen] == [False]
    assert [e.moved for e in from_his_side(known(here, there), frozenset())] == [
        True,
        True,
    ]


def test_a_number_he_was_asked_about_for_his_side_stays_known_there() -> None:
    theirs, his = frozenset({"where harmed"}), frozenset({"his"})
    [point] = known(told())
    asked = ContactBook(id=PERSON).confirm(
        FIRST, point.reach, said(), [point], known_in=his
    )
    again = asked.confirm(
        FIRST, point.reach, said(), known(book=asked), known_in=theirs
    )
    there = ContactBook(id=PERSON).confirm(
        FIRST, point.reach, said(), [point], known_in=theirs
    )

    seen = [from_his_side(known(book=each), theirs) for each in (asked, again, there)]

    assert [len(each) for each in seen] == [1, 1, 0]


async def test_who_serves_him_in_one_case_sees_no_more_by_another(
    running: Running,
) -> None:
    mere = await told_of(running, john={**JOHN, "contact_points": [contact()]})
    assert await told_of(running, contact(), agency="hospital") == mere
    john = await other_of(running, mere)
    hana = {**MERE, "given_name": "Hana", "family_name": "Rangi"}
    _, other = await refer(running, body(people=[hana, JOHN]))
    worker = await outreach_in(running, mere)
    running.standings.tell(worker, other.id, sides=SIDES)

    answer = await read(running, john, worker=worker)

    assert (answer.status_code, answer.json()["contacts"]) == (200, [])
