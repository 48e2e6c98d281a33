"""A message to a worker: from the inbox to its end, or up the chain."""

from datetime import datetime
from functools import partial
from typing import Annotated, Self
from uuid import UUID, uuid5

from accord_contracts.message import Lane
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, Field, computed_field

from notify.domain.hours import Urgency
from notify.domain.mail import Mail, MailState, Outcome
from notify.domain.occasion import Addressee, Eyes, Occasion
from notify.domain.policy import EmailPolicy, Policy, Rule

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: none can be taken for another when read out on the telephone."""

REFERENCE_BITS = 30

OVER, OPEN = 0, 1
"""What places in an inbox begin with, the first ones last."""

AT_LENGTH = len("2026-11-02T12:00:00.000")


class NoSuchMessage(Refusal):
    """There is no such message in this inbox."""

    status = 404


class NoInbox(Refusal):
    """The token names no worker, so there is no inbox to look into."""

    status = 403


class Telling(BaseModel):
    """That somebody was told.

    Attributes:
        step: Which step of the chain; 0 for those whom the rule names.
        at: When it stood in their inbox.
        mail: The e-mail that goes with it, if one does.
    """

    model_config = ConfigDict(frozen=True)

    worker_id: str
    step: int = 0
    at: datetime
    mail: Mail | None = None


class Repeat(BaseModel):
    """That the same thing was told again, of which a worker knows already.

    Attributes:
        message_id: Which message told of it.
    """

    model_config = ConfigDict(frozen=True)

    message_id: str
    at: datetime


class Notification(BaseModel):
    """A message to one worker, and to those who were told when the worker was silent.

    Attributes:
        event: The type of what happened.
        revision: The version of the publisher's document that was told of.
        about_id: The allocation or action in question, if one is.
        worker_id: Who was to be told.
        eyes: Who may know of it.
        email: Whether the rule wants e-mail as well.
        any_hour: It rings in quiet hours too.
        lane: Of what happened, and so of all that is told of this.
        chain: Whose silence has which consequences; none if they may be silent.
        step: How far up the chain it has come.
        ack_by: Until when they have to say that they know.
        escalate_at: When the next of the chain is told.
        ended_at: When nothing more was to be done: somebody knew, or need not any more.
        repeats: When the same was told again, while this was open.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    event: str
    revision: int
    about_id: str | None = None
    worker_id: str
    # One from before this was kept was told to everybody alike.
    eyes: Eyes = Eyes.ALL
    template: str
    urgency: Urgency
    email: bool
    any_hour: bool = False
    lane: Lane
    policy_version: str
    chain: str | None = None
    step: int = 0
    created_at: datetime
    ack_by: datetime | None = None
    escalate_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    ended_at: datetime | None = None
    told: Annotated[tuple[Telling, ...], Field(min_length=1)]
    repeats: tuple[Repeat, ...] = ()

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
        loud = partial(policy.quiet.loud, rule.urgency, any_hour=rule.any_hour)
        wanted = None
        if mail and rule.email:
            mailed = policy.quiet.mailed(rule.urgency, at, any_hour=rule.any_hour)
            wanted = Mail(due_at=mailed)
        first = Telling(
            worker_id=to.told or to.worker_id, step=to.step, at=at, mail=wanted
        )
        return cls(
            id=notification_id(what.message_id, to.worker_id, rule.template),
            case_id=what.case_id,
            event=what.event,
            revision=what.revision,
            about_id=what.about_id,
            worker_id=to.worker_id,
            eyes=to.eyes,
            template=rule.template,
            urgency=rule.urgency,
            email=rule.email,
            any_hour=rule.any_hour,
            lane=what.lane,
            policy_version=policy.version,
            chain=rule.chain,
            step=to.step,
            created_at=at,
            ack_by=loud(loud(at) + within) if within else None,
            escalate_at=loud(loud(at) + (to.wait or within)) if within else None,
            told=(first,),
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
    def told_workers(self) -> list[str]:
        """Everyone in whose inbox it stands. Any of them may acknowledge it."""
        return list(dict.fromkeys(each.worker_id for each in self.told))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def since(self) -> str:
        """Its place among all messages by time: sorts, and is unique."""
        return f"{stamp(self.created_at)}.{self.id}"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def place(self) -> str:
        """Its place in an inbox: what is open comes first, then what is newest."""
        return f"{OPEN if self.ended_at is None else OVER}.{self.since}"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When something is next to be done about it; never once it has ended."""
        if self.ended_at is not None:
            return None
        mails = (each.mail.due_at for each in self.told if each.mail)
        return min((at for at in (self.escalate_at, *mails) if at), default=None)

    def is_silent(self, at: datetime) -> bool:
        """Tell whether the time to acknowledge is over, so that the next is told."""
        return self.escalate_at is not None and self.escalate_at <= at

    def tell(
        self, worker_id: str, step: int, *, at: datetime, until: datetime, mail: bool
    ) -> Self:
        """Tell the next of the chain, and wait for them until a time.

        Nobody gets a second e-mail while the first is still on its way.
        """
        pending = any(
            each.worker_id == worker_id and each.mail and each.mail.due_at
            for each in self.told
        )
        wanted = Mail(due_at=at) if mail and self.email and not pending else None
        telling = Telling(worker_id=worker_id, step=step, at=at, mail=wanted)
        return self.model_copy(
            update={
                "told": (*self.told, telling),
                "step": step,
                "escalate_at": until,
            }
        )

    def acknowledge(self, worker_id: str, at: datetime) -> Self:
        """Note that somebody knows, which ends it if nothing has before."""
        ended = self if self.ended_at else self.end(at)
        return ended.model_copy(
            update={"acknowledged_at": at, "acknowledged_by": worker_id}
        )

    def end(self, at: datetime) -> Self:
        """Note that nobody else need be told. E-mails not gone out stay at home."""
        told = tuple(
            each.model_copy(update={"mail": None})
            if each.mail and each.mail.state is MailState.WANTED
            else each
            for each in self.told
        )
        return self.model_copy(
            update={"ended_at": at, "escalate_at": None, "told": told}
        )

    def erase(self, at: datetime) -> Self:
        """Leave a tombstone: that a worker was told something of a case, and when."""
        ended = self if self.ended_at else self.end(at)
        first = self.told[0].model_copy(update={"mail": None})
        return ended.model_copy(
            update={
                "told": (first,),
                "about_id": None,
                "acknowledged_by": None,
                "repeats": (),
            }
        )

    def pass_over(self, number: int, at: datetime) -> Self:
        """Send no e-mail to somebody who may not know of the case any more.

        If somebody has to say that they know, the next of the chain is told at once.
        """
        escalate_at = min(self.escalate_at, at) if self.escalate_at else None
        return self.with_mail(number, None).model_copy(
            update={"escalate_at": escalate_at}
        )

    def mail_due(self, at: datetime) -> int | None:
        """Give the first of those told whose e-mail is to go out now."""
        for number, each in enumerate(self.told):
            if each.mail and each.mail.due_at and each.mail.due_at <= at:
                return number
        return None

    def mails_to(self, worker_id: str) -> list[Mail]:
        """Give the e-mails to a worker, the first one first."""
        return [
            each.mail for each in self.told if each.mail and each.worker_id == worker_id
        ]

    def is_ready(self, mail: Mail, at: datetime) -> bool:
        """Tell whether an e-mail of it is due for the first time, not by itself."""
        due = mail.due_at is not None and mail.due_at <= at
        return due and self._can_be_gathered(mail)

    def may_be_gathered(self, number: int) -> bool:
        """Tell whether an e-mail may become one with others.

        An alarm goes by itself, and so does what was tried before: it is the same
        letter at every attempt.
        """
        mail = self.told[number].mail
        return mail is not None and self._can_be_gathered(mail)

    def _can_be_gathered(self, mail: Mail) -> bool:
        fresh = mail.state is MailState.WANTED and not mail.attempts
        return fresh and self.ended_at is None and self.urgency is not Urgency.CRITICAL

    def repeats_of(self, message_id: str) -> bool:
        """Tell whether a message has told the same again."""
        return any(each.message_id == message_id for each in self.repeats)

    def repeat(self, message_id: str, at: datetime) -> Self:
        """Note that the same was told again."""
        again = Repeat(message_id=message_id, at=at)
        return self.model_copy(update={"repeats": (*self.repeats, again)})

    def is_about(self, what: Occasion, worker_id: str, rule: Rule) -> bool:
        """Tell whether it tells a worker of the same thing, and as loud."""
        same = (self.event, self.about_id, self.worker_id, self.urgency)
        return same == (what.event, what.about_id, worker_id, rule.urgency)

    def postpone_mail(self, number: int, until: datetime) -> Self:
        """Note that an e-mail waits, to become one with others."""
        mail = self.told[number].mail
        return self.with_mail(number, mail.postpone(until) if mail else None)

    def speak_within(self, number: int, other: str, at: datetime) -> Self:
        """Note that another message's letter has said that there is this one too."""
        mail = self.told[number].mail
        return self.with_mail(number, mail.speak_within(other, at) if mail else None)

    def mail_state(self, number: int) -> MailState | None:
        """Tell how far an e-mail has come."""
        mail = self.told[number].mail
        return mail.state if mail else None

    def claim_mail(
        self,
        number: int,
        at: datetime,
        policy: EmailPolicy,
        covers: tuple[str, ...] = (),
    ) -> Self:
        """Note that an e-mail is about to be sent, and for which others it speaks."""
        mail = self.told[number].mail
        return self.with_mail(number, mail.claim(at, policy, covers) if mail else None)

    def settle_mail(
        self,
        number: int,
        outcome: Outcome,
        reason: str | None,
        at: datetime,
        policy: EmailPolicy,
    ) -> Self:
        """Note what became of an attempt.

        What was not taken need not go out any more once the message has ended.
        """
        mail = self.told[number].mail
        settled = mail.settle(outcome, reason, at, policy) if mail else None
        needless = self.ended_at is not None and outcome is Outcome.NOT_TAKEN
        return self.with_mail(number, None if needless else settled)

    def with_mail(self, number: int, mail: Mail | None) -> Self:
        """Note how far an e-mail has come, or that there is none."""
        told = list(self.told)
        told[number] = told[number].model_copy(update={"mail": mail})
        return self.model_copy(update={"told": tuple(told)})

    def mail_key(self, number: int) -> str:
        """Identify an e-mail, the same at every attempt, so that twice can be seen."""
        return str(uuid5(UUID(self.id), f"mail/{number}"))


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
