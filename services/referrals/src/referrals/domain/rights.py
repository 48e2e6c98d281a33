"""What somebody asks of what is held of them: to have it, or to have it put right.

Privacy Act 2020, information privacy principles 6 and 7. Whoever uses violence asks
too, and the answer must not tell him where she is, that she spoke, or that anybody did.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from accord_contracts.grounds import S20Purpose
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from accord_contracts.referrals import AgencyKind, IncidentKind, PersonRole
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    computed_field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from referrals.domain.contact import reach_of
from referrals.domain.erasure import ERASED_NAME
from referrals.domain.ledger import Disclosure, FieldGroup
from referrals.domain.policy import Misfit
from referrals.domain.referral import Referral
from referrals.domain.request import Identity
from referrals.domain.telling import Channel, DescribedPerson, Gender

HANDED_OUT_FOR = timedelta(days=28)
"""After it was confirmed, for so long what is released can be fetched."""

USERS_KNOW_OF = frozenset({AgencyKind.POLICE, AgencyKind.CORRECTIONS, AgencyKind.COURT})
"""Who deals with the person using violence anyway. That anybody else knows his name
tells him that somebody spoke."""


class NoSuchRightsRequest(Refusal):
    """Nobody has asked for this."""

    status = 404


class AskedOtherwise(Refusal):
    """Under this reference something else was asked for."""


class DecidedAlready(Refusal):
    """This was decided and confirmed: what follows is another request."""


class NotDecided(Refusal):
    """Nobody has decided this yet."""


class DecidedAnew(Refusal):
    """It was decided otherwise since: read it, and confirm that."""


class OwnDecision(Refusal):
    """Somebody else must confirm this: it was you who decided it."""

    status = 403


class NotExtended(Refusal):
    """Only access is extended, once, and before it must be answered."""


class NothingReleased(Refusal):
    """Nothing is released, or not any more."""

    status = 404


class Right(StrEnum):
    """What is asked for."""

    ACCESS = "access"
    CORRECTION = "correction"


class Proof(StrEnum):
    """How whoever asks has shown who they are."""

    IN_PERSON = "in_person"
    DOCUMENT = "document"
    KNOWN_TO_WORKER = "known_to_worker"


class Part(StrEnum):
    """What may be released of somebody. There is nothing else to choose from.

    No narrative and no words of agencies: anybody may be named in them.
    """

    IDENTITY = "identity"
    CONTACT = "contact"
    EPISODES = "episodes"
    DISCLOSURES = "disclosures"


FOR_USERS_OF_VIOLENCE = frozenset({Part.IDENTITY})
"""All that may ever be released to somebody who was told to use violence."""


class Outcome(StrEnum):
    """What was decided."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"
    NEITHER = "neither_confirmed_nor_denied"
    NOTHING_HELD = "nothing_held"
    CORRECTED = "corrected"
    STATEMENT = "statement_attached"


class Ground(StrEnum):
    """Why something is withheld (Privacy Act 2020, Part 4).

    Attributes:
        SERIOUS_THREAT: To somebody's life, health or safety.
        HARASSMENT: A significant likelihood of serious harassment.
        DISTRESS: Of a victim of an offence.
        OTHERS_AFFAIRS: Unwarranted disclosure of somebody else's affairs.
    """

    SERIOUS_THREAT = "s49_1_a_i"
    HARASSMENT = "s49_1_a_ii"
    DISTRESS = "s49_1_a_iii"
    OF_CONVICTED = "s49_1_d"
    EVALUATIVE = "s50"
    SECURITY = "s51"
    TRADE_SECRET = "s52"  # noqa: S105 - A section of the Act.
    OTHERS_AFFAIRS = "s53_b"
    MAINTENANCE_OF_LAW = "s53_c"


NEITHER_ALLOWED = frozenset(
    {
        Ground.SERIOUS_THREAT,
        Ground.OF_CONVICTED,
        Ground.SECURITY,
        Ground.TRADE_SECRET,
        Ground.MAINTENANCE_OF_LAW,
    }
)
"""On which grounds s 47 lets an agency neither confirm nor deny. On no others."""

Statement = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)
]


class AskRight(BaseModel):
    """What somebody asks for.

    Attributes:
        person_id: Who asks; none: nobody is known who could be meant.
        proof: How they have shown who they are.
        reference: Of the officer's own file, so that it is taken once.
        statement: What they say is right, of a correction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    right: Right
    person_id: Id | None = None
    proof: Proof
    reference: Code
    statement: Statement | None = None


class CorrectedIn(BaseModel):
    """Where something was put right since it was asked for.

    Attributes:
        referral_id: A referral of theirs, which its agency has amended.
        case_id: A case in which a coordinator has decided who harmed whom.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    referral_id: Id | None = None
    case_id: Id | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.referral_id is None) is (self.case_id is None):
            raise PydanticCustomError("one_of_both", "Name a referral or a case.")
        return self


class Answer(BaseModel):
    """What is decided.

    Attributes:
        release: What of the person is released to them.
        grounds: On which the rest is withheld.
        corrected_in: Where it was put right, if that is the outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    release: frozenset[Part] = frozenset()
    grounds: Annotated[tuple[Ground, ...], Field(max_length=len(Ground))] = ()
    corrected_in: CorrectedIn | None = None


class ExtendedFor(StrEnum):
    """Why more time is taken (Privacy Act 2020, s 48)."""

    LARGE_QUANTITY = "large_quantity"
    CONSULTATIONS = "consultations"


class Extension(BaseModel):
    """That more time is taken, for what, by whom, and until when it was before."""

    model_config = ConfigDict(frozen=True)

    days: int
    reason: ExtendedFor
    by: Identity
    at: datetime
    instead_of: datetime


class Decided(BaseModel):
    """An answer, who decided it, and who has confirmed it since."""

    model_config = ConfigDict(frozen=True)

    answer: Answer
    by: Identity
    at: datetime
    confirmed_by: Identity | None = None
    confirmed_at: datetime | None = None


class RightsRequest(BaseModel):
    """That somebody asks, by when they must be answered, and how they were.

    Attributes:
        taken_by: Who took it down.
        late_told_at: When it was told that nobody has answered it in time.
        extended: That more time is taken; ``answer_by`` is with it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    asked: AskRight
    asked_at: datetime
    answer_by: datetime
    taken_by: Identity
    decided: Decided | None = None
    late_told_at: datetime | None = None
    extended: Extension | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When it is next to be told that it waits; never twice."""
        return None if self.late_told_at else self.open_until

    @property
    def open_until(self) -> datetime | None:
        """By when it must be answered; none: it is."""
        answered = self.decided and self.decided.confirmed_at
        return None if answered else self.answer_by

    def extend(
        self, days: int, reason: ExtendedFor, by: Identity, at: datetime
    ) -> Self:
        """Take more time; the same once more changes nothing.

        Whoever asks must be told before the time is over that it is longer, why, and
        that they may complain (s 48).

        Raises:
            NotExtended: It is no request for access, it was extended before, or it is
                answered or must be by now.
        """
        if self.extended:
            if (self.extended.days, self.extended.reason) != (days, reason):
                raise NotExtended
            return self
        until = self.open_until
        if self.asked.right is not Right.ACCESS or until is None or at >= until:
            raise NotExtended
        extended = Extension(days=days, reason=reason, by=by, at=at, instead_of=until)
        update = {"extended": extended, "answer_by": until + timedelta(days=days)}
        return self.model_copy(update=update)

    def decide(self, answer: Answer, by: Identity, at: datetime) -> Self:
        """Decide it, or decide it anew while nobody has confirmed it.

        Raises:
            DecidedAlready: It was confirmed.
        """
        if self.decided and self.decided.confirmed_at:
            raise DecidedAlready
        decided = Decided(answer=answer, by=by, at=at)
        return self.model_copy(update={"decided": decided})

    def confirm(self, decided_at: datetime, by: Identity, at: datetime) -> Self:
        """Confirm what somebody else decided; once more changes nothing.

        Args:
            decided_at: When the decision was made that is meant.
            by: Who confirms it.
            at: The present time.

        Raises:
            NotDecided: Nobody has.
            DecidedAnew: Another decision stands.
            OwnDecision: They decided it themselves.
        """
        held = self.decided
        if held is None:
            raise NotDecided
        if by.is_same(held.by):
            raise OwnDecision
        if held.at != decided_at:
            raise DecidedAnew
        if held.confirmed_at is not None:
            return self
        confirmed = {"confirmed_by": by, "confirmed_at": at}
        return self.model_copy(update={"decided": held.model_copy(update=confirmed)})

    def fall_due(self, at: datetime) -> Self:
        """Note that it was told of as late, which is done once."""
        return self.model_copy(update={"late_told_at": at})

    def released(self, at: datetime) -> frozenset[Part]:
        """Give what is released now.

        Raises:
            NothingReleased: Nothing is, or not any more.
        """
        held = self.decided
        if held is None or held.confirmed_at is None or not held.answer.release:
            raise NothingReleased
        if at >= held.confirmed_at + HANDED_OUT_FOR:
            raise NothingReleased
        return held.answer.release


def misfits_of_answer(
    answer: Answer, asked: AskRight, *, used_violence: bool
) -> Iterator[Misfit]:
    """Find what cannot be decided.

    Args:
        answer: What is decided.
        asked: What was asked for.
        used_violence: Whoever asks was ever told to use violence, by anybody.
    """
    outcome, correction = answer.outcome, asked.right is Right.CORRECTION
    if outcome in {Outcome.CORRECTED, Outcome.STATEMENT}:
        if not correction:
            yield Misfit(("outcome",), "not_what_was_asked_for")
    elif correction and outcome in {Outcome.GRANTED, Outcome.PARTLY}:
        yield Misfit(("outcome",), "not_what_was_asked_for")
    if (outcome is Outcome.CORRECTED) is not (answer.corrected_in is not None):
        yield Misfit(("corrected_in",), "not_for_this_outcome")
    if (asked.person_id is None) and outcome not in {
        Outcome.NOTHING_HELD,
        Outcome.NEITHER,
    }:
        yield Misfit(("outcome",), "nobody_is_known")
    if (outcome in {Outcome.GRANTED, Outcome.PARTLY}) is not bool(answer.release):
        yield Misfit(("release",), "not_for_this_outcome")
    needs = {Outcome.PARTLY, Outcome.REFUSED, Outcome.NEITHER}
    if (outcome in needs) is not bool(answer.grounds):
        yield Misfit(("grounds",), "not_for_this_outcome")
    if outcome is Outcome.NEITHER and not NEITHER_ALLOWED.issuperset(answer.grounds):
        yield Misfit(("grounds",), "no_ground_of_section_47")
    if used_violence and not FOR_USERS_OF_VIOLENCE.issuperset(answer.release):
        yield Misfit(("release",), "never_to_who_uses_violence")


class Identified(BaseModel):
    """How somebody was described."""

    given_name: str | None
    family_name: str | None
    date_of_birth: str | None
    gender: Gender


class Point(BaseModel):
    """A way to reach somebody, as an agency told it."""

    channel: Channel
    value: str


class Happened(BaseModel):
    """That somebody was referred: when it happened, who told it, and their part."""

    on: date
    agency_kind: AgencyKind
    role: PersonRole
    incidents: tuple[IncidentKind, ...]


class ToldOn(BaseModel):
    """That something of somebody was told on."""

    model_config = ConfigDict(frozen=True)

    on: date
    group: FieldGroup | None
    holder: Code | None
    agency: Code | None
    purpose: S20Purpose | None


class Export(BaseModel):
    """What is released to somebody of themselves, made of it when it is fetched."""

    identity: tuple[Identified, ...] = ()
    contact: tuple[Point, ...] = ()
    episodes: tuple[Happened, ...] = ()
    disclosures: tuple[ToldOn, ...] = ()


def export_of(
    ids: frozenset[str],
    parts: frozenset[Part],
    referrals: Iterable[Referral],
    disclosures: Iterable[Disclosure],
    *,
    used_violence: bool,
    harmed_in: frozenset[str] = frozenset(),
) -> Export:
    """Make what is released: each part from a list of what may leave, nothing else.

    Args:
        ids: Who asks, by each id that they are known by.
        parts: What is released.
        referrals: Those in which they are described.
        disclosures: What was told of them.
        used_violence: They were ever told to use violence: whatever was decided, only
            how those describe them who deal with them anyway, without saying who did.
        harmed_in: The cases in which they were harmed: of no other are they told where
            it was handed over to, who referred it, or who read in it.
    """
    if used_violence:
        parts &= FOR_USERS_OF_VIOLENCE
        referrals = [e for e in referrals if e.sender.agency_kind in USERS_KNOW_OF]
    told = [
        (referral, described)
        for referral in referrals
        for id_, described in zip(
            referral.person_ids, referral.told.people, strict=False
        )
        if id_ in ids and described.given_name != ERASED_NAME
    ]
    return Export(
        identity=_identity(e for _, e in told) if Part.IDENTITY in parts else (),
        contact=_contact(told, ids) if Part.CONTACT in parts else (),
        episodes=_episodes(told) if Part.EPISODES in parts else (),
        # Who was shown something is told of once a day, and not by whose hand.
        disclosures=tuple(dict.fromkeys(_told_on(disclosures, harmed_in)))
        if Part.DISCLOSURES in parts
        else (),
    )


def _identity(described: Iterable[DescribedPerson]) -> tuple[Identified, ...]:
    fields = set(Identified.model_fields)
    found = (Identified(**each.model_dump(include=fields)) for each in described)
    ways = {each.model_dump_json(): each for each in found}
    # In no order of time: which came first says nothing to anybody.
    return tuple(ways[each] for each in sorted(ways))


def _contact(
    told: Iterable[tuple[Referral, DescribedPerson]], ids: frozenset[str]
) -> tuple[Point, ...]:
    points: dict[str, Point] = {}
    for referral, described in told:
        others = {
            reach_of(point.channel, point.value)
            for id_, each in zip(
                referral.person_ids, referral.told.people, strict=False
            )
            if id_ not in ids
            for point in each.contact_points
        }
        for point in described.contact_points:
            reach = reach_of(point.channel, point.value)
            # What is somebody else's too is not theirs to have from here, and another
            # person is never theirs to have.
            if point.channel is not Channel.OTHER_PERSON and reach not in others:
                points[repr(reach)] = Point(channel=point.channel, value=point.value)
    return tuple(points[each] for each in sorted(points))


def _episodes(
    told: Iterable[tuple[Referral, DescribedPerson]],
) -> tuple[Happened, ...]:
    found = [
        Happened(
            on=referral.told.occurred_at.date(),
            agency_kind=referral.sender.agency_kind,
            role=described.role,
            incidents=referral.told.incidents,
        )
        for referral, described in told
    ]
    return tuple(sorted(found, key=lambda each: each.on))


def _told_on(
    disclosures: Iterable[Disclosure], harmed_in: frozenset[str]
) -> Iterator[ToldOn]:
    for each in disclosures:
        # Where somebody else went, that they spoke, or who helps them: of a case of
        # another only what an agency was asked, and has answered, of themselves.
        of_others = each.inquiry_id is None and each.case_id not in harmed_in
        # Their own copy was told to themselves.
        if each.erased is None and not of_others and not each.own:
            yield ToldOn(
                on=each.at.date(),
                group=each.group,
                holder=each.holder,
                agency=each.agency,
                purpose=each.purpose,
            )
