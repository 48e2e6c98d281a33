"""What the risk service does when cases are merged, and when that is taken back.

A merged case is kept as before: what comes late for it is weighed in it. Whatever
changes it, its survivor is told, and reads it anew. So nothing depends on order, and
taking it back leaves each with its own.
"""

from accord_chassis.clock import Clock
from accord_contracts.message import Lane, Message
from accord_contracts.referrals import CaseMerged, CaseUnmerged
from accord_contracts.risk import AssessmentCarried

from risk.domain.assessment import Assessment
from risk.domain.policy import Policy
from risk.handlers import assessed
from risk.store import Assessments


async def note_merging(
    message: Message[CaseMerged] | Message[CaseUnmerged],
    *,
    assessments: Assessments,
    policy: Policy,
) -> None:
    """Note that a case is merged into another, or on its own again."""
    told = message.data
    survivor = told.survivor_id if isinstance(told, CaseMerged) else None
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    if held.erased_at:
        return
    new = held.merge(survivor, message.aggregate_version, policy, message.time)
    if new is held:
        return
    weighed = assessed(new, None) if new.revision != held.revision else []
    left = {held.merged_into, told.survivor_id} - {None, survivor}
    events = [
        *weighed,
        *(
            AssessmentCarried(case_id=e, from_id=new.id)
            for e in sorted(filter(None, left))
        ),
    ]
    await assessments.save(new, *events, cause=message, lane=_lane(new, message.lane))


async def carry(
    message: Message[AssessmentCarried],
    *,
    assessments: Assessments,
    policy: Policy,
    clock: Clock,
) -> None:
    """Weigh a case anew with what a case merged into it knows, or without."""
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    # Read after the survivor: whoever saves an older share conflicts.
    other = await assessments.get(told.from_id)
    merged = other and other.merged_into == told.case_id and not other.erased_at
    share = other.share() if other and merged else None
    if held is None:
        if other is None or share is None:
            return
        held = Assessment.new(told.case_id, other.first_referred_at)
    if held.erased_at:
        return
    new = held.carry(told.from_id, share, policy, clock.now())
    if new is held:
        return
    if other and other.erased_at:
        # What rested on it is filed no more, and what was filed meanwhile goes.
        await assessments.pasts.forget(other.id)
        new = new.model_copy(update={"replaced": None})
    events = assessed(new, None) if new.revision > held.revision else []
    await assessments.save(new, *events, cause=message, lane=_lane(new, message.lane))


def _lane(new: Assessment, lane: Lane) -> Lane:
    return Lane.URGENT if new.level.urgent else lane
