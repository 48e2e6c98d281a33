"""What the referrals service publishes, and the scales of intake."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from accord_contracts.message import Code, Event, Id


class AgencyKind(StrEnum):
    """The kinds of agencies that refer and act (Family Violence Act 2018, s 19)."""

    POLICE = "police"
    CORRECTIONS = "corrections"
    CHILD_PROTECTION = "child_protection"
    HEALTH = "health"
    EDUCATION = "education"
    COURT = "court"
    SOCIAL_DEVELOPMENT = "social_development"
    HOUSING = "housing"
    NGO = "ngo"
    IWI_PROVIDER = "iwi_provider"
    HELPLINE = "helpline"
    OTHER = "other"


class IncidentKind(StrEnum):
    """What happened: the four kinds of the published pilot, and the wider set."""

    PHYSICAL_HARM = "physical_harm"
    PROPERTY_DAMAGE = "property_damage"
    THREATS_OF_HARM = "threats_of_harm"
    VERBAL_ABUSE = "verbal_abuse"
    COERCIVE_CONTROL = "psychological_abuse_and_coercive_control"
    SEXUAL_VIOLENCE = "sexual_violence"
    STALKING = "stalking"
    STRANGULATION = "strangulation"
    BREACH_OF_ORDER = "breach_of_order"
    OTHER = "other"


class TriggerKind(StrEnum):
    """What is known to come, and can change how safe somebody is."""

    PRISON_RELEASE = "prison_release"
    TEMPORARY_RELEASE = "temporary_release"
    PAROLE_CHANGE = "parole_change"
    BAIL_CHANGE = "bail_change"
    ORDER_ENDS = "order_ends"
    HEARING = "hearing"


class PersonRole(StrEnum):
    """The part a person has in what is referred."""

    PERSON_HARMED = "person_harmed"
    PERSON_USING_VIOLENCE = "person_using_violence"
    CHILD = "child"
    OTHER = "other"


class Answer(StrEnum):
    """An answer to one question about risk. Only yes is yes, and only no is no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"


class ContactWish(StrEnum):
    """The gender of worker that the person harmed asks for, if any."""

    WOMAN = "woman"
    MAN = "man"
    NO_WISH = "no_wish"


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


class Party(BaseModel):
    """One person of a referral, by id and role alone.

    Attributes:
        role: The part that they have in what is referred.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    person_id: Id
    role: PersonRole


class Wishes(BaseModel):
    """What the person harmed asks of whoever is sent to them.

    Attributes:
        gender: The gender that the worker should have.
        languages: Codes of languages, one of which the worker should speak.
        kaupapa_maori: The worker should be of a kaupapa Māori service.
        area: Code of the suburb, or larger, that the worker should serve.
        not_told: Codes of agencies that are not to be told, if it can be helped.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    gender: ContactWish = ContactWish.NO_WISH
    languages: Annotated[tuple[Code, ...], Field(max_length=5)] = ()
    kaupapa_maori: bool = False
    area: Code | None = None
    not_told: Annotated[tuple[Code, ...], Field(max_length=20)] = ()


Answers = Annotated[dict[Code, Answer], Field(max_length=200)]
"""Answers to questions about risk, by the question's key in the locality's policy."""

Score = Annotated[int, Field(ge=0, le=1000)]


class FilledIn(BaseModel):
    """What an agency has filled in of an instrument for weighing risk.

    Attributes:
        instrument: Its key in the locality's policy.
        answers: To the items that are answered by yes and no, by key.
        numbers: Of the items that are counted or graded, by key.
        total: As the agency added it up; none: it did not.
        certified: A certified user has scored it.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    instrument: Code
    answers: Annotated[dict[Code, Answer], Field(max_length=100)] = {}
    numbers: Annotated[dict[Code, Score], Field(max_length=100)] = {}
    total: Score | None = None
    certified: bool = False


Instruments = Annotated[tuple[FilledIn, ...], Field(max_length=10)]


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


class CaseOpened(Event):
    """A family or household is met for the first time."""

    TYPE: ClassVar[str] = "case.opened.v1"

    opened_at: AwareDatetime


class CaseMerged(Event):
    """A case is merged into another: the two are one household.

    What comes of it later is referred to the survivor. Whoever holds anything of the
    case keeps it, and has the survivor go by it too, until ``case.unmerged``.

    Attributes:
        case_id: The case that is merged; its document says what is later.
        survivor_id: The case that it is merged into.
        merged_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.merged.v1"

    survivor_id: Id
    merged_at: AwareDatetime


class CaseUnmerged(Event):
    """A case is on its own again: it should not have been merged.

    Attributes:
        case_id: The case that was merged; its document says what is later.
        survivor_id: The case that it was merged into.
        unmerged_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.unmerged.v1"

    survivor_id: Id
    unmerged_at: AwareDatetime


class PersonEvent(Event):
    """What every event about two people who may be one says.

    Attributes:
        case_id: One of their cases; each of them is told.
        match_id: What a coordinator decided; its document says what is later.
        person_id: The one. Nothing that was told of the other is theirs by it.
        other_id: The other.
    """

    match_id: Id
    person_id: Id
    other_id: Id


class PersonMerged(PersonEvent):
    """Two people who are known are one: a person has decided so.

    Attributes:
        merged_at: When that was decided.
    """

    TYPE: ClassVar[str] = "person.merged.v1"

    merged_at: AwareDatetime


class PersonUnmerged(PersonEvent):
    """Two people are two again: that they are one was taken back.

    Attributes:
        unmerged_at: When that was decided.
    """

    TYPE: ClassVar[str] = "person.unmerged.v1"

    unmerged_at: AwareDatetime


class CaseErased(Event):
    """A case is erased: whoever holds anything of it leaves a tombstone.

    Attributes:
        reason: Why, as a code of the locality's.
        erased_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.erased.v1"

    reason: Code
    erased_at: AwareDatetime


TRANSFERRED = "transferred"
"""Why the plan of a case is closed that was transferred to another region."""


class CaseTransferred(Event):
    """A case was handed over to another region. Here the response to it has ended.

    Nothing of it is changed any more; a new referral of the family opens another case.
    To which region is not told: it says where to look for her.

    Attributes:
        transferred_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.transferred.v1"

    transferred_at: AwareDatetime


class ConfirmationAsked(Event):
    """Somebody asks for what needs another's word too: an erasure, or a hold's end.

    Attributes:
        case_id: The case, or one of those that the person is in; theirs, if in none.
        request_id: What is asked for, as referrals answers ``/v1/requests/{id}``.
        asked_by: The worker who asks, who cannot confirm it; none: no worker does.
        until: When it lapses if nobody has confirmed it.
    """

    TYPE: ClassVar[str] = "confirmation.asked.v1"

    request_id: Id
    asked_by: Id | None
    asked_at: AwareDatetime
    until: AwareDatetime


class ConfirmationLapsed(Event):
    """Nobody has confirmed in time what somebody asks for: it was not done.

    Attributes:
        case_id: As it was asked.
        request_id: What was asked for.
        worker_id: Who asked; none: no worker did.
        lapsed_at: When that was noticed.
        late_by: Seconds between the end of its time and then.
    """

    TYPE: ClassVar[str] = "confirmation.lapsed.v1"

    request_id: Id
    worker_id: Id | None
    lapsed_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


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


class RolesQuestioned(Event):
    """A referral names as using violence whom the same other had harmed before.

    Nothing of it is sent to anybody until somebody has decided who harmed whom, or the
    time for that is over; and until somebody has, nobody new is sent to whoever is said
    to use violence in this case.

    Attributes:
        referral_id: The referral, which waits.
        harmed: Whom it names as harmed.
        using_violence: Whom it names as using violence, and who may be who was harmed.
        repeat: As ``referral.received`` will say it.
        decide_by: When it goes out undecided.
    """

    TYPE: ClassVar[str] = "roles.questioned.v1"

    referral_id: Id
    harmed: Id
    using_violence: Id
    repeat: bool
    questioned_at: AwareDatetime
    decide_by: AwareDatetime


class RolesUndecided(Event):
    """Nobody has decided in time who harmed whom: help is on its way, and they must.

    Attributes:
        late_by: Seconds between the end of the time and when that was noticed.
    """

    TYPE: ClassVar[str] = "roles.undecided.v1"

    referral_id: Id
    undecided_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class RolesDecided(Event):
    """A person has decided who harmed whom. Whoever rests on it goes by this.

    Attributes:
        harmed: Who was harmed.
        using_violence: By whom.
        corrected: It was told the other way round, and perhaps acted on.
        decided_at: When; of two decisions the later counts.
    """

    TYPE: ClassVar[str] = "roles.decided.v1"

    harmed: Id
    using_violence: Id
    corrected: bool
    decided_at: AwareDatetime


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


class TransferOutdated(Event):
    """A referral of a case that was handed over to another region was amended since.

    What that region was told is not all any more: whoever handed the case over reads
    the package anew, and sends it.

    Attributes:
        number: Of the changes of this referral, the first one being 1.
        worker_id: Who handed the case over; none: no worker did, as far as is known.
    """

    TYPE: ClassVar[str] = "transfer.outdated.v1"

    referral_id: Id
    number: Annotated[int, Field(ge=1)]
    worker_id: Id | None
    amended_at: AwareDatetime


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


class TriggerEvent(Event):
    """What every event about a date that is known ahead says.

    All of one trigger come from one document, so that of two the one with the higher
    ``aggregate_version`` is the later, in whatever order they are heard.

    Attributes:
        trigger_id: Which date it is.
        kind: What happens then.
        due_at: When; of a day without a time, when that day begins in the region.
    """

    trigger_id: Id
    kind: TriggerKind
    due_at: AwareDatetime


class TriggerTold(TriggerEvent):
    """A referral that has found its case tells of a date. Referrals tells itself.

    Attributes:
        referral_id: The referral.
        number: Which of the referral's dates, from 0.
        agency: Who told of it, by code: they alone may move it.
        person_ids: Whom of the referral's people it is about; none: all of them.
        reference: The agency's own code for what it rests on.
    """

    TYPE: ClassVar[str] = "trigger.told.v1"

    referral_id: Id
    number: Annotated[int, Field(ge=0, lt=100)]
    agency: Code
    person_ids: Annotated[tuple[Id, ...], Field(max_length=50)]
    reference: Code | None


class TriggerScheduled(TriggerEvent):
    """Something is known to come, at this time: for the first time, or anew.

    A date that was moved is told in the same way as a new one: whoever has heard of it
    takes the later time, whoever has not misses nothing.
    """

    TYPE: ClassVar[str] = "trigger.scheduled.v1"


class TriggerCancelled(TriggerEvent):
    """What was known to come does not."""

    TYPE: ClassVar[str] = "trigger.cancelled.v1"


class TriggerFellDue(TriggerEvent):
    """What was known to come is there: told once for each time that it has.

    Attributes:
        late_by: Seconds between when it fell due and when that was noticed.
    """

    TYPE: ClassVar[str] = "trigger.fell_due.v1"
    late_by: Annotated[float, Field(ge=0)]


class SharingDecision(StrEnum):
    """What an agency that is asked decides (Family Violence Act 2018, s 24)."""

    SHARED = "shared"
    PARTLY = "partly"
    DECLINED = "declined"


class SharingReason(StrEnum):
    """Why an agency decides so. A scale and no text, because it is told to others.

    Attributes:
        WILL_OR_MAY_HELP: It holds what will or may help the purpose.
        NOTHING_HELD: It holds nothing, or nothing more, about these people.
        PERSON_NOT_FOUND: It could not tell which person of its own is meant.
        NOT_RELEVANT: What it holds neither will nor may help the purpose.
        WOULD_ENDANGER: Sharing it would put somebody into danger.
        COURT_ORDER: A court forbids it.
        ANOTHER_LAW: Another enactment forbids it (s 23).
    """

    WILL_OR_MAY_HELP = "will_or_may_help"
    NOTHING_HELD = "nothing_held"
    PERSON_NOT_FOUND = "person_not_found"
    NOT_RELEVANT = "not_relevant"
    WOULD_ENDANGER = "would_endanger"
    COURT_ORDER = "court_order"
    ANOTHER_LAW = "another_law"


class InformationRequested(Event):
    """An agency is asked what it knows of people in a case.

    Attributes:
        agency: The code of the agency that is asked.
        needed_by: When its decision is due.
    """

    TYPE: ClassVar[str] = "information.requested.v1"

    inquiry_id: Id
    agency: Code
    requested_at: AwareDatetime
    needed_by: AwareDatetime


class InformationDecided(Event):
    """An agency has decided what it shares. The text of it stays with its owner.

    Attributes:
        agency: The code of the agency that was asked.
        decision: Whether it shares, and all or a part.
        reason: Why.
        number: Which decision on the same inquiry this is, from 1: a later one stands
            in the place of those before it.
        answers: To the locality's questions about risk, by code, as it answers them.
    """

    TYPE: ClassVar[str] = "information.decided.v1"

    inquiry_id: Id
    agency: Code
    number: Annotated[int, Field(ge=1)]
    decision: SharingDecision
    reason: SharingReason
    answers: Answers
    decided_at: AwareDatetime


class InformationPushed(Event):
    """An agency has shared something in another case that this one has asked about.

    The words of it are had by asking that agency, who decides anew.

    Attributes:
        inquiry_id: What this case asks, for the same purpose, and still stands.
        agency: The code of the agency that shared it.
        person_ids: Whom of those asked about it concerns.
        answers: To the locality's questions about risk, by code; none if they are about
            others too.
        learned_at: When that was noticed.
    """

    TYPE: ClassVar[str] = "information.pushed.v1"

    inquiry_id: Id
    agency: Code
    person_ids: Annotated[tuple[Id, ...], Field(max_length=20)]
    answers: Answers
    learned_at: AwareDatetime


class InformationOverdue(Event):
    """An agency that was asked has not decided in time.

    Attributes:
        agency: The code of the agency that was asked.
        late_by: Seconds between when it was due and when that was noticed.
    """

    TYPE: ClassVar[str] = "information.overdue.v1"

    inquiry_id: Id
    agency: Code
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class RightsOverdue(Event):
    """Somebody who asks for what is held of them was not answered in time.

    Attributes:
        case_id: One of those that they are in; the request's own id, if in none.
        request_id: Which request, by the id that referrals answers.
        late_by: Seconds between when it was due and when that was noticed.
    """

    TYPE: ClassVar[str] = "rights.overdue.v1"

    request_id: Id
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class ContactSuspended(Event):
    """A way to reach somebody must not be used until they were asked again.

    Attributes:
        person_id: Whose it is.
        contact_id: Which it is; what it is, nobody is told.
        suspended_at: Since when.
    """

    TYPE: ClassVar[str] = "contact.suspended.v1"

    person_id: Id
    contact_id: Id
    suspended_at: AwareDatetime


class OrderKind(StrEnum):
    """What binds somebody for another's safety, by a court or another authority.

    Attributes:
        POLICE_SAFETY_ORDER: By a constable, for some days (Family Violence Act 2018,
            Part 3).
        RELEASE_CONDITIONS: Of a sentence that has ended, or of a detention.
    """

    PROTECTION_ORDER = "protection_order"
    TEMPORARY_PROTECTION_ORDER = "temporary_protection_order"
    POLICE_SAFETY_ORDER = "police_safety_order"
    RESTRAINING_ORDER = "restraining_order"
    BAIL = "bail"
    PAROLE = "parole"
    RELEASE_CONDITIONS = "release_conditions"
    OTHER = "other"


class OrderEnd(StrEnum):
    """Why an order binds nobody any more.

    Attributes:
        MISTAKEN: It was recorded by mistake, and never bound anybody.
    """

    EXPIRED = "expired"
    DISCHARGED = "discharged"
    REPLACED = "replaced"
    MISTAKEN = "mistaken"


class OrderEvent(Event):
    """What every event about an order says: how the order stands now.

    All of one order come from one document, so that of two the one with the higher
    ``aggregate_version`` is the later, in whatever order they are heard. An order is
    active from ``starts_at``, until ``ends_at`` or until it is told that it has ended.

    Attributes:
        order_id: Which order it is.
        kind: What it is.
        starts_at: Since when it binds.
        ends_at: Until when; none: until somebody ends it.
        breached_at: When it was last breached; none: nobody has told of a breach, or
            every one was taken back as mistaken.
    """

    order_id: Id
    kind: OrderKind
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    breached_at: AwareDatetime | None = None


class OrderRecorded(OrderEvent):
    """Somebody is bound by an order: told for the first time, or changed since.

    Attributes:
        agency: Who told of it, by code; none: whoever leads or coordinates the case.
        bound_ids: Whom it binds.
        protected_ids: Whom it protects; none: nobody is named.
        conditions: What it asks of them, by the locality's codes.
    """

    TYPE: ClassVar[str] = "order.recorded.v1"

    agency: Code | None
    bound_ids: Annotated[tuple[Id, ...], Field(max_length=20)]
    protected_ids: Annotated[tuple[Id, ...], Field(max_length=50)]
    conditions: Annotated[tuple[Code, ...], Field(max_length=30)]


class OrderBreached(OrderEvent):
    """Somebody did what an order forbids, or not what it asks.

    Attributes:
        number: Of the breaches of this order, the first one being 1.
        conditions: Which of its conditions, by the locality's codes; none: not told.
        occurred_at: When they did.
    """

    TYPE: ClassVar[str] = "order.breached.v1"

    number: Annotated[int, Field(ge=1)]
    conditions: Annotated[tuple[Code, ...], Field(max_length=30)]
    occurred_at: AwareDatetime


class OrderEnded(OrderEvent):
    """An order binds nobody any more.

    Attributes:
        reason: Why.
        ended_at: Since when.
    """

    TYPE: ClassVar[str] = "order.ended.v1"

    reason: OrderEnd
    ended_at: AwareDatetime
