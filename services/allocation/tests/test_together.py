"""All open roles placed together, and what somebody has left alone."""

from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import AllocationOffered, AllocationWithdrawn
from accord_contracts.referrals import ContactWish, Wishes
from allocation.domain.directory import Gender
from allocation.domain.together import NOBODY, problem_of
from allocation.domain.wishes import Wishes as Asked
from allocation.handlers.answering import accept
from allocation.handlers.staffing import note_wishes, want_roles
from allocation.handlers.together import place_together
from allocation_builders import (
    POLICY,
    WHANAU,
    Front,
    Office,
    Running,
    assessed,
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

    advised = await place_together(
        open_, by=BY, seconds=10, apply=False, desk=office.desk
    )

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

    done = await place_together(open_, by=BY, seconds=10, apply=True, desk=office.desk)

    assert len(done.made) == 1
    assert await asked(office, case_id) == woman.id
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
    done = await place_together(taken, by=BY, seconds=10, apply=True, desk=office.desk)

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
    assert refused.status_code == 404
