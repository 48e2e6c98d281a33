"""The docket: what a case has to bring before the next meeting, if anything.

It is kept for every case, from what all services tell, so that an agenda is one query
and rests on nothing but its own documents.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from accord_contracts.referrals import SharingDecision, TriggerKind
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, computed_field

KEPT = 100
"""Dates, actions and inquiries that a docket remembers of each kind, the latest."""

NO_RANK = -1

FIRST = datetime.min.replace(tzinfo=UTC)


class Why(StrEnum):
    """Why a case is on an agenda."""

    NEW = "new_referral"
    CHANGED = "level_changed"
    CARRIED = "carried_over"
    OVERDUE = "action_overdue"
    DATE = "date_ahead"
    BREACH = "breach"
    """Of the plan, or of an order."""
    REVIEW = "review_due"
    ADDED = "added"
    STANDING = "standing"
    """It is as high a risk as the meeting is about."""


class Reason(NamedTuple):
    """Why a case is brought up.

    Attributes:
        since: From when on.
        clock: What it is ordered by: when it happened, fell due or will.
    """

    why: Why
    since: datetime
    clock: datetime


class Date(BaseModel):
    """A date of the case that is known ahead.

    Attributes:
        since: From when on it brings the case up.
        revision: The version of its own document that said so.
        over: It is there, or was called off.
    """

    model_config = ConfigDict(frozen=True)

    kind: TriggerKind
    happens_at: datetime
    since: datetime
    revision: int
    over: bool = False


class Owed(BaseModel):
    """Something that was to be done by a time.

    Attributes:
        since: From when on it brings the case up: not before it was heard of.
        revision: The version of the document that last told of it.
        done: It was done, or is asked of nobody any more.
        promised_at: When an agency promised it at a meeting; none: it is the plan's.
        told_at: When that was told of what is the plan's.
    """

    model_config = ConfigDict(frozen=True)

    due_at: datetime
    since: datetime
    revision: int
    done: bool = False
    promised_at: datetime | None = None
    told_at: datetime | None = None

    def went_with(self, ended_at: datetime | None) -> bool:
        """Tell whether it belonged to a response that has ended."""
        known_at = self.promised_at or self.told_at
        return bool(known_at and ended_at and known_at <= ended_at)

    def brought(self, since: datetime) -> "Owed":
        """Give it as it is owed in another case since then."""
        times = self.model_dump(include={"since", "promised_at", "told_at"})
        return self.model_copy(
            update={k: _later(e, since) for k, e in times.items() if e}
        )


class Brought(BaseModel):
    """What a case that is merged into another brings before meetings about that one.

    Attributes:
        since: From when on: a meeting before that knew nothing of it.
        owed: What is still to be done.
        dates: Those that are known ahead.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    breached_at: datetime | None = None
    review_at: datetime | None = None
    dates: tuple[Date, ...] = ()
    owed: tuple[Owed, ...] = ()

    def reasons(self) -> Iterator[Reason]:
        """Give why it brings the other case up, but for what is late."""
        yield from _if_since(Why.BREACH, self.breached_at)
        yield from _if_since(Why.REVIEW, self.review_at)
        yield from map(_ahead, self.dates)


class Asked(BaseModel):
    """That an agency was asked what it knows, and what it has decided, if it has.

    Attributes:
        requested_at: When; none: only its decision was heard of so far.
        withdrawn: It is not asked any more.
    """

    model_config = ConfigDict(frozen=True)

    agency: str
    requested_at: datetime | None = None
    needed_by: datetime | None = None
    decided_at: datetime | None = None
    decision: SharingDecision | None = None
    number: int = 0
    withdrawn: bool = False

    @property
    def said_at(self) -> datetime:
        """When something was last said of it: the question, or the answer."""
        return _later(self.requested_at, self.decided_at) or FIRST


K = TypeVar("K")


class Docket(BaseModel):
    """What meetings know of one case.

    Attributes:
        id: The case's.
        meeting: The series at which the case is spoken about by its tier, whatever its
            level; none: by its level alone.
        revision: The version of risk's document that last told the level.
        referred_at: When it was last heard that a referral was weighed, or amended.
        received_at: When the last referral was received: what agencies answered before
            that is of an earlier question. An amendment asks nothing anew.
        changed_at: When it was last heard that the level is another.
        breached_at: When it was last heard that the plan or an order was broken.
        looking: That people should have agreed to its plan, or reviewed it, or since
            have.
        decided_at: When a meeting last decided on it: all before is settled.
        decisions: When meetings decided on it, the latest last.
        decided_level: The level that it decided by.
        review_at: When it wanted to see it again.
        owed: What agencies have promised, and workers are late with.
        called: When each agency was last to be asked before a meeting.
        kept_from: The agencies that are not asked so about this case; it only grows.
        ended: The assessment on which the plan rested that was closed.
        ended_at: When that was: what agencies had promised before went with it.
        transferred_at: When the case was handed over to another region: whatever is
            heard of it later, nobody here is to talk about it.
        merging: The version of the case in referrals that said whether it is merged.
        merged_at: When it was merged into another, if it is.
        joined_at: When that was heard: what was asked before was of the one without it.
        brought: What the cases that are merged into it bring, by case.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    level: RiskLevel | None = None
    meeting: str | None = None
    revision: int = 0
    first_referred_at: datetime | None = None
    referred_at: datetime | None = None
    received_at: datetime | None = None
    changed_at: datetime | None = None
    breached_at: datetime | None = None
    looking: Owed | None = None
    decided_at: datetime | None = None
    decisions: tuple[datetime, ...] = ()
    decided_level: RiskLevel | None = None
    review_at: datetime | None = None
    dates: dict[str, Date] = {}
    owed: dict[str, Owed] = {}
    asked: dict[str, Asked] = {}
    called: dict[str, datetime] = {}
    kept_from: tuple[str, ...] = ()
    ended: int = 0
    ended_at: datetime | None = None
    transferred_at: datetime | None = None
    merged_into: str | None = None
    merging: int = 0
    merged_at: datetime | None = None
    joined_at: datetime | None = None
    brought: dict[str, Brought] = {}
    erased_at: datetime | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def open(self) -> bool:
        """Whether anybody is to talk about it at all."""
        gone = self.merged_into or self.erased_at or self.transferred_at
        return not gone and self.level is not None and self.revision > self.ended

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rank(self) -> int:
        """How grave it is among those to talk about; below all: nobody is to."""
        return self.level.rank if self.open and self.level else NO_RANK

    @computed_field  # type: ignore[prop-decorator]
    @property
    def wanted_from(self) -> datetime | None:
        """From when on something brings it up; none: nothing does."""
        return min((each.since for each in self._reasons()), default=None)

    def reasons(self, at: datetime) -> tuple[Reason, ...]:
        """Give what brings it up at a time, the most urgent clock first."""
        known = (each for each in self._reasons() if each.since <= at)
        return tuple(sorted(known, key=lambda each: (each.clock, each.why)))

    def _reasons(self) -> Iterator[Reason]:
        if not self.open:
            return
        found = [
            *_if_since(Why.NEW, self.referred_at, self.first_referred_at),
            *_if_since(Why.CHANGED, self.changed_at),
            *_if_since(Why.BREACH, self.breached_at),
            *_if_since(Why.REVIEW, self.review_at),
            *self._unlooked(),
            *(_late(each) for each in self._undone() if not each.promised_at),
            *(_ahead(each) for each in self.dates.values() if not each.over),
            *(reason for each in self.brought.values() for reason in each.reasons()),
        ]
        settled = self.decided_at
        yield from (e for e in found if settled is None or e.since > settled)
        # What an agency promised no meeting settles by speaking of something else.
        yield from (_late(each) for each in self._undone() if each.promised_at)

    def _unlooked(self) -> Iterator[Reason]:
        looking = self.looking
        if looking and not looking.done and not looking.went_with(self.ended_at):
            yield Reason(Why.REVIEW, looking.since, looking.due_at)

    def _undone(self) -> Iterator[Owed]:
        merged = (owed for each in self.brought.values() for owed in each.owed)
        every = (*self.owed.values(), *merged)
        return (e for e in every if not (e.done or e.went_with(self.ended_at)))

    def overdue(self, at: datetime) -> int:
        """Count what should be done by now and is not, settled or not."""
        return sum(each.due_at <= at for each in self._undone())

    def assess(
        self,
        level: RiskLevel,
        previous: RiskLevel | None,
        *,
        revision: int,
        at: datetime,
        first_referred_at: datetime,
        referred: bool,
        meeting: str | None = None,
    ) -> "Docket":
        """Take note of an assessment, in whatever order they are heard of.

        Args:
            level: As it is now.
            previous: As it was.
            revision: The version of risk's document.
            at: When it is heard of: what is heard after a decision was not known to it.
            first_referred_at: Since when the response to this episode is asked for.
            referred: A referral was weighed, new or amended.
            meeting: Where its tier has it spoken about.
        """
        if self.erased_at:
            return self
        update: dict[str, Any] = {}
        if referred:
            update["referred_at"] = _later(self.referred_at, at)
        if previous not in {None, level} and level is not self.decided_level:
            update["changed_at"] = _later(self.changed_at, at)
        if revision > self.revision:
            first = {"first_referred_at": first_referred_at, "meeting": meeting}
            update |= {"level": level, "revision": revision, **first}
        return self.model_copy(update=update) if update else self

    def receive(self, at: datetime) -> "Docket":
        """Take note that a referral was received: agencies are asked anew."""
        if self.erased_at or (self.received_at and self.received_at >= at):
            return self
        return self.model_copy(update={"received_at": at})

    def breach(self, at: datetime) -> "Docket":
        """Take note that the plan or an order was broken: when it is heard of."""
        if self.erased_at:
            return self
        return self.model_copy(update={"breached_at": _later(self.breached_at, at)})

    def look(self, told: Owed) -> "Docket":
        """Take note that its plan should be looked at, or was, in any order."""
        known = self.looking
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        return self.model_copy(update={"looking": told})

    def foresee(self, trigger_id: str, told: Date) -> "Docket":
        """Take note of a date, unless something later is known of it."""
        known = self.dates.get(trigger_id)
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        return self.model_copy(update={"dates": _with(self.dates, trigger_id, told)})

    def owe(self, action_id: str, told: Owed) -> "Docket":
        """Take note that something is late, or was done, whatever is heard first."""
        known = self.owed.get(action_id)
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        owed = {**self.owed, action_id: told}
        # Of too many, what is done goes first, and nothing that is not.
        spare = [key for key, each in owed.items() if each.done]
        gone = {*spare[: max(0, len(owed) - KEPT)]}
        kept = {key: each for key, each in owed.items() if key not in gone}
        return self.model_copy(update={"owed": kept})

    def ask(self, inquiry_id: str, told: Asked) -> "Docket":
        """Take note that an agency was asked, has decided, or is asked no more.

        In any order.
        """
        if self.erased_at:
            return self
        known = self.asked.get(inquiry_id) or told
        latest = max(known, told, key=lambda each: each.number)
        update = {
            "needed_by": told.needed_by or known.needed_by,
            "requested_at": told.requested_at or known.requested_at,
            "withdrawn": told.withdrawn or known.withdrawn,
        }
        both = latest.model_copy(update=update)
        return self.model_copy(update={"asked": _with(self.asked, inquiry_id, both)})

    def asked_since(
        self, begins_at: datetime, decisions: Iterable[datetime] = ()
    ) -> tuple[Asked, ...]:
        """Give who was asked for a meeting: of each agency its last inquiry.

        What an agency answered before the last referral, or before an earlier meeting
        decided, is no answer to what is asked now; what it still owes an answer to is.
        Another level makes no answer old, because an answer may be what led to it.

        Args:
            begins_at: When the meeting begins, or began.
            decisions: When meetings decided on the case that it is merged into. Those
                from before it was merged knew nothing of its answers.
        """
        joined_at = self.joined_at
        knew = (each for each in decisions if joined_at and each > joined_at)
        before = (each for each in (*self.decisions, *knew) if each < begins_at)
        since = _later(self.received_at, max(before, default=None)) or FIRST
        last: dict[str, Asked] = {}
        standing = (each for each in self.asked.values() if not each.withdrawn)
        for each in sorted(standing, key=_asked_at):
            if each.decided_at is None or each.said_at >= since:
                last[each.agency] = each
        return tuple(last[agency] for agency in sorted(last))

    def call_on(
        self,
        agencies: Iterable[str],
        kept_from: Iterable[str],
        at: datetime,
        merged: "Iterable[Docket]" = (),
    ) -> "tuple[Docket, tuple[str, ...]]":
        """Have agencies asked before a meeting, each once until something is new.

        Args:
            agencies: Who is invited.
            kept_from: Who is not to be asked about this case, now or later.
            at: When.
            merged: What is merged into it, whose people are asked about with it: a
                referral of theirs is news, and so is that they were merged.

        Returns:
            The docket, and whom to ask.
        """
        held = self.keep_from(kept_from)
        if not held.open:
            return held, ()
        kept, news = held.kept_from, _later(held.referred_at, held.changed_at)
        for each in merged:
            news = _later(news, _later(each.referred_at, each.joined_at))
        asked = tuple(
            each
            for each in agencies
            if each not in kept and _is_news(news, held.called.get(each))
        )
        if not asked:
            return held, ()
        called = {**held.called, **dict.fromkeys(asked, at)}
        return held.model_copy(update={"called": called}), asked

    def keep_from(self, agencies: Iterable[str]) -> "Docket":
        """Have agencies not asked about the case before meetings, open or not."""
        kept = tuple(sorted({*self.kept_from, *agencies}))
        if self.erased_at or kept == self.kept_from:
            return self
        return self.model_copy(update={"kept_from": kept})

    def settle(
        self, at: datetime, level: RiskLevel, review_at: datetime | None
    ) -> "Docket":
        """Take note that a meeting decided: what came before brings it up no more."""
        if self.erased_at or (self.decided_at and self.decided_at >= at):
            return self
        decided = {"decided_at": at, "decided_level": level, "review_at": review_at}
        decisions = (*self.decisions, at)[-KEPT:]
        return self.model_copy(update={**decided, "decisions": decisions})

    def end(self, assessment_revision: int, at: datetime) -> "Docket":
        """Take note that the response has ended, by that assessment."""
        if assessment_revision <= self.ended:
            return self
        update = {"ended": assessment_revision, "ended_at": at}
        return self.model_copy(update=update)

    def end_with(self, at: datetime) -> "Docket":
        """Take note that the response to the case that it is merged into has ended.

        What ended before it was merged was another response.
        """
        merged = self.merged_at is not None and self.merged_at <= at
        if self.erased_at or not merged or (self.ended_at and self.ended_at >= at):
            return self
        return self.model_copy(update={"ended_at": at})

    def brings(self, since: datetime) -> Brought:
        """Give what it brings before meetings about the case that it is merged into.

        What a meeting about it has settled, it does not bring.
        """
        settled = self.decided_at or FIRST

        def news(at: datetime | None) -> datetime | None:
            return max(at, since) if at and at > settled else None

        ahead = (each for each in self.dates.values() if not each.over)
        return Brought(
            since=since,
            breached_at=news(self.breached_at),
            review_at=news(self.review_at),
            dates=tuple(
                each.model_copy(update={"since": max(each.since, since)})
                for each in ahead
                if each.since > settled
            ),
            owed=tuple(each.brought(since) for each in self._undone()),
        )

    def take_in(self, other: "Docket", at: datetime) -> "Docket":
        """Take note of what a merged case brings, or that it does no longer.

        Args:
            other: The merged case's, as it is now.
            at: When that is heard of.
        """
        brought = {k: each for k, each in self.brought.items() if k != other.id}
        if other.merged_into == self.id and not other.erased_at:
            known = self.brought.get(other.id)
            brought[other.id] = other.brings(known.since if known else at)
        if self.erased_at or brought == self.brought:
            return self
        return self.model_copy(update={"brought": brought})

    def transfer(self, at: datetime) -> "Docket":
        """Take note that the case was handed over to another region."""
        if self.transferred_at or self.erased_at:
            return self
        return self.model_copy(update={"transferred_at": at})

    def merge(
        self,
        survivor: str | None,
        merging: int,
        merged_at: datetime | None,
        heard_at: datetime,
    ) -> "Docket":
        """Take note that it is merged into another, and when, or is so no longer."""
        if merging <= self.merging:
            return self
        update = {"merged_into": survivor, "merging": merging, "merged_at": merged_at}
        return self.model_copy(update={**update, "joined_at": survivor and heard_at})

    def erase(self, at: datetime) -> "Docket":
        """Leave a tombstone. Whose survivor it was merged into forgets it too."""
        return Docket(
            id=self.id,
            version=self.version,
            erased_at=at,
            merged_into=self.merged_into,
            merging=self.merging,
            merged_at=self.merged_at,
            joined_at=self.joined_at,
        )


def _late(owed: Owed) -> Reason:
    return Reason(Why.OVERDUE, owed.since, owed.due_at)


def _ahead(date: Date) -> Reason:
    return Reason(Why.DATE, date.since, date.happens_at)


def _if_since(
    why: Why, since: datetime | None, clock: datetime | None = None
) -> list[Reason]:
    return [Reason(why, since, clock or since)] if since else []


def _asked_at(asked: Asked) -> datetime:
    return asked.requested_at or asked.said_at


def _is_news(news: datetime | None, since: datetime | None) -> bool:
    return since is None or (news is not None and news > since)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def _with(known: Mapping[str, K], key: str, told: K) -> dict[str, K]:
    """Put something among what is known, last."""
    others = [(name, each) for name, each in known.items() if name != key]
    return dict([*others, (key, told)][-KEPT:])
