"""What becomes of the plans of cases that are merged, and taken apart again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accord_contracts.allocation import Role

from plans.domain.coming import Coming, InForce, with_latest
from plans.domain.plan import Plan
from plans.domain.share import Share
from plans.domain.stage import Stage, Status
from plans.domain.template import Policy


def merge(
    held: Plan, survivor: str | None, merging: int, rule: InForce, at: datetime
) -> Plan:
    """Note which case it is merged into, or that it is on its own again.

    On its own again there is time to agree to a plan for its dates, as if they were
    told now.

    Args:
        held: The plan.
        survivor: The case that it is merged into; none: it is on its own.
        merging: The version of the case in referrals that says so: what is older
            than is known changes nothing.
        rule: By when a plan must be in force for a date.
        at: When that was decided.
    """
    if merging <= held.merging:
        return held
    noted = held.model_copy(update={"merged_into": survivor, "merging": merging})
    if survivor:
        return noted
    anew = {
        key: each.in_time(rule, at).model_copy(update={"alarmed_at": None})
        for key, each in noted.coming.items()
    }
    return noted.model_copy(update={"coming": anew})


def share_of(held: Plan) -> Share:
    """Give what stands in a survivor's plan too.

    Also of a case for which nothing was drafted yet: its people are known, and whoever
    reads the survivor's plan must be one who may know of that case.
    """
    if not held.versions:
        return Share(owners=_owners(held), **_people(held))
    closed = held.status is Status.CLOSED
    taken = (e for e in held.actions if e.done_at or (e.worker_id and not closed))
    return Share(
        plan_version=held.current.number,
        revision=held.current.assessment.revision,
        closed=closed,
        actions=tuple(taken),
        owners=_owners(held),
        **_people(held),
    )


def _people(held: Plan) -> dict[str, Any]:
    told = ("children", "harmed", "links", "known")
    return {each: getattr(held, each) for each in told}


def _owners(held: Plan) -> dict[Role, str]:
    return {r: e.worker_id for r, e in held.owners.items() if e.worker_id}


def carry(
    held: Plan,
    other: str,
    share: Share | None,
    dates: Mapping[str, Coming],
    *,
    policy: Policy,
    at: datetime,
) -> Plan:
    """Show what is planned for a merged case, or no longer, and heed its dates.

    What nobody owns here is whoever's has the role there, for as long. What is asked
    for each child here is asked for each of the merged case, for as long too. That the
    response should end, which waits for a second person, was said of other people.

    Args:
        held: The survivor's plan.
        other: The merged case.
        share: What is planned for it; none: nothing, or it is on its own again.
        dates: What is known to come in it.
        policy: The locality's.
        at: When that was told.
    """
    coming = _coming_with(held, other, dates, policy.in_force, at)
    if held.shares.get(other) == share and coming == held.coming:
        return held
    shares = {key: each for key, each in held.shares.items() if key != other}
    if share is not None:
        shares[other] = share
    shared = held.model_copy(update={"shares": shares, "coming": coming})
    if held.versions and not held.current.closed_at:
        shared = shared.with_current(ending=None)
    new = shared.asks_for_each(held, policy, at)
    own = {each.worker_id for each in held.owners.values()}
    return new.handed_over(held.shared_owners - new.shared_owners - own, at)


def _coming_with(
    held: Plan, other: str, dates: Mapping[str, Coming], rule: InForce, at: datetime
) -> dict[str, Coming]:
    """Give the dates that are known, with those of a merged case as told last."""
    coming = {
        key: each
        for key, each in held.coming.items()
        if each.from_case != other or key in dates
    }
    for key, each in dates.items():
        known = coming.get(key)
        if known is None or known.revision < each.revision:
            told = each if known else each.in_time(rule, at)
            there = each.over and each.happens_at <= at
            alarmed_at = known.alarmed_at if known and there else None
            update = {"from_case": other, "alarmed_at": alarmed_at}
            coming = with_latest(coming, key, told.model_copy(update=update))
    return coming


def close_with_survivor(held: Plan, reason: str, at: datetime) -> Plan:
    """End it, because that of the case which it is merged into has ended."""
    if held.merged_into is None or held.status is not Status.MERGED:
        return held
    closed = held.settled().with_current(closed_at=at, closed_for=reason)
    ended = closed.model_copy(update={"owners": {}, "stale": {}})
    return ended.reaches(Stage.CLOSED, at)
