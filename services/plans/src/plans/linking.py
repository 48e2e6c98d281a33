"""What becomes of a plan when two of its people are one, or two again."""

from accord_contracts.message import Message
from accord_contracts.one_person import Link
from accord_contracts.plans import StaleReason
from accord_contracts.referrals import PersonMerged, PersonUnmerged

from plans.domain.plan import Plan
from plans.domain.staleness import go_stale
from plans.domain.template import Policy
from plans.store import Plans
from plans.telling import assigned, lane_of
from plans.telling import stale as stale_told


async def note_one_person(
    message: Message[PersonMerged] | Message[PersonUnmerged],
    *,
    plans: Plans,
    policy: Policy,
) -> None:
    """Note that two people are one, or no longer, in whatever order that is heard.

    A child who is a child of their own again has a part of the plan again.
    """
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    new = held.link(told.match_id, Link.told(message), policy, message.time)
    if new is held:
        return
    if new.actions != held.actions:
        new = go_stale(new, (StaleReason.CHILD_KNOWN,), message.time)
    events = (*assigned(new, held), *stale_told(new, held))
    await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))
