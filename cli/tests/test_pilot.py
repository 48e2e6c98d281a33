"""The pilot replayed: published volumes, real services, and no figure made up."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from accord.pilot import assumptions
from accord.pilot.figures import document
from accord.pilot.households import Households, Referral, quotas
from accord.pilot.outcome import Outcome
from accord.pilot.published import (
    CHRISTCHURCH,
    ENDS,
    HIGH_RISK,
    PEOPLE,
    PLANS,
    SITES,
    WAIKATO,
    Site,
)
from accord.pilot.region import Region, opened
from accord.pilot.replaying import Options, replay_site
from accord.where import locality_at
from accord_chassis.development.backing import Backing
from accord_contracts.allocation import Role
from accord_contracts.referrals import Answer, IncidentKind
from accord_contracts.risk import RiskLevel
from cli_verbs import run_in
from risk.domain.assessment import Assessment
from risk.domain.policy import Policy

Held = dict[str, int]

DAYS = Options(seed=3, months=0.1)
"""Three days of each site at the published rate."""


def reported(
    site: Site, *, seed: int = 1, repeats: float = assumptions.REPEATS
) -> list[Referral]:
    households = Households(site, ENDS, seed=seed, repeats=repeats)
    return [referral for _, referral in households.referrals()]


def numbers_in(referrals: list[Referral]) -> list[str]:
    return [
        each["identifiers"][0]["value"]
        for referral in referrals
        for each in referral["people"]
    ]


def policy_of(site: Site, service: str) -> dict[str, Any]:
    file = locality_at(None, site.locality) / f"{service}.yaml"
    found: dict[str, Any] = yaml.safe_load(file.read_bytes())
    return found


@pytest.mark.parametrize("site", SITES, ids=lambda each: each.name)
def test_incidents_are_shared_out_as_was_published(site: Site) -> None:
    count = 5000

    shares = Counter(quotas(site, count))

    assert shares.total() == count
    for kind, published in site.mix.items():
        # Waikato's published shares add up to 99.9 %.
        assert shares[kind] / count * 100 == pytest.approx(published, abs=0.1)


def test_the_whole_pilot_reports_enough_cases_of_enough_people() -> None:
    referrals = [referral for site in SITES for referral in reported(site)]

    assert len(referrals) > PLANS
    assert len({*numbers_in(referrals)}) > PEOPLE
    assert all(number.startswith("Z") for number in numbers_in(referrals))


def test_the_same_seed_reports_the_same_and_another_seed_others() -> None:
    assert reported(WAIKATO) == reported(WAIKATO)
    assert reported(WAIKATO) != reported(WAIKATO, seed=2)


def test_nobody_is_met_at_both_sites() -> None:
    one, other = ({*numbers_in(reported(site))} for site in SITES)

    assert not one & other


@pytest.mark.parametrize("repeats", [0.0, 0.12, 0.4])
def test_repeats_are_as_frequent_as_is_asked(repeats: float) -> None:
    referrals = reported(CHRISTCHURCH, repeats=repeats)
    households = {numbers_in([each])[0] for each in referrals}

    # A household that was just referred is not drawn again, another is met instead.
    share = 1 - len(households) / len(referrals)
    assert repeats * 0.85 <= share <= repeats * 1.05


@pytest.mark.parametrize("site", SITES, ids=lambda each: each.name)
def test_by_each_localitys_policy_as_many_are_at_high_risk_as_was_published(
    site: Site,
) -> None:
    policy = Policy.model_validate(policy_of(site, "risk"))
    at = datetime(2016, 7, 4, tzinfo=UTC)
    held: dict[str, Assessment] = {}
    levels: Counter[RiskLevel] = Counter()

    for referral in reported(site):
        household = numbers_in([referral])[0]
        known = held.get(household)
        held[household] = (known or Assessment.new("case", at)).weigh(
            {key: Answer(said) for key, said in referral["answers"].items()},
            frozenset(map(IncidentKind, referral["incidents"])),
            policy,
            at,
            repeat=known is not None,
        )
        levels[held[household].level] += 1

    high = sum(count for level, count in levels.items() if level.urgent)
    lowest, highest = HIGH_RISK
    assert lowest <= high / levels.total() <= highest


@pytest.mark.parametrize("site", SITES, ids=lambda each: each.name)
def test_who_answers_an_offer_does_so_in_time_by_the_policy(site: Site) -> None:
    policy = policy_of(site, "allocation")

    for level in RiskLevel:
        slowest = max(assumptions.ANSWERS_AFTER[level]) * assumptions.MARK
        assert slowest.total_seconds() / 60 < policy["answer_minutes"][level]
    wanted = {role for roles in policy["roles"].values() for role in roles}
    assert {role.value for role in assumptions.STAFF[site.locality]} >= wanted


@pytest.fixture(scope="module")
async def replayed(backing_services: Backing, keeping: Path) -> tuple[Outcome, Held]:
    """What became of three days of Waikato, and what its stores held of them."""
    async with opened(WAIKATO, backing_services, keeping) as region:
        return await replay_site(region, DAYS), await held_in(region)


@pytest.fixture
def outcome(replayed: tuple[Outcome, Held]) -> Outcome:
    return replayed[0]


async def held_in(region: Region) -> Held:
    """Count the documents of a site's stores, and the plan versions agreed."""
    referrals, plans = (
        region.services[each].database.documents for each in ("referrals", "plans")
    )
    found = {
        each: await referrals[each].count_documents({})
        for each in ("people", "referrals", "cases")
    }
    agreed = [
        version
        async for plan in plans["plans"].find({})
        for version in plan["versions"]
        if version["assessment"]["referral_id"] and version["agreed_at"]
    ]
    return {**found, "agreed": len(agreed)}


def test_every_case_reported_has_a_plan_that_was_agreed(
    outcome: Outcome,
) -> None:
    assert outcome.cases == round(WAIKATO.cases_a_month * DAYS.months)
    assert outcome.plans.agreed == outcome.plans.levels.total() == outcome.cases
    assert outcome.parked == 0


def test_both_specialists_are_on_every_case_at_high_risk(
    outcome: Outcome,
) -> None:
    high = outcome.plans.households_at_high_risk
    assert high
    assert outcome.with_specialists == len(high)
    for case_id in high:
        team = outcome.register.cases[case_id].team
        assert Role.INDEPENDENT_VICTIM_SPECIALIST in team
        assert Role.PERPETRATOR_OUTREACH in team


def test_what_was_counted_is_what_the_stores_hold(
    replayed: tuple[Outcome, Held],
) -> None:
    outcome, held = replayed

    assert outcome.people == len(outcome.register.people) == held["people"]
    assert outcome.cases == held["referrals"]
    assert outcome.households == held["cases"]
    assert outcome.plans.agreed == held["agreed"]


def test_incidents_came_through_in_the_published_mix(
    outcome: Outcome,
) -> None:
    incidents = outcome.register.incidents
    assert incidents.total() == outcome.cases
    for kind, published in WAIKATO.mix.items():
        # One of 95 cases is about one in a hundred.
        share = incidents[kind] / incidents.total() * 100
        assert share == pytest.approx(published, abs=1.2)


def test_workers_declined_and_let_time_pass_and_others_were_asked(
    outcome: Outcome,
) -> None:
    told = outcome.register.told
    assert outcome.done["decline"] == told["allocation.declined.v1"] > 0
    assert told["allocation.expired.v1"] > 0
    # Every role was accepted in the end, whoever said no before.
    asked = told["allocation.offered.v1"]
    said_no = told["allocation.declined.v1"] + told["allocation.expired.v1"]
    assert outcome.done["acceptance"] == asked - said_no
    assert outcome.unowned == 0


async def test_the_same_seed_has_the_same_figures(
    outcome: Outcome, backing_services: Backing, keeping: Path
) -> None:
    async with opened(WAIKATO, backing_services, keeping) as region:
        again = await replay_site(region, DAYS)

    told, before = document([again], {}), document([outcome], {})
    # The smaller part first: what differs is told whole.
    assert told["together"]["replayed"] == before["together"]["replayed"]
    assert told == before


def test_the_command_tells_both_sites_beside_what_was_published(
    tmp_path: Path,
) -> None:
    words = ("replay", "--pilot", "--json", "--months", "0.05", "--seed", "5")

    ended = run_in(tmp_path, *words, within=240)

    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["run"]["seed"] == 5
    for site in SITES:
        figures = told["sites"][site.name]
        assert figures["published"]["cases_a_month"] == site.cases_a_month
        assert figures["replayed"]["plans"] == figures["replayed"]["cases"] > 0
    together = told["together"]["replayed"]
    parts = (told["sites"][site.name]["replayed"] for site in SITES)
    assert together["plans"] == sum(each["plans"] for each in parts)
