"""Asking the agency that referred for more, over HTTP: about what, and never in words.

The agency reads it with the status of its referral, or in one list of all that it is
asked, and answers by an amendment.
"""

from datetime import datetime
from typing import Annotated

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_contracts.message import Id
from accord_contracts.referrals import FieldGroup
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from referrals import amending
from referrals.domain.feedback import Wanted
from referrals.domain.referral import NotReferred
from referrals.routes.changes import WantedView
from referrals.routes.referrals import (
    OWN,
    PURPOSES,
    Cases_,
    Clock_,
    Learns,
    Reader,
    Referrals_,
    own,
    sender_of,
)
from referrals.store import Cases, Referrals

router = APIRouter(prefix="/referrals", tags=["questions"])

Worker = Annotated[Asking, Security(asking, scopes=["referrals.inquire"])]

ASK_MORE = Action(
    "referral.ask_more",
    (Relation.TEAM, Relation.COORDINATOR),
    parts={"record": NOT_OUTREACH},
)


LIST_QUESTIONS = Action("questions.list", OWN, purposes=PURPOSES)
LIST_CORRECTIONS = Action("corrections.list", OWN, purposes=PURPOSES)


class AskMore(BaseModel):
    """About what the agency is asked to tell more, or to tell it better."""

    model_config = ConfigDict(extra="forbid")

    groups: Annotated[
        frozenset[FieldGroup], Field(min_length=1, max_length=len(FieldGroup))
    ]


class QuestionView(WantedView):
    """What more is asked about one referral."""

    referral_id: Id


@router.get("/questions")
async def list_questions(
    referrals: Referrals_, agency: Reader
) -> tuple[QuestionView, ...]:
    """List about which of one's own agency's referrals more is needed.

    The one that waits longest comes first, and 200 at the most: an agency need not
    ask after each of its referrals.
    """
    own_ = sender_of(agency.who).agency
    await agency.permit(LIST_QUESTIONS, Resource("questions", own_, agency=own_))
    return tuple(
        QuestionView(referral_id=each, **WantedView.of(wanted).model_dump())
        for each, wanted in await referrals.wanting(own_)
    )


class CorrectionView(BaseModel):
    """That a person put right who harmed whom in one referral, and when."""

    referral_id: Id
    parts_corrected_at: datetime


@router.get("/corrections")
async def list_corrections(
    referrals: Referrals_, learns: Learns, clock: Clock_, agency: Reader
) -> tuple[CorrectionView, ...]:
    """List in which of one's own agency's referrals it was put right who harmed whom.

    What they tell was told the wrong way round, and the agency's own records may be
    too. The latest comes first, and 200 at the most; none, where the locality does not
    tell an agency of this standing.
    """
    own_ = sender_of(agency.who).agency
    await agency.permit(LIST_CORRECTIONS, Resource("questions", own_, agency=own_))
    if not await learns(own_):
        return ()
    return tuple(
        CorrectionView(referral_id=each, parts_corrected_at=at)
        for each, at in await referrals.corrected(own_, clock.now())
    )


@router.put("/{referral_id}/questions")
async def ask_more(
    referral_id: Id,
    asked: AskMore,
    *,
    referrals: Referrals_,
    cases: Cases_,
    clock: Clock_,
    worker: Worker,
) -> WantedView:
    """Ask the agency for more, in the place of what it was asked before."""
    await _permitted(referral_id, referrals, cases, worker)
    wanted = Wanted(
        groups=tuple(sorted(asked.groups)),
        asked_at=clock.now(),
        by=worker.worker or "",
    )
    await amending.ask_more(referral_id, wanted, referrals=referrals)
    return WantedView.of(wanted)


@router.delete("/{referral_id}/questions", status_code=204)
async def ask_no_more(
    referral_id: Id, *, referrals: Referrals_, cases: Cases_, worker: Worker
) -> None:
    """Ask for nothing more."""
    await _permitted(referral_id, referrals, cases, worker)
    await amending.ask_more(referral_id, None, referrals=referrals)


async def _permitted(
    referral_id: str, referrals: Referrals, cases: Cases, worker: Asking
) -> None:
    """See that somebody works on the case of a referral.

    Raises:
        NotReferred: There is none, or none for them.
    """
    held = await own(referral_id, referrals, cases)
    case_id = held.case_id
    resource = Resource("referral", referral_id, case_id)
    if case_id is None:
        resource = absent("referral", referral_id)
    await worker.permit(ASK_MORE, resource, otherwise=NotReferred)
