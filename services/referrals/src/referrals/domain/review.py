"""That two people who are known may be one, for a person to decide."""

from datetime import datetime
from uuid import UUID, uuid5

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from referrals.domain.recognition import Weighed


class NoSuchMatch(Refusal):
    """There is no such question, or none for you."""

    status = 404


class DecidedOtherwise(Refusal):
    """Somebody has decided this otherwise."""


class Sign(BaseModel):
    """How far two records agree in one field, and never what either says.

    Attributes:
        bits: What it weighs: log2 of the odds for one person.
    """

    model_config = ConfigDict(frozen=True)

    field: str
    level: str
    bits: float


class Answer(BaseModel):
    """What somebody decided.

    Attributes:
        same: They are one person.
        reason: A code of the locality's.
        by: The subject of the token of whoever decided.
    """

    model_config = ConfigDict(frozen=True)

    same: bool
    reason: Code | None
    by: str
    at: datetime


class Review(BaseModel):
    """That one person may be the same as another, and why.

    Attributes:
        id: Derived from the two, so that a pair is asked about once and for all.
        people: The ids of both, the lesser first.
        referral_id: The referral in which the one was met.
        bits: Log2 of the odds that they are one.
        signs: What speaks for it and against it.
        rules: What was decided whatever the weight.
        policy: The version of the weights.
        others: How many more the new one resembles, about whom nobody is asked.
        crowded: Kinds of keys that so many share that not all of them were compared.
        waiting_since: None once it is decided.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    people: tuple[str, str]
    referral_id: str
    opened_at: datetime
    bits: float
    signs: tuple[Sign, ...]
    rules: tuple[str, ...]
    policy: str
    others: int = 0
    crowded: tuple[str, ...] = ()
    waiting_since: datetime | None
    answer: Answer | None = None

    def decide(self, answer: Answer) -> "Review":
        """Note what somebody decided; who says so again changes nothing.

        Raises:
            DecidedOtherwise: It was decided, and not so.
        """
        if self.answer is None:
            return self.model_copy(update={"answer": answer, "waiting_since": None})
        if self.answer.same is not answer.same:
            raise DecidedOtherwise
        return self


def review_id(one: str, other: str) -> str:
    """Give the id of the question whether two are one, whoever comes first."""
    lesser, greater = _in_order(one, other)
    return str(uuid5(UUID(lesser), f"match/{greater}"))


def reviews_of(
    person_id: str,
    weighed: Weighed,
    *,
    referral_id: str,
    at: datetime,
    policy: str,
    most: int,
) -> list[Review]:
    """Ask whether somebody new is one of those whom they resemble.

    Args:
        person_id: Who is new.
        weighed: Whom they resemble, the likeliest first.
        referral_id: In which they were met.
        at: When.
        policy: The version of the weights.
        most: About how many it is asked.
    """
    asked = weighed.likely[:most]
    return [
        Review(
            id=review_id(person_id, each.person.id),
            people=_in_order(person_id, each.person.id),
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
        )
        for each in asked
    ]


def _in_order(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
