"""What the risk service does when two people are one, or two again."""

from accord_contracts.message import Message
from accord_contracts.one_person import Link
from accord_contracts.referrals import PersonMerged, PersonUnmerged

from risk.domain.assessment import Assessment
from risk.domain.policy import Policy
from risk.store import Assessments


async def note_one_person(
    message: Message[PersonMerged] | Message[PersonUnmerged],
    *,
    assessments: Assessments,
    policy: Policy,
) -> None:
    """Note that two people are one, or no longer, in whatever order that is heard.

    The case is not weighed by it: what was told of either is told of it already. The
    level of the pair, or of the child, that they now make is noted.
    """
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    known = held or Assessment.new(told.case_id, message.time)
    new = known.link(told.match_id, Link.told(message))
    if new is not known:
        new = new.with_people(policy, message.time)
        await assessments.save(new, cause=message)
