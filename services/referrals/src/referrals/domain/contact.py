"""What is known of the ways to reach a person.

What agencies told stays with their referrals, and what people have decided is kept
here; both together are a point. Whether one may be used, ``domain.safe_contact`` says.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID, uuid5

from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.naming import folded
from referrals.domain.telling import Channel, Safety, Text
from referrals.domain.time_zone import TimeZone
from referrals.domain.window import Windows

MOST = 100
"""Points of one person that people have decided on."""

HERE = re.compile(r"^(?:\+|00)64\s*(?:\(0\))?")
"""How a New Zealand number begins when it is written for abroad."""


class NoSuchContact(Refusal):
    """There is no such contact point."""

    status = 404


class AnotherContact(Refusal):
    """Another value has this id: put the new one under an id of its own."""


class ContactClosed(Refusal):
    """This contact point was closed: put it under a new id if it is good again."""


class TooManyContacts(Refusal):
    """So many contact points are kept of nobody."""


class Kind(StrEnum):
    """What is reached. Whoever holds a number has its calls and its texts."""

    NUMBER = "contact_number"
    EMAIL = "contact_email"
    PLACE = "contact_place"
    PERSON = "contact_person"


KINDS = {
    Channel.PHONE: Kind.NUMBER,
    Channel.TEXT: Kind.NUMBER,
    Channel.EMAIL: Kind.EMAIL,
    Channel.POST: Kind.PLACE,
    Channel.VISIT: Kind.PLACE,
    Channel.OTHER_PERSON: Kind.PERSON,
}


def reach_of(channel: Channel, value: str) -> str:
    """Give what is reached, as ``<kind>:<value>``: the same however it is written."""
    kind = KINDS[channel]
    if kind is Kind.NUMBER:
        plain = re.sub(r"\D", "", HERE.sub("0", value.strip()))
        return f"{kind}:{plain or folded(value)}"
    return f"{kind}:{re.sub(r'[,;]', '', folded(value))}"


class ContactRules(BaseModel):
    """How a locality reaches people.

    Attributes:
        time_zone: The region's.
        told_days: For how many days it is believed that a point is safe, if an agency
            says so.
        confirmed_days: The same, if somebody asked the person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: TimeZone
    told_days: Annotated[float, Field(gt=0, le=366)]
    confirmed_days: Annotated[float, Field(gt=0, le=366)]

    @property
    def told_for(self) -> timedelta:
        """For how long an agency is believed."""
        return timedelta(days=self.told_days)

    @property
    def confirmed_for(self) -> timedelta:
        """For how long a confirmation is good."""
        return timedelta(days=self.confirmed_days)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one referral told of a way to reach somebody.

    Attributes:
        since: When it was first told so of them, if a change of the referral did that;
            none: when the referral was received.
        read_by: Somebody else can read or hear it.
        hours: Hours were told, in words that no rule can read.
        windows: Hours were told that a rule can read; none: no such hours.
        shared: The same was told as a way to reach somebody who uses violence; or it
            is theirs, and somebody told of it who asked for help against them.
        harmed: It says that they were harmed.
    """

    referral_id: str
    received_at: datetime
    channel: Channel
    value: str
    since: datetime | None = None
    safety: Safety = Safety.UNKNOWN
    read_by: bool = False
    hours: bool = False
    windows: Windows | None = None
    code_word: str | None = None
    duress_word: str | None = None
    leave_message: bool = False
    say_who: bool = False
    shared: bool = False
    harmed: bool = False

    @property
    def warns(self) -> bool:
        """Whether it says that the point is not safe, for any of its channels."""
        return self.safety is Safety.UNSAFE or self.shared


class Held(BaseModel):
    """What the person said of a point when they were asked: it is sealed.

    Attributes:
        hours: When it may be used; none: the person named no hours.
        read_by: Who else can read or hear what is sent.
        code_word: What a caller says, so that the person knows who it is.
        duress_word: What the person says when somebody is listening.
    """

    model_config = ConfigDict(frozen=True)

    value: Text
    hours: Windows | None = None
    read_by: Text | None = None
    code_word: Text | None = None
    duress_word: Text | None = None


class Confirmation(BaseModel):
    """That somebody asked the person, and what they said.

    Attributes:
        by: The subject of the token of whoever asked.
        channels: In these it may be used, and in no others.
        until: How long it is good.
        since: Since when they have been asked without a gap; none: since then.
        knew: Referrals whose warnings of this point, or whose other addresses, were
            known then; and the points of others by which they are reached too. Any
            other beats it.
        held: None if nobody can read it any more.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: str
    channels: frozenset[Channel]
    until: datetime
    since: datetime | None = None
    knew: frozenset[str] = frozenset()
    held: Held | None
    leave_message: bool = False
    say_who: bool = False

    @property
    def asked_since(self) -> datetime:
        """Since when they have been asked without a gap."""
        return self.since or self.at


class SuspendedFor(StrEnum):
    """Why a point must not be used until the person was asked again."""

    SOMEONE_ELSE_ANSWERED = "someone_else_answered"
    DURESS_WORD = "duress_word"
    NOT_THEIRS = "not_theirs"
    READ_BY_OTHERS = "read_by_others"
    ASKED_TO_STOP = "asked_to_stop"


class Suspension(BaseModel):
    """That a point is not used, why, since when and by whom."""

    model_config = ConfigDict(frozen=True)

    reason: SuspendedFor
    by: str
    at: datetime


class Known(NamedTuple):
    """That people know of another way to reach somebody, or that one failed.

    Attributes:
        since: Since when.
        until: How long that holds; none: for good.
    """

    since: datetime
    until: datetime | None


class Kept(BaseModel):
    """What people have decided about one point.

    Attributes:
        reach: What is reached: blind, so that it is known when it is told again.
        closed_at: Since when it is not theirs any more; then what it was is gone.
        asked_since: Of what is closed, since when they had been asked without a gap.
        asked_until: Of what is closed, how long what they said would have been good.
        known_in: The cases for which the person was asked about it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    reach: str
    confirmation: Confirmation | None = None
    suspension: Suspension | None = None
    closed_at: datetime | None = None
    asked_since: datetime | None = None
    asked_until: datetime | None = None
    known_in: frozenset[str] = frozenset()

    @property
    def known(self) -> tuple[Known, ...]:
        """Since when somebody was asked about it, or has it not used."""
        found = []
        if self.confirmation:
            told = self.confirmation
            found.append(Known(told.asked_since, told.until))
        if self.asked_since:
            found.append(Known(self.asked_since, self.asked_until))
        if self.suspension:
            found.append(Known(self.suspension.at, None))
        return tuple(found)

    def close(self, at: datetime) -> "Kept":
        """Close it: it keeps only that there was one, and when they were asked.

        Else whoever has one closed that they confirmed would have another believed.
        """
        if self.closed_at:
            return self
        told = self.confirmation
        return self.model_copy(
            update={
                "confirmation": None,
                "closed_at": at,
                "asked_since": told and told.asked_since,
                "asked_until": told and told.until,
            }
        )


@dataclass(frozen=True, slots=True)
class Point:
    """All that is known of one thing by which a person is reached.

    Attributes:
        reach: Blind.
        heard: What referrals told of it.
        kept: What people have decided.
        moved: Of an address: another was told, and nobody has asked since.
        complete: Nothing that was told was too much to look at.
        stopped: It was suspended or closed for somebody who is one with the person, or
            suspended for somebody else of their cases and not confirmed since.
        also: What says that it reaches somebody whom nothing for the person must reach:
            the ids of referrals, and of points of theirs.
        beside: What people know of the person's other points. Whoever calls as them
            tells of a new number, so none that was told since is believed.
    """

    id: str
    reach: str
    heard: tuple[Heard, ...] = ()
    kept: Kept | None = None
    moved: bool = False
    complete: bool = True
    stopped: bool = False
    also: frozenset[str] = frozenset()
    beside: tuple[Known, ...] = ()

    @property
    def kind(self) -> Kind:
        """What is reached."""
        return kind_of(self.reach)

    @property
    def confirmation(self) -> Confirmation | None:
        """What the person said, if somebody asked them."""
        return self.kept.confirmation if self.kept else None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of which anything was said."""
        said = {each.channel for each in self.heard}
        if self.confirmation:
            said |= self.confirmation.channels
        return tuple(each for each in Channel if each in said)

    @property
    def warnings(self) -> tuple[Heard, ...]:
        """What warns of it and was not known when the person was asked."""
        return tuple(
            each
            for each in self.heard
            if each.warns and each.referral_id not in self._knew
        )

    def new_to(self, at: datetime) -> bool:
        """Tell whether nobody had called it safe when people knew of another point."""
        holds = (e.since for e in self.beside if e.until is None or at < e.until)
        since = min(holds, default=None)
        safe = (e.since or e.received_at for e in self.heard if e.safety is Safety.SAFE)
        return since is not None and all(each > since for each in safe)

    @property
    def warned(self) -> bool:
        """Whether anything warns of it, or it reaches somebody whom it must not."""
        return bool(self.warnings or self.also - self._knew)

    @property
    def _knew(self) -> frozenset[str]:
        return self.confirmation.knew if self.confirmation else frozenset()

    @property
    def decided(self) -> Kept:
        """What people have decided, or that they have decided nothing."""
        return self.kept or Kept(id=self.id, reach=self.reach)


def kind_of(reach: str) -> Kind:
    """Give what a blind reach is."""
    return Kind(reach.partition(":")[0])


class ContactBook(BaseModel):
    """What people have decided about the ways to reach one person.

    Attributes:
        id: The person's.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    points: tuple[Kept, ...] = ()

    def know(
        self, heard: Iterable[Heard], blind: Callable[[str], str], *, complete: bool
    ) -> list[Point]:
        """Put what was told and what was decided together, a point for each reach.

        Args:
            heard: What referrals told.
            blind: Hides the value of a reach and keeps its kind; equal stays equal.
            complete: That is all of it.
        """
        by_reach: dict[str, list[Heard]] = defaultdict(list)
        for each in heard:
            by_reach[blind(reach_of(each.channel, each.value))].append(each)
        kept = {each.reach: each for each in self.points}
        points = (
            Point(
                id=kept[reach].id if reach in kept else self._id(reach),
                reach=reach,
                heard=tuple(by_reach[reach]),
                kept=kept.get(reach),
                complete=complete,
            )
            for reach in dict.fromkeys((*kept, *by_reach))
        )
        return by_these_alone(points)

    def _id(self, reach: str) -> str:
        return str(uuid5(UUID(self.id), reach))

    def confirm(
        self,
        contact_id: str,
        reach: str,
        told: Confirmation,
        points: Sequence[Point],
        *,
        replaces: str | None = None,
        known_in: frozenset[str] = frozenset(),
    ) -> "ContactBook":
        """Note that the person said how a point may be used.

        Whatever it replaces is closed in the same write, and of an address all others.

        Raises:
            AnotherContact: The id is that of another value.
            ContactClosed: It was closed.
            NoSuchContact: What it replaces is not there.
            TooManyContacts: There are too many already.
        """
        named = next((each for each in points if each.id == contact_id), None)
        if named and named.reach != reach:
            raise AnotherContact
        if named and named.decided.closed_at:
            raise ContactClosed
        place = kind_of(reach) is Kind.PLACE
        others = [each for each in points if each.reach != reach]
        gone = {e.id for e in others if place and e.kind is Kind.PLACE}
        if replaces is not None and replaces != contact_id:
            gone.add(find(replaces, others).id)
        same = [e for each in points if each.reach == reach for e in each.heard]
        moves = [e for each in others if each.id in gone for e in each.heard]
        knew = {each.referral_id for each in same if each.warns}
        knew.update(*(each.also for each in points if each.reach == reach))
        knew |= {each.referral_id for each in moves if place}
        before = [e.decided.known_in for e in points if e.reach == reach]
        earlier = (e.confirmation for e in points if e.reach == reach or e.id in gone)
        since = [e.asked_since for e in earlier if e and told.at < e.until]
        update = {"knew": frozenset(knew), "since": min(since, default=None)}
        new = Kept(
            id=contact_id,
            reach=reach,
            confirmation=told.model_copy(update=update),
            known_in=known_in.union(*before),
        )
        closed = [e.decided.close(told.at) for e in others if e.id in gone]
        return self._with(new, *closed)

    def suspend(self, point: Point, why: Suspension) -> "ContactBook":
        """Have a point not used until the person was asked again."""
        if point.decided.suspension or point.decided.closed_at:
            return self
        return self._with(point.decided.model_copy(update={"suspension": why}))

    def close(self, point: Point, at: datetime) -> "ContactBook":
        """Have a point not used any more."""
        closed = point.decided.close(at)
        return self if closed == point.kept else self._with(closed)

    def _with(self, *new: Kept) -> "ContactBook":
        reaches = {each.reach for each in new}
        stay = [each for each in self.points if each.reach not in reaches]
        points = (*stay, *new)
        if len(points) > MOST:
            raise TooManyContacts
        return self.model_copy(update={"points": points})

    @property
    def readable(self) -> frozenset[str]:
        """The points of which something is sealed."""
        return frozenset(each.id for each in self.points if each.confirmation)


def find(contact_id: str, points: Iterable[Point]) -> Point:
    """Give a point by its id.

    Raises:
        NoSuchContact: There is none.
    """
    for each in points:
        if each.id == contact_id:
            return each
    raise NoSuchContact


def heed(
    points: Iterable[Point],
    heard: Iterable[Heard],
    book: ContactBook | None,
    blind: Callable[[str], str],
) -> list[Point]:
    """Heed what warns of a point in what is known of somebody who is one with a person.

    Nothing else of theirs is taken over, and no point: if the two are not one after
    all, nobody has seen where the other lives.

    Args:
        points: The person's own.
        heard: What referrals told of the other's.
        book: What people have decided about the other's.
        blind: Hides the value of a reach.
    """
    warnings: dict[str, list[Heard]] = defaultdict(list)
    for each in heard:
        if each.warns:
            warnings[blind(reach_of(each.channel, each.value))].append(each)
    kept = book.points if book else ()
    stopped = {each.reach for each in kept if each.suspension or each.closed_at}
    return [
        replace(
            each,
            beside=(*each.beside, *_known_beside(each.reach, kept)),
            heard=(*each.heard, *warnings[each.reach]),
            stopped=each.stopped or each.reach in stopped,
        )
        for each in points
    ]


def also_reaches(
    points: Iterable[Point], reaches: Mapping[str, Collection[str]], *, complete: bool
) -> list[Point]:
    """Heed by what somebody is reached whom nothing for a person must reach.

    Args:
        points: The person's own.
        reaches: What reaches the others, blind, and what says so: the ids of referrals,
            and of points of theirs.
        complete: That is all of it.
    """
    return [
        replace(
            each,
            also=each.also.union(reaches.get(each.reach, ())),
            complete=each.complete and complete,
        )
        for each in points
    ]


def heed_suspensions(points: Iterable[Point], others: Iterable[Kept]) -> list[Point]:
    """Have no point used that is suspended for somebody else of the same cases.

    Whoever is asked after that may say that it is good for them.

    Args:
        points: The person's own.
        others: What people have decided about the points of the others.
    """
    since: dict[str, datetime] = {}
    for each in others:
        if each.suspension:
            at = each.suspension.at
            since[each.reach] = max(at, since.get(each.reach, at))

    def stops(point: Point) -> bool:
        suspended = since.get(point.reach)
        confirmed = point.confirmation
        return suspended is not None and not (confirmed and confirmed.at > suspended)

    return [replace(each, stopped=each.stopped or stops(each)) for each in points]


def from_his_side(points: Iterable[Point], harmed_in: frozenset[str]) -> list[Point]:
    """Give what whoever serves somebody who uses violence sees of how he is reached.

    Left out is what reaches somebody else too, or of which whoever asked for help
    against him told. So is what is known only where he himself was harmed, and what is
    limited by what was told there: a refusal would show that there is such a case.

    Args:
        points: All of his.
        harmed_in: The cases in which he was harmed.
    """
    seen = (
        replace(each, heard=tuple(e for e in each.heard if not e.harmed))
        for each in points
        if not (each.warned or _limited_where_harmed(each))
    )
    known = (e for e in seen if e.heard or e.decided.known_in - harmed_in)
    return by_these_alone(known)


def _limited_where_harmed(point: Point) -> bool:
    """Tell whether what was told where he was harmed keeps a point from being used.

    What he said himself, when he was asked, goes before that.
    """
    limits = (each.harmed and (each.read_by or each.hours) for each in point.heard)
    return point.confirmation is None and any(limits)


def by_these_alone(points: Iterable[Point]) -> list[Point]:
    """Tell of each point what the others say of it, as if there were no more.

    Of an address, whether the person has moved; of any, what people know of the others.

    Whoever may see only some of the points must not learn by it that there are more.
    """
    held = list(points)
    places = [each for each in held if each.kind is Kind.PLACE]
    decided = [each.decided for each in held]
    return [
        replace(
            each,
            moved=_moved(each, places),
            beside=_known_beside(each.reach, decided),
        )
        for each in held
    ]


def _known_beside(reach: str, kept: Iterable[Kept]) -> tuple[Known, ...]:
    return tuple(known for each in kept if each.reach != reach for known in each.known)


def _moved(point: Point, places: Iterable[Point]) -> bool:
    """Tell whether another address was told, of which nobody has asked the person.

    Addresses are written in many ways, so which of two is the later one, or whether
    they are the same, nobody can tell but the person.
    """
    if point.kind is not Kind.PLACE:
        return False
    others = [each for each in places if each.reach != point.reach]
    if point.confirmation is None:
        return bool(others)
    told = {each.referral_id for other in others for each in other.heard}
    return not told <= point.confirmation.knew
