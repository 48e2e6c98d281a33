"""The people who are known: who is one with whom, and what is owed to them."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.message import Code, Event, Id
from accord_contracts.risk import RiskLevel


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


class PersonErased(Event):
    """Somebody is erased, and this case of theirs stays: keep no words of theirs.

    What was done and weighed in it may stay, under their id alone: nobody can tell any
    more who that was.

    Attributes:
        case_id: One of their cases; each of them is told.
        reason: Why, as a code of the locality's.
        erased_at: When that was decided.
    """

    TYPE: ClassVar[str] = "person.erased.v1"

    person_id: Id
    reason: Code
    erased_at: AwareDatetime


class MatchAsked(Event):
    """Whether two people who are known are one waits for a person to decide.

    Until somebody has, what is known of the one counts for nothing where the other is
    met: no repeat, no history.

    Attributes:
        case_id: One of theirs, that with the highest level; the question's own id, if
            there is none any more.
        match_id: What is asked.
        level: Of that case; none: it was never assessed.
        asked_at: Since when it waits.
    """

    TYPE: ClassVar[str] = "match.asked.v1"

    match_id: Id
    level: RiskLevel | None
    asked_at: AwareDatetime


class MatchOverdue(Event):
    """Nobody has decided in time whether two people who are known are one.

    Attributes:
        case_id: As in ``match.asked``.
        match_id: What is asked.
        level: Of that case; none: it was never assessed.
        due_at: By when somebody was to decide.
        late_by: Seconds between that and when it was noticed.
    """

    TYPE: ClassVar[str] = "match.overdue.v1"

    match_id: Id
    level: RiskLevel | None
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


class NoticeOverdue(Event):
    """Whether somebody is told of what was collected about them is to be decided now.

    Privacy Act 2020, information privacy principle 3A. Told once for each time that
    falls due.

    Attributes:
        case_id: One of those that they are in.
        person_id: Who.
        revisit: Why they are not told is to be looked at again; else nobody has said
            in time that they were told, or why not.
        late_by: Seconds between when it was due and when that was noticed.
    """

    TYPE: ClassVar[str] = "notice.overdue.v1"

    person_id: Id
    revisit: bool
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
