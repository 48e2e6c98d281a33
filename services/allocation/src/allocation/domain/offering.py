"""One role of one case: who was asked, who answered what, and the clocks."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from accord_contracts.allocation import DeclineReason, HandOverReason, Role
from accord_contracts.message import Lane
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from allocation.domain.choosing import Choice
from allocation.domain.need import Need
from allocation.domain.offer import (
    Answer,
    NoLongerNeeded,
    NoSuchOffer,
    NotYours,
    Offer,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    Status,
    TakenAlready,
)
from allocation.domain.policy import Policy, Stage
from allocation.domain.wanted import Wanted

HOLD_SLACK = timedelta(hours=1)
"""How much longer than its offer a place is held. Whoever answers, or lets the time
pass, frees or keeps the place at once; only after a crash in between must it lapse by
itself, and then not before the process or another one is back."""

REMEMBERED = 100
"""Offers of a role that are kept: who declined is remembered beyond them."""


class Allocation(BaseModel):
    """One role of one episode of a case.

    This document is the truth about the role; the places in workers' documents follow
    it.

    Attributes:
        points: How much of a worker's capacity it takes, by its level and stage.
        stage: How far the response to the case is.
        lane: Of what is told about it; once urgent, always urgent.
        since: When the clock for filling it began. No answer starts it again.
        assign_by: When it must be filled.
        lists: By which lists of the case it was last decided (``Wanted.lists``).
        worker_id: Who is asked now, or has accepted.
        kept_by: Who had accepted and hands it over: until somebody else has accepted,
            they keep it.
        working: Who works in it now, by which standings are looked for.
        retry_at: When to ask anew after nobody was left to ask.
        declined_by: Who has declined it; never asked again.
        silent: Who did not answer; asked again when nobody else is left.
        silences: How many workers let their time pass, one after another, each counted
            once, as far as the offers that are kept tell.
        told_late: The alarm that it was not filled in time has been raised.
        unowned_at: When it is risk that nobody owns; none once it is accepted or ended.
        due_at: When its next clock runs out.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    role: Role
    level: RiskLevel
    points: int
    stage: Stage = Stage.NEW
    lane: Lane
    status: Status = Status.WANTED
    since: datetime
    first_referred_at: datetime
    assign_by: datetime
    lists: int = 0
    worker_id: str | None = None
    kept_by: str | None = None
    working: tuple[str, ...] = ()
    retry_at: datetime | None = None
    accepted_at: datetime | None = None
    offers: tuple[Offer, ...] = ()
    declined_by: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    silences: int = 0
    told_late: bool = False
    unowned_at: datetime | None = None
    due_at: datetime | None = None

    @classmethod
    def new(
        cls, case_id: str, role: Role, wanted: Wanted, lane: Lane, policy: Policy
    ) -> "Allocation":
        """Begin to fill a role."""
        assign_by = policy.assign_by(wanted.since, wanted.level)
        return cls(
            id=wanted.allocation_id,
            case_id=case_id,
            role=role,
            level=wanted.level,
            points=policy.points[wanted.level][wanted.stage],
            stage=wanted.stage,
            lane=lane,
            since=wanted.since,
            first_referred_at=wanted.first_referred_at,
            assign_by=assign_by,
            unowned_at=assign_by,
            due_at=assign_by,
        )

    @property
    def open(self) -> bool:
        """Tell whether the role still has to be filled."""
        return self.status not in {Status.ACCEPTED, Status.ENDED}

    @property
    def holder(self) -> str | None:
        """Who is asked now, or has accepted."""
        held = self.status in {Status.OFFERED, Status.ACCEPTED}
        return self.worker_id if held else None

    @property
    def offer(self) -> Offer:
        """The offer that stands, or the one that was accepted."""
        return self.offers[-1]

    @property
    def chosen(self) -> bool:
        """Tell whether a person has chosen who is asked now."""
        return self.status is Status.OFFERED and self.offer.decided_by is not None

    @property
    def answer_by(self) -> datetime | None:
        """By when whoever is asked now is to answer."""
        return self.offer.answer_by if self.status is Status.OFFERED else None

    def taken(self) -> Need:
        """Say what the worker of the standing offer has a place for."""
        urgent = self.level.urgent
        return Need(self.id, self.case_id, self.role, self.points, urgent=urgent)

    def rise(
        self, level: RiskLevel, lane: Lane, policy: Policy, at: datetime
    ) -> "Allocation":
        """Take over a higher level: every clock runs as it would have from the start.

        A standing offer keeps the time to answer of the new level from now on, unless
        it ends sooner anyway. Of a role that is accepted no clock runs; it takes what
        the level takes, and is at that level when it is handed over or taken back.
        """
        if self.status is Status.ENDED or level.rank <= self.level.rank:
            return self
        changes: dict[str, object] = {
            "level": level,
            "points": policy.points[level][self.stage],
            "lane": lane if lane is Lane.URGENT else self.lane,
        }
        if self.open:
            by_level = policy.assign_by(self.since, level)
            changes["assign_by"] = min(self.assign_by, by_level)
        if self.status is Status.OFFERED:
            sooner = min(self.offer.answer_by, policy.answer_by(at, level))
            changes["offers"] = self._last_offer(answer_by=sooner)
        return self._moved(**changes)

    def at_stage(self, stage: Stage, policy: Policy) -> "Allocation":
        """Note how far the response is: it takes more, or less, from now on.

        No clock runs otherwise, and nobody is asked anew.
        """
        if self.status is Status.ENDED or stage is self.stage:
            return self
        points = policy.points[self.level][stage]
        return self.model_copy(update={"stage": stage, "points": points})

    def offered(
        self,
        choice: Choice,
        policy: Policy,
        at: datetime,
        *,
        decided_by: str | None = None,
        beyond_by: str | None = None,
        against_wish: bool = False,
    ) -> "Allocation":
        """Ask somebody."""
        offer = Offer(
            worker_id=choice.worker_id,
            offered_at=at,
            answer_by=policy.answer_by(at, self.level),
            reasons=choice.reasons,
            unmet=dict(choice.unmet),
            wishes=choice.wishes,
            policy_version=policy.version,
            decided_by=decided_by,
            beyond_by=beyond_by,
            against_wish=against_wish,
        )
        return self._moved(
            status=Status.OFFERED,
            points=policy.points[self.level][self.stage],
            worker_id=choice.worker_id,
            retry_at=None,
            offers=(*self.offers, offer)[-REMEMBERED:],
        )

    def unfilled(self, policy: Policy, at: datetime) -> "Allocation":
        """Note that nobody is left to ask, and ask anew after a pause.

        Then those who were silent are asked again; those who declined are not.
        """
        return self._moved(
            status=Status.UNFILLED,
            worker_id=None,
            retry_at=policy.retry_at(at, self.level),
            silent=frozenset(),
        )

    def unanswered_by(self, worker_id: str) -> bool:
        """Tell whether somebody let their time pass, and nobody was asked since."""
        return (
            self.status is Status.UNFILLED
            and bool(self.offers)
            and self.offer.worker_id == worker_id
            and self.offer.answer is Answer.EXPIRED
        )

    def accept(
        self, worker_id: str, at: datetime, *, beyond: bool = False
    ) -> "Allocation":
        """Take the role. Late is not too late as long as nobody else was asked.

        Args:
            worker_id: Who takes it.
            at: The present.
            beyond: They say so after their time, and have no room for it any more:
                they decide so, unless whoever chose them has.

        Raises:
            NoSuchOffer: They were never asked.
            OfferExpired: Somebody else has been asked since.
            OfferDeclined: They have declined.
            NoLongerNeeded: The response has ended.
        """
        self._check_asked(worker_id)
        if self.status is Status.ACCEPTED:
            return self
        said: dict[str, object] = {"answer": Answer.ACCEPTED, "answered_at": at}
        if beyond and self.offer.beyond_by is None:
            said["beyond_by"] = worker_id
        return self._moved(
            status=Status.ACCEPTED,
            worker_id=worker_id,
            kept_by=None,
            retry_at=None,
            accepted_at=at,
            offers=self._last_offer(**said),
        )

    def decline(
        self, worker_id: str, reason: DeclineReason, at: datetime
    ) -> "Allocation":
        """Say no, for a reason. Saying no again changes nothing.

        Whoever says so after their time is not asked again; who has the role, or is
        asked now, stays.

        Raises:
            NoSuchOffer: They were never asked.
            OfferAccepted: They have accepted.
            NoLongerNeeded: The response has ended.
        """
        if worker_id in self.declined_by:
            return self
        self._check_was_asked(worker_id)
        if worker_id != self.worker_id:
            return self._declined_late(worker_id, reason, at)
        if self.status is Status.ACCEPTED:
            raise OfferAccepted
        return self._moved(
            status=Status.WANTED,
            worker_id=None,
            declined_by=self.declined_by | {worker_id},
            offers=self._last_offer(
                answer=Answer.DECLINED, answered_at=at, declined_for=reason
            ),
        )

    def hand_over(
        self, worker_id: str, reason: HandOverReason, policy: Policy, at: datetime
    ) -> "Allocation":
        """Look for somebody else, while whoever has it keeps it until then.

        The clock for filling it begins anew. Asking again changes nothing.

        Raises:
            NoSuchOffer: They were never asked.
            NotYours: They do not have it.
            NoLongerNeeded: The response has ended.
        """
        if self.kept_by == worker_id:
            return self
        if all(each.worker_id != worker_id for each in self.offers):
            raise NoSuchOffer
        if self.status is Status.ENDED:
            raise NoLongerNeeded
        if self.status is not Status.ACCEPTED or self.worker_id != worker_id:
            raise NotYours
        return self._moved(
            status=Status.WANTED,
            worker_id=None,
            kept_by=worker_id,
            declined_by=self.declined_by | {worker_id},
            since=at,
            assign_by=policy.assign_by(at, self.level),
            told_late=False,
            offers=self._last_offer(handed_over_for=reason),
        )

    def taken_from_keeper(self) -> "Allocation":
        """Take it from whoever hands it over, and may not keep it until it is taken."""
        return self._moved(kept_by=None)

    def back_with(self, keeper: str) -> "Allocation":
        """Give it back to whoever handed it over, because whoever took it has left.

        They go on handing it over. For as long as they have it, nobody needs to own it.
        """
        return self._moved(kept_by=keeper)

    def check_open(self) -> None:
        """See that it can be offered.

        Raises:
            NoLongerNeeded: The response has ended.
            TakenAlready: Somebody has it.
        """
        if self.status is Status.ENDED:
            raise NoLongerNeeded
        if self.status is Status.ACCEPTED:
            raise TakenAlready

    def expire(self, at: datetime) -> "Allocation":
        """Take the offer back from somebody who has not answered in time."""
        before = _silent(self.offers[:-1])
        again = self.offer.worker_id in before
        return self._moved(
            status=Status.WANTED,
            worker_id=None,
            silent=self.silent | {self.offer.worker_id},
            silences=(self.silences if before else 0) + (not again),
            offers=self._last_offer(answer=Answer.EXPIRED, answered_at=at),
        )

    def withdraw(self, policy: Policy, at: datetime) -> "Allocation":
        """Take the role back from somebody who is barred from the case, or has left.

        One that was accepted had been filled: the clock for filling it begins anew. For
        one that was only offered it runs on.
        """
        changes: dict[str, object] = {
            "status": Status.WANTED,
            "worker_id": None,
            "offers": self._last_offer(answer=Answer.WITHDRAWN, answered_at=at),
        }
        if self.status is Status.ACCEPTED:
            changes |= {
                "accepted_at": None,
                "since": at,
                "assign_by": policy.assign_by(at, self.level),
                "told_late": False,
            }
        return self._moved(**changes)

    def heed(self, wanted: Wanted) -> "Allocation":
        """Note by which lists of the case it is decided.

        Written whenever they change, so that an offer that was being made by the lists
        before them conflicts, and is decided on again.
        """
        if self.lists == wanted.lists:
            return self
        return self.model_copy(update={"lists": wanted.lists})

    def tell_late(self) -> "Allocation":
        """Note that the alarm about the time has been raised: it is raised once."""
        return self._moved(told_late=True)

    def end(self, at: datetime) -> "Allocation":
        """Note that the role is no longer needed; a standing offer is taken back."""
        changes: dict[str, object] = {
            "status": Status.ENDED,
            "retry_at": None,
            "kept_by": None,
        }
        if self.status is Status.OFFERED:
            taken_back = self._last_offer(answer=Answer.WITHDRAWN, answered_at=at)
            changes["offers"] = taken_back
        return self._moved(**changes)

    def erase(self) -> "Allocation":
        """Leave a tombstone of a role that has ended: nobody was ever asked."""
        return self.model_copy(
            update={
                "worker_id": None,
                "kept_by": None,
                "working": (),
                "offers": (),
                "declined_by": frozenset(),
                "silent": frozenset(),
                "silences": 0,
                "level": RiskLevel.LOW,
                "points": 0,
            }
        )

    def expired(self, at: datetime) -> bool:
        """Tell whether the standing offer was not answered in time."""
        return self.answer_by is not None and self.answer_by <= at

    @property
    def silent_in_turn(self) -> list[str]:
        """Who let their time pass since somebody answered, the latest first.

        As far as the offers go back that are kept; ``silences`` says how many more.
        """
        return _silent(self.offers)

    def escalates(self, after: int) -> bool:
        """Tell whether one worker more is silent now, and so many are once more."""
        last, *before = self.silent_in_turn
        return last not in before and self.silences % after == 0

    def asks_anew(self, at: datetime) -> bool:
        """Tell whether the pause is over after nobody was left to ask."""
        return self.retry_at is not None and self.retry_at <= at

    def late(self, at: datetime) -> bool:
        """Tell whether it should have been filled by now, and nobody has said so."""
        return self.open and not self.told_late and self.assign_by <= at

    def _check_asked(self, worker_id: str) -> None:
        if worker_id in self.declined_by:
            raise OfferDeclined
        self._check_was_asked(worker_id)
        if worker_id != self.worker_id and not self.unanswered_by(worker_id):
            raise OfferExpired

    def _check_was_asked(self, worker_id: str) -> None:
        if all(each.worker_id != worker_id for each in self.offers):
            raise NoSuchOffer
        if self.status is Status.ENDED:
            raise NoLongerNeeded

    def _declined_late(
        self, worker_id: str, reason: DeclineReason, at: datetime
    ) -> "Allocation":
        no = {"answer": Answer.DECLINED, "answered_at": at, "declined_for": reason}
        offers = tuple(
            each.model_copy(update=no)
            if each.worker_id == worker_id and each.answer is Answer.EXPIRED
            else each
            for each in self.offers
        )
        return self._moved(declined_by=self.declined_by | {worker_id}, offers=offers)

    def _last_offer(self, **changes: object) -> tuple[Offer, ...]:
        return (*self.offers[:-1], self.offer.model_copy(update=changes))

    def _moved(self, **changes: object) -> "Allocation":
        """Give the changed copy, with its clocks set anew."""
        moved = self.model_copy(update=changes)
        clocks = [moved.answer_by, moved.retry_at]
        clocks.append(None if moved.told_late else moved.assign_by)
        ahead = [each for each in clocks if each is not None] if moved.open else []
        has = moved.worker_id if moved.status is Status.ACCEPTED else moved.kept_by
        working = (has,) if has else ()
        owned = bool(working) or not moved.open
        return moved.model_copy(
            update={
                "unowned_at": None if owned else moved.assign_by,
                "working": working,
                "due_at": min(ahead, default=None),
            }
        )


def _silent(offers: Sequence[Offer]) -> list[str]:
    """Give who let their time pass at the end of some offers, the latest first."""
    row = takewhile(lambda each: each.answer is Answer.EXPIRED, reversed(offers))
    return [each.worker_id for each in row]
