"""How good an agency's referrals are, over HTTP: to itself, and to coordinators."""

from datetime import datetime, timedelta
from typing import Annotated

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_contracts.access import NO_CASE
from accord_contracts.message import Code
from fastapi import APIRouter, Query, Security

from referrals.domain.agency import NoSuchAgency, agency_id
from referrals.domain.policy import Policy
from referrals.domain.quality import QualityReport, last_period
from referrals.quality_store import sent_by
from referrals.routes.agencies import Agencies_
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
    until = clock.now()
    return await report(own, until - timedelta(days=days), until, referrals, policy)


@router.get("/agencies/{code}/quality")
async def read_quality(
    code: Code,
    *,
    referrals: Referrals_,
    agencies: Agencies_,
    policy: Policy_,
    clock: Clock_,
    coordinator: Coordinator,
) -> QualityReport:
    """Read how good an agency's referrals of the last whole twelve weeks are.

    It is counted, names nobody, and is withheld if it would tell of single referrals.
    """
    await coordinator.permit(
        READ_AGENCY, absent("quality", NO_CASE), otherwise=NoSuchAgency
    )
    if await agencies.get(agency_id(code)) is None:
        raise NoSuchAgency
    since, until = last_period(clock.now(), policy.time_zone)
    return (await report(code, since, until, referrals, policy)).for_others()


async def report(
    code: str, since: datetime, until: datetime, referrals: Referrals, policy: Policy
) -> QualityReport:
    """Count what an agency has referred in some time."""
    sent, complete = await sent_by(code, since, until, referrals)
    return QualityReport.of(
        code, sent, policy.quality, since=since, until=until, complete=complete
    )
