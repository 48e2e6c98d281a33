"""What is so in a case that a plan's template does not ask about by itself.

How its people are related, what was told of them, and which dates are ahead: what a
locality's additions are added for.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from accord_contracts.message import Code
from accord_contracts.referrals import Relationship, TriggerKind
from pydantic import BaseModel, ConfigDict

from plans.domain.coming import Coming


class Related(BaseModel):
    """How somebody is related to whom they harm, or who harms them, as told last."""

    model_config = ConfigDict(frozen=True)

    how: Relationship
    at: datetime


class Heard(BaseModel):
    """That a referral tells something to be so, or not to be so.

    Attributes:
        number: Of the change of the referral that said so; 0: the referral itself.
        at: Since when it says so.
    """

    model_config = ConfigDict(frozen=True)

    so: bool
    number: int
    at: datetime


class Word(BaseModel):
    """What one message tells of a referral.

    Attributes:
        referral_id: Of which.
        number: Of the change of the referral; 0: the referral itself.
        related: How people are related, by person.
        so: What is so, by code, and what is not.
        at: When that was told.
    """

    model_config = ConfigDict(frozen=True)

    referral_id: str
    number: int
    related: Mapping[str, Relationship]
    so: Mapping[Code, bool]
    at: datetime


class Known(BaseModel):
    """What a case was told of its circumstances.

    Of how somebody is related the last word counts, whosever it is. What is so is so as
    long as one referral says it: that another agency does not know of it, or was told
    otherwise, takes nothing away. Its own agency alone corrects that.

    Attributes:
        related: How its people are related, by person.
        heard: What is so, or is not, by code and referral.
    """

    model_config = ConfigDict(frozen=True)

    related: dict[str, Related] = {}
    heard: dict[Code, dict[str, Heard]] = {}

    def told(self, word: Word) -> "Known":
        """Take note of a word, in whatever order they come."""
        related = {
            key: Related(how=how, at=word.at)
            for key, how in word.related.items()
            if key not in self.related or self.related[key].at < word.at
        }
        heard = dict(self.heard)
        for code, so in word.so.items():
            by_referral = heard.get(code, {})
            new = Heard(so=so, number=word.number, at=word.at)
            last = _later(new, by_referral.get(word.referral_id))
            heard[code] = {**by_referral, word.referral_id: last}
        return Known(related=self.related | related, heard=heard)

    def told_since(self, at: datetime | None) -> Iterator[str]:
        """Give what any referral tells to be so, if it does so only since a time."""
        for code, by_referral in self.heard.items():
            if any(e.so and (at is None or e.at > at) for e in by_referral.values()):
                yield code


def _later(new: Heard, known: Heard | None) -> Heard:
    """Give the later word of one referral; said again, it is so since the first."""
    if known is None:
        return new
    last = max(new, known, key=lambda each: each.number)
    if new.so is not known.so:
        return last
    return last.model_copy(update={"at": min(new.at, known.at)})


@dataclass(frozen=True, slots=True)
class Ahead:
    """A date that is known ahead.

    Attributes:
        since: When it became known.
        happens_at: When it is.
    """

    since: datetime
    happens_at: datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is so in a case now.

    Attributes:
        relationships: How any of its people are related.
        told: What was told to be so since it was planned for last, by code.
        dates: What is ahead, by kind.
    """

    relationships: frozenset[Relationship] = frozenset()
    told: frozenset[str] = frozenset()
    dates: Mapping[TriggerKind, tuple[Ahead, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        known: Collection[Known],
        coming: Iterable[Coming],
        closed_at: datetime | None,
    ) -> "Circumstances":
        """Give what is so, by what is known.

        Args:
            known: Of the case, and of those merged into it.
            coming: Its dates, and theirs.
            closed_at: When its plan was closed last: what was told before then was of
                another episode. How people are related stays.
        """
        related = chain.from_iterable(each.related.values() for each in known)
        dates: dict[TriggerKind, tuple[Ahead, ...]] = {}
        for each in coming:
            if not each.over and each.since:
                ahead = Ahead(each.since, each.happens_at)
                dates[each.kind] = (*dates.get(each.kind, ()), ahead)
        return cls(
            frozenset(each.how for each in related),
            frozenset(
                chain.from_iterable(each.told_since(closed_at) for each in known)
            ),
            dates,
        )
