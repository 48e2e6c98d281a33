"""What if: demand against a locality's workers, and how many more it would take."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Annotated, Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from accord_chassis.settings import policy_of
from accord_contracts.message import Id
from accord_contracts.referrals import ContactWish
from accord_contracts.risk import RiskLevel
from allocation.domain.directory import NoSuchPlace, Worker
from allocation.domain.policy import Policy
from allocation.domain.simulating import Arrival, Outcome, needed, simulate
from allocation.domain.wishes import Wishes
from allocation.routes.directory import PutWorker
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic import ValidationError as Invalid

from accord.faults import CannotGoOn
from accord.pilot import assumptions, published

MONTH = timedelta(days=30.4375)
"""A twelfth of a year."""

SHARES = {
    RiskLevel.LOW: 0.61,
    RiskLevel.MEDIUM: 0.30,
    RiskLevel.HIGH: 0.07,
    RiskLevel.EXTREME: 0.02,
}
"""How often each level comes, with ``--pilot``. High and extreme together are the
middle of what was published (7 to 11 %); the rest is assumed."""

DAYS = {
    RiskLevel.LOW: 28.0,
    RiskLevel.MEDIUM: 60.0,
    RiskLevel.HIGH: 130.0,
    RiskLevel.EXTREME: 130.0,
}
"""For how long a role is needed, where that is not said. At high risk: about 25 cases
at one time and 60 to 80 a year (SafeLives, DOMAIN.md 4) make 130 days. Else assumed."""

WORLD = uuid5(NAMESPACE_URL, "urn:accord:simulated")
M = TypeVar("M")


class ToldWorker(PutWorker):
    """A worker of the file, as the directory is told of one."""

    worker_id: Id | None = None


class ToldReferral(BaseModel):
    """A case of the file that needs its roles.

    Attributes:
        days: For how long each of them is needed; not said: what is usual at its level.
    """

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime
    level: RiskLevel
    days: Annotated[float, Field(gt=0, le=3650)] | None = None
    wishes: Wishes = Wishes()


@dataclass(frozen=True, slots=True)
class Simulated:
    """What would happen, and what it would take."""

    outcome: Outcome
    policy: Policy
    more: dict[str, int]


def run(
    locality: Path, workers: Path, referrals: Path | None, months: float, seed: int
) -> Simulated:
    """Simulate a locality.

    Args:
        locality: Directory of its policies.
        workers: A file of workers: JSON, a list of what the directory is told of each.
        referrals: A file of cases, each with its time and level; none: as many as were
            published of the pilot there.
        months: For how long.
        seed: Of what is drawn where there is no file.

    Raises:
        CannotGoOn: A file cannot be read.
        BadConfiguration: The policy is missing or wrong.
    """
    policy = policy_of(Policy, locality, "allocation")
    there = [*_workers(workers, policy)]
    if referrals is None:
        arrivals = [*_as_in_the_pilot(locality.name, months, seed)]
        begins = published.ENDS
    else:
        told = _read(referrals, TypeAdapter(list[ToldReferral]))
        arrivals = [
            Arrival(e.at, e.level, e.days or DAYS[e.level], e.wishes) for e in told
        ]
        begins = min((each.at for each in arrivals), default=published.ENDS)
    until = begins + months * MONTH
    arrivals = [each for each in arrivals if each.at <= until]
    outcome = simulate(there, arrivals, policy, until)
    more = needed(there, arrivals, policy, until)
    return Simulated(outcome, policy, {role.value: each for role, each in more.items()})


def _workers(file: Path, policy: Policy) -> Iterator[Worker]:
    for number, each in enumerate(_read(file, TypeAdapter(list[ToldWorker]))):
        worker_id = each.worker_id or str(uuid5(WORLD, str(number)))
        said = each.model_dump(exclude={"worker_id"})
        try:
            yield PutWorker.model_validate(said).entry(worker_id, policy)
        except NoSuchPlace:
            raise CannotGoOn(
                f"{file} is wrong at {number}.base: the policy names no such place.",
                mend="allocation.yaml says which places there are.",
            ) from None


def _read(file: Path, kind: TypeAdapter[M]) -> M:
    """Read a file; what is wrong is named by its place, never by its value."""
    try:
        return kind.validate_json(file.read_bytes())
    except OSError as wrong:
        raise CannotGoOn(
            f"{file} cannot be read ({type(wrong).__name__}).",
            mend="It has to be a file of JSON.",
        ) from None
    except Invalid as wrong:
        places = [".".join(map(str, each["loc"])) for each in wrong.errors()[:5]]
        raise CannotGoOn(
            f"{file} is wrong at {', '.join(places) or 'its beginning'}.",
            mend="services/allocation/README.md says what it looks like.",
        ) from None


def _as_in_the_pilot(name: str, months: float, seed: int) -> Iterator[Arrival]:
    """Draw as many cases a month as were published of the pilot's site there."""
    sites = {each.locality: each for each in published.SITES}
    if name not in sites:
        raise CannotGoOn(
            f"The pilot had no site in {name}.", mend="Name a file with --referrals."
        )
    random = Random(f"simulated {name} {seed}")  # noqa: S311 - Demand, no secret.
    levels, weights = [*SHARES], [*SHARES.values()]
    for _ in range(round(sites[name].cases_a_month * months)):
        [level] = random.choices(levels, weights)
        yield Arrival(
            at=published.ENDS + random.random() * months * MONTH,
            level=level,
            days=random.expovariate(1 / DAYS[level]),
            wishes=Wishes(
                gender=random.choice((ContactWish.WOMAN, ContactWish.NO_WISH)),
                kaupapa_maori=random.random() < assumptions.KAUPAPA_MAORI[name],
            ),
        )


def document(done: Simulated) -> dict[str, Any]:
    """Give what came out for a machine."""
    return {
        "levels": {level.value: _waits(done, level) for level in RiskLevel},
        "breaches": done.outcome.breaches(done.policy),
        "roles": len(done.outcome.roles),
        "unmet": dict(sorted(done.outcome.unmet.items())),
        "fullness": dict(sorted(done.outcome.fullness.items())),
        "more_workers": done.more,
    }


def _waits(done: Simulated, level: RiskLevel) -> dict[str, float | int]:
    hours = done.outcome.hours(level)
    if not hours:
        return {"roles": 0}
    return {
        "roles": len(hours),
        "median_hours": round(median(hours), 2),
        "p90_hours": round(hours[int(0.9 * (len(hours) - 1))], 2),
        "most_hours": round(hours[-1], 2),
        "target_hours": done.policy.assign_hours[level],
    }


def lines(done: Simulated) -> Iterator[str]:
    """Give what came out for people."""
    told = document(done)
    for level, waits in told["levels"].items():
        if not waits["roles"]:
            yield f"{level}: no roles"
            continue
        yield (
            f"{level}: {waits['roles']} roles, filled after {waits['median_hours']} h "
            f"(half of them), {waits['p90_hours']} h (nine of ten), "
            f"{waits['most_hours']} h (all); target {waits['target_hours']} h"
        )
    yield f"not filled in time: {told['breaches']} of {told['roles']} roles"
    for wish, number in told["unmet"].items():
        yield f"wish not met, {wish.replace('_', ' ')}: {number}"
    full = sorted(told["fullness"].values())
    if full:
        yield (
            f"workers carry {full[0]:.0%} to {full[-1]:.0%} of their points on "
            f"average, {median(full):.0%} in the middle"
        )
    for role, number in done.more.items():
        what = f"{number} more" if number else "enough"
        yield f"{role.replace('_', ' ')}: {what} full-time workers for the targets"
