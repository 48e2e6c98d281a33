"""When what was agreed to should be looked at again, and that it was.

A plan is agreed to for what is known that day. It goes stale, and says so, when that is
no longer all: until somebody has reviewed it, or has agreed to its next version.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accord_contracts.allocation import Role
from accord_contracts.plans import StaleReason
from accord_contracts.problem import Refusal

from plans.domain.plan import (
    AlreadyClosed,
    AnotherVersionIsCurrent,
    Merged,
    MoreToRead,
    Plan,
)
from plans.domain.stage import Breach, Stage, Status
from plans.domain.template import Policy

MOST_BREACHES = 200
"""Breaches that a plan remembers: the latest. All are told."""


class NotAgreed(Refusal):
    """Nobody has agreed to this version yet: agree to it, that reviews it too."""


class UnknownBreach(Refusal):
    """The locality's policy does not know this kind of breach."""

    status = 422


class NotYet(Refusal):
    """What has not happened yet cannot be noted."""

    status = 422


def relied_on(held: Plan) -> bool:
    """Tell whether somebody relies on a version that was agreed to in this episode."""
    if held.status in {Status.NONE, Status.CLOSED, Status.MERGED}:
        return False
    for each in reversed(held.versions):
        if each.closed_at:
            return False
        if each.agreed_at:
            return True
    return False


def go_stale(held: Plan, reasons: Iterable[StaleReason], at: datetime) -> Plan:
    """Note why it should be looked at again, each reason once."""
    new = {each: at for each in sorted(reasons) if each not in held.stale}
    if not new or not relied_on(held):
        return held
    stale = held.model_copy(update={"stale": {**held.stale, **new}})
    return stale.reaches(Stage.STALE, at)


def stale_by_draft(new: Plan, held: Plan, at: datetime) -> Plan:
    """Note that the level has risen above what was agreed to."""
    if not held.versions or not held.rises(new.current):
        return new
    return go_stale(new, (StaleReason.RISK_ROSE,), at)


def stale_by_leaving(new: Plan, held: Plan, role: Role, at: datetime) -> Plan:
    """Note that nobody has a role any more that has something to do."""
    before = held.owners.get(role)
    left = any(e.role is role and e.worker_id is None for e in new.open_actions)
    if not (before and before.worker_id and left):
        return new
    return go_stale(new, (StaleReason.ROLE_VACANT,), at)


def stale_by_dates(held: Plan, at: datetime) -> Plan:
    """Note that a date comes near for which an agreed plan was not looked at."""
    near = {key for key, each in held.coming.items() if each.near(at)}
    if not near or not held.in_force:
        return held
    coming = {
        key: each.model_copy(update={"looked": True}) if key in near else each
        for key, each in held.coming.items()
    }
    told = held.model_copy(update={"coming": coming})
    return go_stale(told, (StaleReason.DATE_NEAR,), at)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a plan that is reviewed.

    Attributes:
        number: Which version.
        review_by: By when it was to be reviewed: what tells one review from the next.
        stale: Why it should be looked at again.
    """

    number: int
    review_by: datetime
    stale: Mapping[StaleReason, datetime] = field(default_factory=dict)


def review(
    held: Plan, read: Read, policy: Policy, at: datetime, by: str | None
) -> Plan:
    """Note that somebody has looked at what was agreed to, and it stands.

    Raises:
        NoPlan: No plan was drafted.
        AnotherVersionIsCurrent: The version is not the current one.
        AlreadyClosed: The plan is closed.
        Merged: The survivor's is reviewed.
        NotAgreed: Nobody has agreed to it yet.
        MoreToRead: There is more by now for which to look at it, or somebody has.
    """
    current = held.current
    if current.number != read.number:
        raise AnotherVersionIsCurrent(f"Version {current.number} is current.")
    if current.closed_at:
        raise AlreadyClosed
    if held.merged_into:
        raise Merged
    if not current.agreed_at:
        raise NotAgreed
    if read.review_by != current.review_by:
        if current.reviewed_at and current.reviewed_by == by:
            return held
        raise MoreToRead
    held.is_read(read.stale)
    next_review = at + policy.template(current.assessment.level, current.tier).review
    reviewed = held.with_current(
        reviewed_at=at, reviewed_by=by, review_by=next_review, told_late_at=None
    )
    return reviewed.looked_at(at).reaches(Stage.REVIEWED, at)


def note_breach(held: Plan, breach: Breach, policy: Policy) -> Plan:
    """Note that somebody broke what the plan rests on. The same again changes nothing.

    Raises:
        NoPlan: No plan was drafted.
        AlreadyClosed: The plan is closed.
        Merged: It is noted in the survivor's, at which people look again.
        UnknownBreach: The kind is not one of the locality's.
        NotYet: It has not happened yet.
    """
    if breach.kind not in policy.breaches:
        raise UnknownBreach
    if breach.happened_at > breach.noted_at + timedelta(minutes=5):
        raise NotYet
    if held.current.closed_at:
        raise AlreadyClosed
    if held.merged_into:
        raise Merged
    same = (breach.kind, breach.happened_at)
    if any((each.kind, each.happened_at) == same for each in held.breaches):
        return held
    noted = held.model_copy(
        update={"breaches": (*held.breaches, breach)[-MOST_BREACHES:]}
    ).reaches(Stage.BREACHED, breach.noted_at)
    if StaleReason.BREACHED in noted.stale:
        # Who has read of one breach has not read of the next.
        since = {**noted.stale, StaleReason.BREACHED: breach.noted_at}
        return noted.model_copy(update={"stale": since})
    return go_stale(noted, (StaleReason.BREACHED,), breach.noted_at)
