"""What is so in a case that a plan's template does not ask about by itself.

How its people are related, what was told of them, and which dates are ahead: what a
locality's additions are added for.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TypeVar

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
    """That something was told to be so, or not to be so, and when last."""

    model_config = ConfigDict(frozen=True)

    so: bool
    at: datetime


E = TypeVar("E", Related, Heard)


class Word(BaseModel):
    """What one message tells.

    Attributes:
        related: How people are related, by person.
        so: What is so, by code, and what is not.
        at: When that was told.
    """

    model_config = ConfigDict(frozen=True)

    related: Mapping[str, Relationship]
    so: Mapping[Code, bool]
    at: datetime


class Known(BaseModel):
    """What a case was told of its circumstances, the last word of each.

    Attributes:
        related: How its people are related, by person.
        heard: What is so, or is not, by code.
    """

    model_config = ConfigDict(frozen=True)

    related: dict[str, Related] = {}
    heard: dict[Code, Heard] = {}

    def told(self, word: Word) -> "Known":
        """Take note of a word; of two about the same the later counts."""
        related = {key: Related(how=e, at=word.at) for key, e in word.related.items()}
        heard = {key: Heard(so=e, at=word.at) for key, e in word.so.items()}
        return Known(
            related=self.related | _later(related, self.related),
            heard=self.heard | _later(heard, self.heard),
        )


def _later(told: Mapping[str, E], known: Mapping[str, E]) -> dict[str, E]:
    return {
        key: each
        for key, each in told.items()
        if key not in known or known[key].at < each.at
    }


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
        heard = chain.from_iterable(each.heard.items() for each in known)
        dates: dict[TriggerKind, tuple[Ahead, ...]] = {}
        for each in coming:
            if not each.over and each.since:
                ahead = Ahead(each.since, each.happens_at)
                dates[each.kind] = (*dates.get(each.kind, ()), ahead)
        return cls(
            frozenset(each.how for each in related),
            frozenset(
                code
                for code, each in heard
                if each.so and (closed_at is None or each.at > closed_at)
            ),
            dates,
        )
