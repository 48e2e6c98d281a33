"""A meeting: when, with whom, about what, and what is left of it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, computed_field

from plans.domain.letting import Letting, NoSuchRelease
from plans.domain.meeting.docket import Why
from plans.domain.meeting.rules import CALLED, Rules, Slot, Terms

MOST_CASES = 500
"""Cases of one meeting: Christchurch's daily table has about 40."""

MOST_SEATS = 200

MOST_RELEASES = 50
"""Of packs; of more the first are forgotten, and then do not leave."""


class NoSuchMeeting(Refusal):
    """There is no such meeting."""

    status = 404


class NotThatStatement(Refusal):
    """Another version of the confidentiality statement is to be signed."""


class SignFirst(Refusal):
    """Nobody decides at a meeting who has not signed its confidentiality statement."""

    status = 403


class TooLateToAdd(Refusal):
    """Nothing is added after the cut-off: call a meeting for what cannot wait."""


class NotBegun(Refusal):
    """The meeting has not begun."""


class MeetingOver(Refusal):
    """The meeting is over, and its minutes are locked."""


class TooMany(Refusal):
    """No meeting has so many cases, or seats."""


class Called(Refusal):
    """This meeting is called already, otherwise."""


class NotCalledOff(Refusal):
    """Only a meeting that was called, and has not begun, is called off."""


class Stage(StrEnum):
    """How far a meeting has come."""

    AHEAD = "ahead"
    SITTING = "sitting"
    CLOSING = "closing"
    CLOSED = "closed"
    CALLED_OFF = "called_off"


class Seat(BaseModel):
    """Who sits at the table, and that they have signed.

    Attributes:
        agency: For whom, by the token's claim; none: for the locality.
        statement: The version of the confidentiality statement.
        text: The digest of the text that they read; none in a seat from before that
            was noted.
    """

    model_config = ConfigDict(frozen=True)

    worker_id: str
    agency: str | None
    statement: str
    text: str | None = None
    signed_at: datetime


class Addition(BaseModel):
    """A case that somebody has put on the agenda."""

    model_config = ConfigDict(frozen=True)

    case_id: str
    by: str | None
    at: datetime


class Entry(BaseModel):
    """A case on an agenda, and why it is there.

    Attributes:
        clock: What cases of one level are ordered by, the earliest first.
    """

    model_config = ConfigDict(frozen=True)

    case_id: str
    level: RiskLevel
    why: tuple[Why, ...]
    clock: datetime


class Pack(StrEnum):
    """What is read at a meeting.

    ``AGENDA``: its cases. ``EXTRACT``: what one agency took away from it.
    """

    AGENDA = "agenda"
    EXTRACT = "extract"


class PackRelease(Letting):
    """That a meeting's pack may leave.

    Attributes:
        agency: Of whoever asked; none: whoever leads it.
    """

    pack: Pack
    agency: Code | None


class Meeting(BaseModel):
    """One meeting.

    Attributes:
        added: What was put on its agenda by somebody, in order.
        agenda: As it was when the meeting began.
        left_off: How many cases were too many for it, none of them graver.
        carried: The cases that it did not decide on: they come up again next time.
        called_off_at: When it was called off: it ended then, without minutes.
        minutes: The hash of its minutes, once they are locked.
        due_at: From when on it is closed by the clock, or its closing is ended.
        releases: Of its packs, the latest last.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    series: Code
    starts_at: datetime
    agencies: tuple[Code, ...]
    ends_at: datetime
    cut_off_at: datetime
    answers_by: datetime
    seats: tuple[Seat, ...] = ()
    added: tuple[Addition, ...] = ()
    agenda: tuple[Entry, ...] = ()
    left_off: int = 0
    began_at: datetime | None = None
    closing_at: datetime | None = None
    closed_at: datetime | None = None
    called_off_at: datetime | None = None
    carried: tuple[str, ...] = ()
    minutes: str | None = None
    due_at: datetime | None = None
    releases: tuple[PackRelease, ...] = ()

    @classmethod
    def of_slot(cls, slot: Slot, rules: Rules) -> Self:
        """Give a meeting that stands in the calendar."""
        terms = rules.terms_of(slot.series)
        return cls._with(slot, terms, rules)

    @classmethod
    def call(
        cls, id_: str, starts_at: datetime, rules: Rules, agencies: tuple[str, ...]
    ) -> Self:
        """Call a meeting besides."""
        terms = rules.called
        if agencies:
            terms = terms.model_copy(update={"agencies": agencies})
        return cls._with(Slot(id_, CALLED, starts_at), terms, rules)

    @classmethod
    def _with(cls, slot: Slot, terms: Terms, rules: Rules) -> Self:
        starts_at = slot.starts_at
        ends_at = starts_at + timedelta(minutes=terms.minutes)
        return cls(
            id=slot.id,
            series=slot.series,
            starts_at=starts_at,
            agencies=terms.agencies,
            ends_at=ends_at,
            due_at=ends_at + timedelta(hours=rules.close_hours),
            cut_off_at=starts_at - timedelta(minutes=terms.cut_off_minutes),
            answers_by=starts_at - timedelta(minutes=terms.answers_minutes),
        )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def stage(self) -> Stage:
        """How far it has come."""
        if self.called_off_at:
            return Stage.CALLED_OFF
        if self.closed_at:
            return Stage.CLOSED
        if self.closing_at:
            return Stage.CLOSING
        return Stage.SITTING if self.began_at else Stage.AHEAD

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases of a meeting that has begun, each once."""
        listed = (*(e.case_id for e in self.agenda), *(e.case_id for e in self.added))
        return tuple(dict.fromkeys(listed))

    def seat_of(self, worker_id: str | None) -> Seat | None:
        """Give where somebody sits, if they have signed."""
        return next((e for e in self.seats if e.worker_id == worker_id), None)

    def at_table(self, at: datetime, seat_hours: int) -> frozenset[str]:
        """Say who may look at its cases because they sit there: for a time."""
        ended = self.closed_at
        if self.called_off_at:
            return frozenset()
        if ended and at >= ended + timedelta(hours=seat_hours):
            return frozenset()
        return frozenset(each.worker_id for each in self.seats)

    def sign(self, seat: Seat, rules: Rules) -> Self:
        """Have somebody sit down who has signed.

        Raises:
            NotThatStatement: They have read another statement than the one in force.
            MeetingOver: It is.
            TooMany: There is no seat left.
        """
        in_force = (rules.statement.version, rules.statement.digest)
        if (seat.statement, seat.text) != in_force:
            raise NotThatStatement
        known = self.seat_of(seat.worker_id)
        if known and seat == known.model_copy(update={"signed_at": seat.signed_at}):
            return self
        if self.closing_at:
            raise MeetingOver
        others = tuple(e for e in self.seats if e.worker_id != seat.worker_id)
        if len(others) >= MOST_SEATS:
            raise TooMany
        return self.model_copy(update={"seats": (*others, seat)})

    def add(self, addition: Addition) -> Self:
        """Put a case on the agenda; one that is there already stays as it is.

        Raises:
            TooLateToAdd: The cut-off has passed.
            TooMany: It has too many already.
        """
        if addition.case_id in self.cases:
            return self
        if self.closing_at or addition.at > self.cut_off_at:
            raise TooLateToAdd
        if len(self.cases) >= MOST_CASES:
            raise TooMany
        return self.model_copy(update={"added": (*self.added, addition)})

    def begin(self, agenda: tuple[Entry, ...], at: datetime, left_off: int = 0) -> Self:
        """Begin, with this agenda, which stays as it is.

        Args:
            agenda: Which.
            at: When.
            left_off: How many cases were too many for it.

        Raises:
            MeetingOver: It was called off.
        """
        if self.began_at:
            return self
        if self.called_off_at:
            raise MeetingOver
        update = {"agenda": agenda, "began_at": at, "left_off": left_off}
        return self.model_copy(update=update)

    def call_off(self, at: datetime) -> Self:
        """Have it not take place: what it was about comes up at the next daily one.

        Calling it off again changes nothing.

        Raises:
            NotCalledOff: It stands in the calendar, or has begun.
        """
        if self.called_off_at:
            return self
        if self.series != CALLED or self.began_at:
            raise NotCalledOff
        ends = dict.fromkeys(("called_off_at", "closing_at", "closed_at"), at)
        carried = {"carried": self.cases, "due_at": None}
        return self.model_copy(update={**ends, **carried})

    def end(self, at: datetime) -> Self:
        """Have nothing decided any more: the minutes are about to be locked.

        Raises:
            NotBegun: It has not begun.
        """
        if not self.began_at:
            raise NotBegun
        if self.closing_at:
            return self
        return self.model_copy(update={"closing_at": at, "due_at": at})

    def release(self, release_id: str) -> PackRelease:
        """Give a release of one of its packs.

        Raises:
            NoSuchRelease: There is none.
        """
        for each in self.releases:
            if each.id == release_id:
                return each
        raise NoSuchRelease

    def with_release(self, new: PackRelease) -> Self:
        """Note what is to become of a pack that leaves."""
        others = tuple(each for each in self.releases if each.id != new.id)
        return self.model_copy(update={"releases": (*others, new)[-MOST_RELEASES:]})

    def forget(self, case_id: str) -> Self:
        """Say nothing of an erased case any more; the minutes stay as they are."""
        return self.model_copy(
            update={
                "agenda": tuple(e for e in self.agenda if e.case_id != case_id),
                "added": tuple(e for e in self.added if e.case_id != case_id),
                "carried": tuple(each for each in self.carried if each != case_id),
            }
        )

    def lock(self, minutes: str, carried: tuple[str, ...], at: datetime) -> Self:
        """Keep the hash of its minutes, and what comes up again next time."""
        if self.closed_at:
            return self
        update = {"minutes": minutes, "carried": carried, "due_at": None}
        return self.model_copy(update={**update, "closed_at": at})
