"""What is odd about one person's look-ups: told at once, and found again later.

The same rules watch a service's entries as they are written, and all services' entries
when an operator asks. A service sees its own process only: whoever spreads over several
is found by ``accord audit odd``.
"""

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from accord_chassis.entries import LISTED, REFUSED, Entry

HOUR = timedelta(hours=1)

CASES_AN_HOUR = 60
"""Different cases that one person may look at within an hour before it is odd: one a
minute (judgement; a setting)."""

REFUSALS_AN_HOUR = 10
"""Refusals that one person may meet within an hour before it is odd (judgement; a
setting)."""


BARS = frozenset({"conflict", "excluded", "restricted", "inactive"})
"""The rules that bar somebody from a record whatever else they are: the first attempt
of whoever they name is what they are there for."""

OWN_NAME = "namesake.seen"
"""What stands in the audit log where somebody looked up people of their own name."""


class Reason(StrEnum):
    """What is odd."""

    BARRED = "barred"
    MANY_CASES = "many_cases"
    MANY_REFUSALS = "many_refusals"
    BREAK_GLASS = "break_glass"
    OWN_NAME = "own_name"


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something odd that somebody did.

    Attributes:
        reason: What.
        count: How often within the hour.
    """

    reason: Reason
    count: int


def bare(name: str) -> str:
    """Write a name as names are compared here: letters alone, no case, no macrons."""
    parted = unicodedata.normalize("NFKD", name)
    return "".join(each for each in parted if each.isalpha()).casefold()


class Hour:
    """The different things that were seen within the last hour."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}

    def see(self, thing: str, at: datetime) -> bool:
        """See a thing, and tell whether it is the first time within an hour.

        The hour runs from when it was last new: whoever goes on is told of again.
        """
        self._prune(at)
        new = thing not in self._seen
        self._seen.setdefault(thing, at)
        return new

    def passes(self, thing: str, at: datetime, *, most: int) -> bool:
        """See a thing, and tell whether that makes too many. Then it begins anew.

        Here the hour runs from when a thing was last seen.
        """
        self._prune(at)
        # What was seen last stands last, so what is out of date stands first.
        self._seen.pop(thing, None)
        self._seen[thing] = at
        too_many = len(self._seen) > most
        if too_many:
            self._seen.clear()
        return too_many

    def _prune(self, at: datetime) -> None:
        while self._seen and self._seen[oldest := next(iter(self._seen))] <= at - HOUR:
            del self._seen[oldest]


@dataclass(slots=True)
class _Person:
    """What one person did within the hour, as far as it is of interest."""

    last: datetime
    cases: Hour = field(default_factory=Hour)
    refusals: Hour = field(default_factory=Hour)
    glasses: Hour = field(default_factory=Hour)
    barred: Hour = field(default_factory=Hour)
    namesakes: Hour = field(default_factory=Hour)


def _is_barred(entry: Entry) -> bool:
    """Tell whether somebody went for a record from which they are barred.

    Of whom the directory does not know, or no longer, it counts where the record is of
    a case: they begin next week, or have left a page open.
    """
    return entry.rule in BARS and (entry.rule != "inactive" or bool(entry.case_id))


def _tried(entry: Entry) -> str:
    return entry.case_id or f"{entry.resource}/{entry.resource_id}"


class Watch:
    """Notices what is odd, from each entry as it comes.

    Args:
        cases: The most different cases that one person may look at within an hour.
        refusals: The most refusals that one person may meet within an hour.
        services: Our own services: they ask about many cases by their nature.
    """

    def __init__(
        self,
        *,
        cases: int = CASES_AN_HOUR,
        refusals: int = REFUSALS_AN_HOUR,
        services: Collection[str] = (),
    ) -> None:
        self._cases = cases
        self._refusals = refusals
        self._services = frozenset(services)
        self._people: dict[tuple[str, str], _Person] = {}

    def notice(self, entry: Entry, entry_id: str, at: datetime) -> list[Oddity]:
        """Say what is odd, now that this has happened too.

        Args:
            entry: What happened.
            entry_id: The entry's own id.
            at: When.
        """
        return list(self._odd(self._person(entry, at), entry, entry_id, at))

    def _person(self, entry: Entry, at: datetime) -> _Person:
        """Give what is known of somebody, and forget whom nobody saw for an hour."""
        while self._people and (
            self._people[oldest := next(iter(self._people))].last <= at - HOUR
        ):
            del self._people[oldest]
        who = (entry.issuer, entry.subject)
        person = self._people.pop(who, None) or _Person(at)
        person.last = at
        self._people[who] = person
        return person

    def _odd(
        self, person: _Person, entry: Entry, entry_id: str, at: datetime
    ) -> Iterator[Oddity]:
        if entry.break_glass and person.glasses.see(entry.break_glass, at):
            yield Oddity(Reason.BREAK_GLASS, 1)
        if entry.channel == LISTED:
            # Nobody has named it: lists show many, and leave out many.
            return
        if entry.outcome == REFUSED:
            if _is_barred(entry) and person.barred.see(_tried(entry), at):
                yield Oddity(Reason.BARRED, 1)
            if person.refusals.passes(entry_id, at, most=self._refusals):
                yield Oddity(Reason.MANY_REFUSALS, self._refusals + 1)
            return
        if entry.action == OWN_NAME:
            if person.namesakes.see(entry.resource_id, at):
                yield Oddity(Reason.OWN_NAME, 1)
            return
        if entry.case_id is None or self._is_service(entry):
            return
        if person.cases.passes(entry.case_id, at, most=self._cases):
            yield Oddity(Reason.MANY_CASES, self._cases + 1)

    def _is_service(self, entry: Entry) -> bool:
        for_nobody = entry.agency is None and entry.worker is None
        return for_nobody and entry.subject in self._services
