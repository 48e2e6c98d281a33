"""Handing a case over to another region, over HTTP: by coordinators, on purpose."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Security
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from referrals import inquiring, receiving, transferring
from referrals.domain.case import Case
from referrals.domain.erasure import Decision, NoSuchCase
from referrals.domain.handover import Handover, HandoverTerms
from referrals.domain.merging import AlreadyMerged
from referrals.domain.package import OrderBody, Packed
from referrals.domain.policy import Misfit
from referrals.domain.receipt import Receipt, Received
from referrals.domain.registration import registered_under_s19
from referrals.domain.request import Identity
from referrals.domain.transferring import NotTransferred
from referrals.erasing import standing_case
from referrals.routes.lines import SubmitReferral, errors_of
from referrals.transferring import Handing

router = APIRouter(tags=["transfers"])

Handing_ = Annotated[Handing, part(Handing)]
Coordinator = Annotated[Asking, Security(asking, scopes=["referrals.transfer"])]

PURPOSES = (
    Purpose.PROTECTION,
    Purpose.PLAN,
    Purpose.ASSESSMENT,
    Purpose.OTHER_GROUND,
)
TRANSFER = Action(
    "case.transfer",
    (Relation.COORDINATOR,),
    parts={"record": NOT_OUTREACH},
    purposes=PURPOSES,
    # Asked again, it gives the same package again.
    outlasts=True,
)
READ_PACKAGE = Action(
    "case.read_package",
    (Relation.COORDINATOR,),
    parts={"record": NOT_OUTREACH},
    purposes=PURPOSES,
)
CONFIRM = Action(
    "case.confirm_receipt",
    (Relation.OWNER, Relation.COORDINATOR),
    parts={"record": NOT_OUTREACH},
    purposes=PURPOSES,
    outlasts=True,
)


class TransferCase(HandoverTerms):
    """To whom a case is handed over, why, for what, and on what grounds."""


class PackedView(BaseModel):
    """A referral to post in the other region as it is, and orders to post with it.

    Attributes:
        referral: The body of ``POST /v1/referrals``, or a line of a batch: with its
            reference, posting it twice is as good as once.
        orders: The bodies of ``POST /v1/referrals/{id}/orders``, with its id there.
    """

    referral: SubmitReferral
    orders: tuple[OrderBody, ...]

    @classmethod
    def of(cls, held: Packed) -> Self:
        """Show what was put together, without the ids of people here."""
        body = SubmitReferral.model_validate(held.referral.model_dump())
        return cls(referral=body, orders=held.orders)


class ReceiptView(BaseModel):
    """Whether the other region has a case.

    Attributes:
        receipt_by: By when it is to be confirmed.
        received_at: When it was; none: not yet.
        agency: That confirmed it; none: whoever coordinates the case here.
    """

    case_id: Id
    receipt_by: datetime
    received_at: datetime | None
    agency: Code | None

    @classmethod
    def of(cls, held: Receipt) -> Self:
        """Show a receipt. Who gave it is in the audit log."""
        received = held.received
        return cls(
            case_id=held.case_id,
            receipt_by=held.receipt_by,
            received_at=received and received.at,
            agency=received and received.agency,
        )


class PackageView(BaseModel):
    """All that the other region gets of a case.

    Attributes:
        level: The level of risk that it was last held at here; none: it was not yet
            weighed. There it is weighed anew.
        referrals: To be posted in this order.
    """

    case_id: Id
    to: Code
    reason: Code
    transferred_at: datetime
    receipt: ReceiptView
    level: RiskLevel | None
    referrals: tuple[PackedView, ...]

    @classmethod
    def of(cls, case: Case, packed: tuple[Packed, ...], receipt: Receipt) -> Self:
        """Show a case that was handed over.

        Raises:
            NotTransferred: It was not.
        """
        if case.transferred is None:
            raise NotTransferred
        terms, decision = case.transferred.terms, case.transferred.decision
        return cls(
            case_id=case.id,
            to=terms.to,
            reason=terms.reason,
            transferred_at=decision.at,
            receipt=ReceiptView.of(receipt),
            level=case.level,
            referrals=tuple(map(PackedView.of, packed)),
        )

    @property
    def family_names(self) -> tuple[str, ...]:
        """Those of everybody in it."""
        told = (person for each in self.referrals for person in each.referral.people)
        return tuple(person.family_name for person in told if person.family_name)


@router.post("/cases/{case_id}/transfer", status_code=201)
async def transfer_case(
    case_id: Id, told: TransferCase, *, handing: Handing_, coordinator: Coordinator
) -> PackageView:
    """Hand a case over to another region, and get what that one is to post.

    Here nothing of it is changed any more. Asked again, it is handed over once.
    """
    await coordinator.permit(
        TRANSFER, transfer_of(case_id), purpose=told.told_for, otherwise=NoSuchCase
    )
    case = await standing_case(case_id, handing.contacting.shelves.cases)
    wrong = [each async for each in _misfits(told, case, handing)]
    if wrong and case.transferred is None:
        raise RequestValidationError(errors_of(wrong, "body"))
    at = handing.contacting.clock.now()
    decision = Decision(reason=told.reason, by=coordinator.who.subject, at=at)
    terms = HandoverTerms(**told.model_dump())
    handover = Handover(terms=terms, decision=decision, worker=coordinator.who.worker)
    held = await transferring.hand_over(case_id, handover, handing)
    package = await _package(held, handing)
    await coordinator.note_namesakes(package.family_names, transfer_of(case_id))
    return package


@router.get("/cases/{case_id}/transfer")
async def read_package(
    case_id: Id, *, handing: Handing_, coordinator: Coordinator
) -> PackageView:
    """Get once more what the other region is to post of a case."""
    await coordinator.permit(READ_PACKAGE, transfer_of(case_id), otherwise=NoSuchCase)
    held = await standing_case(case_id, handing.contacting.shelves.cases)
    package = await _package(held, handing)
    await coordinator.note_namesakes(package.family_names, transfer_of(case_id))
    return package


@router.post("/cases/{case_id}/transfer/receipt")
async def confirm_receipt(
    case_id: Id, *, handing: Handing_, coordinator: Coordinator
) -> ReceiptView:
    """Confirm that the other region has a case: by its own machine, or for it.

    Whoever coordinates the case here says so once the other region has told them.
    """
    bureau, who = handing.bureau, coordinator.who
    held = await bureau.cases.get(case_id)
    gone = held is None or held.erased or held.transferred is None
    to = held.transferred.terms.to if held and held.transferred and not gone else None
    named = replace(transfer_of(case_id), agency=to)
    permit = await coordinator.permit(CONFIRM, named, otherwise=NoSuchCase)
    case = await standing_case(case_id, bureau.cases)
    if case.merged_into:
        raise AlreadyMerged
    by = Identity(issuer=who.issuer, subject=who.subject, worker=who.worker)
    # A coordinator may work for some other agency, which has nothing of it.
    agency = to if permit.rule == Relation.OWNER else None
    received = Received(by=by, agency=agency, at=bureau.clock.now())
    rules = bureau.policy.transfers
    return ReceiptView.of(
        await receiving.confirm(case, received, handing.receipts, rules)
    )


def transfer_of(case_id: str) -> Resource:
    """Name a case as something that is handed over, for deciding about it."""
    return Resource("transfer", case_id, case_id)


async def _package(case: Case, handing: Handing) -> PackageView:
    receipt = await handing.receipts.of_case(case, handing.bureau.policy.transfers)
    packed = await transferring.package_of(case, handing)
    return PackageView.of(case, packed, receipt)


async def _misfits(
    told: TransferCase, case: Case, handing: Handing
) -> AsyncIterator[Misfit]:
    """Find why the other region may not be told."""
    bureau = handing.bureau
    at = bureau.clock.now()
    agency = await inquiring.agency_of(told.to, bureau)
    if agency is None or not agency.may_refer(at):
        yield Misfit(("to",), "not_in_the_register")
    elif told.ipp11 is None and not registered_under_s19(agency, at):
        yield Misfit(("to",), "not_registered_under_s19")
    # What is merged into it goes with it.
    elif not told.against_wish and told.to in await inquiring.not_to_be_told(
        case, bureau
    ):
        yield Misfit(("to",), "wished_not_to_be_told")
