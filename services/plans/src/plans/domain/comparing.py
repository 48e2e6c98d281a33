"""Two versions of a plan side by side."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from accord_contracts.problem import Refusal

from plans.domain.plan import Plan
from plans.domain.version import PlanVersion, Promise


class Difference(NamedTuple):
    """An action that is not the same in both versions.

    Attributes:
        before: As it stood in the one; none: it did not.
        after: As it stands in the other; none: it does not.
    """

    before: Promise | None
    after: Promise | None

    @property
    def either(self) -> Promise:
        """The action, as it is told last."""
        told = self.after or self.before
        if told is None:
            raise ValueError("A difference is of something.")
        return told


class NoSuchVersion(Refusal):
    """There is no such version, or nothing is remembered of what stood in it."""

    status = 404


def version_of(held: Plan, number: int) -> PlanVersion:
    """Find a version, with what stands in it.

    In the current one, until it is agreed to, stands what is planned now.

    Raises:
        NoSuchVersion: Nothing is remembered of it.
    """
    for each in held.versions:
        if each.number == number:
            current = number == held.current.number
            found = each.with_promises(held.actions) if current else each
            if found.promises is not None:
                return found
    raise NoSuchVersion


def differences(before: PlanVersion, after: PlanVersion) -> list[Difference]:
    """Give every action that is not the same in two versions, by its code."""
    one, other = _by_action(before.promises or ()), _by_action(after.promises or ())
    found = (Difference(one.get(key), other.get(key)) for key in {**one, **other})
    differing = (e for e in found if _told(e.before) != _told(e.after))
    return sorted(differing, key=lambda e: (e.either.part, e.either.code))


def _by_action(
    promises: Iterable[Promise],
) -> dict[tuple[str, str | None], Promise]:
    return {(each.code, each.person_id): each for each in promises}


def _told(
    promise: Promise | None,
) -> tuple[str, bool, datetime, str | None] | None:
    """Give what two versions may differ in; how far it has come is no difference."""
    if promise is None:
        return None
    return promise.role, promise.mandatory, promise.due_at, promise.worker_id
