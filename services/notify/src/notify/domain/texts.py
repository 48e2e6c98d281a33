"""What a locality has messages say, and what they have no room for."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

REFERENCE = "{reference}"
LINK = "{link}"
COUNT = "{count}"

FOREIGN = re.compile(r"[{}%$<>\\\x00-\x1f\x7f]")
"""What the marks of every usual template language begin with, and line breaks."""


class Language(StrEnum):
    """What messages are written in."""

    ENGLISH = "en"
    MAORI = "mi"


def says_this_alone(given: str) -> str:
    """See that nothing can be filled in."""
    if FOREIGN.search(given):
        raise ValueError("nothing may be filled in")
    return given


Words = Annotated[
    str, Field(min_length=1, max_length=60), AfterValidator(says_this_alone)
]
"""What stands before a reference where there is little room: it is added to them."""


def side_by_side(words: Mapping[Language, str], languages: Sequence[Language]) -> str:
    """Say the same in several languages in one line."""
    return " / ".join(words[each] for each in languages)


class Part(BaseModel):
    """A part of the policy: nothing in it may be misspelt."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Part):
    """What a message says: a reference and a link, and nothing of the case.

    It is read on phones that others look at, so a text that has room for anything else
    stops the start of the service.
    """

    filled_in: ClassVar[tuple[str, ...]] = (REFERENCE, LINK)

    subject: Annotated[str, Field(min_length=1, max_length=78)]
    text: Annotated[str, Field(min_length=1, max_length=500)]

    @field_validator("subject", "text")
    @classmethod
    def _says_nothing_else(cls, given: str) -> str:
        rest = given
        for each in cls.filled_in:
            rest = rest.replace(each, "")
        if FOREIGN.search(rest):
            raise ValueError(f"only {' and '.join(cls.filled_in)} may be filled in")
        return given

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if LINK in self.subject:
            raise ValueError("a subject has no room for a link")
        if REFERENCE not in self.text or LINK not in self.text:
            raise ValueError(f"the text must have {REFERENCE} and {LINK}")
        return self


class SeveralText(Text):
    """What one e-mail says that stands for several messages: also how many they are."""

    filled_in = (REFERENCE, LINK, COUNT)

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if COUNT not in self.text:
            raise ValueError(f"the text must have {COUNT}")
        return self
