"""That two people who are known may be one, for a person to decide.

What was decided is kept here and nowhere else: while two are one, nothing that is kept
of either changes, moves or is copied, so that taking it back leaves nothing behind.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from referrals.domain.recognition import NO_REGISTER, Person, Weighed, kind_of
from referrals.domain.request import Identity


class NoSuchMatch(Refusal):
    """There is no such question, or none for you."""

    status = 404


class OnePerson(Refusal):
    """These are one and the same: name two."""

    status = 422


class DecidedOtherwise(Refusal):
    """Somebody has decided this otherwise: have that taken back first."""


class NotDecided(Refusal):
    """Nobody has decided this yet."""


class KeptApart(Refusal):
    """Of two who would be one by this, somebody decided that they are different."""


class OneByOthers(Refusal):
    """These two are one by way of somebody else: have that taken back first."""


class Counterparts(Refusal):
    """One of them was named as harming the other: they are two people."""


SETTLING = timedelta(minutes=1)
"""How long it is waited with telling: until the referral in which somebody was met has
found its case."""


class Sign(BaseModel):
    """How far two records agree in one field, and never what either says.

    Attributes:
        bits: What it weighs: log2 of the odds for one person.
    """

    model_config = ConfigDict(frozen=True)

    field: str
    level: str
    bits: float


class TakenBack(BaseModel):
    """That a decision was taken back.

    Attributes:
        reason: A code of the locality's.
        by: Whoever took it back; none: what it rested on was corrected.
    """

    model_config = ConfigDict(frozen=True)

    reason: Code
    by: Identity | None
    at: datetime


CORRECTED = "who_they_are_was_corrected"
"""The reason where nobody took a decision back, but what it rested on has changed."""


class Answer(BaseModel):
    """What somebody decided.

    Attributes:
        same: They are one person.
        reason: A code of the locality's.
        by: Whoever decided.
        confirmed_by: The second person, where it takes two.
        back: Who took it back, and why, if it was.
    """

    model_config = ConfigDict(frozen=True)

    same: bool
    reason: Code | None
    by: Identity
    at: datetime
    confirmed_by: Identity | None = None
    back: TakenBack | None = None


class Review(BaseModel):
    """That one person may be the same as another, why, and what was decided.

    Attributes:
        id: Derived from the two, so that a pair is asked about once and for all.
        people: The ids of both, the lesser first; empty once one of them is forgotten.
        referral_id: The referral in which the one was met; none: a coordinator asks.
        bits: Log2 of the odds that they are one.
        signs: What speaks for it and against it.
        rules: What was decided whatever the weight.
        policy: The version of the weights.
        others: How many more the new one resembles, about whom nobody is asked.
        crowded: Kinds of keys that so many share that not all of them were compared.
        waiting_since: None once it is decided.
        contradicts: Registers that know the two by different codes: it takes two
            people to say that they are one.
        one: They are one.
        told: The cases that were told so.
        past: What was decided and taken back.
        dropped_at: Since when it is asked no more. Its version is kept, as others go by
            it: what is decided when it is asked again is later than what they know.
        announced: It was told that it waits.
        due_at: When it is told that it waits, or waits too long; once it is asked no
            more, when it is looked at whether it is kept any longer.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    people: tuple[str, str]
    referral_id: str | None
    opened_at: datetime
    bits: float
    signs: tuple[Sign, ...]
    rules: tuple[str, ...]
    policy: str
    others: int = 0
    crowded: tuple[str, ...] = ()
    waiting_since: datetime | None
    answer: Answer | None = None
    contradicts: tuple[str, ...] = ()
    one: bool = False
    told: tuple[str, ...] = ()
    past: tuple[Answer, ...] = ()
    dropped_at: datetime | None = None
    announced: bool = False
    due_at: datetime | None = None

    @property
    def waits_for_second(self) -> bool:
        """Tell whether somebody says that they are one, and another must too."""
        return self.answer is not None and self.answer.same and not self.one

    def decide(self, answer: Answer, contradicts: Iterable[str] = ()) -> "Review":
        """Note what somebody decided; who says so again changes nothing.

        Args:
            answer: What, and who.
            contradicts: Registers that know the two by different codes.

        Raises:
            DecidedOtherwise: It was decided, and not so.
        """
        held = self.answer
        if held is None or (self.waits_for_second and not answer.same):
            past = (*self.past, held) if held else self.past
            registers = tuple(sorted(contradicts)) if answer.same else ()
            waits = self.waiting_since if registers else None
            due = self.due_at if registers else None
            return self._with(
                answer=answer,
                contradicts=registers,
                one=answer.same and not registers,
                waiting_since=waits,
                due_at=due,
                past=past,
            )
        if held.same is not answer.same:
            raise DecidedOtherwise
        if not self.waits_for_second or answer.by.is_same(held.by):
            return self
        confirmed = held.model_copy(update={"confirmed_by": answer.by})
        return self._with(answer=confirmed, one=True, waiting_since=None, due_at=None)

    def take_back(self, back: TakenBack) -> "Review":
        """Ask anew what was decided; who takes it back again changes nothing.

        Raises:
            NotDecided: Nobody ever decided it.
        """
        if self.answer is None:
            if not self.past:
                raise NotDecided
            return self
        past = self.answer.model_copy(update={"back": back})
        return self._with(
            answer=None,
            one=False,
            contradicts=(),
            waiting_since=back.at,
            announced=False,
            due_at=back.at,
            past=(*self.past, past),
        )

    def drop(self, at: datetime) -> "Review":
        """Ask it no more, and keep nothing of what was asked and decided."""
        return Review(
            id=self.id,
            version=self.version,
            people=self.people,
            referral_id=None,
            opened_at=at,
            bits=0,
            signs=(),
            rules=(),
            policy=self.policy,
            waiting_since=None,
            dropped_at=at,
        )

    def forget(self, at: datetime) -> "Review":
        """Ask it no more, and keep nothing of whom it was about either, for a time."""
        update = {"people": ("", ""), "due_at": at}
        return self.drop(at).model_copy(update=update)

    def keep_until(self, at: datetime) -> "Review":
        """Look again at a time whether it is kept any longer."""
        return self._with(due_at=at)

    def announce(self, overdue_at: datetime) -> "Review":
        """Note that it was told that it waits, and when it waits too long."""
        return self._with(announced=True, due_at=overdue_at)

    def give_up(self) -> "Review":
        """Note that it was told that it waits too long; it waits on."""
        return self._with(due_at=None)

    def _with(self, **changes: object) -> "Review":
        return self.model_copy(update=changes)


def may_be_one(one: Iterable[Person], other: Iterable[Person]) -> frozenset[str]:
    """See that nobody decided that two who would be one by it are different.

    Args:
        one: Everybody who is one with the first of the two, and they themselves.
        other: The same for the second.

    Returns:
        Registers that know the two by different codes.

    Raises:
        KeptApart: Somebody did.
    """
    one, other = tuple(one), tuple(other)
    if _apart(one, other) or _apart(other, one):
        raise KeptApart
    first, second = _codes(one), _codes(other)
    return frozenset(
        register
        for register in first.keys() & second.keys()
        if first[register].isdisjoint(second[register])
    )


def _apart(one: Iterable[Person], other: Iterable[Person]) -> bool:
    ids = {each.id for each in other}
    return any(ids.intersection(each.apart) for each in one)


def _codes(people: Iterable[Person]) -> Mapping[str, set[str]]:
    codes: dict[str, set[str]] = defaultdict(set)
    for key in (key for each in people for key in each.keys):
        if kind_of(key) not in NO_REGISTER:
            codes[kind_of(key)].add(key)
    return codes


def counted_as(
    people: Sequence[str], pairs: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Give whom others are counted as: the first of some people who is one with them.

    Args:
        people: Those as whom others are counted, in their order.
        pairs: Two who are one, each.
    """
    near: dict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        near[one].add(other)
        near[other].add(one)
    counted: dict[str, str] = {}
    for first in people:
        reached = set() if first in counted else {first}
        while reached:
            counted |= dict.fromkeys(reached, first)
            reached = {e for each in reached for e in near[each]} - counted.keys()
    return {each: first for each, first in counted.items() if each != first}


def review_id(one: str, other: str) -> str:
    """Give the id of the question whether two are one, whoever comes first."""
    lesser, greater = in_order(one, other)
    return str(uuid5(UUID(lesser), f"match/{greater}"))


def reviews_of(
    person_id: str,
    weighed: Weighed,
    *,
    referral_id: str | None,
    at: datetime,
    policy: str,
    most: int,
) -> list[Review]:
    """Ask whether somebody is one of those whom they resemble.

    Args:
        person_id: Who.
        weighed: Whom they resemble, the likeliest first.
        referral_id: In which they were met; none: a coordinator asks.
        at: When.
        policy: The version of the weights.
        most: About how many it is asked.
    """
    asked = weighed.likely[:most]
    return [
        Review(
            id=review_id(person_id, each.person.id),
            people=in_order(person_id, each.person.id),
            referral_id=referral_id,
            opened_at=at,
            bits=round(each.bits, 2),
            signs=tuple(
                Sign(field=field, level=level, bits=round(bits, 2))
                for field, level, bits in each.signs
            ),
            rules=each.rules,
            policy=policy,
            others=len(weighed.likely) - len(asked),
            crowded=weighed.crowded,
            waiting_since=at,
            # Whoever asks themselves need not be told that it waits.
            announced=referral_id is None,
            due_at=at + SETTLING,
        )
        for each in asked
    ]


def in_order(one: str, other: str) -> tuple[str, str]:
    """Give two ids, the lesser first."""
    return (one, other) if one < other else (other, one)
