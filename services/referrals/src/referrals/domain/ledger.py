"""The disclosure ledger: who got what about whom, when, for what and on what ground.

Ids, codes and times alone, never what was said, so that it can be kept when that is
gone. When somebody asks what was told of them, or has it corrected (Privacy Act 2020,
IPP 6, 7), it says who has it.

What a referral told is read from the referral, which is its own record of it: entered
besides, it would be kept twice, and could be missing.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Self
from uuid import UUID, uuid5

from accord_contracts.access import Side
from accord_contracts.grounds import Belief, Ipp11, S20Purpose, WhyNotSafe
from accord_contracts.message import Code
from accord_contracts.plans import PaperTold
from accord_contracts.referrals import PersonRole
from pydantic import BaseModel, ConfigDict

from referrals.domain.case import Case
from referrals.domain.erasure import ERASED_NAME, Decision
from referrals.domain.household import Member, harmed_of, with_role
from referrals.domain.inquiry import Inquiry
from referrals.domain.package import Packed
from referrals.domain.referral import Referral
from referrals.domain.telling import Telling


class FieldGroup(StrEnum):
    """What kind of thing was told of somebody."""

    IDENTITY = "identity"
    CONTACT = "contact"
    INDICATORS = "indicators"
    PIECES = "pieces"
    # On papers that plans let go.
    RISK = "risk"
    DATES = "dates"
    PLAN = "plan"
    NEEDS = "needs"
    WORDS = "words"


class Disclosure(BaseModel):
    """One kind of thing that was told about one person to one recipient at one time.

    Attributes:
        person_id: About whom.
        group: What; none if they are erased.
        holder: The agency that told it; none: the response to the case.
        agency: The agency that got it; none: whoever works on ``case_id``.
        case_id: The case of the inquiry that it was told for.
        referral_id: The referral by which it was told.
        release_id: The release by which it left on paper.
        own: It left on the person's own copy, for themselves.
        worker: Who had it shown to them, of what is shown by asking for it, or fetched
            the paper.
        ipp11: The ground, if it was not s 20.
        transfer: It was told to the region that the case was handed over to: where the
            person harmed in it went.
        erased: They are erased. That there was a disclosure stays.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    person_id: str
    at: datetime
    group: FieldGroup | None = None
    holder: Code | None = None
    agency: Code | None = None
    case_id: str | None = None
    inquiry_id: str | None = None
    referral_id: str | None = None
    release_id: str | None = None
    own: bool = False
    worker: str | None = None
    purpose: S20Purpose | None = None
    ipp11: Ipp11 | None = None
    belief: Belief | None = None
    consulted: bool | None = None
    why_not_safe: WhyNotSafe | None = None
    transfer: bool = False
    erased: Decision | None = None

    def tombstone(self, decision: Decision) -> Self:
        """Leave that there was a disclosure, and when."""
        return type(self)(
            id=self.id,
            version=self.version,
            person_id=self.person_id,
            at=self.at,
            erased=decision,
        )


def of_asking(inquiry: Inquiry) -> Iterator[Disclosure]:
    """Give what an inquiry tells the agency that is asked."""
    for person_id in inquiry.terms.people:
        yield _entry(inquiry, None, person_id, FieldGroup.IDENTITY)


def of_decision(inquiry: Inquiry, number: int) -> Iterator[Disclosure]:
    """Give what an agency's decision tells whoever works on the case.

    An answer to a question about risk is about everybody who was asked about.

    Args:
        inquiry: On which it was decided.
        number: Which decision, from 1.
    """
    said = inquiry.decisions[number - 1].said
    about = {each for piece in said.pieces for each in piece.about}
    for person_id in inquiry.terms.people if said.answers else ():
        yield _entry(inquiry, number, person_id, FieldGroup.INDICATORS)
    for person_id in sorted(about):
        yield _entry(inquiry, number, person_id, FieldGroup.PIECES)


def of_learned(
    inquiry: Inquiry, telling: str, holder: str, about: Iterable[str], at: datetime
) -> Iterator[Disclosure]:
    """Give what answers of an agency elsewhere tell whoever works on this case.

    Args:
        inquiry: Of this case, for which they were told.
        telling: By which they were told: an id, the same however often it is heard.
        holder: The agency's code.
        about: Whom they are about.
        at: When they were told.
    """
    for person_id in about:
        yield Disclosure(
            id=str(uuid5(UUID(telling), person_id)),
            person_id=person_id,
            at=at,
            group=FieldGroup.INDICATORS,
            holder=holder,
            case_id=inquiry.case_id,
            inquiry_id=inquiry.id,
            purpose=inquiry.terms.purpose,
        )


def of_transfer(case: Case, told: Iterable[Packed]) -> Iterator[Disclosure]:
    """Give what the other region gets with a case, of each person once by kind.

    Args:
        case: Which was handed over.
        told: What was put together for it.
    """
    if case.transferred is None:
        return
    terms, decision = case.transferred.terms, case.transferred.decision
    groups = {
        (person_id, group)
        for each in told
        for place, person_id in enumerate(each.people)
        for group in _told_of(each.referral, place)
    }
    for person_id, group in sorted(groups):
        yield Disclosure(
            id=str(uuid5(UUID(case.id), f"transfer/{person_id}/{group}")),
            person_id=person_id,
            at=decision.at,
            group=group,
            agency=terms.to,
            case_id=case.id,
            purpose=terms.purpose,
            ipp11=terms.ipp11,
            belief=terms.belief,
            consulted=terms.consulted,
            why_not_safe=terms.why_not_safe,
            transfer=True,
        )


class Left(NamedTuple):
    """That a paper about a case has left.

    Attributes:
        release_id: By which it was let go.
        agency: That has it; none: whoever works on the case, or whose own copy it is.
        worker: Who fetched it.
        own: It is somebody's own copy.
        told: What stands on it.
    """

    release_id: str
    case_id: str
    at: datetime
    agency: str | None
    worker: str | None
    own: bool
    told: tuple[PaperTold, ...]


def of_paper(left: Left, members: Iterable[Member]) -> Iterator[Disclosure]:
    """Give what a paper told that has left, of each person once by kind.

    What is told of the side of who was harmed is told of the children too.

    Args:
        left: Which.
        members: Who is in the case, and in those that are merged into it.
    """
    known = tuple(members)
    held = {
        (person_id, FieldGroup(each.group))
        for each in left.told
        for person_id in _about(each, known)
    }
    for person_id, group in sorted(held):
        yield Disclosure(
            # A pack leaves once for all its cases, and somebody may be in several.
            id=str(
                uuid5(
                    UUID(left.release_id),
                    f"{left.case_id}/{left.agency}/{person_id}/{group}",
                )
            ),
            person_id=person_id,
            at=left.at,
            group=group,
            agency=left.agency,
            case_id=left.case_id,
            release_id=left.release_id,
            own=left.own,
            worker=left.worker,
        )


def _about(told: PaperTold, members: tuple[Member, ...]) -> frozenset[str]:
    if told.person_id:
        return frozenset({told.person_id})
    using = with_role(PersonRole.PERSON_USING_VIOLENCE, members)
    match told.side:
        case Side.PERSON_USING_VIOLENCE:
            return using
        case Side.PERSON_HARMED:
            return harmed_of(members) | with_role(PersonRole.CHILD, members)
    return frozenset(each.person_id for each in members)


class Reading(NamedTuple):
    """Who has something shown to them, and what for.

    Attributes:
        issuer: The identity provider who vouches for them.
        subject: Who, by the provider's id.
        agency: That they work for, if their token says.
        worker: Their id in the directory.
    """

    issuer: str
    subject: str
    agency: str | None
    worker: str | None
    purpose: S20Purpose | None


def of_referral(
    referral: Referral, person_id: str, case_id: str | None
) -> Iterator[Disclosure]:
    """Give what an agency's referral told the response of somebody, also if withdrawn.

    Args:
        referral: Which; of whoever is erased in it there is nothing.
        person_id: Of whom.
        case_id: The case that it is in.
    """
    told, purpose = referral.told, referral.told.sharing.purpose
    people = enumerate(zip(referral.person_ids, told.people, strict=False))
    groups = {
        group
        for place, (who, described) in people
        if who == person_id and described.given_name != ERASED_NAME
        for group in (*_told_of(told, place), *_told_before(referral, place))
    }
    for group in sorted(groups):
        yield Disclosure(
            id=str(uuid5(UUID(referral.id), f"{person_id}/{group}")),
            person_id=person_id,
            at=referral.received_at,
            group=group,
            holder=referral.sender.agency,
            case_id=case_id,
            referral_id=referral.id,
            purpose=S20Purpose(purpose) if purpose in {*S20Purpose} else None,
            consulted=told.sharing.consulted,
        )


def of_reading(
    person_id: str,
    case_id: str,
    by: Reading,
    at: datetime,
    group: FieldGroup = FieldGroup.CONTACT,
) -> Disclosure:
    """Give that somebody was shown a kind of thing about a person: once a day.

    How they may be reached, or where it happened, which is often where they live.
    """
    day = at.date().isoformat()
    read = json.dumps([by.issuer, by.subject, by.purpose, day, group])
    return Disclosure(
        id=str(uuid5(UUID(person_id), f"read/{read}")),
        person_id=person_id,
        at=at,
        group=group,
        agency=by.agency,
        case_id=case_id,
        worker=by.worker,
        purpose=by.purpose,
    )


def _told_before(referral: Referral, place: int) -> Iterator[FieldGroup]:
    """Say what kinds of thing a referral has told that were taken out since."""
    for change in referral.changes:
        if f"address/{place}" in change.was:
            yield FieldGroup.CONTACT
        if {"narrative", "place"} & {*change.fields}:
            yield FieldGroup.PIECES


def _told_of(told: Telling, place: int) -> Iterator[FieldGroup]:
    """Say what kinds of thing a referral tells of somebody in it."""
    yield FieldGroup.IDENTITY
    if told.people[place].contact_points:
        yield FieldGroup.CONTACT
    if told.answers or told.instruments:
        yield FieldGroup.INDICATORS
    if told.narrative or told.place.address:
        yield FieldGroup.PIECES


def _entry(
    inquiry: Inquiry, number: int | None, person_id: str, group: FieldGroup
) -> Disclosure:
    decided = inquiry.decisions[number - 1] if number else None
    grounds = decided.said if decided else inquiry.terms
    return Disclosure(
        # The same disclosure is entered once, however often that is tried.
        id=str(uuid5(UUID(inquiry.id), f"{number}/{person_id}/{group}")),
        person_id=person_id,
        at=decided.at if decided else inquiry.asked_at,
        group=group,
        holder=inquiry.agency if decided else None,
        agency=None if decided else inquiry.agency,
        case_id=inquiry.case_id,
        inquiry_id=inquiry.id,
        purpose=inquiry.terms.purpose,
        ipp11=inquiry.terms.ipp11,
        belief=grounds.belief,
        consulted=grounds.consulted,
        why_not_safe=grounds.why_not_safe,
    )
