"""What the doctor finds of whether what runs and what is kept is of one release."""

from collections.abc import Mapping
from typing import Any

from accord_chassis.migrations import MigrationChanged, pending, shipped_with
from accord_contracts.publish import fingerprint
from pymongo.asynchronous.database import AsyncDatabase

from accord.findings import Finding, fail, ok, warn


def contracts_spoken(told: Mapping[str, str | None]) -> Finding:
    """Find services that were built with other contracts than this command.

    Args:
        told: What each service that answers says of its contracts.
    """
    others = sorted(service for service, each in told.items() if each != fingerprint())
    if not others:
        return ok(
            "contracts", f"all that answer were built with {fingerprint()}, as this"
        )
    return warn(
        "contracts",
        f"{', '.join(others)} built with others than this command's {fingerprint()}",
        "While a release is rolled out that is so for a moment; otherwise put all, "
        "and this command, to one release.",
    )


async def migrations_ran(
    databases: Mapping[str, AsyncDatabase[dict[str, Any]]],
) -> Finding:
    """Find changes of stored documents that this release brings and that have not run.

    Args:
        databases: Each service's.
    """
    waiting = []
    for service, database in databases.items():
        try:
            left = await pending(database, shipped_with(service))
        except MigrationChanged as changed:
            return fail(
                "migrations",
                f"{service}: {changed} is not what ran here",
                "Put the release back whose migration ran; write a new one instead.",
            )
        waiting += [f"{service} {each.name}" for each in left]
    if not waiting:
        return ok("migrations", "none waits")
    return warn(
        "migrations",
        f"not run yet: {', '.join(waiting)}",
        "A service runs its own before it serves: start this release of it.",
    )
