"""What is heard of a case, in any order: wishes of referrals, and levels of risk.

Roles are wanted once a referral is assessed and its wishes are known, or have not come
in time.
"""

from datetime import datetime

from accord_contracts.risk import RiskLevel

from allocation.domain.policy import Policy
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Assessed, Awaited, Heard
from allocation.domain.wishes import Wishes


def hear(
    staffing: Staffing,
    referral_id: str,
    wishes: Wishes,
    at: datetime,
    policy: Policy,
    *,
    skills: frozenset[str] = frozenset(),
    place: str | None = None,
    number: int = 0,
) -> Staffing:
    """Note the wishes of a referral; if it is assessed already, want its roles.

    What it said before a change that is known counts no more. Nor does what is said of
    a referral whose episode has ended, unless it is assessed anew.

    Args:
        staffing: What is known.
        referral_id: The referral.
        wishes: What the person harmed wishes.
        at: When that was said.
        policy: What the level needs.
        skills: What its incidents ask of a worker's skills.
        place: Code of the area where it happened.
        number: Of the change of the referral that says so; 0: the referral itself.
    """
    known = staffing.heard.get(referral_id)
    if known is not None and number < known.number:
        return staffing
    # Who amends something else has not said the wishes anew.
    if known is not None and known.wishes == wishes:
        at = known.at
    heard = Heard(
        wishes=wishes,
        at=at,
        skills=skills,
        place=place,
        number=number,
        assessed=known.assessed if known else None,
        over=known.over if known else referral_id in staffing.over,
    )
    noted = _note(staffing, referral_id, heard)
    awaited = staffing.awaited.get(referral_id)
    return _go_on(noted, referral_id, awaited, policy) if awaited else noted


def assess(
    staffing: Staffing,
    assessed: Assessed,
    level: RiskLevel,
    *,
    told_at: datetime,
    referral_id: str | None,
    policy: Policy,
) -> Staffing:
    """Note an assessment, and want its roles once its referral's wishes are known.

    Args:
        staffing: What is known.
        assessed: The assessment: an older one than is known changes no level.
        level: The level that it found.
        told_at: When risk told of it.
        referral_id: The referral that was assessed; none: no wishes to wait for.
        policy: What the level needs.
    """
    noted = staffing
    if assessed.revision > staffing.level_version:
        update = {"level": level, "level_version": assessed.revision}
        noted = staffing.model_copy(update=update)
    if referral_id is None:
        return noted.want(assessed, policy)
    if referral_id in staffing.heard:
        return _go_on(noted, referral_id, assessed, policy)
    until = policy.stop_waiting_at(told_at)
    awaited = Awaited(**assessed.model_dump(), until=until)
    return _wait(noted, {**staffing.awaited, referral_id: awaited})


def stop_waiting(staffing: Staffing, at: datetime, policy: Policy) -> Staffing:
    """Want the roles of assessments whose wishes have not come in time.

    Nobody waits for help because a wish was delayed; when it comes, the next offer
    goes by it.
    """
    going_on = staffing
    for referral_id, awaited in staffing.awaited.items():
        if awaited.until <= at:
            nothing = Heard(wishes=Wishes(), at=awaited.assessed_at)
            noted = _note(going_on, referral_id, nothing)
            going_on = _go_on(noted, referral_id, awaited, policy)
    return going_on


def _note(staffing: Staffing, referral_id: str, heard: Heard) -> Staffing:
    """Keep what a referral said of wishes, and who leads by it."""
    return staffing.hearing({**staffing.heard, referral_id: heard}).unled()


def _wait(staffing: Staffing, awaited: dict[str, Awaited]) -> Staffing:
    """Wait for the wishes of these referrals and no others."""
    due_at = min((each.until for each in awaited.values()), default=None)
    return staffing.model_copy(update={"awaited": awaited, "due_at": due_at})


def _go_on(
    staffing: Staffing, referral_id: str, assessed: Assessed, policy: Policy
) -> Staffing:
    """Want the roles of a referral that is assessed and whose wishes are known."""
    revision = {"assessed": assessed.revision, "over": False}
    heard = staffing.heard[referral_id].model_copy(update=revision)
    noted = _note(staffing, referral_id, heard).want(assessed, policy)
    if referral_id not in staffing.awaited:
        return noted
    others = {key: each for key, each in staffing.awaited.items() if key != referral_id}
    return _wait(noted, others)
