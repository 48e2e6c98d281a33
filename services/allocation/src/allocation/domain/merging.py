"""How the staffing of a merged case and that of its survivor go by one another."""

from datetime import datetime

from allocation.domain.lists import Lists
from allocation.domain.policy import Policy
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Share


def merge(
    staffing: Staffing, survivor: str | None, merging: int, policy: Policy, at: datetime
) -> Staffing:
    """Note which case it is merged into, or that it is on its own again.

    Merged, it keeps whoever has accepted, and wants nobody else. On its own again,
    it wants what its level needs and is not there, from now on.

    Args:
        staffing: Of the case.
        survivor: The case that it is merged into; none: it is on its own.
        merging: The version of the case in referrals that says so: what is older
            than is known changes nothing.
        policy: What the level needs.
        at: When that was decided.
    """
    if merging <= staffing.merging:
        return staffing
    update = {"merged_into": survivor, "merging": merging, "above": Lists()}
    held = staffing.model_copy(update=update).listed().without_open(staffing.roles)
    return held if survivor else held.want_again(policy, at)


def carry(
    staffing: Staffing, other: str, share: Share | None, policy: Policy, at: datetime
) -> Staffing:
    """Go by what a merged case has, or no longer by it.

    A role that somebody has there is not offered here too; one that nobody has any
    longer is wanted.
    """
    if staffing.shares.get(other) == share:
        return staffing
    shares = {key: each for key, each in staffing.shares.items() if key != other}
    if share is not None:
        shares[other] = share
    held = staffing.model_copy(update={"shares": shares})
    if held.in_force != staffing.in_force:
        held = held.listed()
    return held.without_open(held.filled).want_again(policy, at)


def under(staffing: Staffing, lists: Lists) -> Staffing:
    """Go by the lists that hold for the case that this one is merged into.

    Whoever they bar is taken off; the survivor has to find somebody else.
    """
    if lists == staffing.above:
        return staffing
    held = staffing.model_copy(update={"above": lists}).listed()
    return held.without_open(staffing.roles) if held.merged_into else held


def lists_beside(staffing: Staffing, other: str) -> Lists:
    """Give the lists that hold but for those of one case merged into this one."""
    shares = (each.lists for key, each in staffing.shares.items() if key != other)
    return staffing.lists.with_those_of([staffing.above, *shares])
