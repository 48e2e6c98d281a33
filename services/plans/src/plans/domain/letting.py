"""Letting a paper go: two people, each of whom has read that very paper.

A leak is seldom an attack. It is a letter to the wrong household, or a bundle that
nobody had read. So nothing leaves on one person's word.
"""

from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Self

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict


class NoSuchRelease(Refusal):
    """There is no such release."""

    status = 404


class OwnRelease(Refusal):
    """Whoever asked for a release does not confirm it: that takes somebody else."""

    status = 403


class ReleaseOver(Refusal):
    """This release is over: ask for a new one."""


class NotConfirmed(Refusal):
    """Nobody but who asked for it has read this paper yet, so it does not leave."""


class AnotherPaper(Refusal):
    """The paper is not the one that was read: read it as it is now."""


class Reader(BaseModel):
    """Who has read a paper: to the identity provider, and in the directory."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: str
    worker: str | None = None

    def is_same(self, other: "Reader") -> bool:
        """Tell whether they are one person, by either of what names them."""
        if self.worker is not None and self.worker == other.worker:
            return True
        return (self.issuer, self.subject) == (other.issuer, other.subject)


class Letting(BaseModel):
    """That a paper may leave.

    Attributes:
        paper: What tells that very paper from others: a digest under a key.
        until: When it lapses: by then it is to be confirmed, or fetched.
        ended_at: When it was taken back, or what it rests on was decided anew.
        left_for: For which agencies it was fetched; none: by somebody of no agency.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    paper: str
    asked_by: Reader
    asked_at: datetime
    confirmed_by: Reader | None = None
    confirmed_at: datetime | None = None
    until: datetime
    ended_at: datetime | None = None
    left_for: tuple[Code | None, ...] = ()

    def confirm(self, by: Reader, paper: str, *, at: datetime, hours: int) -> Self:
        """Give a second person's word. Giving it again changes nothing.

        Args:
            by: Who.
            paper: The one that they have read.
            at: When.
            hours: So long it may be fetched from then on.

        Raises:
            OwnRelease: It is the word of whoever asked.
            ReleaseOver: It has lapsed, or was ended.
            AnotherPaper: They have read another paper.
        """
        if by.is_same(self.asked_by):
            raise OwnRelease
        self._stands(at)
        self.is_of(paper)
        if self.confirmed_by:
            return self
        until = at + timedelta(hours=hours)
        return self.model_copy(
            update={"confirmed_by": by, "confirmed_at": at, "until": until}
        )

    def fetch(self, paper: str, at: datetime) -> None:
        """See that the paper may leave as it is now.

        Raises:
            ReleaseOver: It has lapsed, or was ended.
            NotConfirmed: There is no second person's word.
            AnotherPaper: It is not what the two have read.
        """
        self._stands(at)
        if self.confirmed_by is None:
            raise NotConfirmed
        self.is_of(paper)

    def leave(self, agency: str | None) -> Self:
        """Note for which agency it was fetched. Again changes nothing."""
        if agency in self.left_for:
            return self
        return self.model_copy(update={"left_for": (*self.left_for, agency)})

    def is_of(self, paper: str) -> None:
        """See that it is of this very paper.

        Raises:
            AnotherPaper: It is not.
        """
        is_same(paper, self.paper)

    def end(self, at: datetime) -> Self:
        """Have it not leave any more. Ending it again changes nothing."""
        if self.ended_at:
            return self
        return self.model_copy(update={"ended_at": at})

    def _stands(self, at: datetime) -> None:
        if self.ended_at or at >= self.until:
            raise ReleaseOver


def is_same(paper: str, read: str) -> None:
    """See that a paper is the one that was read, by the digests of both.

    Raises:
        AnotherPaper: It is not.
    """
    if not compare_digest(paper, read):
        raise AnotherPaper
