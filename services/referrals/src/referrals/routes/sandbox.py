"""An agency's sandbox over HTTP: what it builds is tried out with invented people.

Its test keys open this and nothing else, and no other credential opens it.
"""

from datetime import datetime
from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Resource
from accord_chassis.guard import Asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from fastapi import APIRouter, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse

from referrals.domain.referral import NotReferred
from referrals.domain.sandbox import ISSUER
from referrals.handlers import Posted
from referrals.routes.agencies import registered
from referrals.routes.amendments import (
    AmendReferral,
    Seen,
    WithdrawReferral,
    change_asked,
    fields_named,
    version_seen,
)
from referrals.routes.changes import AmendmentView, WithdrawalView, etag_of
from referrals.routes.lines import (
    BATCH,
    Receipt,
    SubmitReferral,
    Taking,
    answered,
    errors_of,
    sent_as,
)
from referrals.routes.referrals import (
    OWN,
    PURPOSES,
    Key,
    ReferralView,
    sender_of,
    unquoted,
)
from referrals.trying import Sandbox

router = APIRouter(prefix="/sandbox/referrals", tags=["sandbox"])

Sandbox_ = Annotated[Sandbox, part(Sandbox)]
Clock_ = Annotated[Clock, part(Clock)]
Trier = Annotated[Asking, Security(registered, scopes=["referrals.sandbox"])]

TRY_REFERRAL = Action("sandbox.submit", OWN, purposes=PURPOSES)
TRY_BATCH = Action("sandbox.submit_batch", OWN, purposes=PURPOSES)
READ_TRIAL = Action("sandbox.read", OWN, purposes=PURPOSES)
AMEND_TRIAL = Action("sandbox.amend", OWN, purposes=PURPOSES)
WITHDRAW_TRIAL = Action("sandbox.withdraw", OWN, purposes=PURPOSES)


@router.post("", status_code=202)
async def try_referral(
    told: SubmitReferral,
    *,
    request: Request,
    response: Response,
    sandbox: Sandbox_,
    clock: Clock_,
    agency: Trier,
    key: Key = None,
) -> Receipt:
    """Try a referral out: the same rules, problems and receipt, and nothing happens."""
    at = clock.now()
    if wrong := [*sandbox.misfits(told, at)]:
        raise RequestValidationError(errors_of(wrong, "body"))
    within = ("body",)
    posted = await post(
        told, agency, key=key and unquoted(key), at=at, sandbox=sandbox, within=within
    )
    receipt = Receipt.of(posted.referral, below(request))
    response.headers["Location"] = receipt.status_url
    return receipt


@router.post("/batch", **BATCH)
async def try_batch(
    request: Request, sandbox: Sandbox_, clock: Clock_, agency: Trier
) -> StreamingResponse:
    """Try a batch out, as lines or as a sheet: the same result for each line."""
    sent_as(request)
    own = sender_of(agency.who).agency
    await agency.permit(TRY_BATCH, Resource("sandbox", own, agency=own))

    async def take(told: SubmitReferral, at: datetime) -> Posted:
        return await post(told, agency, key=None, at=at, sandbox=sandbox)

    taking = Taking(take, sandbox.misfits, clock, below(request))
    return await answered(request, taking)


@router.get("/{referral_id}")
async def read_trial(
    referral_id: Id,
    *,
    response: Response,
    sandbox: Sandbox_,
    clock: Clock_,
    agency: Trier,
) -> ReferralView:
    """Read how far it would have come: it reaches a stage a minute, and is closed."""
    resource = await trial_of(referral_id, sandbox)
    await agency.permit(READ_TRIAL, resource, otherwise=NotReferred)
    tried = await sandbox.tried(referral_id, agency.who.agency)
    episode = tried.stands(clock.now())
    held = tried.standing_in(sender_of(agency.who), sandbox.policy)
    response.headers["ETag"] = etag_of(held)
    return ReferralView(
        reference=None,
        status=episode.stage,
        more_information_needed=None,
        expected=tried.expected,
        amendments=AmendmentView.all_of(held),
        withdrawn=held.withdrawn and WithdrawalView.of(held, held.withdrawn),
        parts_corrected_at=None,
        **dict(episode),
    )


@router.post("/{referral_id}/amendments", status_code=202)
async def try_amendment(
    referral_id: Id,
    wanted: AmendReferral,
    *,
    response: Response,
    sandbox: Sandbox_,
    clock: Clock_,
    agency: Trier,
    key: Key = None,
    seen: Seen = None,
) -> AmendmentView:
    """Try out correcting a referral, or adding to it: as a real one."""
    resource = await trial_of(referral_id, sandbox)
    await agency.permit(AMEND_TRIAL, resource, otherwise=NotReferred)
    request, version = change_asked(key, agency, clock), version_seen(seen)
    with fields_named():
        held = await sandbox.amend(
            referral_id,
            sender_of(agency.who),
            wanted,
            request,
            seen=version,
        )
    response.headers["ETag"] = etag_of(held)
    return AmendmentView.of(held.changes[-1], len(held.changes))


@router.post("/{referral_id}/withdrawal", status_code=202)
async def try_withdrawal(
    referral_id: Id,
    wanted: WithdrawReferral,
    *,
    response: Response,
    sandbox: Sandbox_,
    clock: Clock_,
    agency: Trier,
    key: Key = None,
) -> WithdrawalView:
    """Try out taking a referral back: as a real one."""
    resource = await trial_of(referral_id, sandbox)
    await agency.permit(WITHDRAW_TRIAL, resource, otherwise=NotReferred)
    held = await sandbox.withdraw(
        referral_id,
        sender_of(agency.who),
        wanted.reason,
        change_asked(key, agency, clock),
    )
    response.headers["ETag"] = etag_of(held)
    return WithdrawalView.of(held, held.changes[-1])


async def trial_of(referral_id: str, sandbox: Sandbox) -> Resource:
    """Name what was tried out as its agency's, for deciding about it."""
    held = await sandbox.trials.get(referral_id)
    return Resource("sandbox", referral_id, agency=held.agency if held else None)


async def post(
    told: SubmitReferral,
    agency: Asking,
    *,
    key: str | None,
    at: datetime,
    sandbox: Sandbox,
    within: tuple[str, ...] = (),
) -> Posted:
    """Take what is tried out, when it is kept who did.

    Raises:
        NoKey: Nothing would tell whether it was sent before.
        KeyUsedBefore: The key or reference belongs to another one.
        RequestValidationError: It is new, and tells of a date that is past or too far.
    """
    sender = sender_of(agency.who).model_copy(update={"issuer": ISSUER})
    referral_id = sandbox.referrals.id_of(sender, key, told)
    resource = Resource("sandbox", referral_id, agency=sender.agency)
    purpose = Purpose(told.sharing.purpose.value)
    await agency.permit(TRY_REFERRAL, resource, purpose=purpose)
    untimely = [*sandbox.policy.untimely(told, at)]
    if untimely and not await sandbox.known(referral_id):
        raise RequestValidationError(errors_of(untimely, *within))
    return await sandbox.post(told, sender, key=key, at=at)


def below(request: Request) -> str:
    """Give the path below which what was tried out is asked after."""
    return f"{request.scope.get('root_path', '')}/v1/sandbox/referrals"
