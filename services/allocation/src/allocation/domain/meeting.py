"""What a meeting decides of a case's roles, and of who leads it."""

from datetime import datetime

from accord_contracts.allocation import Role
from pydantic import BaseModel, ConfigDict

from allocation.domain.policy import Policy
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Decided

REMEMBERED = 100
"""Meetings of an episode that are kept: one that took a case up every working day for
more than four months."""


class Decision(BaseModel):
    """A decision of a meeting, as far as staffing goes by it.

    Attributes:
        meeting_id: Which meeting.
        number: Which decision on the case there: the last one counts.
        roles: Whom the case needs, whatever its level.
        lead: The agency that leads, if it was named.
        by: Who decided.
    """

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    number: int
    roles: tuple[Role, ...]
    lead: str | None
    by: str
    at: datetime


def heed(
    staffing: Staffing,
    decision: Decision,
    policy: Policy,
    taken: frozenset[str] = frozenset(),
) -> Staffing:
    """Want whom a meeting wants, and have lead whom it named, in its decider's name.

    What the same meeting wanted before and wants no longer is wanted no longer, if
    neither the level nor its tier nor another meeting asks for it and nobody has
    accepted it. What was decided before the episode began, or before what is known of
    the same meeting, changes nothing; nor does anything once it was transferred. An
    agency that the lists name does not lead, whoever decided it.

    Args:
        staffing: What is known of the case's roles.
        decision: What was decided.
        policy: What a level needs.
        taken: The allocations that somebody has accepted, also those of which the case
            has not heard yet.
    """
    if staffing.transferred_at is not None:
        return staffing
    if staffing.closed_at is not None and decision.at <= staffing.closed_at:
        return staffing
    known = staffing.meetings.get(decision.meeting_id)
    if known is not None and decision.number <= known.number:
        return staffing
    decided = Decided(
        number=decision.number, roles=decision.roles, by=decision.by, at=decision.at
    )
    meetings = {**staffing.meetings, decision.meeting_id: decided}
    latest = sorted(meetings.items(), key=lambda each: each[1].at)[-REMEMBERED:]
    held = staffing.model_copy(update={"meetings": dict(latest)})
    if decision.lead is not None and decision.lead not in held.in_force.agencies:
        held = held.led_by(decision.lead, decision.by, decision.at)
    by_tier = held.latest.roles if held.latest else ()
    kept = {*held.besides, *policy.roles[held.level], *by_tier}
    kept |= {role for role, each in held.roles.items() if each.allocation_id in taken}
    before = known.roles if known else ()
    held = held.without_open([each for each in before if each not in kept])
    return held.want_again(policy, decision.at)
