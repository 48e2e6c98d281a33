"""All open roles placed together, and what somebody has left alone."""

from functools import partial

from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import AllocationOffered, AllocationWithdrawn
from accord_contracts.referrals import ContactWish, Wishes
from accord_contracts.risk import RiskLevel
from allocation.domain.choosing import Unmet
from allocation.domain.directory import Gender, Worker
from allocation.domain.policy import Wish
from allocation.domain.together import (
    NOBODY,
    apart,
    clashes,
    left_standing,
    problem_of,
)
from allocation.domain.wishes import Wishes as Asked
from allocation.handlers.answering import accept
from allocation.handlers.handing import offer_to
from allocation.handlers.staffing import note_wishes, want_roles
from allocation.handlers.together import place_together
from allocation_builders import (
    COORDINATOR,
    HOUR,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    Front,
    Office,
    Running,
    assessed,
    full,
    need,
    referred,
    worker,
)

BY = new_id()


async def wanting(office: Office, wish: ContactWish) -> str:
    """A case with a wish, and somebody asked for its role."""
    case_id, referral_id = new_id(), new_id()
    told = referred(case_id, referral_id=referral_id, wishes=Wishes(gender=wish))
    await note_wishes(told, desk=office.desk)
    await want_roles(assessed(case_id, referral_id=referral_id), desk=office.desk)
    await office.deliver()
    return case_id


async def asked(office: Office, case_id: str) -> str | None:
    return (await office.allocation(case_id)).worker_id


async def test_what_one_after_the_other_wastes_is_found_together(
    office: Office,
) -> None:
    woman, man = await office.employs(
        worker(gender=Gender.WOMAN, capacity=1, id="0" + new_id()[1:]),
        worker(gender=Gender.MAN, capacity=1, id="f" + new_id()[1:]),
    )
    first = await wanting(office, ContactWish.NO_WISH)
    second = await wanting(office, ContactWish.WOMAN)
    assert await asked(office, first) == woman.id
    assert await asked(office, second) == man.id
    open_ = await office.desk.allocations.to_fill()

    advised = await place_together(open_, seconds=10, apply=False, desk=office.desk)

    assert {(each.from_id, each.to_id) for each in advised.moves} == {
        (woman.id, man.id),
        (man.id, woman.id),
    }
    assert advised.cost == advised.bound
    assert advised.made == frozenset()
    assert await asked(office, first) == woman.id
    assert await office.told(AllocationWithdrawn) == []


async def test_roles_are_offered_to_whoever_was_found_if_that_is_asked(
    office: Office,
) -> None:
    [man] = await office.employs(worker(gender=Gender.MAN))
    case_id = await wanting(office, ContactWish.WOMAN)
    [woman] = await office.employs(worker(gender=Gender.WOMAN))
    open_ = await office.desk.allocations.to_fill()

    done = await place_together(open_, seconds=10, apply=True, desk=office.desk)

    assert len(done.made) == 1
    held = await office.allocation(case_id)
    assert (held.worker_id, held.chosen) == (woman.id, False)
    assert held.offer.reasons == ("placed_together", "gender_met")
    offered = [each.data.worker_id for each in await office.told(AllocationOffered)]
    assert offered == [man.id, woman.id]
    assert (await office.worker(man.id)).load == 0


async def test_what_somebody_has_accepted_is_never_moved(office: Office) -> None:
    [man] = await office.employs(worker(gender=Gender.MAN))
    case_id = await wanting(office, ContactWish.WOMAN)
    held = await office.allocation(case_id)
    await accept(held.id, man.id, desk=office.desk)
    await office.employs(worker(gender=Gender.WOMAN))

    taken = [await office.allocation(case_id)]
    done = await place_together(taken, seconds=10, apply=True, desk=office.desk)

    assert await office.desk.allocations.to_fill() == []
    assert done.moves == ()
    assert await asked(office, case_id) == man.id


def test_hard_rules_are_no_costs_and_a_wish_costs_more_than_all_else() -> None:
    woman = worker(gender=Gender.WOMAN)
    barred, man = worker(gender=Gender.WOMAN), worker(gender=Gender.MAN)
    wanted = need(
        WHANAU,
        wishes=Asked(gender=ContactWish.WOMAN),
        excluded=frozenset({barred.id}),
        earlier=frozenset({man.id}),
        points=3,
    )
    held = woman.reserve(wanted, NOON.replace(hour=23), NOON)

    found = problem_of([held, barred, man], [wanted], POLICY, NOON)

    (good,), (none,), (missed,), (nobody,) = found.cost
    assert none is None
    assert good is not None
    assert missed is not None
    assert good < 1000 < missed < NOBODY == nobody
    # The place that she holds for it is counted as free.
    assert found.capacity == (100, 100, 100, 3)
    assert found.load == ((3,), (None,), (3,), (3,))


def test_the_two_sides_of_a_case_are_kept_apart_when_all_is_solved() -> None:
    one = [worker(SPECIALIST, team="a"), worker(OUTREACH, team="a")]
    other = worker(OUTREACH, team="b", hours=())
    case_id = new_id()
    her, him = (need(each, case_id=case_id) for each in (SPECIALIST, OUTREACH))
    found = problem_of([*one, other], [her, him], POLICY, NOON)

    [clash] = clashes(found, (0, 1))
    again = apart(found, [clash])

    assert (clash.first, clash.second, clash.row) == (0, 1, 0)
    # Nobody of her team may have the other role; somebody of another, and nobody, may.
    assert [row[1] is None for row in again.cost] == [True, True, False, False]
    assert [row[0] for row in again.cost] == [row[0] for row in found.cost]
    turned = problem_of([*one, other], [him, her], POLICY, NOON)
    swapped = apart(turned, clashes(turned, (1, 0)))
    # Her team alone has a specialist, so that it is the outreach that another takes.
    assert [row[0] is None for row in swapped.cost] == [True, True, False, False]
    assert clashes(found, (0, 2)) == clashes(found, (0, 3)) == []
    assert left_standing(found, (0, 1), (3, 2)) == (3, 2)


def test_one_worker_is_never_given_both_sides_of_a_case() -> None:
    both = worker(COORDINATOR, OUTREACH)
    case_id = new_id()
    needs = [need(each, case_id=case_id) for each in (COORDINATOR, OUTREACH)]

    found = problem_of([both], needs, POLICY, NOON)

    assert len(clashes(found, (0, 0))) == 1
    other = problem_of([both], [needs[0], need(OUTREACH)], POLICY, NOON)
    assert clashes(other, (0, 0)) == []


async def test_one_team_is_never_asked_for_both_sides_of_a_case(
    office: Office,
) -> None:
    case_id = new_id()
    await want_roles(assessed(case_id, RiskLevel.HIGH), desk=office.desk)
    await office.deliver()
    same = [worker(each, team="a") for each in (SPECIALIST, OUTREACH)]
    [_, _, far] = await office.employs(*same, worker(OUTREACH, team="b"))
    # Whoever is of the same team is better by far, were it not for the case.
    busy = partial(
        Worker.reserve,
        need=need(OUTREACH, points=90),
        until=NOON + 99 * HOUR,
        at=NOON,
    )
    await office.desk.directory.change(far.id, busy)
    open_ = await office.desk.allocations.to_fill()

    advised = await place_together(open_, seconds=10, apply=False, desk=office.desk)

    specialist, _ = same
    given = {each.to_id for each in advised.moves}
    assert given == {specialist.id, far.id}
    assert advised.bound <= advised.cost


async def test_whom_a_person_has_chosen_stays(office: Office) -> None:
    [man] = await office.employs(worker(gender=Gender.MAN))
    case_id = await wanting(office, ContactWish.WOMAN)
    [woman] = await office.employs(worker(gender=Gender.WOMAN))
    held = await office.allocation(case_id)
    await offer_to(held.id, woman.id, BY, beyond=False, desk=office.desk)
    await offer_to(held.id, man.id, BY, beyond=False, desk=office.desk)
    open_ = await office.desk.allocations.to_fill()

    done = await place_together(open_, seconds=10, apply=True, desk=office.desk)

    assert (done.moves, done.made) == ((), frozenset())
    assert await asked(office, case_id) == man.id


async def test_whom_a_person_chooses_while_all_is_placed_stays(office: Office) -> None:
    await office.employs(worker(gender=Gender.MAN))
    case_id = await wanting(office, ContactWish.WOMAN)
    _, other = await office.employs(
        worker(gender=Gender.WOMAN), worker(gender=Gender.MAN)
    )
    as_it_was = await office.desk.allocations.to_fill()
    [held] = as_it_was
    await offer_to(held.id, other.id, BY, beyond=False, desk=office.desk)

    done = await place_together(as_it_was, seconds=10, apply=True, desk=office.desk)

    assert (len(done.moves), done.made) == (1, frozenset())
    assert await asked(office, case_id) == other.id


async def test_a_wish_that_a_person_does_not_heed_has_its_reason(
    office: Office,
) -> None:
    [man, woman] = await office.employs(
        worker(gender=Gender.MAN), full(worker(gender=Gender.WOMAN))
    )
    case_id = await wanting(office, ContactWish.WOMAN)
    held = await office.allocation(case_id)
    [other] = await office.employs(worker(gender=Gender.MAN))
    chosen = other if held.worker_id == man.id else man
    assert held.offer.unmet == {Wish.GENDER: Unmet.NO_ROOM}

    for beyond in (False, True):
        to = chosen.id if not beyond else man.id
        new = await offer_to(held.id, to, BY, beyond=beyond, desk=office.desk)

        assert new.offer.unmet == {Wish.GENDER: Unmet.NO_ROOM}
        assert new.offer.reasons == ("chosen_by_a_person", "gender_not_met")
    assert woman.load == woman.capacity


async def test_a_coordinator_asks_for_all_of_it(running: Running) -> None:
    front = Front(running)
    coordinator = await front.hires(duty_coordinator=True)
    worker_id = await front.hires(WHANAU)
    await front.case()

    answered = await front.ask(
        "POST", "/placements", who=coordinator, body={"seconds": 10}
    )
    refused = await front.ask("POST", "/placements", who=worker_id, body={})

    assert answered.status_code == 200
    assert answered.json()["moves"] == []
    assert answered.json()["left_out"] == 0
    assert refused.status_code == 404
