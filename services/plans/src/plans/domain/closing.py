"""The end of the response to a household."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from accord_contracts.plans import OPENED_IN_ERROR, OutcomeKind
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel

from plans.domain.outcome import CARRIED_ON, Ending, Left, Outcome
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


class OpenIsUnsaid(Refusal):
    """Say of each thing that is still open what becomes of it, and of nothing else."""


class CarriedToWhom(Refusal):
    """Say who carries on what is carried on, and of nothing else."""

    status = 422


class NobodyEndsIt(Refusal):
    """Nobody says that the response should end, or not as it was read, or no longer."""


class DangerWasTold(Refusal):
    """Something was told here that speaks of danger: it was not opened in error."""


class EndTakesASecondPerson(Refusal):
    """Whoever says that the response should end cannot confirm it: another must."""


def close(
    held: Plan,
    reason: str,
    outcomes: Iterable[Outcome],
    policy: Policy,
    at: datetime,
    *,
    left: Iterable[Left] = (),
    services: Iterable[str] = (),
) -> Plan:
    """End the response to this household. Ending it again changes nothing.

    Args:
        held: The plan.
        reason: Why it ends.
        outcomes: What came of it.
        policy: The locality's.
        at: When.
        left: What becomes of each thing that is still open.
        services: The services that people wait for or have, by id.

    Raises:
        UnknownReason: A reason is not one of the locality's.
        OutcomesMissing: It is not said what came of it, of each thing once.
        NoPlan: No plan was drafted.
        AlreadyClosed: It is closed for another reason, with other outcomes, or with
            something else said of what was open.
        MandatoryActionsOpen: Something that must be done is not, here or for a case
            merged into it.
        OpenIsUnsaid: It is not said what becomes of what is open; says how much is.
        CarriedToWhom: Something is carried on by nobody who is named.
        Merged: The survivor's is closed.
        DangerWasTold: It is not at low risk, and is said to be opened in error.
    """
    told = tuple(sorted(outcomes, key=lambda each: each.kind))
    said = tuple(left)
    if reason not in policy.closing_reasons:
        raise UnknownReason
    if not {each.source for each in told} <= policy.outcome_sources:
        raise UnknownReason
    if [each.kind for each in told] != sorted(OutcomeKind):
        raise OutcomesMissing
    current = held.current
    if current.closed_at:
        same = (current.closed_for, current.outcomes) == (reason, told)
        if same and {*current.left} == {*said}:
            return held
        raise AlreadyClosed
    if held.merged_into:
        raise Merged
    if reason == OPENED_IN_ERROR and current.assessment.level is not RiskLevel.LOW:
        raise DangerWasTold
    shared = [e for s in held.shares.values() for e in s.actions if e.open]
    if count := sum(each.mandatory for each in (*held.open_actions, *shared)):
        raise MandatoryActionsOpen(f"{count} open.")
    still = [*(each.id for each in (*held.open_actions, *shared)), *services]
    _see_what_is_left(said, still, policy)
    closed = held.settled().with_current(
        closed_at=at, closed_for=reason, outcomes=told, left=said
    )
    ended = closed.model_copy(update={"owners": {}, "stale": {}})
    return ended.reaches(Stage.CLOSED, at)


def _see_what_is_left(
    said: Sequence[Left], still: Sequence[str], policy: Policy
) -> None:
    """See that of everything that is open it is said what becomes of it, once."""
    if not {each.reason for each in said} <= policy.left_reasons:
        raise UnknownReason
    if any((each.reason == CARRIED_ON) is (each.carried_to is None) for each in said):
        raise CarriedToWhom
    if sorted(each.id for each in said) != sorted(still):
        raise OpenIsUnsaid(f"{len(still)} open.")


def unproved(reason: str, policy: Policy) -> bool:
    """Tell whether a second person's word stands in the place of risk's proof.

    Wherever a case is said to be opened in error it does: risk believes two people.
    """
    return reason in policy.unproved_reasons or reason == OPENED_IN_ERROR


def ask_to_close(
    held: Plan,
    reason: str,
    outcomes: Iterable[Outcome],
    *,
    by: str,
    policy: Policy,
    at: datetime,
    left: Iterable[Left] = (),
    services: Iterable[str] = (),
) -> Plan:
    """Say that a response should end of which nothing can be proved.

    Nothing ends until a second person confirms it. What stands already, whoever said
    it, is changed by nobody who says the same.

    Raises:
        Refusal: Of ``close``.
    """
    closed = close(held, reason, outcomes, policy, at, left=left, services=services)
    if closed is held:
        return held
    known, told = held.current.ending, closed.current
    same = known and (known.reason, known.outcomes, known.left) == (
        reason,
        told.outcomes,
        told.left,
    )
    if known and same and at < known.until:
        return held
    until = at + timedelta(hours=policy.confirm_within_hours)
    said = {"reason": reason, "outcomes": told.outcomes, "left": told.left}
    return held.with_current(ending=Ending(**said, by=by, at=at, until=until))


def confirm_closing(
    held: Plan,
    said_at: datetime,
    *,
    by: str,
    policy: Policy,
    at: datetime,
    services: Iterable[str] = (),
) -> Plan:
    """End a response as somebody else said then. Confirming again changes nothing.

    Whose word it ended on stays so, whoever says the same later.

    Raises:
        AlreadyClosed: Another has confirmed it.
        NobodyEndsIt: Nobody said so then, it has lapsed, or it takes a proof by now.
        EndTakesASecondPerson: They said so themselves.
        Refusal: Of ``close``.
    """
    asked = held.current.ending
    if asked is None or asked.at != said_at:
        raise NobodyEndsIt
    if asked.confirmed_by:
        if asked.confirmed_by == by:
            return held
        raise AlreadyClosed
    if at >= asked.until or not unproved(asked.reason, policy):
        raise NobodyEndsIt
    if asked.by == by:
        raise EndTakesASecondPerson
    confirmed = asked.model_copy(update={"confirmed_by": by})
    ended = close(
        held,
        asked.reason,
        asked.outcomes,
        policy,
        at,
        left=asked.left,
        services=services,
    )
    return ended.with_current(ending=confirmed)
