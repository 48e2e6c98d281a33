"""Whose wishes are met, and what is told of it."""

from datetime import timedelta

import pytest
from accord_chassis.testing import NOON, audited, new_id
from accord_contracts.referrals import ContactWish, Wishes
from allocation.domain.choosing import Unmet
from allocation.domain.equity import MET, OUTCOMES, Count, Wished
from allocation.domain.offer import Answer, Offer
from allocation.domain.policy import Wish
from allocation.domain.wishes import NO_WISHES
from allocation.domain.wishes import Wishes as Said
from allocation_builders import WHANAU, Front, Running, assessed, referred

MAORI = Said(kaupapa_maori=True)
KAUPAPA, GENDER = Wish.KAUPAPA_MAORI, Wish.GENDER
NO_ROOM, AWAY = Unmet.NO_ROOM, Unmet.AWAY


def offer(
    unmet: Unmet | None = None, answer: Answer | None = None, wishes: Said = MAORI
) -> Offer:
    return Offer(
        worker_id=new_id(),
        offered_at=NOON,
        answer_by=NOON,
        reasons=(),
        unmet={KAUPAPA: unmet} if unmet else {},
        wishes=wishes,
        policy_version="test",
        answer=answer,
    )


TAKEN, NOT_TAKEN = offer(answer=Answer.ACCEPTED), offer()
TAKEN_UNMET = offer(NO_ROOM, Answer.ACCEPTED)


def told(*cases: tuple[int, list[list[Offer]]], wish: Wish = KAUPAPA) -> Wished:
    """What is told of so many cases with these roles each."""
    count = Count()
    for many, roles in cases:
        for case in (new_id() for _ in range(many)):
            for offers in roles:
                count.take(case, offers)
    return next(each for each in count.told() if each.wish is wish)


@pytest.mark.parametrize(
    ("roles", "outcome"),
    [
        ([[TAKEN]], MET),
        ([[TAKEN_UNMET]], NO_ROOM),
        # Whoever was asked before counts no more, whatever they met.
        ([[offer(AWAY, Answer.DECLINED), TAKEN]], MET),
        ([[TAKEN_UNMET, offer(answer=Answer.ACCEPTED)]], MET),
        # It is handed over: until then whoever has it counts.
        ([[TAKEN_UNMET, NOT_TAKEN]], NO_ROOM),
        # It is met by all who come to her, or not.
        ([[TAKEN], [TAKEN_UNMET]], NO_ROOM),
        ([[TAKEN_UNMET], [offer(AWAY, Answer.ACCEPTED)]], NO_ROOM),
        ([[TAKEN], [offer(AWAY)]], MET),
        ([[offer(AWAY)]], AWAY),
    ],
)
def test_a_case_counts_once_by_whoever_comes(
    roles: list[list[Offer]], outcome: str
) -> None:
    found = told((20, roles))

    assert found.all.cases == 20
    assert found.all.outcomes == {each: 20 * (each == outcome) for each in OUTCOMES}
    taken = any(e.answer is Answer.ACCEPTED for offers in roles for e in offers)
    assert found.taken.cases == (20 if taken else None)


def test_whoever_wished_nothing_or_was_found_nobody_counts_for_nothing() -> None:
    silent = offer(wishes=NO_WISHES, answer=Answer.ACCEPTED)

    assert told((20, [[silent], []])).all.cases is None
    assert told((20, [[TAKEN]]), wish=GENDER).all.cases is None


def test_of_few_nothing_is_told_nor_what_would_tell_of_them() -> None:
    few = told((9, [[TAKEN]]))
    assert (few.all.cases, few.taken.cases) == (None, None)
    assert set(few.all.outcomes.values()) == {None}

    # Nine for one reason: the next smallest is left out too.
    some = told((40, [[TAKEN]]), (9, [[TAKEN_UNMET]]))
    assert some.all.cases == 49
    assert (some.all.outcomes[MET], some.all.outcomes[NO_ROOM]) == (None, None)
    assert some.all.outcomes[AWAY] == 0

    # Nine whom nobody has come to yet: what is told of all is not told of the others.
    open_ = told((40, [[TAKEN]]), (9, [[NOT_TAKEN]]))
    assert open_.all.cases == 49
    assert open_.taken.cases is None
    assert set(open_.taken.outcomes.values()) == {None}


async def test_the_report_is_read_from_what_was_offered_and_is_noted(
    running: Running,
) -> None:
    office = Front(running)
    worker = await office.hires(WHANAU, gender="woman")
    wishes = Wishes(gender=ContactWish.WOMAN, languages=("mi",))
    now = running.clock.now()
    # What is older than is asked for counts no more.
    for at in (*[now] * 12, *[now - timedelta(days=91)] * 12):
        case, referral = new_id(), new_id()
        await running.hears(
            referred(case, referral_id=referral, wishes=wishes, at=at),
            assessed(case, referral_id=referral, at=at),
        )

    answer = await office.ask("GET", "/equity?days=90", who=worker)

    assert answer.status_code == 200, answer.text
    found = {each["wish"]: each for each in answer.json()["wishes"]}
    assert found["gender"]["all"]["met"] == 12
    assert found["language"]["all"]["unmet"]["nobody"] == 12
    assert found["language"]["taken"]["cases"] is None
    assert found["kaupapa_maori"]["all"]["cases"] is None
    log = await audited(running.service.audit)
    assert "equity.read" in {each.action for each in log}
