"""What an agency has filled in of an instrument."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Annotated

from accord_contracts.message import Code
from accord_contracts.referrals import Answer, FilledIn
from pydantic import BaseModel, ConfigDict, Field

from risk.domain.answers import merged
from risk.domain.instrument import Number


class Form(BaseModel):
    """The answers to an instrument's items, and the total if it was added up.

    Attributes:
        numbers: Of items that are counted or graded, by item.
        total: As the agency added it up.
        certified: A certified user has scored it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: Annotated[dict[Code, Answer], Field(max_length=100)] = {}
    numbers: Annotated[dict[Code, Number], Field(max_length=100)] = {}
    total: Number | None = None
    certified: bool = False

    @property
    def answered(self) -> bool:
        """Tell whether any item was."""
        return bool(self.answers or self.numbers)

    def put_together(self, other: "Form") -> "Form":
        """Put two together: the graver of both stands, whichever came first.

        Where one is certified, a total that is not counts no more.
        """
        certified = self.certified or other.certified
        totals = (e.total for e in (self, other) if e.certified is certified)
        numbers = {
            key: max(self.numbers.get(key, 0), other.numbers.get(key, 0))
            for key in {**self.numbers, **other.numbers}
        }
        return Form(
            answers=merged(self.answers, other.answers),
            numbers=numbers,
            total=max((e for e in totals if e is not None), default=None),
            certified=certified,
        )


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
