"""What this locality takes of an instrument that an agency has filled in."""

from collections.abc import Iterator
from typing import Annotated

from accord_contracts.message import Code
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.telling import InstrumentAnswers

Items = Annotated[frozenset[Code], Field(max_length=100)]
NONE: frozenset[str] = frozenset()


class InstrumentRule(BaseModel):
    """What of one instrument may be filled in: just what risk can weigh or keep.

    Attributes:
        items: Answered by yes and no.
        numbers: Counted or graded.
        total: What it adds up to may be told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Items = NONE
    numbers: Items = NONE
    total: bool = False

    def misfits(self, told: InstrumentAnswers) -> Iterator[tuple[tuple[str, ...], str]]:
        """Name what does not fit, and why: below the instrument, never its value."""
        for field, given, right, wrong in (
            ("answers", told.answers, self.items, self.numbers),
            ("numbers", told.numbers, self.numbers, self.items),
        ):
            for item in given:
                if item in wrong:
                    yield (field, item), "answered_otherwise"
                elif item not in right:
                    yield (field, item), "unknown_item"
        if told.total is not None and not self.total:
            yield ("total",), "has_no_total"
