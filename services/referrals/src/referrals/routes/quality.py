"""How good an agency's referrals are, over HTTP: to itself, and to coordinators."""

from datetime import timedelta
from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.guard import (
    NOT_OUTREACH,
    Action,
    Asking,
    Relation,
    Resource,
    absent,
    asking,
)
from accord_contracts.message import Code
from fastapi import APIRouter, Query, Security

from referrals.domain.agency import NoSuchAgency, agency_id
from referrals.domain.policy import Policy
from referrals.domain.quality import QualityReport
from referrals.quality_store import sent_by
from referrals.routes.agencies import Agencies_
from referrals.routes.matches import NOBODYS
from referrals.routes.referrals import (
    OWN,
    PURPOSES,
    Clock_,
    Policy_,
    Reader,
    Referrals_,
    sender_of,
)
from referrals.store import Referrals

router = APIRouter(tags=["quality"])

Coordinator = Annotated[Asking, Security(asking, scopes=["referrals.quality"])]
Days = Annotated[int, Query(ge=1, le=366, description="Until now.")]

READ_OWN = Action("quality.read", OWN, purposes=PURPOSES)
READ_AGENCY = Action(
    "quality.read_agency", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)


@router.get("/referrals/quality")
async def read_own_quality(
    referrals: Referrals_,
    policy: Policy_,
    clock: Clock_,
    agency: Reader,
    days: Days = 90,
) -> QualityReport:
    """Read how good one's own agency's referrals are, and what they lack most."""
    own = sender_of(agency.who).agency
    await agency.permit(READ_OWN, Resource("quality", own, agency=own))
    return await report(own, days, referrals, policy, clock)


@router.get("/agencies/{code}/quality")
async def read_quality(
    code: Code,
    *,
    referrals: Referrals_,
    agencies: Agencies_,
    policy: Policy_,
    clock: Clock_,
    coordinator: Coordinator,
    days: Days = 90,
) -> QualityReport:
    """Read how good an agency's referrals are. It is counted, and names nobody."""
    await coordinator.permit(
        READ_AGENCY, absent("quality", NOBODYS), otherwise=NoSuchAgency
    )
    if await agencies.get(agency_id(code)) is None:
        raise NoSuchAgency
    return await report(code, days, referrals, policy, clock)


async def report(
    code: str, days: int, referrals: Referrals, policy: Policy, clock: Clock
) -> QualityReport:
    """Count what an agency has referred within some days before now."""
    until = clock.now()
    since = until - timedelta(days=days)
    sent, complete = await sent_by(code, since, referrals)
    return QualityReport.of(
        code, sent, policy.quality, since=since, until=until, complete=complete
    )
