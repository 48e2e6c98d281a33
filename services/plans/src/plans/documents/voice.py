"""What somebody of a case says for themselves: wants, agrees to, refuses.

A plan is made for people, and too often without them. Their words stand beside it,
kept sealed, and go back to them on their own copy; and if having that copy at hand is
unsafe, it is not printed.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid5

from accord_contracts.access import Side
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

MOST_ENTRIES = 200
"""What one person said, at most: a document has an end."""


class NoSuchEntry(Refusal):
    """This person has said no such thing."""

    status = 404


class TakenBack(Refusal):
    """They took this back: what they say now is another thing, with another id."""


class SaidTooMuch(Refusal):
    """So much is recorded of this person that some of it must go first."""


class UnsafeToHold(Refusal):
    """Having this copy is unsafe for the person: it is not printed."""


class NotTheirCopy(Refusal):
    """Nobody has recorded what this person says, so there is no copy of their own."""


class Kind(StrEnum):
    """What somebody said of something."""

    WANTS = "wants"
    AGREED = "agreed"
    REFUSED = "refused"


class Entry(BaseModel):
    """One thing that somebody said.

    Attributes:
        strand: Which part of their life it is about.
        words: Their own; none once nobody can read them any more.
        by: Who wrote it down.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    strand: str
    words: str | None
    said_at: datetime
    by: str


class OwnVoice(BaseModel):
    """What one person of a case says for themselves.

    Attributes:
        person_id: Whose; referrals knows who that is.
        side: Theirs, or that of the person using violence: whoever meets that person
            reads nothing of the others'.
        unsafe_to_hold: A copy on paper would put them in danger.
        closed: A person has decided that it is they who use violence: there is no copy
            for them of what is done for somebody harmed.
        decided_at: When who harmed whom was last decided.
        erased: They are erased, and their case stays. What kept a copy from them stays
            too: they may be known by another id.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    person_id: str
    side: Side
    entries: tuple[Entry, ...] = ()
    unsafe_to_hold: bool = False
    closed: bool = False
    decided_at: datetime | None = None
    erased: bool = False

    @classmethod
    def of(cls, case_id: str, side: Side, person_id: str) -> Self:
        """Give somebody's of whom nothing is recorded yet."""
        id_ = voice_id(case_id, side, person_id)
        return cls(id=id_, case_id=case_id, side=side, person_id=person_id)

    def say(self, entry: Entry) -> Self:
        """Write down what they said; the same told again changes nothing.

        Raises:
            SaidTooMuch: It is too much.
        """
        if any(each.id == entry.id for each in self.entries):
            return self
        if len(self.entries) >= MOST_ENTRIES:
            raise SaidTooMuch
        return self.model_copy(update={"entries": (*self.entries, entry)})

    def take_back(self, entry_id: str) -> Self:
        """Have them not have said it. What is taken back already stays so."""
        kept = tuple(each for each in self.entries if each.id != entry_id)
        if len(kept) == len(self.entries):
            return self
        return self.model_copy(update={"entries": kept})

    def hold(self, *, unsafe: bool) -> Self:
        """Say whether having a copy is unsafe for them."""
        if unsafe is self.unsafe_to_hold:
            return self
        return self.model_copy(update={"unsafe_to_hold": unsafe})

    def erase(self) -> Self:
        """Have them say nothing, now and later."""
        if self.erased:
            return self
        return self.model_copy(update={"entries": (), "erased": True})

    def put_right(
        self, *, harmed: str, using_violence: str, corrected: bool, at: datetime
    ) -> Self:
        """Go by a decision on who harmed whom, unless a later one is known.

        Args:
            harmed: Who was harmed.
            using_violence: By whom.
            corrected: It was told the other way round before.
            at: When that was decided.
        """
        if self.decided_at and self.decided_at >= at:
            return self
        update: dict[str, object] = {"decided_at": at}
        if self.side is not Side.PERSON_USING_VIOLENCE:
            known = {using_violence: True, harmed: False}
            update["closed"] = known.get(self.person_id, self.closed)
        elif corrected and self.person_id != using_violence:
            update["side"] = Side.PERSON_HARMED
        return self.model_copy(update=update)


def copy_of(ids: Collection[str], voices: Iterable[OwnVoice]) -> None:
    """See that somebody may have a copy of their own, by every id that they have.

    Raises:
        NotTheirCopy: Nothing is recorded of them as somebody harmed, or a person has
            decided that it is they who use violence.
    """
    theirs = [e for e in voices if e.person_id in ids]
    own = [
        each
        for each in theirs
        if each.side is not Side.PERSON_USING_VIOLENCE and not each.erased
    ]
    if not own or any(each.closed for each in theirs):
        raise NotTheirCopy


def voice_id(case_id: str, side: Side, person_id: str) -> str:
    """Give the id of what one person says: there is one of each side."""
    return str(uuid5(UUID(case_id), f"voice/{side}/{person_id}"))
