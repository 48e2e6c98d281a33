"""Two people who are one make one pair, and one child."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.message import Message
from accord_contracts.referrals import Party, PersonRole, ReferralReceived
from risk.domain.telling import of_children, of_pairs
from risk.handlers import assess_corrected, assess_referral, erase
from risk.linking import note_one_person
from risk.store import Assessments
from risk_builders import POLICY, erased, one_person, referral, roles_decided

Act = Callable[[], Coroutine[Any, Any, None]]


def about(
    case_id: str, harmed: str, using: str, *children: str, hour: int = 0
) -> Message[ReferralReceived]:
    """A referral of who harmed whom, and which children there are."""
    parties = (
        Party(person_id=harmed, role=PersonRole.PERSON_HARMED),
        Party(person_id=using, role=PersonRole.PERSON_USING_VIOLENCE),
        *(Party(person_id=each, role=PersonRole.CHILD) for each in children),
    )
    at = NOON + timedelta(hours=hour)
    return referral(case_id=case_id, parties=parties, at=at)


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
        lambda: note_one_person(linked, assessments=assessments),
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
        await note_one_person(message, assessments=assessments)
    as_one = await seen()
    await note_one_person(parted, assessments=assessments)

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
        await note_one_person(message, assessments=assessments)
    held = await assessments.get(case_id)
    assert held
    assert [each.over for each in held.links.values()] == [True]

    await erase(erased(case_id), assessments=assessments)
    again, _ = one_person(case_id, new_id(), new_id())
    await note_one_person(again, assessments=assessments)

    gone = await assessments.get(case_id)
    assert gone
    assert gone.links == {}
