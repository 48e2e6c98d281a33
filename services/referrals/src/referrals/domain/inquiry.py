"""An inquiry: one agency is asked what it knows of people in a case, and decides.

The Family Violence Act 2018 lets agencies share for three purposes (s 20), compels none
to, and has whoever is asked consider it (s 24). That they considered must be provable
where nothing is shared, too, so each inquiry has a clock and needs a decision with its
reason. What is recorded is what protects whoever shared in good faith (s 25).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID, uuid5

from accord_contracts.grounds import Belief, Grounds, GroundsToTell, Ipp11, S20Purpose
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from accord_contracts.referrals import SharingDecision, SharingReason
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from referrals.domain.erasure import Decision
from referrals.domain.policy import InquiryRules, Misfit, Policy
from referrals.domain.referral import Referral
from referrals.domain.telling import SortedAnswers

MOST_DECISIONS = 20
"""Decisions on one inquiry: all are kept, and a document has an end."""

MOST_LEARNED = 50
"""What was shared in other cases that an inquiry remembers; the first ones go."""

LONGEST = timedelta(days=60)
"""The longest time that an agency may be given."""


class WithdrawnFor(StrEnum):
    """Why an agency is not asked any more."""

    WRONG_PERSON = "wrong_person"
    WRONG_AGENCY = "wrong_agency"
    NOT_SAFE = "not_safe"
    NOT_NEEDED = "not_needed"


class NoSuchInquiry(Refusal):
    """There is no such inquiry."""

    status = 404


class DecidedBefore(Refusal):
    """This is decided otherwise already: name the decision that this one replaces."""


class InquiryOver(Refusal):
    """This inquiry does not stand any more, or was decided on too often."""


MOST_PEOPLE = 20
"""People whom one inquiry, or one piece, is about."""

People = Annotated[tuple[Id, ...], Field(min_length=1, max_length=MOST_PEOPLE)]
Questions = Annotated[tuple[Code, ...], Field(max_length=100)]


class Terms(GroundsToTell):
    """What is asked, for what, and on what grounds the agency is told whom it is about.

    Attributes:
        people: Of the case.
        ipp11: The ground on which an agency is told that s 19 does not name.
        questions: Of the locality's about risk; none: whatever it knows.
        needed_by: When a decision is needed, if not by the locality's clock.
        against_wish: Also if the person harmed wishes that the agency is not told: a
            victim's protection comes first (s 21), and somebody answers for it.
    """

    people: People
    purpose: S20Purpose
    ipp11: Ipp11 | None = None
    questions: Questions = ()
    needed_by: AwareDatetime | None = None
    against_wish: bool = False

    def in_order(self) -> Self:
        """Name everything once and in one order, so that the same wish is the same."""
        people = tuple(sorted(set(self.people)))
        questions = tuple(sorted(set(self.questions)))
        return self.model_copy(update={"people": people, "questions": questions})


class Piece(BaseModel):
    """Something that an agency knows, in its own words, and whom it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: People
    text: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)
    ]


class Said(Grounds):
    """What an agency decides and shares.

    Attributes:
        answers: To questions about risk; they count for the case's level.
        pieces: For whoever works on the case.
    """

    decision: SharingDecision
    reason: SharingReason
    answers: Annotated[SortedAnswers, Field(default_factory=dict)]
    pieces: Annotated[tuple[Piece, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        shares = bool(self.answers or self.pieces)
        if shares is (self.decision is SharingDecision.DECLINED):
            raise PydanticCustomError(
                "decision_and_content", "Who shares says what; who declines says none."
            )
        if shares and self.belief is Belief.NONE:
            raise PydanticCustomError("no_belief", "Nothing may be shared without it.")
        helps = self.reason is SharingReason.WILL_OR_MAY_HELP
        if self.decision is not SharingDecision.PARTLY and helps is not shares:
            raise PydanticCustomError(
                "decision_and_reason", "This is no reason for this decision."
            )
        return self


class Decided(BaseModel):
    """One decision on an inquiry.

    Attributes:
        by: The subject of the token that it came with.
    """

    model_config = ConfigDict(frozen=True)

    said: Said
    by: str
    at: datetime


class Learned(BaseModel):
    """What an agency has shared in another case about somebody who is asked about.

    Attributes:
        source: On which inquiry it was decided, or by which referral it was told; tells
            nothing by itself.
        number: Which decision on it, or which change of the referral, from 1.
        agency: Who shared it.
        about: Whom of those asked about it concerns.
        through: By which other ids the other case knows them: a person has decided that
            they are one.
        answers: To questions about risk, if they are about these people alone.
    """

    model_config = ConfigDict(frozen=True)

    source: Id
    number: int
    agency: Code
    about: tuple[Id, ...]
    through: tuple[Id, ...] = ()
    answers: SortedAnswers = {}
    at: datetime

    def says(self, other: "Learned") -> bool:
        """Tell whether another says the same of the same people."""
        return (self.about, self.answers) == (other.about, other.answers)

    def as_far_as(self, later: "Learned") -> Self | None:
        """Give what of it is still said by what replaces it, if anything."""
        about = tuple(each for each in self.about if each in later.about)
        if not about:
            return None
        answers = {k: v for k, v in self.answers.items() if later.answers.get(k) == v}
        update = {"number": later.number, "about": about, "answers": answers}
        return self.model_copy(update=update)


class Inquiry(BaseModel):
    """That one agency is asked what it knows.

    Attributes:
        agency: The code of the agency that is asked.
        asked_by: The subject of whoever asked.
        needed_by: When its decision is due.
        stands_until: Until then it may decide, or decide anew, and sees whom it is
            about.
        due_at: When its clock next falls due; none once it has decided, or was told of
            as overdue, or if nobody is to be told.
        decisions: Every one, the last of which counts.
        learned: What others have shared since, for the same purpose, the latest.
        withdrawn: Whoever asked asks no more: why, by whom and when.
        erased: The case is erased, and nothing is left of what was shared.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    agency: Code
    terms: Terms
    asked_by: str
    asked_at: datetime
    needed_by: datetime
    stands_until: datetime
    due_at: datetime | None
    decisions: tuple[Decided, ...] = ()
    learned: tuple[Learned, ...] = ()
    withdrawn: Decision | None = None
    erased: Decision | None = None

    @classmethod
    def ask(
        cls,
        case_id: str,
        agency: str,
        terms: Terms,
        *,
        by: str,
        at: datetime,
        rules: InquiryRules,
        alarm: bool = True,
        occasion: str | None = None,
    ) -> Self:
        """Ask an agency.

        One id stands for one wish, so asking the same again while it stands is as good
        as once. What is asked on another occasion is another wish, though the terms are
        the same, and on the same one it is the same, though the terms are not.

        Args:
            case_id: About which case.
            agency: Which agency.
            terms: What, and on what grounds.
            by: Who asks.
            at: When.
            rules: The locality's.
            alarm: Somebody is told when it has not decided in time.
            occasion: On which it is asked; none: the terms say it.
        """
        terms = terms.in_order()
        needed_by = terms.needed_by or at + rules.answer_within(terms.purpose)
        wish = occasion or terms.model_dump_json()
        return cls(
            id=str(uuid5(UUID(case_id), f"{agency}/{wish}")),
            case_id=case_id,
            agency=agency,
            terms=terms,
            asked_by=by,
            asked_at=at,
            needed_by=needed_by,
            stands_until=needed_by + timedelta(days=rules.stands_days),
            due_at=needed_by if alarm else None,
        )

    def again(self) -> Self:
        """Ask anew, because what was asked before does not stand any more."""
        return self.model_copy(update={"id": str(uuid5(UUID(self.id), "again"))})

    def stands(self, at: datetime) -> bool:
        """Tell whether the agency may still decide."""
        ended = self.erased or self.withdrawn
        return ended is None and at < self.stands_until

    @property
    def latest(self) -> Decided | None:
        """The decision that counts."""
        return self.decisions[-1] if self.decisions else None

    def decide(self, said: Said, *, replaces: int, by: str, at: datetime) -> Self:
        """Record what the agency decides; the same again changes nothing.

        Args:
            said: The decision, and what is shared.
            replaces: The number of the decision that it stands in the place of; 0: it
                is the first.
            by: Who says so.
            at: When.

        Raises:
            DecidedBefore: Another decision than that one counts.
            InquiryOver: It does not stand any more, or was decided on too often.
        """
        if replaces < len(self.decisions):
            if self.decisions[replaces].said == said:
                return self
            raise DecidedBefore
        if replaces > len(self.decisions):
            raise DecidedBefore
        if not self.stands(at) or replaces >= MOST_DECISIONS:
            raise InquiryOver
        decided = Decided(said=said, by=by, at=at)
        update = {"decisions": (*self.decisions, decided), "due_at": None}
        return self.model_copy(update=update)

    def concerns(
        self, other: Self, number: int, at: datetime, same: Mapping[str, str] = {}
    ) -> Learned | None:
        """Give what a decision in another case tells for this one's purpose, if any.

        That there is something, and answers if they are about nobody else. Never the
        words: in them somebody of the other case may be named. Once this one stands no
        more it is told nothing new, but what it was told stays while it is said.

        Args:
            other: On which it was decided.
            number: Which decision, from 1.
            at: The present time.
            same: As whom whoever is one with somebody counts, by id.
        """
        said = other.decisions[number - 1].said
        about = {each for piece in said.pieces for each in piece.about}
        about |= set(other.terms.people) if said.answers else set()
        shared = self._known_here(about, same)
        alike = self.terms.purpose is other.terms.purpose
        if not (alike and shared) or self.case_id == other.case_id:
            return None
        alone = len(self._known_here(other.terms.people, same)) == len(
            other.terms.people
        )
        new = Learned(
            source=self._source(other),
            number=number,
            agency=other.agency,
            about=tuple(sorted({*shared.values()})),
            through=tuple(sorted(_elsewhere(shared))),
            answers=said.answers if alone else {},
            at=at,
        )
        # Of a new decision the words are new, though it says the same.
        return new if self.stands(at) else self._still(new)

    def concerns_referral(
        self, told: Referral, at: datetime, same: Mapping[str, str] = {}
    ) -> Learned | None:
        """Give what a referral to another case tells for this one's purpose, if any.

        As of a decision: that there is something, answers if they are about nobody
        else, never the words, and nothing new once this one stands no more. Who it
        names and is not recognised yet is somebody else.

        Args:
            told: As its agency tells it now.
            at: The present time.
            same: As whom whoever is one with somebody counts, by id.
        """
        named = {each.person_id for each in told.members}
        shared = self._known_here(named, same)
        alike = told.told.sharing.purpose.value == self.terms.purpose.value
        gone = told.withdrawn or told.erased
        if gone or not (alike and shared):
            return None
        recognised = len(told.person_ids) >= len(told.told.people)
        alone = recognised and len(shared) == len(named)
        new = Learned(
            source=self._source(told),
            number=len(told.changes) + 1,
            agency=told.sender.agency,
            about=tuple(sorted({*shared.values()})),
            through=tuple(sorted(_elsewhere(shared))),
            answers=told.told.answers if alone else {},
            at=at,
        )
        known = self._still(new)
        # An amendment of something else tells nothing new.
        same_as_known = known is not None and known.says(new)
        return new if self.stands(at) and not same_as_known else known

    def _known_here(
        self, ids: Iterable[str], same: Mapping[str, str]
    ) -> dict[str, str]:
        """Give those of some people who are asked about, each with the id used here."""
        here = {same.get(each, each): each for each in self.terms.people}
        counted = ((each, same.get(each, each)) for each in ids)
        return {each: here[one] for each, one in counted if one in here}

    def _still(self, new: Learned) -> Learned | None:
        """Give what was learned there already, as far as it is still said."""
        known = next((e for e in self.learned if e.source == new.source), None)
        if known is None or known.says(new):
            return known
        return known.as_far_as(new)

    def learn(self, new: Learned) -> Self:
        """Note what was shared in another case, in place of what it replaces."""
        earlier = [each for each in self.learned if each.source == new.source]
        if any(each.number >= new.number for each in earlier):
            return self
        others = (each for each in self.learned if each not in earlier)
        learned = (*others, new)[-MOST_LEARNED:]
        return self.model_copy(update={"learned": learned})

    def without_learned_from(self, *others: "Inquiry | Referral") -> Self:
        """Forget what was shared in other cases, where it was taken back or erased."""
        sources = {self._source(each) for each in others}
        kept = tuple(each for each in self.learned if each.source not in sources)
        if len(kept) == len(self.learned):
            return self
        return self.model_copy(update={"learned": kept})

    def _source(self, other: "Inquiry | Referral") -> str:
        return str(uuid5(UUID(self.id), other.id))

    def without_learned_about(self, person_id: str) -> Self:
        """Forget what was shared elsewhere about somebody."""
        kept = tuple(
            each
            for each in self.learned
            if person_id not in {*each.about, *each.through}
        )
        return self.model_copy(update={"learned": kept})

    def without_learned_of_another(
        self, parted: frozenset[str], same: Mapping[str, str]
    ) -> Self:
        """Forget what was shared of whoever is somebody else again.

        What is known of others in the same stays; its answers, which are of all whom it
        was about, do not.

        Args:
            parted: Two who were one, and whoever is one with either.
            same: As whom whoever is one with somebody counts now, by id.
        """
        kept = []
        for each in self.learned:
            here = {same.get(one, one) for one in each.about}
            if all(same.get(one, one) in here for one in each.through):
                kept.append(each)
            elif about := tuple(one for one in each.about if one not in parted):
                through = tuple(one for one in each.through if one not in parted)
                update = {"about": about, "through": through, "answers": {}}
                kept.append(each.model_copy(update=update))
        if tuple(kept) == self.learned:
            return self
        return self.model_copy(update={"learned": tuple(kept)})

    def over(self, at: datetime) -> Self:
        """Have it stand no more."""
        until = min(self.stands_until, at)
        return self.model_copy(update={"stands_until": until, "due_at": None})

    def withdraw(self, decision: Decision) -> Self:
        """Ask no more. What the agency has shared stays, and that it was told.

        Raises:
            NoSuchInquiry: The case is erased.
            InquiryOver: It does not stand any more by itself.
        """
        if self.erased:
            raise NoSuchInquiry
        if self.withdrawn:
            return self
        if not self.stands(decision.at):
            raise InquiryOver
        update = {"withdrawn": decision}
        return self.over(decision.at).model_copy(update=update)

    def fall_due(self) -> Self:
        """Note that it was told of as overdue, which is done once."""
        return self.model_copy(update={"due_at": None})

    def pieces(self) -> Iterator[tuple[str, Piece]]:
        """Give every piece that was ever shared, by the name of its sealed part."""
        for number, decided in enumerate(self.decisions):
            for place, piece in enumerate(decided.said.pieces):
                yield f"piece/{number}/{place}", piece

    def parts_about(self, person_id: str) -> list[str]:
        """Name the sealed parts in which somebody may be named."""
        return [part for part, piece in self.pieces() if person_id in piece.about]

    def without_unreadable(self) -> Self:
        """Write down anew what can still be read."""
        anew = tuple(each.model_copy() for each in self.decisions)
        return self.model_copy(update={"decisions": anew})

    def erase(self, decision: Decision) -> Self:
        """Leave a tombstone: which agency was asked about whom, by id, and when."""
        update = {
            "decisions": (),
            "learned": (),
            "due_at": None,
            "erased": decision,
        }
        return self.model_copy(update=update)


def _elsewhere(known: Mapping[str, str]) -> Iterator[str]:
    """Give the ids of people whom an inquiry knows by another."""
    return (each for each, here in known.items() if each != here)


def misfits_of_terms(
    terms: Terms, members: frozenset[str], policy: Policy, at: datetime
) -> Iterator[Misfit]:
    """Find what cannot be asked in this case.

    Args:
        terms: What is asked.
        members: Who is in the case and not erased.
        policy: The locality's.
        at: The present time.
    """
    for place, each in enumerate(terms.people):
        if each not in members:
            yield Misfit(("people", place), "not_in_the_case")
    for place, each in enumerate(terms.questions):
        if each not in policy.questions:
            yield Misfit(("questions", place), "unknown_question")
    if terms.needed_by and not at < terms.needed_by <= at + LONGEST:
        yield Misfit(("needed_by",), "not_within_sixty_days")


def misfits_of_said(
    said: Said, people: frozenset[str], policy: Policy
) -> Iterator[Misfit]:
    """Find what cannot be shared in answer to an inquiry.

    Args:
        said: The decision, and what is shared.
        people: Who is asked about and not erased.
        policy: The locality's.
    """
    for question in said.answers.keys() - {*policy.questions}:
        yield Misfit(("answers", question), "unknown_question")
    for place, piece in enumerate(said.pieces):
        if not people.issuperset(piece.about):
            yield Misfit(("pieces", place, "about"), "not_asked_about")
