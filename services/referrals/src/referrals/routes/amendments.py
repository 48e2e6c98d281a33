"""Changing one's own referral over HTTP: correcting, adding, taking it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.decision import Action
from accord_chassis.guard import Asking
from accord_contracts.message import Id
from accord_contracts.problem import Refusal
from accord_contracts.referrals import WithdrawalReason
from fastapi import APIRouter, Header, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from referrals import amending
from referrals.domain.amendment import Amending
from referrals.domain.referral import NoKey, NotReferred
from referrals.routes.changes import AmendmentView, WithdrawalView, etag_of
from referrals.routes.lines import errors_of
from referrals.routes.referrals import (
    OWN,
    PURPOSES,
    Cases_,
    Clock_,
    Key,
    Policy_,
    Referrals_,
    Submitter,
    own,
    unquoted,
)

router = APIRouter(prefix="/referrals", tags=["referrals"])

AMEND_REFERRAL = Action("referral.amend", OWN, purposes=PURPOSES)
WITHDRAW_REFERRAL = Action("referral.withdraw", OWN, purposes=PURPOSES)

Seen = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag of the referral as it was last read.",
        pattern=r'^"\d{1,3}"$',
    ),
]


class NotSeen(Refusal):
    """Say by If-Match which ETag of the referral this is decided on."""

    status = 428


class AmendReferral(Amending):
    """What is corrected of a referral, or added to it; what is left out stays."""


class WithdrawReferral(BaseModel):
    """Why a referral is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: WithdrawalReason


@contextmanager
def fields_named() -> Iterator[None]:
    """Have what cannot be told so be refused by the names of its fields."""
    try:
        yield
    except amending.Misfits as wrong:
        raise RequestValidationError(errors_of(wrong.found, "body")) from None
    except ValidationError as wrong_fit:
        errors = [
            {"loc": ("body", *each["loc"]), "type": each["type"]}
            for each in wrong_fit.errors(include_input=False, include_context=False)
        ]
        raise RequestValidationError(errors) from None


def change_asked(key: str | None, agency: Asking, clock: Clock) -> amending.Request:
    """Give what is known of a request for a change.

    Raises:
        NoKey: Nothing would tell whether it was sent before.
    """
    if key is None:
        raise NoKey("An Idempotency-Key is needed.")
    return amending.Request(unquoted(key), agency.who.subject, clock.now())


def version_seen(seen: str | None) -> int:
    """Give which version of a referral a change is decided on.

    Raises:
        NotSeen: It is not said.
    """
    if seen is None:
        raise NotSeen
    return int(seen.strip('"'))


@router.post("/{referral_id}/amendments", status_code=202)
async def amend_referral(
    referral_id: Id,
    wanted: AmendReferral,
    *,
    response: Response,
    referrals: Referrals_,
    cases: Cases_,
    policy: Policy_,
    clock: Clock_,
    agency: Submitter,
    key: Key = None,
    seen: Seen = None,
) -> AmendmentView:
    """Correct one's own agency's referral, or add to it.

    Sent again with the same key, it gets the same answer and has one effect.
    """
    resource = await own(referral_id, referrals, cases)
    await agency.permit(AMEND_REFERRAL, resource, otherwise=NotReferred)
    request, version = change_asked(key, agency, clock), version_seen(seen)
    with fields_named():
        held = await amending.amend(
            referral_id,
            wanted,
            request,
            seen=version,
            referrals=referrals,
            policy=policy,
        )
    response.headers["ETag"] = etag_of(held)
    return AmendmentView.of(held.changes[-1], len(held.changes))


@router.post("/{referral_id}/withdrawal", status_code=202)
async def withdraw_referral(
    referral_id: Id,
    wanted: WithdrawReferral,
    *,
    response: Response,
    referrals: Referrals_,
    cases: Cases_,
    clock: Clock_,
    agency: Submitter,
    key: Key = None,
) -> WithdrawalView:
    """Take one's own agency's referral back: a person decides what becomes of it all.

    Nothing is erased, no level of risk falls, and nobody's work ends by it.
    """
    resource = await own(referral_id, referrals, cases)
    await agency.permit(WITHDRAW_REFERRAL, resource, otherwise=NotReferred)
    held = await amending.withdraw(
        referral_id,
        wanted.reason,
        change_asked(key, agency, clock),
        referrals=referrals,
    )
    response.headers["ETag"] = etag_of(held)
    return WithdrawalView.of(held, held.changes[-1])
