"""How long what is kept is kept: classes of records, as a locality's data.

Every collection of every service has a class in ``localities/<name>/retention.yaml``:
how long, from when, what happens then, and where the number comes from. A test compares
the classes with the collections, so that nothing is kept without one.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from accord_chassis.settings import policy_of

NAME = "retention"
"""The file's, without its ending."""


class Fate(StrEnum):
    """What happens to a record when its time has come."""

    ERASE = "erase"
    """It is deleted, or a tombstone is left of it."""

    SHRED = "shred"
    """The keys of what identifies or locates anybody are destroyed."""

    PSEUDONYMISE = "pseudonymise"
    """What reaches or names somebody goes; ids and codes stay."""

    KEEP = "keep"
    """It stays: ids, codes and times, which must be there to answer for."""


class RecordClass(BaseModel):
    """How long one kind of record is kept.

    Attributes:
        days: For how many; none: no clock of its own ends it.
        since: From when they count, or what ends it if not a clock.
        fate: What happens then.
        source: Where the number comes from, or that it is an assumption.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[float, Field(gt=0, le=200 * 366)] | None = None
    since: Annotated[str, Field(min_length=1)]
    fate: Fate
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _what_is_kept_has_no_end(self) -> Self:
        if self.fate is Fate.KEEP and self.days is not None:
            raise ValueError("what is kept for good has no days")
        return self

    def over(self, since: datetime) -> datetime:
        """Say when its time is over.

        Raises:
            ValueError: No clock ends it.
        """
        if self.days is None:
            raise ValueError("no clock ends this class")
        return since + timedelta(days=self.days)


class RetentionClasses(BaseModel):
    """The classes of a locality (``localities/<name>/retention.yaml``), by collection.

    Attributes:
        elsewhere: Of what is kept outside of the services' own databases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    collections: dict[str, RecordClass]
    elsewhere: dict[str, RecordClass]


def class_of(collection: str, locality: Path) -> RecordClass:
    """Read the class that a clock of a service goes by.

    Args:
        collection: ``<service>.<collection>``.
        locality: Where the locality's policies are.

    Raises:
        BadConfiguration: The file is missing or wrong.
        ValueError: There is no such class, or no clock ends it.
    """
    classes = policy_of(RetentionClasses, locality, NAME)
    found = classes.collections.get(collection)
    if found is None or found.days is None:
        raise ValueError(f"{NAME}.yaml says no days for {collection}")
    return found


def table(classes: RetentionClasses) -> str:
    """Give the classes as the rows of ``docs/retention.md``."""
    head = [
        "| what | days | since, or until | then | source |",
        "|---|---|---|---|---|",
    ]
    both = {**classes.collections, **classes.elsewhere}
    rows = [
        f"| {name} | {_days(each)} | {each.since} | {each.fate.value} | {each.source} |"
        for name, each in both.items()
    ]
    return "\n".join([*head, *rows]) + "\n"


def _days(shown: RecordClass) -> str:
    return "" if shown.days is None else f"{shown.days:g}"
