"""In which words a locality's papers speak, and how long what it releases stands."""

from datetime import datetime
from functools import cached_property
from typing import Annotated
from zoneinfo import ZoneInfo

from accord_contracts.message import Code, PolicyVersion
from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, max_length=300)]


class Word(BaseModel):
    """How something is said.

    Attributes:
        en: In English.
        mi: In te reo Māori, if the locality says it so.
        plain: Of an action: as the person's own copy says it. Without it that copy does
            not have it, so nothing gets there that nobody thought about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    en: Text
    mi: Text | None = None
    plain: Text | None = None


class Number(BaseModel):
    """Whom to ring in danger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: Word
    number: Annotated[str, Field(pattern=r"^[0-9][0-9 ]{1,19}$")]


class Cell(BaseModel):
    """Something that stands on a paper.

    Attributes:
        told: Somebody told it of this case: it is no word of the locality's. This is
            what a release looks through.
    """

    model_config = ConfigDict(frozen=True)

    en: str
    mi: str | None = None
    told: bool = False


class Wording(BaseModel):
    """How a locality's papers speak (``localities/<name>/documents.yaml``).

    Attributes:
        confirm_within_hours: So long a release that was asked for waits for a second
            person.
        released_hours: So long it can be fetched once there is one.
        numbers: Whom to ring in danger.
        words: What codes are called: of actions, strands, roles, levels and so on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: PolicyVersion
    confirm_within_hours: Annotated[int, Field(gt=0, le=7 * 24)]
    released_hours: Annotated[int, Field(gt=0, le=30 * 24)]
    numbers: Annotated[tuple[Number, ...], Field(min_length=1, max_length=10)]
    words: dict[Code, Word]


class Speech(BaseModel):
    """A locality's words and its clock.

    Attributes:
        time_zone: By its name in the IANA database.
    """

    model_config = ConfigDict(frozen=True)

    wording: Wording
    time_zone: str

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def say(self, code: str) -> Cell:
        """Give the word for a code; one for which there is none, as it is."""
        word = self.wording.words.get(code)
        if word is None:
            return Cell(en=code.replace("_", " "), told=True)
        return Cell(en=word.en, mi=word.mi)

    def plainly(self, code: str) -> Cell | None:
        """Give an action as the person's own copy has it, if it may have it."""
        word = self.wording.words.get(code)
        return Cell(en=word.plain) if word and word.plain else None

    def day(self, at: datetime) -> Cell:
        """Give a day, by the locality's clock."""
        here = at.astimezone(self._zone)
        return Cell(en=f"{here:%A} {here.day} {here:%B %Y}")

    def time(self, at: datetime) -> Cell:
        """Give a time, by the locality's clock."""
        here = at.astimezone(self._zone)
        noon = "am" if here.hour < 12 else "pm"  # noqa: PLR2004 - Noon.
        clock = f"{here.hour % 12 or 12}:{here:%M} {noon}"
        return Cell(en=f"{here:%a} {here.day} {here:%b %Y}, {clock}")
