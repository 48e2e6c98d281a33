"""That an agency's own system is told of one thing, from wanted to sent."""

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from notify.domain.mail import Outcome
from notify.domain.retry_after import NONE
from notify.domain.webhook import WebhookPolicy


class DeliveryState(StrEnum):
    """How far telling a system has come; claimed is saved before it is tried."""

    WANTED = "wanted"
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"


class Attempt(BaseModel):
    """What became of one attempt to tell a system, or that it is tried no more."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    state: DeliveryState
    reason: str | None = None


class Delivery(BaseModel):
    """That an agency's system is told of one thing.

    Attributes:
        event: The type of what happened.
        about_id: What waits for the agency: an inquiry, a meeting, a task of one, or
            a service that it is asked for.
        meeting_id: The meeting, if it is one or a task of one.
        attempts: How often it was tried.
        due_at: When it is to be tried (again); none if it is not.
        reason: Why it has not gone out yet, as a code.
        counted_since: Since when its system was told for which attempts are counted.
        became: What became of every attempt, first to last: none is forgotten.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    agency: str
    event: str
    about_id: str
    meeting_id: str | None = None
    created_at: datetime
    state: DeliveryState = DeliveryState.WANTED
    attempts: int = 0
    due_at: datetime | None
    sent_at: datetime | None = None
    reason: str | None = None
    counted_since: datetime | None = None
    became: tuple[Attempt, ...] = ()

    @property
    def link(self) -> str:
        """Where it leads, below the portal's address: never through the case."""
        if self.meeting_id and self.meeting_id == self.about_id:
            return f"/meetings/{self.meeting_id}"
        if self.meeting_id:
            return f"/meetings/{self.meeting_id}/tasks/{self.about_id}"
        if self.event.startswith("service."):
            return f"/services/{self.about_id}"
        return f"/inquiries/{self.about_id}"

    def told_since(self, on_since: datetime) -> Self:
        """Count attempts anew where its system was put again since."""
        if self.counted_since == on_since:
            return self
        anew = {"attempts": 0, "counted_since": on_since}
        return self.model_copy(update=anew)

    def claim(self, at: datetime, policy: WebhookPolicy) -> Self:
        """Note that it is about to be tried."""
        due_at = at + timedelta(minutes=policy.unknown_after_minutes)
        return self._now(DeliveryState.CLAIMED, due_at)

    def settle(
        self,
        outcome: Outcome,
        reason: str | None,
        at: datetime,
        policy: WebhookPolicy,
        *,
        wait: timedelta = NONE,
    ) -> Self:
        """Note what became of an attempt.

        That a system is told twice harms nothing: it knows the id. So whatever has not
        surely arrived is tried again.

        Args:
            outcome: What became of it.
            reason: Why it has not gone out, as a code.
            at: When it was begun.
            policy: When it is tried again.
            wait: How long the system asks not to be; never sooner than our own pause.
        """
        attempts = self.attempts + 1
        again = policy.again_after(attempts, self.id)
        if outcome is Outcome.SENT:
            settled = self._now(DeliveryState.SENT, None, sent_at=at).noted(at)
        elif again is None:
            settled = self.give_up(reason or "not_taken", at)
        else:
            due_at = at + max(again, wait)
            wanted = self._now(DeliveryState.WANTED, due_at, reason=reason)
            settled = wanted.noted(at)
        return settled.model_copy(update={"attempts": attempts})

    def wait(self, until: datetime, reason: str) -> Self:
        """Note that it waits, because the system is told nothing at present."""
        return self._now(self.state, until, reason=reason)

    def hurry(self, at: datetime) -> Self:
        """Note that it waits no longer: its system was put again."""
        return self._now(self.state, at, reason=self.reason)

    def give_up(self, reason: str, at: datetime) -> Self:
        """Note that it is tried no more."""
        return self._now(DeliveryState.FAILED, None, reason=reason).noted(at)

    def erase(self) -> Self:
        """Leave a tombstone: that an agency was told something, and when."""
        gone = self._now(DeliveryState.FAILED, None, reason="erased")
        ended = gone if self.due_at else self
        nothing = {"case_id": "", "about_id": "", "meeting_id": None}
        return ended.model_copy(update=nothing)

    def noted(self, at: datetime) -> Self:
        """Keep what has become of it at a time."""
        became = Attempt(at=at, state=self.state, reason=self.reason)
        return self.model_copy(update={"became": (*self.became, became)})

    def _now(
        self,
        state: DeliveryState,
        due_at: datetime | None,
        *,
        sent_at: datetime | None = None,
        reason: str | None = None,
    ) -> Self:
        told = {"state": state, "due_at": due_at, "sent_at": sent_at, "reason": reason}
        return self.model_copy(update=told)


def delivery_id(message_id: str, agency: str) -> str:
    """Derive the id, so that a repeated message finds what it has caused."""
    return str(uuid5(UUID(message_id), f"webhook/{agency}"))


def body_of(delivery: Delivery, reference: str, link_base: str) -> bytes:
    """Write what is sent: what kind of thing waits, a reference, a link."""
    told = {
        "type": delivery.event,
        "timestamp": delivery.created_at.isoformat(),
        "data": {"reference": reference, "link": f"{link_base}{delivery.link}"},
    }
    return json.dumps(told, separators=(",", ":")).encode()
