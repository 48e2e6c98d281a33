"""What an agency has filled in of an instrument."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Annotated

from accord_contracts.message import Code
from accord_contracts.referrals import Answer, FilledIn
from pydantic import BaseModel, ConfigDict, Field

from risk.domain.answers import ANSWERED, merged
from risk.domain.instrument import Number


class Form(BaseModel):
    """The answers to an instrument's items, and the total if it was added up.

    Attributes:
        numbers: Of items that are counted or graded, by item.
        total: As the agency added it up.
        certified: A certified user has scored it.
        claimed: Somebody says that of it of whom the locality does not know it.
        uncertified_total: Of a form that is certified: the highest total that somebody
            else told of the same instrument.
        attested: Of a form that is certified and that others have filled in too: what
            certified users answered. None: all of it is theirs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: Annotated[dict[Code, Answer], Field(max_length=100)] = {}
    numbers: Annotated[dict[Code, Number], Field(max_length=100)] = {}
    total: Number | None = None
    certified: bool = False
    claimed: bool = False
    uncertified_total: Number | None = None
    attested: Annotated[dict[Code, Answer], Field(max_length=100)] | None = None

    @property
    def by_certified(self) -> dict[str, Answer]:
        """What certified users answered: on that alone rests for whom it says much."""
        if not self.certified:
            return {}
        return self.answers if self.attested is None else self.attested

    @property
    def answered(self) -> bool:
        """Tell whether any item was."""
        return bool(self.answers or self.numbers)

    @property
    def says_yes(self) -> bool:
        """Tell whether anything in it speaks of danger."""
        counted = any(self.numbers.values()) or bool(self.gravest_total)
        return counted or Answer.YES in self.answers.values()

    @property
    def gravest_total(self) -> int | None:
        """Give the highest total told, whoever scored it."""
        return _graver(self.total, self._others)

    @property
    def _others(self) -> int | None:
        return self.uncertified_total if self.certified else self.total

    def put_together(self, other: "Form") -> "Form":
        """Put two together: the graver of both stands, whichever came first.

        Where one is certified, a total that is not is kept beside it.
        """
        both = (self, other)
        certified = self.certified or other.certified
        scored = _graver(*(each.total for each in both if each.certified))
        others = _graver(*(each._others for each in both))  # noqa: SLF001 - Its own.
        numbers = {
            key: max(self.numbers.get(key, 0), other.numbers.get(key, 0))
            for key in {**self.numbers, **other.numbers}
        }
        return Form(
            answers=merged(self.answers, other.answers),
            numbers=numbers,
            total=scored if certified else others,
            certified=certified,
            claimed=self.claimed or other.claimed,
            uncertified_total=others if certified else None,
            attested=self._attested(other) if certified else None,
        )

    def _attested(self, other: "Form") -> dict[str, Answer] | None:
        """Give what of both certified users answered, if others answered too."""
        attested = merged(self.by_certified, other.by_certified)
        return None if attested == merged(self.answers, other.answers) else attested

    def believed(self, *, certifies: bool) -> "Form":
        """Believe that a certified user has scored it only where that is known."""
        if not self.certified or certifies:
            return self
        told = {"total": self.gravest_total, "uncertified_total": None}
        told |= {"attested": None, "certified": False, "claimed": True}
        return self.model_copy(update=told)

    def anew(self, now: "Form") -> "Form":
        """Have what is filled in now stand for what was, item by item.

        What has no yes, no or number now stands as it was, and so does a total if none
        is told. Beside what a certified user has scored nobody else's takes its place.
        """
        if self.certified and not now.certified:
            return self.put_together(now)
        totals = self.put_together(now) if now.total is None else now
        given = {key: each for key, each in now.answers.items() if each in ANSWERED}
        attested = {**self.by_certified, **given} if now.certified else None
        answers = {**self.answers, **given}
        return Form(
            answers=answers,
            numbers={**self.numbers, **now.numbers},
            total=totals.total,
            certified=now.certified,
            claimed=self.claimed or now.claimed,
            uncertified_total=totals.uncertified_total,
            attested=None if attested == answers else attested,
        )


def _graver(*totals: int | None) -> int | None:
    return max((each for each in totals if each is not None), default=None)


def forms_of(told: Iterable[FilledIn]) -> dict[str, Form]:
    """Give what an agency has filled in, by instrument.

    What this locality does not ask is kept too: it weighs nothing, and is no reason to
    lose what an agency has told.
    """
    forms = ({e.instrument: Form(**e.model_dump(exclude={"instrument"}))} for e in told)
    return all_forms(*forms)


def all_forms(*held: Mapping[str, Form]) -> dict[str, Form]:
    """Put the forms of several together, instrument by instrument."""

    def add(known: dict[str, Form], more: Mapping[str, Form]) -> dict[str, Form]:
        for key, each in more.items():
            known[key] = known[key].put_together(each) if key in known else each
        return known

    return reduce(add, held, {})
