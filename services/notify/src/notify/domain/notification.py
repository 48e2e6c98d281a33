"""A message to a worker: from the inbox to its end, or up the chain."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self
from uuid import UUID, uuid5

from accord_contracts.allocation import DeclineReason
from accord_contracts.message import Lane
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, computed_field

from notify.domain.answers import Answer, NothingToAnswer, Said
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.mail import Mail
from notify.domain.occasion import Addressee, Eyes, Occasion
from notify.domain.policy import Policy, Rule
from notify.domain.skipped import Skip, Skipped, noted
from notify.domain.told import Telling, Told
from notify.domain.untold import Waited

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: none can be taken for another when read out on the telephone."""

REFERENCE_BITS = 30

PASSED_OVER = "passed_over"
"""Why there is no e-mail to somebody who may not know of the case any more."""

OVER, OPEN, ASKS = 0, 1, 2
"""What places in an inbox begin with, the first ones last: what waits for an answer
stands before what does not, however new that is."""

AT_LENGTH = len("2026-11-02T12:00:00.000")


class NoSuchMessage(Refusal):
    """There is no such message in this inbox."""

    status = 404


class NoInbox(Refusal):
    """The token names no worker, so there is no inbox to look into."""

    status = 403


class Repeat(BaseModel):
    """That the same thing was told again, of which a worker knows already.

    Attributes:
        message_id: Which message told of it.
        waited: Since when it could not be told, if it had to wait.
    """

    model_config = ConfigDict(frozen=True)

    message_id: str
    at: datetime
    waited: Waited | None = None


class Notification(Told):
    """A message to one worker, and to those who were told when the worker was silent.

    Attributes:
        event: The type of what happened.
        revision: The version of the publisher's document that was told of.
        happened_at: When it happened, by its publisher's clock; none, if it was told
            before this was kept.
        waited: Since when nobody could be told, if it had to wait.
        about_id: The allocation or action in question, if one is.
        worker_id: Who was to be told.
        eyes: Who may know of it.
        any_hour: It rings in quiet hours too.
        lane: Of what happened, and so of all that is told of this.
        chain: Whose silence has which consequences; none if they may be silent.
        step: How far up the chain it has come.
        ack_by: Until when they have to say that they know.
        escalate_at: When the next of the chain is told.
        repeats: When the same was told again, while this was open.
        skipped: Who was passed over, and why.
        acknowledge_minutes: For an answer, as the rule said when it was told.
        progress_minutes: For what was to be done, once somebody knows; none: it is over
            then.
        reopen_at: When it opens again, because nothing came of an acknowledgement.
        answers: What was said to it, and that it opened again, first to last.
        saved_at: When it was last changed; none, if that was before this was kept.
    """

    version: int = 0
    case_id: str
    event: str
    revision: int
    happened_at: datetime | None = None
    waited: Waited | None = None
    about_id: str | None = None
    worker_id: str
    # One from before this was kept was told to everybody alike.
    eyes: Eyes = Eyes.ALL
    template: str
    any_hour: bool = False
    lane: Lane
    policy_version: str
    chain: str | None = None
    step: int = 0
    created_at: datetime
    ack_by: datetime | None = None
    escalate_at: datetime | None = None
    acknowledged_by: str | None = None
    repeats: tuple[Repeat, ...] = ()
    acknowledge_minutes: int | None = None
    progress_minutes: int | None = None
    reopen_at: datetime | None = None
    answers: tuple[Answer, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    saved_at: datetime | None = None

    @classmethod
    def of(
        cls,
        what: Occasion,
        to: Addressee,
        rule: Rule,
        *,
        at: datetime,
        policy: Policy,
        mail: bool,
    ) -> Self:
        """Make a worker's message about what happened.

        The time to acknowledge it counts from when it stands in the inbox and may be
        heard: nobody is late for what was still on its way, or for their night's rest.
        """
        within = rule.acknowledge_within
        wait = timedelta() if to.away and within else within and (to.wait or within)
        loud = partial(policy.quiet.loud, rule.urgency, any_hour=rule.any_hour)
        wanted = None
        if mail and rule.ways and not to.away:
            mailed = policy.quiet.mailed(rule.urgency, at, any_hour=rule.any_hour)
            wanted = Mail(channel=rule.ways[0], due_at=mailed)
        first = Telling(
            worker_id=to.told or to.worker_id, step=to.step, at=at, mail=wanted
        )
        return cls(
            id=notification_id(what.message_id, to.worker_id, rule.template),
            case_id=what.case_id,
            event=what.event,
            revision=what.revision,
            happened_at=what.happened_at,
            waited=what.waited,
            about_id=what.about_id,
            worker_id=to.worker_id,
            eyes=to.eyes,
            template=rule.template,
            urgency=rule.urgency,
            ways=rule.ways,
            any_hour=rule.any_hour,
            lane=what.lane,
            policy_version=policy.version,
            chain=rule.chain,
            step=to.step,
            created_at=at,
            ack_by=loud(loud(at) + within) if within else None,
            escalate_at=loud(loud(at) + wait) if wait is not None else None,
            told=(first,),
            acknowledge_minutes=rule.acknowledge_minutes,
            progress_minutes=rule.progress_minutes,
        )

    @property
    def reference(self) -> str:
        """What the worker can quote: short, and it tells nothing."""
        return reference_of(self.id)

    @property
    def link(self) -> str:
        """Where it leads, below the portal's address."""
        return f"/inbox/{self.id}"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def since(self) -> str:
        """Its place among all messages by time: sorts, and is unique."""
        return f"{stamp(self.created_at)}.{self.id}"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def place(self) -> str:
        """Its place in an inbox: what waits for an answer, what is open, the newest."""
        asks = self.chain is not None and self.acknowledged_at is None
        rank = OVER if self.ended_at else ASKS if asks else OPEN
        return f"{rank}.{self.since}"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def moved(self) -> str:
        """Its place among all messages by their last change: sorts, and is unique."""
        return f"{stamp(self.saved_at or self.created_at)}.{self.id}"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When something is next to be done about it; never once it has ended."""
        if self.ended_at is not None:
            return None
        mails = (each.mail.due_at for each in self.told if each.mail)
        clocks = (self.escalate_at, self.reopen_at, *mails)
        return min((at for at in clocks if at), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def alarm_at(self) -> datetime | None:
        """When something is next to be done about an alarm: it waits for no letter."""
        return self.due_at if self.urgency is Urgency.CRITICAL else None

    def is_to_reopen(self, at: datetime) -> bool:
        """Tell whether nothing has come of an acknowledgement in time."""
        return self.reopen_at is not None and self.reopen_at <= at

    def is_silent(self, at: datetime) -> bool:
        """Tell whether the time to acknowledge is over, so that the next is told."""
        return self.escalate_at is not None and self.escalate_at <= at

    def tell(
        self, worker_id: str, step: int, *, at: datetime, until: datetime, mail: bool
    ) -> Self:
        """Tell the next of the chain, and wait for them until a time.

        Nobody gets a second e-mail while the first is still on its way. What has left
        by one way rings by no other any more: the next are asked.
        """
        before = self.without_calls_back()
        pending = any(
            each.worker_id == worker_id and each.mail and each.mail.due_at
            for each in before
        )
        rings = mail and bool(self.ways) and not pending
        wanted = Mail(channel=self.ways[0], due_at=at) if rings else None
        telling = Telling(worker_id=worker_id, step=step, at=at, mail=wanted)
        return self.model_copy(
            update={
                "told": (*before, telling),
                "step": step,
                "escalate_at": until,
            }
        )

    def pass_by(self, skips: list[Skip], at: datetime) -> Self:
        """Note who was passed over before somebody was told."""
        known = noted(self.skipped, skips, at)
        return self.model_copy(update={"skipped": known}) if skips else self

    def acknowledge(
        self,
        worker_id: str,
        at: datetime,
        *,
        by_link: bool = False,
        by_sms: bool = False,
    ) -> Self:
        """Note that somebody knows, so that nobody else is told.

        It is over then, unless something was to be done: it opens again if that is not
        done in time.
        """
        said = Answer(
            said=Said.ACKNOWLEDGED,
            worker_id=worker_id,
            at=at,
            by_link=by_link,
            by_sms=by_sms,
        )
        known: dict[str, Any] = {"acknowledged_at": at, "acknowledged_by": worker_id}
        known["answers"] = (*self.answers, said)
        if self.ended_at is None:
            minutes = self.progress_minutes
            after = at + timedelta(minutes=minutes) if minutes else None
            ended = None if minutes else at
            known |= {"reopen_at": after, "ended_at": ended, "escalate_at": None}
            known["told"] = self.without_waiting_mails()
        return self.model_copy(update=known)

    def reopen(self, at: datetime) -> Self:
        """Wait for an answer again, because nothing came of an acknowledgement.

        The next of the chain is told at once, unless somebody else is told with it.
        """
        known = self.acknowledged_by or self.worker_id
        said = Answer(said=Said.REOPENED, worker_id=known, at=at)
        return self._asked_anew(said).model_copy(update={"escalate_at": at})

    def cannot_take(
        self,
        worker_id: str,
        reason: DeclineReason,
        at: datetime,
        *,
        next_told: bool = True,
        by_link: bool = False,
    ) -> Self:
        """Note that somebody cannot take it: the next of the chain is told at once.

        Args:
            worker_id: Who.
            reason: Why.
            at: When they said so.
            next_told: Not if it was an offer, which is made to somebody else; should
                nobody hear of that, its own clock runs on. Said again, it changes
                nothing.
            by_link: They said so by the link in their e-mail.

        Raises:
            NothingToAnswer: It is over, or asks for no answer.
        """
        self._must_ask()
        said = Answer(
            said=Said.CANNOT_TAKE,
            worker_id=worker_id,
            at=at,
            reason=reason,
            by_link=by_link,
        )
        if next_told:
            return self._asked_anew(said).model_copy(update={"escalate_at": at})
        if any(each.said is Said.CANNOT_TAKE for each in self.answers):
            return self
        return self.model_copy(update={"answers": (*self.answers, said)})

    def hand_over(
        self,
        worker_id: str,
        to: str,
        *,
        at: datetime,
        until: datetime,
        mail: bool,
        by_link: bool = False,
    ) -> Self:
        """Tell somebody else in one's own place: it is theirs, and so is their chain.

        Raises:
            NothingToAnswer: It is over, or asks for no answer.
        """
        self._must_ask()
        said = Answer(
            said=Said.HANDED_OVER, worker_id=worker_id, at=at, to=to, by_link=by_link
        )
        given = self._asked_anew(said).tell(to, 0, at=at, until=until, mail=mail)
        return given.model_copy(update={"worker_id": to})

    def _must_ask(self) -> None:
        if self.ended_at is not None or self.chain is None:
            raise NothingToAnswer

    def _asked_anew(self, said: Answer) -> Self:
        """Wait for an answer again, whoever has given one before."""
        return self.model_copy(
            update={
                "acknowledged_at": None,
                "acknowledged_by": None,
                "reopen_at": None,
                "answers": (*self.answers, said),
            }
        )

    @property
    def patience(self) -> timedelta:
        """How long somebody who is told anew has to say that they know."""
        return timedelta(minutes=self.acknowledge_minutes or 1)

    def end(self, at: datetime) -> Self:
        """Note that nobody else need be told. E-mails not gone out stay at home."""
        return self.model_copy(
            update={
                "ended_at": at,
                "escalate_at": None,
                "reopen_at": None,
                "told": self.without_waiting_mails(),
            }
        )

    def erase(self, at: datetime) -> Self:
        """Leave a tombstone: that a worker was told something of a case, and when."""
        ended = self if self.ended_at else self.end(at)
        first = self.told[0].model_copy(update={"mail": None, "tried": ()})
        return ended.model_copy(
            update={
                "told": (first,),
                "about_id": None,
                "acknowledged_by": None,
                "repeats": (),
                "answers": (),
                "skipped": (),
            }
        )

    def pass_over(self, number: int, at: datetime) -> Self:
        """Send no e-mail to somebody who may not know of the case any more."""
        new = self.leave_out(number, at, PASSED_OVER)
        return new if self._others_since(number) else new.hurry(at)

    def not_reached(self, number: int, at: datetime) -> Self:
        """Wait no longer for somebody who cannot be reached, the first time.

        Whoever ends a chain is told again and again, so after that its pauses hold.
        Where somebody else has been told since, the time that runs is theirs.
        """
        worker_id = self.told[number].worker_id
        before = (each.worker_id for each in self.told[:number])
        if worker_id in before or self._others_since(number):
            return self
        return self.hurry(at)

    def _others_since(self, number: int) -> bool:
        """Tell whether somebody else was told later, and so is the one who is asked.

        By the step alone that is not known: handing over and opening again begin anew
        at the first. Those who are told at one step are told at one time.
        """
        telling = self.told[number]
        return any(
            each.at > telling.at and each.worker_id != telling.worker_id
            for each in self.told
        )

    def hurry(self, at: datetime) -> Self:
        """Have the next of the chain told at once, if somebody has to say they know."""
        escalate_at = min(self.escalate_at, at) if self.escalate_at else None
        return self.model_copy(update={"escalate_at": escalate_at})

    def waits_for(self, workers: Collection[str], at: datetime) -> bool:
        """Tell whether it waits yet for an answer of these workers, and nobody else."""
        waits = self.escalate_at is not None and self.escalate_at > at
        return waits and self.asked <= set(workers)

    @property
    def asked(self) -> frozenset[str]:
        """Who was asked last: all who were told at the same step and time.

        Whoever has handed it over, or did nothing of what they said, is not waited for.
        """
        last = (self.told[-1].step, self.told[-1].at)
        return frozenset(e.worker_id for e in self.told if (e.step, e.at) == last)

    def last_told(self, worker_id: str) -> datetime:
        """Give when somebody who was told was told last."""
        return max(each.at for each in self.told if each.worker_id == worker_id)

    def waits_by(self, way: Way, at: datetime) -> bool:
        """Tell whether something of it is due by a way, and has not left.

        By the inbox, that the next of the chain is told. Else what was tried by it, and
        is to be again, or has rung by another way since, while nobody knows.
        """
        if way is Way.INBOX:
            return self.is_silent(at) or self.is_to_reopen(at)
        return not self.is_known and self.has_failed_by(way)

    def is_over_by(self, at: datetime) -> bool:
        """Tell whether it is open, and is of what had happened by a time.

        When it was told says nothing of that: it may have waited in a queue for long.
        """
        return self.ended_at is None and (self.happened_at or self.created_at) <= at

    def repeats_of(self, message_id: str) -> bool:
        """Tell whether a message has told the same again."""
        return any(each.message_id == message_id for each in self.repeats)

    def repeat(self, what: Occasion, at: datetime) -> Self:
        """Note that the same was told again."""
        again = Repeat(message_id=what.message_id, at=at, waited=what.waited)
        return self.model_copy(update={"repeats": (*self.repeats, again)})

    def is_about(self, what: Occasion, worker_id: str, rule: Rule) -> bool:
        """Tell whether it tells a worker of the same thing, and as loud."""
        same = (self.event, self.about_id, self.worker_id, self.urgency)
        return same == (what.event, what.about_id, worker_id, rule.urgency)


def stamp(at: datetime) -> str:
    """Write a time, which is always UTC, in one length for all, so that it sorts."""
    return at.isoformat(timespec="milliseconds")[:AT_LENGTH]


def open_since(at: datetime) -> str:
    """Give the place in an inbox after which stands what is open since a time."""
    return f"{OPEN}.{stamp(at)}"


def notification_id(message_id: str, worker_id: str, template: str) -> str:
    """Derive the id, so that a repeated message finds what it has caused."""
    return str(uuid5(UUID(message_id), f"{worker_id}/{template}"))


def reference_of(notification_id: str) -> str:
    """Give a notification's reference, like ``7F3K-2Q``."""
    bits = UUID(notification_id).int >> (128 - REFERENCE_BITS)
    shifts = range(REFERENCE_BITS - 5, -1, -5)
    letters = "".join(LETTERS[bits >> shift & 31] for shift in shifts)
    return f"{letters[:4]}-{letters[4:]}"
