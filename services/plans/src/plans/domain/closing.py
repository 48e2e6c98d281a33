"""The end of the response to a household."""

from collections.abc import Iterable
from datetime import datetime

from accord_contracts.plans import OutcomeKind
from accord_contracts.problem import Refusal

from plans.domain.outcome import Outcome
from plans.domain.plan import AlreadyClosed, Merged, Plan
from plans.domain.stage import Stage
from plans.domain.template import Policy


class MandatoryActionsOpen(Refusal):
    """A plan cannot be closed while mandatory actions are open."""


class UnknownReason(Refusal):
    """The locality's policy does not know this reason for closing a plan."""

    status = 422


class OutcomesMissing(Refusal):
    """Say of each thing that a response is for how it stands, and how that is known."""

    status = 422


def close(
    held: Plan, reason: str, outcomes: Iterable[Outcome], policy: Policy, at: datetime
) -> Plan:
    """End the response to this household. Ending it again changes nothing.

    Raises:
        UnknownReason: The reason is not one of the locality's.
        OutcomesMissing: It is not said what came of it, of each thing once.
        NoPlan: No plan was drafted.
        AlreadyClosed: It is closed for another reason, or with other outcomes.
        MandatoryActionsOpen: Something that must be done is not, here or for a case
            merged into it.
        Merged: The survivor's is closed.
    """
    told = tuple(sorted(outcomes, key=lambda each: each.kind))
    if reason not in policy.closing_reasons:
        raise UnknownReason
    if not {each.source for each in told} <= policy.outcome_sources:
        raise UnknownReason
    if [each.kind for each in told] != sorted(OutcomeKind):
        raise OutcomesMissing
    current = held.current
    if current.closed_at:
        if (current.closed_for, current.outcomes) == (reason, told):
            return held
        raise AlreadyClosed
    if held.merged_into:
        raise Merged
    shared = [e for s in held.shares.values() for e in s.actions if e.open]
    if count := sum(each.mandatory for each in (*held.open_actions, *shared)):
        raise MandatoryActionsOpen(f"{count} open.")
    closed = held.settled().with_current(closed_at=at, closed_for=reason, outcomes=told)
    ended = closed.model_copy(update={"owners": {}, "stale": {}})
    return ended.reaches(Stage.CLOSED, at)
