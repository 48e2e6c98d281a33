"""What becomes of a case's roles when it is in question who harmed whom."""

from datetime import datetime

from accord_contracts.access import SIDES, Side

from allocation.domain.policy import Policy
from allocation.domain.staffing import Staffing
from allocation.domain.walls import Walls


def doubt(staffing: Staffing, at: datetime) -> Staffing:
    """Note that it is in question who harmed whom.

    Whoever is told to use violence may be who was harmed: from then on no new role
    is wanted that is to meet them.
    """
    latest = max(at, staffing.doubted_at or at)
    return staffing.model_copy(update={"doubted_at": latest})


def settle(
    staffing: Staffing,
    people: tuple[str, str],
    at: datetime,
    policy: Policy,
    *,
    corrected: bool,
) -> Staffing:
    """Note that a person has decided who harmed whom; want what waited for it.

    If it was told the other way round, whoever serves either of the two has met
    them as what they are not, and knows what the other must not hear. Others take
    their places, and nobody who ever served one of the two serves either.

    Args:
        staffing: What is known.
        people: Who was harmed, and by whom.
        at: When that was decided.
        policy: What the level needs.
        corrected: It was told the other way round.
    """
    if staffing.parts_at and at <= staffing.parts_at:
        return staffing
    update = {"parts_at": at, "people": staffing.people.decided(*people)}
    held = staffing.model_copy(update=update)
    if corrected:
        held = _served_by_others(held)
    return held.want_again(policy, at)


def _served_by_others(staffing: Staffing) -> Staffing:
    """Take every role back that is one side's, and bar whoever served either."""
    whole = {
        each.worker_id
        for role, each in staffing.roles.items()
        if SIDES[role] is Side.WHOLE_CASE
    }
    roles = {
        role: each.leave(each.worker_id)
        if each.worker_id and SIDES[role] is not Side.WHOLE_CASE
        else each
        for role, each in staffing.roles.items()
    }
    served = (staffing.served_outreach | staffing.served_others) - whole
    walls = staffing.walls
    update = {
        "roles": roles,
        "served_outreach": staffing.served_outreach | served,
        "served_others": staffing.served_others | served,
        # What a compartment knows is of somebody who is on the other side now; but none
        # that knew of the whole case, as the lead's does, may ever meet him.
        "walls": Walls(outreach=walls.others, others=walls.outreach | walls.others),
    }
    held = staffing.model_copy(update=update)
    # That of a merged case is its survivor's to fill.
    return held.without_open(roles if held.merged_into else ())
