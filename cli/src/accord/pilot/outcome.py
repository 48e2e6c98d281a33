"""What became of a site's cases, read back over HTTP when its time is over."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from accord_contracts.allocation import Role
from accord_contracts.risk import RiskLevel

from accord.pilot.published import Site
from accord.pilot.region import Region
from accord.pilot.register import Register
from accord.pilot.staff import Staff

SPECIALISTS = (Role.INDEPENDENT_VICTIM_SPECIALIST, Role.PERPETRATOR_OUTREACH)

TOGETHER = 50
"""Questions asked at the same time."""

NOT_FOUND = 404

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans of a site, as the plans service tells of them.

    Attributes:
        agreed: Plan versions that were agreed for a case that was reported.
        in_time: Of those, agreed before the end of the pilot.
        levels: The level at which each case that was reported was assessed.
        households_at_high_risk: Those of which any was at high risk, by id.
    """

    agreed: int
    in_time: int
    levels: Counter[RiskLevel]
    households_at_high_risk: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a site.

    Attributes:
        months: How long cases were reported.
        cases: How many were reported, as the release counts them: episodes.
        people: Whom the referrals service tells from each other.
        plans: As the plans service tells.
        with_specialists: Households at high risk whose specialists have both accepted.
        unowned: Roles that nobody had in time, at the end: 100 at most.
        register: What was told on the way.
        done: What people did, and were answered.
        handled: Deliveries to services.
        retried: Deliveries that were put off.
        parked: Deliveries that nobody could handle.
    """

    site: Site
    months: float
    cases: int
    people: int
    plans: Plans
    with_specialists: int
    unowned: int
    register: Register
    done: Counter[str]
    handled: int
    retried: int
    parked: int

    @property
    def households(self) -> int:
        """How many cases there are in the platform: a case is a household's."""
        return len(self.register.cases)

    @property
    def at_high_risk(self) -> int:
        """How many of the cases that were reported were at high risk."""
        return sum(count for level, count in self.plans.levels.items() if level.urgent)

    @property
    def people_with_more_episodes(self) -> int:
        """How many people were in more than one case that was reported."""
        return sum(count > 1 for count in self.register.people.values())


async def read_plans(
    region: Region, staff: Staff, cases: Iterable[str], ends: datetime
) -> Plans:
    """Read every plan."""

    async def read(case_id: str) -> list[dict[str, Any]]:
        path = f"/plans/v1/plans/{case_id}"
        answer = await region.ask(staff.coordinator, "GET", path, expected=(NOT_FOUND,))
        return answer.json()["versions"] if answer.ok else []

    held = await _of_each([*cases], read)
    of_referrals = [
        (case_id, RiskLevel(each["level"]), each["agreed_at"])
        for case_id, versions in held.items()
        for each in versions
        if each["referral_id"]
    ]
    agreed = [datetime.fromisoformat(at) for _, _, at in of_referrals if at]
    return Plans(
        agreed=len(agreed),
        in_time=sum(each < ends for each in agreed),
        levels=Counter(level for _, level, _ in of_referrals),
        households_at_high_risk=frozenset(
            who for who, level, _ in of_referrals if level.urgent
        ),
    )


async def count_with_specialists(
    region: Region, staff: Staff, cases: Iterable[str]
) -> int:
    """Count the cases for which both specialists have accepted their roles."""

    async def read(case_id: str) -> bool:
        path = f"/allocation/v1/allocations?case_id={case_id}"
        answer = await region.ask(staff.coordinator, "GET", path)
        accepted = {each["role"] for each in answer.json() if each["accepted_at"]}
        return accepted.issuperset(SPECIALISTS)

    return sum((await _of_each([*cases], read)).values())


async def count_unowned(region: Region, staff: Staff) -> int:
    """Count the roles that nobody had in time, as a coordinator sees them."""
    answer = await region.ask(staff.coordinator, "GET", "/allocation/v1/unowned")
    return len(answer.json()["roles"])


async def _of_each(asked: Sequence[T], ask: Callable[[T], Awaitable[R]]) -> dict[T, R]:
    found: dict[T, R] = {}
    for start in range(0, len(asked), TOGETHER):
        some = asked[start : start + TOGETHER]
        answers = await asyncio.gather(*map(ask, some))
        found.update(zip(some, answers, strict=True))
    return found
