"""What agencies are asked to share, and what they decide."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.message import Code, Event, Id
from accord_contracts.referrals.told import Answers


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


class InformationWithdrawn(Event):
    """An agency is not asked any more, and sees no more whom it was asked about.

    Attributes:
        agency: The code of the agency that was asked.
    """

    TYPE: ClassVar[str] = "information.withdrawn.v1"

    inquiry_id: Id
    agency: Code
    withdrawn_at: AwareDatetime


class InformationPushed(Event):
    """An agency has shared or referred elsewhere something that this case asks about.

    The words of it are had by asking that agency, who decides anew.

    Attributes:
        inquiry_id: What this case asks, for the same purpose, and still stands.
        agency: The code of the agency that shared or referred it.
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
