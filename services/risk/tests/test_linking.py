"""Two people who are one make one pair, and one child."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.message import Message
from accord_contracts.referrals import Party, PersonRole, ReferralReceived
from accord_contracts.risk import RiskLevel
from risk.domain.judgement.record import Origin
from risk.domain.people import KEPT_OF_EACH, KEPT_PEOPLE, Changes, by_whom, noted
from risk.domain.telling import of_children, of_pairs
from risk.handlers import assess_corrected, assess_referral, erase
from risk.linking import note_one_person
from risk.store import Assessments
from risk_builders import POLICY, erased, one_person, policy, referral, roles_decided

Act = Callable[[], Coroutine[Any, Any, None]]


def about(
    case_id: str,
    harmed: str,
    using: str,
    *children: str,
    hour: int = 0,
    repeat: bool = False,
) -> Message[ReferralReceived]:
    """A referral of who harmed whom, and which children there are."""
    parties = (
        Party(person_id=harmed, role=PersonRole.PERSON_HARMED),
        Party(person_id=using, role=PersonRole.PERSON_USING_VIOLENCE),
        *(Party(person_id=each, role=PersonRole.CHILD) for each in children),
    )
    at = NOON + timedelta(hours=hour)
    return referral(case_id=case_id, parties=parties, at=at, repeat=repeat)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_pair_is_put_right_by_whichever_id_of_theirs_it_was_told(
    assessments: Assessments, order: tuple[int, ...]
) -> None:
    case_id, harmed, using, also_harmed = (new_id() for _ in range(4))
    turned = about(case_id, using, also_harmed)
    right = roles_decided(case_id, harmed, using, corrected=False)
    linked, _ = one_person(case_id, harmed, also_harmed)
    acts: list[Act] = [
        lambda: assess_referral(turned, assessments=assessments, policy=POLICY),
        lambda: assess_corrected(right, assessments=assessments, policy=POLICY),
        lambda: note_one_person(linked, assessments=assessments, policy=POLICY),
    ]

    for each in order:
        await acts[each]()

    held = await assessments.get(case_id)
    assert held
    pairs = of_pairs(held.tellings, held.parts, held.links.values())
    assert set(pairs) == {(also_harmed, using)}


async def test_two_who_are_one_make_one_pair_and_one_child_until_they_are_two_again(
    assessments: Assessments,
) -> None:
    case_id, harmed, other, using, child, young = (new_id() for _ in range(6))
    for told in (
        about(case_id, harmed, using, child),
        about(case_id, other, using, young, hour=1),
    ):
        await assess_referral(told, assessments=assessments, policy=POLICY)
    linked, parted = one_person(case_id, harmed, other)
    # By way of somebody of another case, whom this one does not know.
    elsewhere = new_id()
    by_way, _ = one_person(case_id, elsewhere, young)
    of_another, _ = one_person(case_id, child, elsewhere)

    async def seen() -> tuple[dict[Any, int], dict[str, int]]:
        held = await assessments.get(case_id)
        assert held
        links = held.links.values()
        pairs = of_pairs(held.tellings, held.parts, links)
        children = of_children(held.tellings, links)
        return (
            {key: each.referrals for key, each in pairs.items()},
            {key: each.referrals for key, each in children.items()},
        )

    apart = await seen()
    for message in (linked, by_way, of_another):
        await note_one_person(message, assessments=assessments, policy=POLICY)
    as_one = await seen()
    await note_one_person(parted, assessments=assessments, policy=POLICY)

    assert apart == (
        {(harmed, using): 1, (other, using): 1},
        {child: 1, young: 1},
    )
    assert as_one == ({(harmed, using): 2}, {child: 2})
    assert await seen() == (apart[0], {child: 2})


async def test_the_last_word_counts_and_of_an_erased_case_none_is_kept(
    assessments: Assessments,
) -> None:
    case_id = new_id()
    linked, parted = one_person(case_id, new_id(), new_id())

    for message in (parted, linked):
        await note_one_person(message, assessments=assessments, policy=POLICY)
    held = await assessments.get(case_id)
    assert held
    assert [each.over for each in held.links.values()] == [True]

    await erase(erased(case_id), assessments=assessments)
    again, _ = one_person(case_id, new_id(), new_id())
    await note_one_person(again, assessments=assessments, policy=POLICY)

    gone = await assessments.get(case_id)
    assert gone
    assert gone.links == {}


async def test_the_level_of_a_pair_is_noted_where_two_turn_out_to_be_one(
    assessments: Assessments,
) -> None:
    case_id, harmed, other, using = (new_id() for _ in range(4))
    sharper = policy(triggers={"repeat": "high"})
    for told in (
        about(case_id, harmed, using),
        about(case_id, other, using, hour=1, repeat=True),
    ):
        await assess_referral(told, assessments=assessments, policy=sharper)
    linked, parted = one_person(case_id, harmed, other)

    await note_one_person(linked, assessments=assessments, policy=sharper)

    held = await assessments.get(case_id)
    assert held
    noted = [(each.whom, each.level) for each in held.people]
    assert noted == [
        ((harmed, using), RiskLevel.LOW),
        ((other, using), RiskLevel.HIGH),
        ((harmed, using), RiskLevel.HIGH),
    ]
    [(whom, levels)] = by_whom(held.people, held.tellings, held.links.values()).items()
    assert (whom, len(levels)) == ((harmed, using), 3)
    await note_one_person(parted, assessments=assessments, policy=sharper)
    apart = await assessments.get(case_id)
    assert apart
    assert (apart.people[-1].whom, apart.people[-1].level) == (
        (harmed, using),
        RiskLevel.LOW,
    )


async def test_of_each_the_latest_levels_are_kept_and_no_end_of_people(
    assessments: Assessments,
) -> None:
    case_id, harmed, using = (new_id() for _ in range(3))
    many = about(case_id, harmed, using, *(new_id() for _ in range(KEPT_PEOPLE - 3)))
    await assess_referral(many, assessments=assessments, policy=POLICY)
    more = about(case_id, *(new_id() for _ in range(6)), hour=1)
    await assess_referral(more, assessments=assessments, policy=POLICY)
    held = await assessments.get(case_id)
    assert held
    pair = held.people[0]

    changes: Changes = held.people
    for number in range(2 * KEPT_OF_EACH):
        level = (RiskLevel.HIGH, RiskLevel.LOW)[number % 2]
        found = {pair.whom: (level, (f"reason_{number}",))}
        changes = noted(changes, found, Origin(), NOON, POLICY.version)

    assert len({each.whom for each in held.people}) == KEPT_PEOPLE
    own = [each.why for each in changes if each.whom == pair.whom]
    assert (len(own), own[-1]) == (KEPT_OF_EACH, (f"reason_{2 * KEPT_OF_EACH - 1}",))
    assert len(changes) == len(held.people) + KEPT_OF_EACH - 1
