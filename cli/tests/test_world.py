"""The invented world is nobody's, is the same for the same seed, and can be posted."""

from datetime import UTC, datetime
from itertools import islice
from random import Random

import pytest
from accord.world import World, invented_nhi
from accord_contracts.allocation import Role
from allocation.routes.directory import PutWorker
from cli_verbs import LOCALITY
from referrals.routes.lines import SubmitReferral

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", ["canterbury", "waikato"])
def test_every_referral_and_every_worker_can_be_posted(name: str) -> None:
    world = World(LOCALITY.parent / name)

    for told in islice(world.referrals("test", NOW), 200):
        SubmitReferral.model_validate(told)
    SubmitReferral.model_validate(world.grave_referral("grave", NOW))
    for worker in world.staff():
        PutWorker.model_validate(worker.entry)


def test_the_same_seed_makes_the_same_world() -> None:
    one, same, other = (World(LOCALITY, seed) for seed in (1, 1, 2))

    first = one.referral("r", NOW)
    assert first == same.referral("r", NOW)
    assert first != other.referral("r", NOW)
    assert one.staff() == other.staff()


def test_there_is_somebody_for_every_role_and_one_coordinator_on_duty() -> None:
    staff = World(LOCALITY).staff()

    assert {role for each in staff for role in each.roles} == set(Role)
    assert len([each for each in staff if each.entry["duty_coordinator"]]) == 1
    ids = {each.id for each in staff}
    assert all({each.entry["deputy"], each.entry["team_lead"]} <= ids for each in staff)


def test_every_health_number_is_kept_for_tests_and_has_a_right_check_digit() -> None:
    random = Random(1)  # noqa: S311 - A world, no secret.
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"

    for _ in range(500):
        number = invented_nhi(random)
        values = [
            letters.index(each) + 1 if each.isalpha() else int(each) for each in number
        ]
        total = sum(value * (7 - place) for place, value in enumerate(values[:6]))
        assert number.startswith("Z")
        assert len(number) == 7
        assert (11 - total % 11) % 10 == values[6]
