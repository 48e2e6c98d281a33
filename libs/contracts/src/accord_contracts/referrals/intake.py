"""A referral from when it is posted until its agency takes it back."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.message import Code, Event, Id
from accord_contracts.referrals.told import (
    AgencyKind,
    Answers,
    IncidentKind,
    Instruments,
    Party,
    Wishes,
)


class FieldGroup(StrEnum):
    """What a part of a referral is about: all that is told of a field that changed."""

    PEOPLE = "people"
    CONTACT = "contact"
    INCIDENTS = "incidents"
    TIME = "time"
    PLACE = "place"
    NARRATIVE = "narrative"
    ANSWERS = "answers"
    INSTRUMENTS = "instruments"
    WISHES = "wishes"
    SHARING = "sharing"


class WithdrawalReason(StrEnum):
    """Why an agency takes back its own referral."""

    WRONG_PLACE = "wrong_place"
    WRONG_PERSON = "wrong_person"
    DUPLICATE = "duplicate"
    LEGAL_BASIS_WITHDRAWN = "legal_basis_withdrawn"
    OTHER = "other"


class BeforeItsCase(Event):
    """What referrals tells itself of a referral before it looks for its case.

    Attributes:
        case_id: None, because the case is not looked for yet.
    """

    case_id: Id | None = None  # type: ignore[assignment]  # It is not looked for yet.
    referral_id: Id

    @property
    def subject(self) -> str:
        """The referral, because its case is not looked for yet."""
        return self.referral_id


class ReferralPosted(BeforeItsCase):
    """A referral is stored. Referrals tells itself, to recognise the people in it.

    Attributes:
        case_id: None, because no case is known yet.
    """

    TYPE: ClassVar[str] = "referral.posted.v1"


class PeopleRecognised(BeforeItsCase):
    """The people of a referral are known by id. Referrals tells itself.

    Attributes:
        case_id: None, because no case is known yet.
        parties: Everyone whom the referral names.
    """

    TYPE: ClassVar[str] = "referral.people_recognised.v1"

    parties: Annotated[tuple[Party, ...], Field(max_length=50)]


class ReferralReceived(Event):
    """A referral has found its case: the response begins.

    Attributes:
        agency_kind: What kind of agency has referred.
        incidents: What happened.
        answers: What was answered to the locality's questions about risk, by code.
        parties: Everyone whom the referral names.
        wishes: What the person harmed asks of whoever is sent to them.
        repeat: The same pair was referred within the past 12 months (SafeLives'
            definition of a repeat).
        occurred_at: When it happened.
        first_referred_at: When the response to this episode was first asked for; the
            clocks for high risk run from it.
        instruments: What the agency has filled in of instruments for weighing risk.
        place_area: Code of the area where it happened: who is near is sought there, if
            no other was wished. It is no wish.
        agency: Which has referred, as the locality calls it: whether its users are
            certified is known of each.
    """

    TYPE: ClassVar[str] = "referral.received.v1"

    referral_id: Id
    agency_kind: AgencyKind
    incidents: Annotated[tuple[IncidentKind, ...], Field(max_length=20)]
    answers: Answers
    parties: Annotated[tuple[Party, ...], Field(max_length=50)]
    wishes: Wishes
    repeat: bool
    occurred_at: AwareDatetime
    first_referred_at: AwareDatetime
    instruments: Instruments = ()
    place_area: Code | None = None
    agency: Code | None = None


class ChangePosted(BeforeItsCase):
    """An agency has changed its referral. Referrals tells itself.

    Attributes:
        case_id: None, because the case is not looked for yet.
        number: Of the changes of this referral, the first one being 1.
    """

    TYPE: ClassVar[str] = "referral.change_posted.v1"

    number: Annotated[int, Field(ge=1)]


class ChangeRecognised(BeforeItsCase):
    """The people of a changed referral are known by id. Referrals tells itself.

    Attributes:
        case_id: None, because the case is not looked for yet.
        number: Of the changes of this referral, the first one being 1.
    """

    TYPE: ClassVar[str] = "referral.change_recognised.v1"

    number: Annotated[int, Field(ge=1)]


class ReferralAmended(Event):
    """The agency has corrected its referral, or told more.

    Attributes:
        number: Of the changes of this referral, the first one being 1.
        groups: What the fields are about that changed.
        incidents: What happened, as the agency says it now.
        answers: To the locality's questions about risk, as the agency says them now.
        parties: Everyone whom the referral names now.
        occurred_at: When it happened, as the agency says it now.
        instruments: What is filled in of instruments, as the agency says it now.
        wishes: What the person harmed wishes of workers, as the agency says it now;
            none: from a publisher that does not tell.
        place_area: Code of the area where it happened, as the agency says it now.
        agency: Which has referred, as the locality calls it.
    """

    TYPE: ClassVar[str] = "referral.amended.v1"

    referral_id: Id
    number: Annotated[int, Field(ge=1)]
    groups: Annotated[tuple[FieldGroup, ...], Field(max_length=10)]
    incidents: Annotated[tuple[IncidentKind, ...], Field(max_length=20)]
    answers: Answers
    parties: Annotated[tuple[Party, ...], Field(max_length=50)]
    occurred_at: AwareDatetime
    amended_at: AwareDatetime
    instruments: Instruments = ()
    wishes: Wishes | None = None
    place_area: Code | None = None
    agency: Code | None = None


class ReferralWithdrawn(Event):
    """The agency has taken its referral back. What rests on it stays.

    No level of risk falls by it, nobody's work ends, no date ahead is called off and
    nothing is erased: a person decides.

    Attributes:
        reason: Why, by a closed scale.
    """

    TYPE: ClassVar[str] = "referral.withdrawn.v1"

    referral_id: Id
    reason: WithdrawalReason
    withdrawn_at: AwareDatetime
