"""What rings with telling somebody, by e-mail, SMS or push: from wanted to sent."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict

from notify.domain.channels import EmailPolicy, Way
from notify.domain.retry_after import NONE

NO_ANSWER = "no_answer"
"""Why nobody knows what became of an attempt."""


class MailState(StrEnum):
    """How far an e-mail has come.

    Claimed is saved before sending, so that a crash leaves a trace: whatever is found
    claimed and overdue may or may not have arrived, which is unknown.
    """

    WANTED = "wanted"
    CLAIMED = "claimed"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Outcome(StrEnum):
    """What became of one attempt to send an e-mail."""

    SENT = "sent"
    REFUSED = "refused"
    NOT_TAKEN = "not_taken"
    UNKNOWN = "unknown"


class Became(BaseModel):
    """What became of one attempt, or was heard of it later, and when."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    state: MailState
    reason: str | None = None


class Mail(BaseModel):
    """What rings with telling somebody: an e-mail, an SMS or a push.

    Attributes:
        channel: Which of them.
        attempts: How often it was tried.
        due_at: When it is to be tried (again); none if it is not.
        reason: Why it has not gone out yet, as a code.
        delivered_at: When its gateway said that it has arrived.
        covers: Further messages for which this letter speaks: it says how many.
        within: The message whose letter spoke for this one.
        claimed_at: When the latest attempt was begun.
        became: What became of every attempt, first to last: none is forgotten.
        not_before: Until when whoever did not take it last asked not to be tried again.
    """

    model_config = ConfigDict(frozen=True)

    channel: Way = Way.EMAIL
    state: MailState = MailState.WANTED
    attempts: int = 0
    due_at: datetime | None
    sent_at: datetime | None = None
    reason: str | None = None
    delivered_at: datetime | None = None
    covers: tuple[str, ...] = ()
    within: str | None = None
    claimed_at: datetime | None = None
    became: tuple[Became, ...] = ()
    not_before: datetime | None = None

    @property
    def left_at(self) -> datetime | None:
        """When it left, unless it has come back since."""
        return self.sent_at if self.state is MailState.SENT else None

    @property
    def is_fresh(self) -> bool:
        """Whether it is wanted, and was never tried."""
        return self.state is MailState.WANTED and not self.attempts

    @property
    def not_taken(self) -> bool:
        """Whether the last that became of it is that it was not taken, not for good."""
        return bool(self.became) and self.became[-1].state is MailState.WANTED

    def wait(self, until: datetime) -> Self:
        """Note that what was laid aside is to be tried again."""
        return self.model_copy(update={"state": MailState.WANTED, "due_at": until})

    def claim(
        self, at: datetime, policy: EmailPolicy, covers: tuple[str, ...] = ()
    ) -> Self:
        """Note that it is about to be sent, and for which others it speaks."""
        return self.model_copy(
            update={
                "state": MailState.CLAIMED,
                "claimed_at": at,
                "due_at": at + policy.unknown_after,
                "covers": covers,
            }
        )

    @property
    def under_way_since(self) -> datetime | None:
        """When the attempt was begun of which nobody has noted what became, if one was.

        It is under way, or whoever made it has died over it.
        """
        return self.claimed_at if self.state is MailState.CLAIMED else None

    def lose(self) -> Self:
        """Note that nobody knows what became of an attempt, if one was under way."""
        if self.under_way_since is None:
            return self
        return self._now(
            MailState.UNKNOWN, self.due_at, self.under_way_since, reason=NO_ANSWER
        )

    def give_up(self, at: datetime, reason: str | None = None) -> Self:
        """Note that it is tried no more, because another way is, or nobody is to know.

        Args:
            at: When.
            reason: Why, if no attempt has said so.
        """
        last = (*self.became, Became(at=at, state=MailState.FAILED, reason=reason))
        given_up: dict[str, object] = {"state": MailState.FAILED, "due_at": None}
        if reason:
            given_up |= {"became": last, "reason": reason}
        return self.model_copy(update=given_up)

    def arrive(self, at: datetime) -> Self:
        """Note that its gateway says that it has arrived."""
        if self.state is MailState.SENT:
            return self.model_copy(update={"delivered_at": at})
        sent = self._now(MailState.SENT, None, at, sent_at=at)
        same = {"delivered_at": at, "attempts": self.attempts}
        return sent.model_copy(update=same)

    def bounce(self, reason: str, at: datetime) -> Self:
        """Note that its gateway or mail server says that it never arrives."""
        gone = self._now(MailState.FAILED, None, at, reason=reason)
        same = {"attempts": self.attempts, "sent_at": self.sent_at}
        return gone.model_copy(update=same)

    def rest(self) -> Self:
        """Note that it is not tried again, because it need not ring any more."""
        return self.model_copy(update={"due_at": None})

    def postpone(self, until: datetime) -> Self:
        """Note that it is to be looked at again later."""
        return self.model_copy(update={"due_at": until})

    def speak_within(self, other: str, at: datetime) -> Self:
        """Note that another message's letter has said that there is this one too."""
        return self._now(MailState.SENT, None, at, sent_at=at).model_copy(
            update={"within": other}
        )

    def settle(
        self,
        outcome: Outcome,
        reason: str | None,
        at: datetime,
        policy: EmailPolicy,
        key: str = "",
        *,
        wait: timedelta = NONE,
    ) -> Self:
        """Note what became of an attempt.

        A message to an agency's worker is repeated when nobody knows whether it has
        arrived: that it comes twice is better than that it never comes.

        Args:
            outcome: What became of it.
            reason: Why it has not gone out, as a code.
            at: When it was begun.
            policy: When it is tried again.
            key: What is the same at every attempt.
            wait: How long whoever did not take it asks not to be tried again; never
                sooner than our own pause.
        """
        drawn_from = key if self.channel is Way.PUSH else None
        again = policy.again_after(self.attempts + 1, drawn_from)
        due_at = at + max(again, wait) if again else None
        match outcome:
            case Outcome.SENT:
                return self._now(MailState.SENT, None, at, sent_at=at)
            case Outcome.REFUSED:
                return self._now(MailState.FAILED, None, at, reason=reason)
            case Outcome.NOT_TAKEN:
                state = MailState.WANTED if again else MailState.FAILED
                settled = self._now(state, due_at, at, reason=reason)
                return settled.model_copy(update={"not_before": at + wait})
            case Outcome.UNKNOWN:
                return self._now(MailState.UNKNOWN, due_at, at, reason=reason)

    def _now(
        self,
        state: MailState,
        due_at: datetime | None,
        at: datetime,
        *,
        sent_at: datetime | None = None,
        reason: str | None = None,
    ) -> Self:
        return self.model_copy(
            update={
                "state": state,
                "attempts": self.attempts + 1,
                "due_at": due_at,
                "sent_at": sent_at,
                "reason": reason,
                "became": (*self.became, Became(at=at, state=state, reason=reason)),
            }
        )
