"""What becomes of roles when the person harmed wishes something else."""

from functools import partial
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.allocation import AllocationOffered, AllocationWithdrawn
from accord_contracts.message import Message
from accord_contracts.referrals import (
    ContactWish,
    FieldGroup,
    ReferralAmended,
    ReferralReceived,
    Wishes,
)
from allocation.domain.directory import Gender, Worker
from allocation.domain.hearing import hear
from allocation.domain.looking import need_of
from allocation.domain.offer import Status
from allocation.domain.policy import Wish
from allocation.domain.staffing import Staffing
from allocation.domain.wishes import Wishes as Wished
from allocation.handlers.handing import offer_to
from allocation.handlers.staffing import note_wishes, want_roles
from allocation.handlers.wishing import look_again, look_at_offered, unmet_now
from allocation_builders import (
    HOUR,
    MINUTE,
    OUTREACH,
    POLICY,
    SPECIALIST,
    Office,
    allocation,
    assessed,
    need,
    referred,
    worker,
)

WOMAN = Wishes(gender=ContactWish.WOMAN)
BUSY = 20


def amended(
    case_id: str, referral_id: str, wishes: Wishes | None, **told: Any
) -> Message[ReferralAmended]:
    given = {
        "number": 1,
        "groups": (FieldGroup.WISHES,),
        "incidents": (),
        "answers": {},
        "parties": (),
        "occurred_at": NOON,
        "amended_at": NOON,
        **told,
    }
    event = ReferralAmended(
        case_id=case_id, referral_id=referral_id, wishes=wishes, **given
    )
    return message_of(event, at=NOON)


async def hears(
    office: Office, message: Message[ReferralReceived] | Message[ReferralAmended]
) -> None:
    await note_wishes(message, desk=office.desk)
    await look_again(message, desk=office.desk)


async def free_man_and_busier_woman(office: Office) -> tuple[Worker, Worker]:
    busier = worker(gender=Gender.WOMAN)
    busier = busier.reserve(need(points=BUSY), NOON + 99 * HOUR, NOON)
    man, woman = await office.employs(worker(gender=Gender.MAN), busier)
    return man, woman


async def offered(office: Office, wishes: Wishes | None = None) -> tuple[str, str]:
    """Have a role of a new case be offered; give the case and its referral."""
    case_id, referral_id = new_id(), new_id()
    told = referred(case_id, referral_id=referral_id, wishes=wishes)
    await hears(office, told)
    await want_roles(assessed(case_id, referral_id=referral_id), desk=office.desk)
    await office.deliver()
    return case_id, referral_id


def test_what_is_wished_now_counts_in_whatever_order_it_is_heard() -> None:
    first, second = new_id(), new_id()
    said = [
        (first, Wished(gender=ContactWish.MAN, not_told=("refuge",)), NOON, 0),
        (second, Wished(languages=("mi",)), NOON + MINUTE, 0),
        (first, Wished(gender=ContactWish.WOMAN), NOON + HOUR, 1),
        (first, Wished(gender=ContactWish.WOMAN), NOON + 2 * HOUR, 2),
    ]

    for order in permutations(said):
        held = Staffing(id=new_id())
        for referral, wishes, at, number in order:
            held = hear(held, referral, wishes, at, POLICY, number=number)

        assert held.wishes == Wished(gender=ContactWish.WOMAN, languages=("mi",))


def test_where_it_happened_is_no_wish_and_says_who_is_near() -> None:
    held = Staffing(id=new_id())
    wished = Wished(area="aranui")
    held = hear(held, new_id(), wished, NOON, POLICY, place="rolleston")
    later = hear(held, new_id(), Wished(), NOON + HOUR, POLICY, place="sumner")
    unwished = hear(
        Staffing(id=new_id()), new_id(), Wished(), NOON, POLICY, place="sumner"
    )

    def sought(of: Staffing, role: Any = SPECIALIST) -> Any:
        role_ = allocation().model_copy(update={"role": role})
        return need_of(role_, of, POLICY, NOON)

    assert (later.wishes, later.near) == (wished, "aranui")
    assert sought(later).distances == POLICY.kilometres["aranui"]
    assert sought(unwished).wishes == Wished()
    assert sought(unwished).distances == POLICY.kilometres["sumner"]
    assert sought(unwished, OUTREACH).distances == {}


async def test_whoever_was_asked_by_the_same_wishes_stays_though_another_has_room_now(
    office: Office,
) -> None:
    """A message that comes again after a crash moves nobody."""
    full = need(points=1)
    woman = worker(gender=Gender.WOMAN, capacity=1)
    woman = woman.reserve(full, NOON + 99 * HOUR, NOON)
    man, _ = await office.employs(worker(gender=Gender.MAN), woman)
    case_id, referral_id = await offered(office, WOMAN)
    before = await office.allocation(case_id)
    await office.desk.directory.change(
        woman.id, partial(Worker.release, allocation_id=full.allocation_id)
    )

    told = referred(case_id, referral_id=referral_id, wishes=WOMAN)
    await look_again(told, desk=office.desk)

    assert before.worker_id == man.id
    assert await office.allocation(case_id) == before


async def test_another_is_asked_who_meets_what_is_wished_now(office: Office) -> None:
    man, woman = await free_man_and_busier_woman(office)
    case_id, referral_id = await offered(office)
    before = await office.allocation(case_id)

    await hears(office, amended(case_id, referral_id, WOMAN))
    await hears(office, amended(case_id, referral_id, WOMAN))

    held = await office.allocation(case_id)
    assert (before.worker_id, held.worker_id) == (man.id, woman.id)
    assert held.assign_by == before.assign_by
    assert "gender_met" in held.offer.reasons
    [told] = await office.told(AllocationWithdrawn)
    assert told.data.worker_id == man.id
    loads = [(await office.worker(each.id)).load for each in (man, woman)]
    assert loads == [0, BUSY + held.points]


NOT_THEM = Wishes(not_told=("refuge",))


@pytest.mark.parametrize(
    ("wish", "met", "asked"),
    [(WOMAN, True, 2), (WOMAN, False, 1), (NOT_THEM, True, 2), (NOT_THEM, False, 1)],
)
async def test_a_wish_that_is_told_while_somebody_is_asked_is_heeded(
    office: Office, wish: Wishes, *, met: bool, asked: int
) -> None:
    man = worker(gender=Gender.MAN, provider="refuge")
    [man] = await office.employs(man)
    case_id, referral_id = await offered(office)
    if met:
        await office.employs(worker(gender=Gender.WOMAN))
    # Whoever noted it found nobody asked yet.
    await note_wishes(amended(case_id, referral_id, wish), desk=office.desk)

    handled = 0
    while len(told := await office.told(AllocationOffered)) > handled:
        for message in told[handled:]:
            await look_at_offered(message, desk=office.desk)
        handled = len(told)

    held = await office.allocation(case_id)
    assert (len(held.offers), handled) == (asked, asked)
    assert (held.worker_id == man.id) == (not met and wish is WOMAN)


async def test_whom_a_person_has_chosen_stays_whatever_is_wished_now(
    office: Office,
) -> None:
    await free_man_and_busier_woman(office)
    case_id, referral_id = await offered(office)
    [chosen] = await office.employs(worker(gender=Gender.MAN, provider="refuge"))
    role = (await office.allocation(case_id)).id
    await offer_to(role, chosen.id, new_id(), beyond=False, desk=office.desk)

    now = Wishes(gender=ContactWish.WOMAN, not_told=("refuge",))
    await hears(office, amended(case_id, referral_id, now))

    held = await office.allocation(case_id)
    assert (held.status, held.worker_id) == (Status.OFFERED, chosen.id)
    staffing = await office.desk.staffings.get(case_id)
    assert staffing
    unmet = await unmet_now(held, staffing, desk=office.desk)
    assert unmet == ((Wish.GENDER,), True)


@pytest.mark.parametrize("wishes", [None, Wishes(), Wishes(languages=("sm",))])
async def test_nobody_is_troubled_where_nobody_meets_more(
    office: Office, wishes: Wishes | None
) -> None:
    man, _ = await free_man_and_busier_woman(office)
    case_id, referral_id = await offered(office)

    await hears(office, amended(case_id, referral_id, wishes))

    held = await office.allocation(case_id)
    assert (held.worker_id, len(held.offers)) == (man.id, 1)


async def test_whose_agency_is_not_to_know_any_more_is_asked_no_more(
    office: Office,
) -> None:
    [only] = await office.employs(worker(provider="refuge"))
    case_id, referral_id = await offered(office)

    await hears(office, amended(case_id, referral_id, Wishes(not_told=("refuge",))))

    held = await office.allocation(case_id)
    assert (held.status, held.worker_id) == (Status.UNFILLED, None)
    assert (await office.worker(only.id)).load == 0
