"""Information requests over HTTP: asking, being asked, deciding; and the ledger.

Whoever works on the case sees who was asked, what was decided and what was shared. An
agency sees its own inquiries: whom each is about, by what it needs to find them, and
nothing of the case.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

from accord_chassis.decision import LEADS, NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.grounds import Belief, Ipp11, S20Purpose, WhyNotSafe
from accord_contracts.message import Code, Id
from accord_contracts.referrals import Answer, SharingDecision, SharingReason
from fastapi import APIRouter, Security
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from referrals import inquiring
from referrals.accounting import told_of
from referrals.answering import all_of, reached_by
from referrals.domain.agency import Agency
from referrals.domain.case import Case
from referrals.domain.erasure import Decision, NoSuchCase, NoSuchPerson
from referrals.domain.inquiry import (
    MOST_DECISIONS,
    Decided,
    Inquiry,
    NoSuchInquiry,
    Piece,
    Said,
    Terms,
    WithdrawnFor,
    misfits_of_said,
    misfits_of_terms,
)
from referrals.domain.ledger import Disclosure, FieldGroup
from referrals.domain.policy import Misfit
from referrals.domain.telling import DescribedPerson, Gender
from referrals.erasing import Shelves, is_known, standing_case
from referrals.inquiring import Bureau
from referrals.keeping import ENTRIES, PAGE, TOLD_PAGE
from referrals.routes.agencies import registered
from referrals.routes.lines import errors_of

router = APIRouter(tags=["inquiries"])

Bureau_ = Annotated[Bureau, part(Bureau)]
Shelves_ = Annotated[Shelves, part(Shelves)]
Worker = Annotated[Asking, Security(asking, scopes=["referrals.inquire"])]
Answerer = Annotated[Asking, Security(registered, scopes=["referrals.answer"])]
Officer = Annotated[Asking, Security(asking, scopes=["referrals.disclosures"])]

CASE_TEAM = (Relation.TEAM, Relation.COORDINATOR)
SHARING = (
    Purpose.ASSESSMENT,
    Purpose.PLAN,
    Purpose.PROTECTION,
    Purpose.OTHER_GROUND,
)
ASK = Action("inquiry.ask", CASE_TEAM, parts={"record": LEADS}, purposes=SHARING)
WITHDRAW = Action("inquiry.withdraw", CASE_TEAM, parts={"record": LEADS}, outlasts=True)
READ = Action("inquiry.read", CASE_TEAM, parts={"record": NOT_OUTREACH})
READ_PIECES = Action("inquiry.read_pieces", CASE_TEAM, parts={"record": NOT_OUTREACH})
READ_ASKED = Action("inquiry.read_asked", (Relation.OWNER,), purposes=SHARING)
DECIDE = Action("inquiry.decide", (Relation.OWNER,), purposes=SHARING)
READ_LEDGER = Action(
    "disclosures.read",
    (Relation.SCOPE,),
    # To whom a case was handed over says where she went.
    parts={"record": NOT_OUTREACH},
    purposes=(Purpose.OPERATION,),
)


class AskAgencies(Terms):
    """What some agencies are asked, each for itself."""

    agencies: Annotated[tuple[Code, ...], Field(min_length=1, max_length=20)]


class Decide(Said):
    """What the agency decides.

    Attributes:
        replaces: The number of the decision that this one stands in the place of; 0 if
            it is the first.
    """

    replaces: Annotated[int, Field(ge=0, le=MOST_DECISIONS)] = 0


class WithdrawInquiry(BaseModel):
    """Why an agency is not asked any more."""

    model_config = ConfigDict(extra="forbid")

    reason: WithdrawnFor


class DecisionView(BaseModel):
    """A decision, without the text of what was shared."""

    number: int
    decision: SharingDecision
    reason: SharingReason
    belief: Belief
    consulted: bool
    why_not_safe: WhyNotSafe | None
    answers: dict[Code, Answer]
    pieces: int
    decided_at: datetime

    @classmethod
    def of(cls, number: int, decided: Decided) -> Self:
        """Show a decision."""
        said = decided.said
        shown = said.model_dump(exclude={"pieces"})
        return cls(
            number=number, pieces=len(said.pieces), decided_at=decided.at, **shown
        )


class Asked(BaseModel):
    """What of an inquiry everybody sees who may see it at all."""

    inquiry_id: Id
    purpose: S20Purpose
    ipp11: Ipp11 | None
    questions: tuple[Code, ...]
    asked_at: datetime
    needed_by: datetime
    stands_until: datetime
    decisions: tuple[DecisionView, ...]


class LearnedView(BaseModel):
    """That an agency has shared something elsewhere: ask it, and it decides anew."""

    agency: Code
    about: tuple[Id, ...]
    answers: dict[Code, Answer]
    at: datetime


class InquiryView(Asked):
    """An inquiry as whoever works on the case sees it; the last decision counts.

    Attributes:
        learned: What was shared in other cases since, for the same purpose.
        withdrawn_at: Since when the agency is not asked any more.
    """

    agency: Code
    people: tuple[Id, ...]
    learned: tuple[LearnedView, ...]
    withdrawn_at: datetime | None
    withdrawn_for: Code | None

    @classmethod
    def of(cls, held: Inquiry) -> Self:
        """Show an inquiry."""
        learned = (
            LearnedView(**each.model_dump(include=set(LearnedView.model_fields)))
            for each in held.learned
        )
        return cls(
            agency=held.agency,
            people=held.terms.people,
            learned=tuple(learned),
            withdrawn_at=held.withdrawn and held.withdrawn.at,
            withdrawn_for=held.withdrawn and held.withdrawn.reason,
            **_asked(held),
        )


class PieceView(BaseModel):
    """Something that an agency knows: whose word it is, of when, shared for what."""

    agency: Code
    shared_at: datetime
    purpose: S20Purpose
    about: tuple[Id, ...]
    text: str

    @classmethod
    def of(cls, held: Inquiry, decided: Decided, piece: Piece) -> Self:
        """Show a piece."""
        return cls(
            agency=held.agency,
            shared_at=decided.at,
            purpose=held.terms.purpose,
            about=piece.about,
            text=piece.text,
        )


class WholeInquiryView(InquiryView):
    """An inquiry with what the decision that counts has shared."""

    shared: tuple[PieceView, ...]


class InquiriesView(BaseModel):
    """A page of a case's inquiries, and after which the next one begins."""

    inquiries: tuple[InquiryView, ...]
    after: Id | None


class DescriptionView(BaseModel):
    """How somebody was described."""

    given_name: str | None
    family_name: str | None
    date_of_birth: str | None
    gender: Gender

    @classmethod
    def of(cls, described: DescribedPerson) -> Self:
        """Show by what an agency finds somebody in its own register."""
        return cls(**described.model_dump(include=set(cls.model_fields)))


class SoughtView(BaseModel):
    """Somebody whom an inquiry is about; no description if they are erased."""

    person_id: Id
    described: tuple[DescriptionView, ...]


class AskedView(Asked):
    """An inquiry as the agency sees it that is asked: nothing of the case."""

    people: tuple[SoughtView, ...]


class AskedOfView(BaseModel):
    """A page of an agency's own inquiries, and after which the next one begins."""

    inquiries: tuple[AskedView, ...]
    after: Id | None


class DisclosureView(BaseModel):
    """One kind of thing that was told of one person to one recipient.

    Attributes:
        holder: The agency that told it; none: the response to the case.
        agency: The agency that got it; none: whoever works on ``case_id``.
        referral_id: The referral by which it was told.
        release_id: The release by which it left on paper.
        own: It left on the person's own copy, for themselves.
        worker: Who had it shown to them, of what is shown by asking for it, or fetched
            the paper.
        transfer: It got it because the case was handed over to it.
    """

    at: datetime
    group: FieldGroup | None
    holder: Code | None
    agency: Code | None
    case_id: Id | None
    inquiry_id: Id | None
    referral_id: Id | None
    release_id: Id | None
    own: bool
    worker: str | None
    purpose: S20Purpose | None
    ipp11: Ipp11 | None
    belief: Belief | None
    consulted: bool | None
    why_not_safe: WhyNotSafe | None
    transfer: bool
    erased: bool

    @classmethod
    def of(cls, held: Disclosure) -> Self:
        """Show an entry of the ledger."""
        shown = held.model_dump(include=set(cls.model_fields) - {"erased"})
        return cls(erased=held.erased is not None, **shown)


class DisclosuresView(BaseModel):
    """What was told of somebody, the latest first.

    Attributes:
        complete: Nothing was left out because there was too much of it.
    """

    person_id: Id
    disclosures: tuple[DisclosureView, ...]
    complete: bool


class ToldOfView(DisclosureView):
    """One kind of thing that an agency was told, and of whom."""

    person_id: Id

    @classmethod
    def told(cls, held: Disclosure) -> Self:
        """Show an entry with whom it is about."""
        shown = DisclosureView.of(held).model_dump()
        return cls(person_id=held.person_id, **shown)


class ToldToView(BaseModel):
    """What an agency was told, the latest first.

    Of whoever is erased since there is nothing: to whom it was told went with them.

    Attributes:
        until: With ``after``: where the next page begins; none: there is no more.
    """

    agency: Code
    disclosures: tuple[ToldOfView, ...]
    until: datetime | None
    after: Id | None


@router.post("/cases/{case_id}/inquiries", status_code=201)
async def ask_agencies(
    case_id: Id,
    told: AskAgencies,
    *,
    bureau: Bureau_,
    shelves: Shelves_,
    worker: Worker,
) -> InquiriesView:
    """Ask agencies what they know of people in a case, as its lead or coordinator.

    The same asked again while it stands is the same inquiry.
    """
    purpose = Purpose.OTHER_GROUND if told.ipp11 else Purpose(told.purpose.value)
    await worker.permit(
        ASK, inquiries_of(case_id), purpose=purpose, otherwise=NoSuchCase
    )
    case = await standing_case(case_id, shelves.cases)
    if wrong := [each async for each in _misfits(told, case, bureau)]:
        raise RequestValidationError(errors_of(wrong, "body"))
    terms = Terms(**told.model_dump(exclude={"agencies"}))
    made = [
        await inquiring.ask(case, agency, terms, worker.who.subject, bureau)
        for agency in dict.fromkeys(told.agencies)
    ]
    return InquiriesView(inquiries=tuple(map(InquiryView.of, made)), after=None)


@router.get("/cases/{case_id}/inquiries")
async def list_inquiries(
    case_id: Id,
    *,
    bureau: Bureau_,
    shelves: Shelves_,
    worker: Worker,
    after: Id | None = None,
) -> InquiriesView:
    """List which agencies were asked about people of a case, and what each decided."""
    await worker.permit(READ, inquiries_of(case_id), otherwise=NoSuchCase)
    # An empty list of a case that there is not would show who is barred from one.
    await standing_case(case_id, shelves.cases)
    found = await bureau.inquiries.of_case(case_id, after or "")
    return InquiriesView(
        inquiries=tuple(map(InquiryView.of, found)), after=_next(found)
    )


@router.get("/cases/{case_id}/inquiries/{inquiry_id}")
async def read_inquiry(
    case_id: Id, inquiry_id: Id, *, bureau: Bureau_, worker: Worker
) -> WholeInquiryView:
    """Read what an agency has shared: its own words, said to be its own."""
    named = Resource("inquiry", inquiry_id, case_id)
    await worker.permit(READ_PIECES, named, otherwise=NoSuchInquiry)
    held = await bureau.inquiries.get(inquiry_id)
    if held is None or held.case_id != case_id:
        raise NoSuchInquiry
    last = held.latest
    shared = (PieceView.of(held, last, p) for p in last.said.pieces) if last else ()
    return WholeInquiryView(shared=tuple(shared), **InquiryView.of(held).model_dump())


@router.post("/cases/{case_id}/inquiries/{inquiry_id}/withdrawal", status_code=204)
async def withdraw_inquiry(
    case_id: Id,
    inquiry_id: Id,
    told: WithdrawInquiry,
    *,
    bureau: Bureau_,
    worker: Worker,
) -> None:
    """Ask an agency no more, as the case's lead or coordinator.

    From then on it sees nothing of whom it was asked about.
    """
    named = Resource("inquiry", inquiry_id, case_id)
    await worker.permit(WITHDRAW, named, otherwise=NoSuchInquiry)
    decision = Decision(
        reason=told.reason, by=worker.who.subject, at=bureau.clock.now()
    )
    await inquiring.withdraw(inquiry_id, case_id, decision, bureau)


@router.get("/inquiries")
async def list_asked(
    bureau: Bureau_, agency: Answerer, after: Id | None = None
) -> AskedOfView:
    """List what one's own agency is asked, for as long as it stands."""
    own = agency.who.agency or ""
    known = await inquiring.agency_of(own, bureau)
    now = bureau.clock.now()
    found = await bureau.inquiries.standing_with(own, now, after or "")
    barred = await inquiring.never_asked(own, {e.case_id for e in found}, bureau)
    told = [each for each in found if each.case_id not in barred]
    of = Resource("inquiries", own, agency=own)
    permitted = await agency.permit_each(
        READ_ASKED,
        [(asked_of(each.id, each, known, bureau), each) for each in told],
        of=of,
    )
    shown = await asyncio.gather(*(_asked_view(each, bureau) for each, _ in permitted))
    people = (who for each in shown for who in each.people)
    sought = (described for each in people for described in each.described)
    await agency.note_namesakes((each.family_name or "" for each in sought), of)
    return AskedOfView(inquiries=tuple(shown), after=_next(found))


@router.post("/inquiries/{inquiry_id}/decision")
async def decide(
    inquiry_id: Id, told: Decide, *, bureau: Bureau_, agency: Answerer
) -> DecisionView:
    """Decide what one's own agency shares, all, a part or nothing, and why.

    The same sent again changes nothing; another decision names the one it replaces.
    """
    held, known = await asyncio.gather(
        bureau.inquiries.get(inquiry_id),
        inquiring.agency_of(agency.who.agency, bureau),
    )
    own = agency.who.agency or ""
    if held and await inquiring.never_asked(own, [held.case_id], bureau):
        held = None
    named = asked_of(inquiry_id, held, known, bureau)
    purpose = _purpose_of(held) if held else None
    await agency.permit(DECIDE, named, purpose=purpose, otherwise=NoSuchInquiry)
    if held is None:
        raise NoSuchInquiry
    people = held.terms.people
    known_people = frozenset(people) - await inquiring.erased_of(people, bureau)
    if wrong := [*misfits_of_said(told, known_people, bureau.policy)]:
        raise RequestValidationError(errors_of(wrong, "body"))
    said = Said(**told.model_dump(exclude={"replaces"}))
    decided = await inquiring.decide(
        inquiry_id,
        said,
        replaces=told.replaces,
        by=agency.who.subject,
        bureau=bureau,
    )
    return DecisionView.of(told.replaces + 1, decided.decisions[told.replaces])


@router.get("/people/{person_id}/disclosures")
async def read_disclosures(
    person_id: Id, *, shelves: Shelves_, officer: Officer
) -> DisclosuresView:
    """Read who was told what of somebody, when, for what and on what ground.

    By each id that they are known by, to whoever may read it in every case of theirs.
    """
    named = Resource("person", person_id, person_id)
    # All is looked for before it is decided, whether or not there is anybody.
    ids, cases, known = await asyncio.gather(
        all_of(person_id, shelves),
        reached_by(person_id, shelves),
        is_known(person_id, shelves),
    )
    found = await told_of(ids, cases, shelves, ENTRIES)
    about = [replace(named, case_id=case.id) for case in cases] or [named]
    await officer.permit_all([(READ_LEDGER, e) for e in about], otherwise=NoSuchPerson)
    if not known:
        raise NoSuchPerson
    return DisclosuresView(
        person_id=person_id,
        disclosures=tuple(map(DisclosureView.of, found)),
        complete=len(found) < ENTRIES,
    )


@router.get("/agencies/{code}/disclosures")
async def read_told_to(
    code: Code,
    until: AwareDatetime | None = None,
    after: Id | None = None,
    *,
    shelves: Shelves_,
    officer: Officer,
) -> ToldToView:
    """Read what an agency was told of anybody, the latest first, a page at a time.

    Of whoever is in a case from which the reader is barred there is nothing. A page is
    full of what the reader may read, and the next one begins after the last entry that
    is shown: how full a page is tells nothing of what is hidden.
    """
    of = Resource("disclosures", code)
    shown: list[Disclosure] = []
    while True:
        found = await shelves.disclosures.told_to(code, until, after or "")
        shown += await _readable(found, of, shelves, officer)
        if len(shown) >= TOLD_PAGE or len(found) < TOLD_PAGE:
            break
        until, after = found[-1].at, found[-1].id
    page = shown[:TOLD_PAGE]
    last = page[-1] if len(page) == TOLD_PAGE else None
    return ToldToView(
        agency=code,
        disclosures=tuple(map(ToldOfView.told, page)),
        until=last and last.at,
        after=last and last.id,
    )


async def _readable(
    found: list[Disclosure], of: Resource, shelves: Shelves, officer: Asking
) -> list[Disclosure]:
    """Give those about people of whom the reader may read it in every case."""
    people = sorted({each.person_id for each in found})
    reached = await asyncio.gather(*(reached_by(each, shelves) for each in people))
    cases = {
        who: frozenset(each.id for each in held)
        for who, held in zip(people, reached, strict=True)
    }
    of_each = [
        cases[each.person_id] | ({each.case_id} if each.case_id else set())
        for each in found
    ]
    every = sorted(frozenset().union(*of_each))
    permitted = await officer.permit_each(
        READ_LEDGER,
        [(Resource("disclosures", each, each), each) for each in every],
        of=of,
    )
    seen = frozenset(each for each, _ in permitted)
    return [each for each, held in zip(found, of_each, strict=True) if seen >= held]


def inquiries_of(case_id: str) -> Resource:
    """Name a case's inquiries, for deciding about them."""
    return Resource("inquiries", case_id, case_id)


def asked_of(
    inquiry_id: str, held: Inquiry | None, known: Agency | None, bureau: Bureau
) -> Resource:
    """Name an inquiry as the agency's that is asked, if it may be told, and no other's.

    Args:
        inquiry_id: Which.
        held: The inquiry, if there is one.
        known: Whoever asks now, as the register knows them.
        bureau: What is needed to know whether it may be told.
    """
    if held is None or not inquiring.may_have(held, known, bureau):
        return absent("inquiry", inquiry_id)
    return Resource("inquiry", inquiry_id, held.case_id, agency=held.agency)


def _purpose_of(held: Inquiry) -> Purpose:
    terms = held.terms
    return Purpose.OTHER_GROUND if terms.ipp11 else Purpose(terms.purpose.value)


async def _misfits(
    told: AskAgencies, case: Case, bureau: Bureau
) -> AsyncIterator[Misfit]:
    at = bureau.clock.now()
    wished = await inquiring.not_to_be_told(case, bureau)
    members = frozenset(await inquiring.people_of(case, bureau))
    for each in misfits_of_terms(told, members, bureau.policy, at):
        yield each
    for place, code in enumerate(told.agencies):
        if rule := await inquiring.why_not(code, case.id, told, wished, bureau):
            yield Misfit(("agencies", place), rule)


def _asked(held: Inquiry) -> dict[str, object]:
    return {
        "inquiry_id": held.id,
        "asked_at": held.asked_at,
        "needed_by": held.needed_by,
        "stands_until": held.stands_until,
        "decisions": tuple(
            DecisionView.of(number, each)
            for number, each in enumerate(held.decisions, start=1)
        ),
        "purpose": held.terms.purpose,
        "ipp11": held.terms.ipp11,
        "questions": held.terms.questions,
    }


async def _asked_view(held: Inquiry, bureau: Bureau) -> AskedView:
    ids = held.terms.people
    gone = await inquiring.erased_of(ids, bureau)
    known = [each for each in ids if each not in gone]
    found = await asyncio.gather(
        *(inquiring.descriptions_of(each, bureau) for each in known)
    )
    described = dict(zip(known, found, strict=True))
    people = (
        SoughtView(
            person_id=each,
            described=tuple(map(DescriptionView.of, described.get(each, ()))),
        )
        for each in ids
    )
    return AskedView(people=tuple(people), **_asked(held))


def _next(page: list[Inquiry]) -> str | None:
    return page[-1].id if len(page) == PAGE else None
