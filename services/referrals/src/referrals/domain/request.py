"""What needs two people: one asks, and another must confirm it in time.

Erasing cannot be undone, and without its legal hold a case is erased by a clock. Nobody
may destroy evidence alone, or with one stolen login.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from referrals.domain.erasure import Decision


class NoSuchRequest(Refusal):
    """Nobody has asked for this."""

    status = 404


class OwnRequest(Refusal):
    """Somebody else must confirm this: it was you who asked for it."""

    status = 403


class NotYourRequest(Refusal):
    """Only whoever asked for this may withdraw it."""

    status = 403


class RequestOver(Refusal):
    """This was withdrawn, or not confirmed in time: it must be asked for again."""


class ConfirmedBefore(Refusal):
    """This is confirmed already, and cannot be withdrawn any more."""


class Act(StrEnum):
    """What two people decide together."""

    ERASE_PERSON = "erase_person"
    ERASE_CASE = "erase_case"
    RELEASE_HOLD = "release_hold"


class Identity(BaseModel):
    """Who somebody is: to the identity provider, and in the directory of workers."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: str
    worker: str | None = None

    def is_same(self, other: "Identity") -> bool:
        """Tell whether they are one person, by either of what names them."""
        if self.worker is not None and self.worker == other.worker:
            return True
        return (self.issuer, self.subject) == (other.issuer, other.subject)


class Request(BaseModel):
    """That somebody asks for what needs another's word too.

    Attributes:
        about: The id of the person or case.
        case_id: The case by which it is told of; none: it was asked before it was told.
        hold: The legal hold that is to end, as it stood: another one is not meant.
        until: When it lapses.
        decided: What was decided, once somebody has confirmed it.
        waits_until: When it lapses; none once somebody has decided, or it has lapsed.
        due_at: When it is told that it has lapsed, and after that when it is erased.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    act: Act
    about: str
    reason: Code
    hold: Decision | None
    asker: Identity
    asked_at: datetime
    until: datetime
    withdrawn_at: datetime | None = None
    decided: Decision | None = None
    case_id: str | None = None
    waits_until: datetime | None = None
    due_at: datetime | None = None

    @classmethod
    def ask(
        cls,
        act: Act,
        about: str,
        reason: Code,
        asker: Identity,
        *,
        hold: Decision | None,
        case_id: str,
        at: datetime,
        days: float,
    ) -> "Request":
        """Ask for something, for some days.

        One id stands for one wish: whoever confirms has seen all that it says.
        """
        since = hold.at.isoformat() if hold else ""
        wish = f"{act}/{reason}/{since}/{asker.issuer}/{asker.subject}"
        return cls(
            id=str(uuid5(UUID(about), wish)),
            act=act,
            about=about,
            reason=reason,
            hold=hold,
            asker=asker,
            asked_at=at,
            until=at + timedelta(days=days),
            case_id=case_id,
            waits_until=at + timedelta(days=days),
            due_at=at + timedelta(days=days),
        )

    def is_open(self, at: datetime) -> bool:
        """Tell whether it waits for somebody to confirm it."""
        return not (self.withdrawn_at or self.decided) and at < self.until

    def confirm(self, confirmer: Identity, at: datetime) -> "Request":
        """Give a second person's word; who says so again changes nothing.

        Raises:
            OwnRequest: By whoever asked.
            RequestOver: It was withdrawn, or has lapsed.
        """
        if confirmer.is_same(self.asker):
            raise OwnRequest
        if self.withdrawn_at or at >= self.until:
            raise RequestOver
        if self.decided:
            return self
        decided = Decision(
            reason=self.reason,
            by=self.asker.subject,
            confirmed_by=confirmer.subject,
            at=at,
        )
        return self._over(at, decided=decided)

    def withdraw(self, by: Identity, at: datetime) -> "Request":
        """Take it back.

        Raises:
            NotYourRequest: By somebody else than who asked.
            ConfirmedBefore: It is too late.
        """
        if not by.is_same(self.asker):
            raise NotYourRequest
        if self.decided:
            raise ConfirmedBefore
        return self._over(at, withdrawn_at=self.withdrawn_at or at)

    def lapse(self, at: datetime) -> "Request":
        """Note that nobody has confirmed it in time: it is told once."""
        return self._over(at)

    def look_again(self, at: datetime) -> "Request":
        """Erase it no sooner than at a time."""
        return self.model_copy(update={"due_at": at})

    def _over(self, at: datetime, **changes: object) -> "Request":
        # A clock sees to how long it is kept from then on.
        return self.model_copy(update={"waits_until": None, "due_at": at, **changes})

    @property
    def over_at(self) -> datetime:
        """When it was over, as it is: from then on it is kept for a time."""
        if self.decided:
            return self.decided.at
        return self.withdrawn_at or self.until
