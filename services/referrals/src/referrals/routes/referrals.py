"""Referrals over HTTP: one by one, many at once, and how each stands."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from accord_chassis.access import Caller, NotAllowed
from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from accord_contracts.referrals import AgencyKind
from fastapi import APIRouter, Depends, Header, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from referrals import handlers
from referrals.domain import sheet
from referrals.domain.case import Episode, Stage
from referrals.domain.feedback import ClosedAs
from referrals.domain.policy import Expected, Policy
from referrals.domain.referral import NotReferred, Referral, Sender
from referrals.routes.agencies import Register_, registered
from referrals.routes.changes import AmendmentView, WantedView, WithdrawalView, etag_of
from referrals.routes.lines import (
    BATCH,
    Receipt,
    SheetResponse,
    SubmitReferral,
    Taking,
    answered,
    errors_of,
    sent_as,
)
from referrals.store import Cases, Referrals

router = APIRouter(prefix="/referrals", tags=["referrals"])

ESCAPED = re.compile(r'\\(["\\])')
"""What a quote and a backslash are within quotes (RFC 9651, 3.3.3)."""

Referrals_ = Annotated[Referrals, part(Referrals)]
Cases_ = Annotated[Cases, part(Cases)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
OWN = (Relation.OWNER,)
PURPOSES = tuple(each for each in Purpose if each is not Purpose.OPERATION)
SUBMIT_REFERRAL = Action("referral.submit", OWN, purposes=PURPOSES)
SUBMIT_BATCH = Action("batch.submit", OWN, purposes=PURPOSES)
READ_TEMPLATE = Action("batch.read_template", OWN, purposes=PURPOSES)
READ_REFERRAL = Action("referral.read", OWN, purposes=PURPOSES)

Submitter = Annotated[Asking, Security(registered, scopes=["referrals.submit"])]
Reader = Annotated[Asking, Security(registered, scopes=["referrals.read"])]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Tells the same referral, posted again, from another one.",
        max_length=402,
        # The draft standard wants a string in quotes (RFC 9651, 3.3.3); most clients
        # send none, and mean the same.
        pattern=r'^("([\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,200}"'
        r"|[\x21\x23-\x7e]{1,200})$",
    ),
]


def of_corrections(
    register: Register_, policy: Policy_, clock: Clock_
) -> Callable[[str], Awaitable[bool]]:
    """Give what tells whether an agency learns that parts were put right."""

    async def learns(agency: str) -> bool:
        standing = await register.standing(agency, clock.now())
        return policy.feedback.corrections_told(standing)

    return learns


Learns = Annotated[Callable[[str], Awaitable[bool]], Depends(of_corrections)]


class ReferralView(BaseModel):
    """How far the response to a referral has come, and since when.

    Attributes:
        parts_corrected_at: When a person put right who harmed whom in it, if that
            stands and the agency is one that is told.
    """

    referral_id: Id
    reference: str | None
    status: Stage
    received_at: datetime
    assessed_at: datetime | None
    allocated_at: datetime | None
    being_acted_on_at: datetime | None
    contact_made_at: datetime | None
    closed_at: datetime | None
    closed_as: ClosedAs | None
    more_information_needed: WantedView | None
    expected: Expected
    amendments: tuple[AmendmentView, ...]
    withdrawn: WithdrawalView | None
    parts_corrected_at: datetime | None

    @classmethod
    def of(
        cls, referral: Referral, episode: Episode, *, corrected_at: datetime | None
    ) -> "ReferralView":
        """Show a referral to the agency that made it, and nothing else of its case."""
        last, wanted = referral.withdrawn, referral.wanted
        return cls(
            reference=referral.told.reference,
            expected=referral.expected,
            status=episode.stage,
            more_information_needed=wanted and WantedView.of(wanted),
            amendments=AmendmentView.all_of(referral),
            withdrawn=last and WithdrawalView.of(referral, last),
            parts_corrected_at=corrected_at,
            **dict(episode),
        )


@router.post("", status_code=202)
async def submit_referral(
    told: SubmitReferral,
    *,
    request: Request,
    response: Response,
    referrals: Referrals_,
    policy: Policy_,
    clock: Clock_,
    agency: Submitter,
    key: Key = None,
) -> Receipt:
    """Submit a referral. Posted again with the same key, it gets the same receipt."""
    at = clock.now()
    if wrong := [*policy.misfits(told, at)]:
        raise RequestValidationError(errors_of(wrong, "body"))
    posted = await post(
        told,
        agency,
        key=key and unquoted(key),
        at=at,
        referrals=referrals,
        policy=policy,
        within=("body",),
    )
    receipt = Receipt.of(posted.referral, below(request))
    response.headers["Location"] = receipt.status_url
    return receipt


@router.post("/batch", **BATCH)
async def submit_batch(
    request: Request,
    referrals: Referrals_,
    policy: Policy_,
    clock: Clock_,
    agency: Submitter,
) -> StreamingResponse:
    """Submit many referrals, one a line, each with the agency's own reference.

    A line that is refused spoils no other. Sent again, whatever was taken is answered
    as it was, so that a batch that broke off is resumed by sending the same file.
    """
    sent_as(request)
    own = sender_of(agency.who).agency
    await agency.permit(SUBMIT_BATCH, Resource("batch", own, agency=own))

    async def take(told: SubmitReferral, at: datetime) -> handlers.Posted:
        return await post(
            told, agency, key=None, at=at, referrals=referrals, policy=policy
        )

    taking = Taking(take, policy.misfits, clock, below(request))
    return await answered(request, taking)


@router.get("/batch/template", response_class=SheetResponse)
async def read_template(policy: Policy_, agency: Submitter) -> SheetResponse:
    """Get an empty sheet, to be filled in and sent as a batch."""
    own = sender_of(agency.who).agency
    await agency.permit(READ_TEMPLATE, Resource("batch", own, agency=own))
    return SheetResponse(sheet.template(policy.questions))


@router.get("/{referral_id}")
async def read_referral(
    referral_id: Id,
    *,
    response: Response,
    referrals: Referrals_,
    cases: Cases_,
    learns: Learns,
    clock: Clock_,
    agency: Reader,
) -> ReferralView:
    """Read how far the response to one's own agency's referral has come.

    The ``ETag`` says how often it was changed, and goes into ``If-Match`` to amend it.
    """
    resource = await own(referral_id, referrals, cases)
    await agency.permit(READ_REFERRAL, resource, otherwise=NotReferred)
    referral, episode = await handlers.where_it_stands(
        referral_id, agency.who.agency, referrals=referrals, cases=cases
    )
    response.headers["ETag"] = etag_of(referral)
    learning, now = await learns(sender_of(agency.who).agency), clock.now()
    corrected_at = referral.correction_told(now) if learning else None
    told = episode.told(referral.told_from, now)
    return ReferralView.of(referral, told, corrected_at=corrected_at)


async def own(referral_id: str, referrals: Referrals, cases: Cases) -> Resource:
    """Give a referral as it is decided about; the same is asked if there is none."""
    held, case = await asyncio.gather(
        referrals.get(referral_id), cases.of_referral(referral_id)
    )
    sender = held.sender.agency if held else None
    left = held.left_case_id if held else None
    return Resource("referral", referral_id, case.id if case else left, agency=sender)


async def post(
    told: SubmitReferral,
    agency: Asking,
    *,
    key: str | None,
    at: datetime,
    referrals: Referrals,
    policy: Policy,
    within: tuple[str, ...] = (),
) -> handlers.Posted:
    """Store a referral once, when it is kept who submitted it.

    One after the other: the embedded store keeps a write waiting that meets others,
    and what a stored referral sets off are many (measured: the answer came after
    52 ms, not 20, in one of a hundred).

    Raises:
        NoKey: Nothing would tell whether it was posted before.
        KeyUsedBefore: The key or reference belongs to another referral.
        AuditAway: It cannot be kept that it was submitted.
        RequestValidationError: It is new, and tells of a date that is past or too far.
    """
    sender = sender_of(agency.who)
    referral_id = referrals.id_of(sender, key, told)
    resource = Resource("referral", referral_id, agency=sender.agency)
    purpose = Purpose(told.sharing.purpose.value)
    await agency.permit(SUBMIT_REFERRAL, resource, purpose=purpose)
    untimely = [*policy.untimely(told, at)]
    if untimely and await referrals.get(referral_id) is None:
        raise RequestValidationError(errors_of(untimely, *within))
    return await handlers.post_referral(
        told, sender, key=key, at=at, referrals=referrals, policy=policy
    )


def below(request: Request) -> str:
    """Give the path below which referrals are asked after."""
    return f"{request.scope.get('root_path', '')}/v1/referrals"


def unquoted(key: str) -> str:
    """Give what a key says: the string of RFC 9651 without quotes, or as it is."""
    if not key.startswith('"'):
        return key
    return ESCAPED.sub(r"\1", key[1:-1])


def sender_of(agency: Caller) -> Sender:
    """Tell who refers, for which agency; the register has told of what kind it is.

    Raises:
        NotAllowed: The token names no agency.
    """
    if agency.agency is None or agency.agency_kind is None:
        raise NotAllowed("The token names no agency.")
    return Sender(
        issuer=agency.issuer,
        subject=agency.subject,
        agency=agency.agency,
        agency_kind=AgencyKind(agency.agency_kind),
    )
