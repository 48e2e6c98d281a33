"""Nobody serves her in one case and him in another, whichever of them came first."""

import pytest
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.allocation import AllocationOffered, AllocationWithdrawn, Role
from accord_contracts.one_person import Link
from accord_contracts.referrals import (
    CaseMerged,
    Party,
    PersonMerged,
    PersonRole,
    PersonUnmerged,
    RolesDecided,
)
from accord_contracts.risk import RiskLevel
from allocation.domain.across import NOWHERE, across
from allocation.domain.need import SERVED, Need
from allocation.domain.people import People
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Wanted
from allocation.handlers.answering import accept
from allocation.handlers.handing import candidates
from allocation.handlers.parts import settle_parts
from allocation.handlers.people import (
    leave_to_others,
    look_at_offered,
    note_one_person,
)
from allocation.handlers.staffing import (
    dissolve_team,
    end_allocations,
    note_wishes,
    want_roles,
)
from allocation_builders import (
    COORDINATOR,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    Front,
    Office,
    Running,
    assessed,
    closed,
    handled_once,
    referred,
    worker,
)

SHE, HE, OTHER_SHE, CHILD, OTHER_HE = (new_id() for _ in range(5))
HARMED, USING = PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE


def put_right(case_id: str, *, harmed: str, using: str) -> RolesDecided:
    return RolesDecided(
        case_id=case_id,
        harmed=harmed,
        using_violence=using,
        corrected=True,
        decided_at=NOON,
    )


def people(harmed: str, using: str, *children: str) -> tuple[Party, ...]:
    return (
        Party(person_id=harmed, role=HARMED),
        Party(person_id=using, role=USING),
        *(Party(person_id=each, role=PersonRole.CHILD) for each in children),
    )


def case(parties: tuple[Party, ...], **served: set[str]) -> Staffing:
    return Staffing(id=new_id(), **served).meet(parties)


def served(held: Staffing, role: Role, who: str) -> Staffing:
    """Have somebody accept a role of a case."""
    wanted = Wanted(
        allocation_id=new_id(),
        level=RiskLevel.HIGH,
        since=NOON,
        first_referred_at=NOON,
    )
    held = held.model_copy(update={"roles": {**held.roles, role: wanted}})
    return held.join(wanted.allocation_id, who, wanted.lists)


HERS = people(SHE, HE, CHILD)
"""He harms her, and there is a child."""


@pytest.mark.parametrize(
    ("there", "role", "may_not"),
    [
        # The same man harms another woman: who served her may not meet him, and whoever
        # met him may serve neither.
        (people(OTHER_SHE, HE), OUTREACH, {"hers"}),
        (people(OTHER_SHE, HE), SPECIALIST, {"his"}),
        (people(OTHER_SHE, HE), COORDINATOR, {"his"}),
        # She, or the child, is harmed by another man too.
        (people(SHE, OTHER_HE), OUTREACH, {"hers"}),
        (people(OTHER_SHE, OTHER_HE, CHILD), SPECIALIST, {"his"}),
        # He is harmed himself: who serves him serves nobody whom he harms.
        (people(HE, OTHER_HE), SPECIALIST, {"hers"}),
        (people(HE, OTHER_HE), OUTREACH, {"his"}),
        # Whoever coordinates a whole case serves her too, whom he harms.
        (people(HE, OTHER_HE), COORDINATOR, {"hers", "his"}),
        # She harms somebody: who met her there serves nobody whom he harms.
        (people(OTHER_SHE, SHE), SPECIALIST, {"hers"}),
        (people(OTHER_SHE, OTHER_HE), SPECIALIST, set()),
        (people(OTHER_SHE, OTHER_HE), OUTREACH, set()),
    ],
)
def test_what_another_case_of_the_same_people_forbids(
    there: tuple[Party, ...], role: Role, may_not: set[str]
) -> None:
    other = case(there, served_others={"hers"}, served_outreach={"his"})

    found = across(role, People().met(HERS), [other])

    assert found.served == may_not
    assert (found == NOWHERE) is not bool(may_not)


def test_a_compartment_is_barred_by_the_same_part_alone() -> None:
    mine = People().met(HERS)
    alike = case(people(OTHER_SHE, HE)).ask(SPECIALIST, "north").ask(OUTREACH, "south")
    turned = case(people(HE, OTHER_HE)).ask(SPECIALIST, "north").ask(OUTREACH, "south")

    assert across(OUTREACH, mine, [alike]).walls == {"north"}
    assert across(SPECIALIST, mine, [alike]).walls == {"south"}
    assert across(SPECIALIST, mine, [turned]).walls == frozenset()


def test_whoever_coordinates_one_case_may_coordinate_the_other_but_serve_no_side() -> (
    None
):
    other = case(people(HE, OTHER_HE))
    for role, who in ((COORDINATOR, "lead"), (SPECIALIST, "hers"), (OUTREACH, "his")):
        other = served(other, role, who)
    closed_ = other.close(1, NOON, POLICY)
    # Who was her specialist before they coordinated has served a side.
    both = served(closed_, COORDINATOR, "hers")
    mine = People().met(HERS)

    assert across(COORDINATOR, mine, [closed_]).served == {"hers", "his"}
    assert across(COORDINATOR, mine, [both]).served == {"hers", "his"}
    assert across(SPECIALIST, mine, [closed_]).served == {"lead", "hers"}
    assert across(OUTREACH, mine, [closed_]).served == {"lead", "his"}


@pytest.mark.parametrize(
    ("role", "there", "may_not"),
    [
        (COORDINATOR, COORDINATOR, False),
        (COORDINATOR, SPECIALIST, True),
        (COORDINATOR, OUTREACH, True),
        (SPECIALIST, COORDINATOR, True),
        (OUTREACH, COORDINATOR, True),
        (SPECIALIST, SPECIALIST, True),
        (SPECIALIST, OUTREACH, False),
    ],
)
def test_who_serves_a_case_in_which_somebody_has_the_other_part(
    role: Role, there: Role, *, may_not: bool
) -> None:
    need = Need(new_id(), new_id(), role, 1, turned=frozenset({"other"}))

    assert need.opposes("other", there) is may_not


def test_in_a_case_with_both_parts_neither_side_may_be_served_beside_the_other() -> (
    None
):
    both = frozenset({"other"})
    need = Need(new_id(), new_id(), SPECIALIST, 1, alike=both, turned=both)

    assert need.opposes("other", SPECIALIST)
    assert need.opposes("other", OUTREACH)


def test_who_harmed_whom_is_what_a_person_decided_last() -> None:
    told = People().met(people(HE, SHE))

    put_right = told.decided(harmed=SHE, using_violence=HE)

    assert (put_right.harmed, put_right.using_violence) == ({SHE}, {HE})
    assert put_right.alike(People().met(HERS))
    assert not put_right.turned(People().met(HERS))


def test_what_is_decided_of_somebody_holds_by_each_of_their_ids() -> None:
    known_as = new_id()
    told = People().met((*people(HE, known_as), *people(SHE, OTHER_HE)))
    linked = told.linked(new_id(), Link(people=(SHE, known_as), revision=1))

    put_right = linked.decided(harmed=SHE, using_violence=HE)

    assert put_right.only_harmed == {SHE, known_as}
    assert put_right.only_using == {HE, OTHER_HE}
    assert put_right.turned(People().met(people(OTHER_SHE, known_as)))


async def referral(
    office: Office,
    parties: tuple[Party, ...],
    level: RiskLevel = RiskLevel.HIGH,
    case_id: str | None = None,
) -> str:
    """Have a case referred and assessed, and its roles offered."""
    case_id, referral_id = case_id or new_id(), new_id()
    told = referred(case_id, referral_id=referral_id, parties=parties)
    await note_wishes(told, desk=office.desk)
    found = assessed(case_id, level, referral_id=referral_id)
    await want_roles(found, desk=office.desk)
    await office.deliver()
    return case_id


async def asked(office: Office, case_id: str) -> dict[Role, str | None]:
    roles = await office.allocations(case_id)
    return {role: each.holder for role, each in roles.items()}


async def test_whoever_is_asked_for_her_is_not_asked_to_meet_him_in_another_case(
    office: Office,
) -> None:
    # Who leads a case knows where she is.
    [both] = await office.employs(worker(COORDINATOR, OUTREACH))
    hers = await referral(office, people(SHE, HE), RiskLevel.MEDIUM)
    assert (await asked(office, hers))[COORDINATOR] == both.id

    other = await referral(office, people(OTHER_SHE, HE))

    assert (await asked(office, other))[OUTREACH] is None
    # Where the people are others, nothing is against it.
    third = await referral(office, people(new_id(), OTHER_HE))
    assert (await asked(office, third))[OUTREACH] == both.id


async def test_whoever_has_served_her_never_meets_him_also_once_it_is_over(
    office: Office,
) -> None:
    [was] = await office.employs(worker(WHANAU))
    hers = await referral(office, HERS, RiskLevel.LOW)
    role = await office.allocation(hers)
    await accept(role.id, was.id, desk=office.desk)
    await office.deliver()
    await dissolve_team(closed(hers, at=NOON), desk=office.desk)
    await end_allocations(closed(hers, at=NOON), desk=office.desk)
    # They have changed sides since, which the directory allows: they have no place.
    await office.employs(
        (await office.worker(was.id)).replaced_by(
            worker(OUTREACH, id=was.id), office.clock.now()
        )
    )

    his = await referral(office, people(OTHER_SHE, HE))

    role = await office.allocation(his, OUTREACH)
    assert role.holder is None
    [found] = await candidates(role.id, desk=office.desk)
    assert found.barred == (SERVED,)


async def test_an_offer_is_taken_back_once_it_is_known_that_the_people_are_the_same(
    office: Office,
) -> None:
    [both] = await office.employs(worker(COORDINATOR, OUTREACH))
    await referral(office, people(SHE, HE), RiskLevel.MEDIUM)
    known_as = new_id()
    his = await referral(office, people(OTHER_SHE, known_as))
    assert (await asked(office, his))[OUTREACH] == both.id

    told = PersonMerged(
        case_id=his, match_id=new_id(), person_id=HE, other_id=known_as, merged_at=NOON
    )
    for _ in range(2):
        await handled_once(note_one_person(message_of(told), desk=office.desk))
        await leave_to_others(message_of(told), desk=office.desk)

    role = await office.allocation(his, OUTREACH)
    assert role.holder is None
    assert both.id not in role.declined_by
    assert len(await office.told(AllocationWithdrawn)) == 1

    # Taken back, they are two again, and nothing is against it.
    apart = PersonUnmerged(
        case_id=his,
        match_id=told.match_id,
        person_id=HE,
        other_id=known_as,
        unmerged_at=NOON,
    )
    await note_one_person(message_of(apart, version=2), desk=office.desk)
    [found] = await candidates(role.id, desk=office.desk)
    assert found.barred == ()


def one(case_id: str, *ids: str) -> PersonMerged:
    """Two ids are one person, as a coordinator has decided."""
    return PersonMerged(
        case_id=case_id,
        match_id=new_id(),
        person_id=ids[0],
        other_id=ids[1],
        merged_at=NOON,
    )


async def test_cases_that_came_after_two_were_found_to_be_one_know_it_too(
    office: Office,
) -> None:
    [both] = await office.employs(worker(COORDINATOR, OUTREACH))
    known_as = new_id()
    first = await referral(office, people(new_id(), HE), RiskLevel.LOW)
    await note_one_person(message_of(one(first, HE, known_as)), desk=office.desk)
    # Neither of the two that come now is told of it, and they know him by one id each.
    hers = await referral(office, people(SHE, HE), RiskLevel.MEDIUM)
    assert (await asked(office, hers))[COORDINATOR] == both.id

    his = await referral(office, people(OTHER_SHE, known_as))

    assert (await asked(office, his))[OUTREACH] is None


async def test_an_offer_is_taken_back_once_it_is_decided_who_harmed_whom(
    office: Office,
) -> None:
    [both] = await office.employs(worker(COORDINATOR, OUTREACH))
    await referral(office, people(SHE, HE), RiskLevel.MEDIUM)
    turned = await referral(office, people(new_id(), OTHER_HE))
    assert (await asked(office, turned))[OUTREACH] == both.id

    told = message_of(put_right(turned, harmed=OTHER_HE, using=HE))
    await settle_parts(told, desk=office.desk)
    await leave_to_others(told, desk=office.desk)

    assert (await asked(office, turned))[OUTREACH] is None


async def test_an_offer_that_was_made_while_it_became_known_is_taken_back(
    office: Office,
) -> None:
    [both] = await office.employs(worker(COORDINATOR, OUTREACH))
    await referral(office, people(SHE, HE), RiskLevel.MEDIUM)
    known_as = new_id()
    his = await referral(office, people(OTHER_SHE, known_as))
    assert (await asked(office, his))[OUTREACH] == both.id
    # Whoever took it back found nobody asked yet.
    await note_one_person(message_of(one(his, HE, known_as)), desk=office.desk)

    for message in await office.told(AllocationOffered):
        if message.data.case_id == his:
            await look_at_offered(message, desk=office.desk)

    assert (await asked(office, his))[OUTREACH] is None


async def test_an_offer_is_taken_back_from_a_compartment_that_serves_the_other_side(
    office: Office,
) -> None:
    north = {"provider": "refuge", "team": "north"}
    [hers, his] = await office.employs(worker(**north), worker(OUTREACH, **north))
    case_id = await referral(office, people(SHE, HE), RiskLevel.LOW)
    assert (await asked(office, case_id))[WHANAU] == hers.id
    known_as = new_id()
    other = await referral(office, people(OTHER_SHE, known_as))
    assert (await asked(office, other))[OUTREACH] == his.id

    told = message_of(one(other, HE, known_as))
    await note_one_person(told, desk=office.desk)
    await leave_to_others(told, desk=office.desk)

    assert (await asked(office, other))[OUTREACH] is None


async def test_whoever_is_asked_to_coordinate_stays_though_parts_are_put_right(
    office: Office,
) -> None:
    north = {"provider": "refuge", "team": "north"}
    [lead] = await office.employs(worker(COORDINATOR, **north))
    case_id = await referral(office, HERS, RiskLevel.MEDIUM)

    told = message_of(put_right(case_id, harmed=HE, using=SHE))
    await settle_parts(told, desk=office.desk)
    await leave_to_others(told, desk=office.desk)

    assert (await asked(office, case_id))[COORDINATOR] == lead.id


async def test_the_service_takes_it_back_when_parts_are_decided_or_cases_merged(
    running: Running,
) -> None:
    office = Front(running)
    both = await office.hires(COORDINATOR, OUTREACH)
    hers, merged, *theirs = (new_id() for _ in range(4))

    async def comes(case_id: str, level: RiskLevel, parties: tuple[Party, ...]) -> None:
        told = referred(case_id, referral_id=new_id(), parties=parties)
        await running.hears(told, assessed(case_id, level))

    async def outreach(case_id: str) -> str | None:
        roles = await office.roles(case_id)
        return next(each.holder for each in roles if each.role is OUTREACH)

    await comes(hers, RiskLevel.MEDIUM, people(SHE, HE))
    for each in theirs:
        await comes(each, RiskLevel.HIGH, people(new_id(), new_id()))
        assert await outreach(each) == both
    await running.hears(
        referred(merged, referral_id=new_id(), parties=people(new_id(), HE))
    )

    decided, survivor = theirs
    await running.hears(
        message_of(put_right(decided, harmed=OTHER_SHE, using=HE)),
        message_of(
            CaseMerged(case_id=merged, survivor_id=survivor, merged_at=NOON), version=2
        ),
    )

    assert await outreach(decided) is None
    assert await outreach(survivor) is None
