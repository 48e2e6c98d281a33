"""What another risk policy would make of the cases that there are, before it is on."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from risk.domain.assessment import Assessment
from risk.domain.policy import Policy
from risk.domain.simulation import ALL, HELD, Group, Report, simulate, together
from risk.domain.tellable import Tellable, Told, tellable
from risk.store import SIMULATED

from accord.deployment import Deployment
from accord.faults import CannotGoOn
from accord.parallel import without_interrupts

STORED = "stored"

SECONDS = 10.0

FEW = 10_000
"""So many cases one process has weighed before others have started."""

PARTS = 64
"""Of many cases: enough that processors end together, and an interrupted one soon."""

BEGINNINGS = [f"{each:02x}" for each in range(256)]
"""With what ids of cases begin, evenly."""


def versions(files: Sequence[Path]) -> list[Policy]:
    """Read the versions of the policy that are compared.

    Raises:
        CannotGoOn: One cannot be read, is wrong, or two have one name.
    """
    read = [_policy(each) for each in files]
    if len({HELD, *(each.version for each in read)}) <= len(read):
        raise CannotGoOn(
            f"Two of the policies have the same version, or one is called {HELD}.",
            mend="Give each a version of its own.",
        )
    return read


def _policy(file: Path) -> Policy:
    try:
        return Policy.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as wrong:
        raise CannotGoOn(
            f"{file} cannot be read ({type(wrong).__name__}).",
            mend="It has to be YAML in UTF-8, as a locality's risk.yaml.",
        ) from None
    except ValidationError as wrong:
        first = wrong.errors(include_input=False)[0]
        place = "/".join(str(each) for each in first["loc"])
        raise CannotGoOn(
            f"{file} is no risk policy: {place} {first['msg']}.", mend="Correct it."
        ) from None


def of_file(file: Path) -> Iterator[Assessment]:
    """Read cases from a file of JSON lines, each an assessment as risk stores it.

    Raises:
        CannotGoOn: It cannot be read, or a line is none.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield Assessment.model_validate_json(line)
                except ValidationError as wrong:
                    # Its own text quotes the line.
                    first = wrong.errors(include_input=False)[0]
                    place = "/".join(str(each) for each in first["loc"])
                    raise CannotGoOn(
                        f"{file}, line {number} is no assessment: {place}."
                    ) from None
    except (OSError, UnicodeDecodeError) as wrong:
        raise CannotGoOn(f"{file} cannot be read ({type(wrong).__name__}).") from None


def run_stored(
    policies: Sequence[Policy],
    deployment: Deployment,
    at: datetime,
    *,
    few: int = FEW,
) -> Tellable:
    """Weigh all cases that a deployment's risk service keeps, as ``run`` does.

    If there are many, each processor reads and weighs its part of them.

    Args:
        policies: By which.
        deployment: Whose.
        at: The present time.
        few: Up to so many one process weighs alone.

    Raises:
        CannotGoOn: The store is away, or does not let us.
    """
    weigh = partial(weigh_part, policies, deployment, at)
    if _count(deployment) <= few:
        return tellable(weigh({}))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        with without_interrupts():
            parts = pool.map(weigh, parts_of(PARTS))
        return tellable(together(parts))


def parts_of(count: int) -> list[dict[str, str]]:
    """Divide ids by how they begin, into so many parts that leave none out."""
    starts = [BEGINNINGS[n * len(BEGINNINGS) // count] for n in range(1, count)]
    return [
        {**({"$gte": since} if since else {}), **({"$lt": until} if until else {})}
        for since, until in zip(["", *starts], [*starts, ""], strict=True)
    ]


def weigh_part(
    policies: Sequence[Policy],
    deployment: Deployment,
    at: datetime,
    ids: dict[str, str],
) -> Report:
    """Weigh the stored cases of these ids.

    Raises:
        CannotGoOn: The store is away, or does not let us.
    """
    with _kept(deployment) as kept:
        found = kept.find({"_id": ids} if ids else {}, projection=SIMULATED)
        cases = (
            Assessment.model_validate({**each, "id": each["_id"]}) for each in found
        )
        return simulate(cases, policies, at)


def _count(deployment: Deployment) -> int:
    with _kept(deployment) as kept:
        return kept.estimated_document_count()


@contextmanager
def _kept(deployment: Deployment) -> Iterator[Collection[dict[str, Any]]]:
    """Connect to the assessments that are stored.

    Raises:
        CannotGoOn: The store is away, or does not let us.
    """
    line = deployment.store_line()
    try:
        with MongoClient[dict[str, Any]](
            line.url,
            tz_aware=True,
            serverSelectionTimeoutMS=SECONDS * 1000,
            **line.store_options(),
        ) as client:
            yield client[deployment.databases.get("risk", "risk")]["assessments"]
    except PyMongoError as fault:
        raise CannotGoOn(
            f"The store does not answer ({type(fault).__name__}).",
            mend="Start it, or correct ACCORD_STORE_URL.",
        ) from None


def run(
    policies: Sequence[Policy], cases: Iterator[Assessment], at: datetime
) -> Tellable:
    """Weigh all cases by each version, and leave out what could betray somebody."""
    return tellable(simulate(cases, policies, at))


HEADS = (
    "version", "group", "cases", "low", "medium", "high", "extreme",
    "higher", "lower", "reviews a week", "due", "overdue",
)  # fmt: skip

ROLES = ("version", "role", "cases to act on")


def rows(report: Tellable) -> list[tuple[str, ...]]:
    """Give the report for people."""
    return [
        (
            version,
            _group(group),
            str(told.cases),
            *(_counted(n) for n in told.found.values()),
            _counted(told.higher, "+"),
            _counted(told.lower, "-"),
            str(told.reassessments_a_week),
            str(told.due),
            str(told.overdue),
        )
        for version, groups in report.items()
        for group, told in groups.items()
    ]


def follow_heads(report: Tellable) -> tuple[str, ...]:
    """Name what is told of tiers, and of meetings, for people."""
    whole = next((e[ALL] for e in report.values() if ALL in e), None)
    if whole is None:
        return ("version", "group")
    tiers = (f"tier {code}" for code in whole.tiers)
    meetings = (f"{code} a week" for code in whole.meetings)
    return ("version", "group", *tiers, *meetings)


def follow_rows(report: Tellable) -> list[tuple[str, ...]]:
    """Give for people how many are in each tier, and at each meeting in a week."""
    return [
        (
            version,
            _group(group),
            *map(str, told.tiers.values()),
            *map(str, told.meetings.values()),
        )
        for version, groups in report.items()
        for group, told in groups.items()
    ]


def _group(group: Group) -> str:
    return group[0] if group == ALL else ": ".join(group)


def role_rows(report: Tellable) -> list[tuple[str, ...]]:
    """Give for people on how many cases each role would act."""
    return [
        (version, role, str(count))
        for version, groups in report.items()
        if ALL in groups
        for role, count in groups[ALL].roles.items()
    ]


def _counted(count: int | None, sign: str = "") -> str:
    return "few" if count is None else f"{sign}{count}"


def document(report: Tellable) -> dict[str, Any]:
    """Give the report for a machine; nothing, where there are too few to tell."""
    return {
        version: [
            {"dimension": group[0], "group": group[1], **_document(told)}
            for group, told in groups.items()
        ]
        for version, groups in report.items()
    }


def _document(told: Told) -> dict[str, Any]:
    return {
        "cases": told.cases,
        "found": told.found,
        "moves": [
            {"held": was, "found": to, "cases": n}
            for (was, to), n in sorted(told.moves.items())
            if n != 0
        ],
        "higher": told.higher,
        "lower": told.lower,
        "reassessments_a_week": told.reassessments_a_week,
        "due": told.due,
        "overdue": told.overdue,
        "roles": told.roles,
        "tiers": told.tiers,
        "meetings_a_week": told.meetings,
    }


def written(case: Assessment) -> str:
    """Write a case as a line of a file that can be simulated against."""
    return json.dumps(case.model_dump(mode="json", exclude={"wakes_at"}))
