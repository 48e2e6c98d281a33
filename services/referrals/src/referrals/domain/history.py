"""What was referred before about the people of a case: how often, in which parts, when.

Whoever answers a call puts this together by hand from several systems: how many times,
who was named as what each time, when it was last, whether it happens more often
(DOMAIN 1.5). It says nothing that was told of anybody but their part and what kind of
incident it was, so nothing has to be opened for it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from accord_contracts.referrals import AgencyKind, IncidentKind, PersonRole
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.household import (
    REPEAT,
    Member,
    Occurrence,
    counted,
    incidents,
    who_harmed_whom,
)
from referrals.domain.telling import Asker

ESCALATING = 3
"""Episodes of one pair within 12 months that are a potential escalation (SafeLives'
criteria for a MARAC, DOMAIN 2.2)."""

SHOWN = 100
"""Episodes that are shown one by one, the latest; all are counted."""


class Trend(StrEnum):
    """How often a pair was referred in the past year, beside the year before."""

    NEW = "new"
    MORE_OFTEN = "more_often"
    AS_OFTEN = "as_often"
    LESS_OFTEN = "less_often"


class HistoryRules(BaseModel):
    """What counts as one episode.

    Attributes:
        same_incident_hours: How far apart different agencies may say that something
            happened between the same two for it to be one incident.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    same_incident_hours: Annotated[float, Field(gt=0, le=72)]

    @property
    def same_incident(self) -> timedelta:
        """How far apart they may say that one incident happened."""
        return timedelta(hours=self.same_incident_hours)


class Heard(Occurrence):
    """One referral, as far as history goes.

    Attributes:
        agency: Who told of it; not shown, the kind of agency is.
        same_incident_as: The referral that tells of the same incident and of an
            earlier time; none: this is an episode of its own.
        case_id: Whose; none while it has found no case.
        members: Everybody in it, each once for each part that they had.
        asked_by: Who asked for help themselves; none: an agency saw it.
        withdrawn: The agency took it back: it is shown, and counts for nothing.
    """

    agency: Annotated[str, Field(exclude=True)]
    case_id: str | None
    agency_kind: AgencyKind
    incidents: tuple[IncidentKind, ...]
    members: tuple[Member, ...]
    asked_by: Asker | None = None
    withdrawn: bool = False
    same_incident_as: str | None = None

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Who was harmed by whom."""
        return who_harmed_whom(self.members)

    def may_be(self, other: Self) -> bool:
        """Tell whether both name one who harmed one and the same other."""
        return not {*self.pairs}.isdisjoint(other.pairs)

    def in_case(self, case_id: str | None) -> Self:
        """Say which case it is in, unless only it knows, having been let go of."""
        return self.model_copy(update={"case_id": case_id or self.case_id})

    def without(self, gone: Collection[str]) -> Self:
        """Leave out those who are erased."""
        left = tuple(each for each in self.members if each.person_id not in gone)
        return self.model_copy(update={"members": left})

    def counted_as(self, same: Mapping[str, str]) -> Self:
        """Count whoever is one with somebody as them."""
        return self.model_copy(update={"members": counted(self.members, same)})


class PersonHistory(BaseModel):
    """How often somebody was named, and as what.

    Attributes:
        episodes: Of an incident that two agencies told of, one.
        first_at: When first; none if every referral that names them was withdrawn.
        last_at: When last.
    """

    person_id: str
    episodes: int
    roles: dict[PersonRole, int]
    first_at: datetime | None
    last_at: datetime | None


class PairHistory(BaseModel):
    """What was referred of one person harming another.

    Attributes:
        reversed: Episodes in which the one who was harmed here was named as using
            violence against the other: look who the predominant aggressor is (of the
            women whom Police in Victoria named as respondents 31 percent had been
            harmed by the same man before, DOMAIN 2.7).
        in_last_year: Episodes within 365 days before now.
        in_year_before: Episodes in the 365 days before those.
        potential_escalation: There were three or more within 365 days.
        incidents: Episodes in which each kind was told of.
        cases: The cases in which they were.
    """

    harmed: str
    using_violence: str
    episodes: int
    reversed: int
    in_last_year: int
    in_year_before: int
    trend: Trend
    potential_escalation: bool
    incidents: dict[IncidentKind, int]
    first_at: datetime
    last_at: datetime
    cases: tuple[str, ...]


class History(BaseModel):
    """What was referred before about the people of a case.

    Attributes:
        people: Everybody in the case.
        pairs: Those with somebody of the case in them, the one met last first; also of
            somebody in the case who uses violence against others elsewhere.
        episodes: The latest of them, the latest first.
        complete: Nothing was left out because there was too much of it.
    """

    case_id: str
    people: tuple[PersonHistory, ...]
    pairs: tuple[PairHistory, ...]
    episodes: tuple[Heard, ...]
    complete: bool

    @classmethod
    def of(
        cls,
        case_id: str,
        heard: Iterable[Heard],
        *,
        at: datetime,
        complete: bool,
        rules: HistoryRules,
    ) -> Self:
        """Put together what was referred about the people of a case.

        Args:
            case_id: Which case.
            heard: Every referral that one of them is in, of this case and of others.
            at: Now.
            complete: Whether those are all.
            rules: What counts as one episode.
        """
        latest = sorted(heard, key=lambda each: each.occurred_at, reverse=True)
        own = [each for each in latest if each.case_id == case_id]
        ids = {member.person_id for each in own for member in each.members}
        counted = [each for each in latest if not each.withdrawn]
        about = dict.fromkeys(pair for each in counted for pair in each.pairs)
        within = rules.same_incident
        found = incidents(counted, within)
        same = {
            each.referral_id: first.referral_id
            for first, *others in found
            for each in others
        }
        shown = [
            each.model_copy(update={"same_incident_as": same.get(each.referral_id)})
            for each in latest[:SHOWN]
        ]
        return cls(
            case_id=case_id,
            people=tuple(_person(each, found) for each in sorted(ids)),
            pairs=tuple(
                _pair(*each, counted, at, within) for each in about if ids & {*each}
            ),
            episodes=tuple(shown),
            complete=complete and len(latest) <= SHOWN,
        )


def _person(person_id: str, found: Sequence[Sequence[Heard]]) -> PersonHistory:
    roles = Counter[PersonRole]()
    times = []
    for told in reversed(found):
        members = (member for each in told for member in each.members)
        own = {each.role for each in members if each.person_id == person_id}
        roles.update(own)
        if own:
            times.append(told[0].occurred_at)
    return PersonHistory(
        person_id=person_id,
        episodes=len(times),
        roles=dict(sorted(roles.items())),
        first_at=times[-1] if times else None,
        last_at=times[0] if times else None,
    )


def _pair(
    harmed: str,
    using_violence: str,
    heard: Sequence[Heard],
    at: datetime,
    within: timedelta,
) -> PairHistory:
    told = [e for e in heard if (harmed, using_violence) in e.pairs]
    turned = [e for e in heard if (using_violence, harmed) in e.pairs]
    found = incidents(told, within)
    times = [each[0].occurred_at for each in reversed(found)]
    kinds = Counter(
        kind for each in found for kind in {kind for e in each for kind in e.incidents}
    )
    recent = _between(times, at - REPEAT, at)
    before = _between(times, at - 2 * REPEAT, at - REPEAT)
    return PairHistory(
        harmed=harmed,
        using_violence=using_violence,
        episodes=len(found),
        reversed=len(incidents(turned, within)),
        in_last_year=recent,
        in_year_before=before,
        trend=_trend(recent, before, new=times[-1] > at - REPEAT),
        potential_escalation=_escalates(times),
        incidents=dict(sorted(kinds.items())),
        first_at=times[-1],
        last_at=times[0],
        cases=tuple(sorted({each.case_id for each in told if each.case_id})),
    )


def _between(times: Iterable[datetime], after: datetime, until: datetime) -> int:
    return sum(after < each <= until for each in times)


def _trend(recent: int, before: int, *, new: bool) -> Trend:
    if new:
        return Trend.NEW
    if recent == before:
        return Trend.AS_OFTEN
    return Trend.MORE_OFTEN if recent > before else Trend.LESS_OFTEN


def _escalates(latest: Sequence[datetime]) -> bool:
    """Tell whether enough of these times, the latest first, lie within a year."""
    return any(
        last - first <= REPEAT
        for last, first in zip(latest, latest[ESCALATING - 1 :], strict=False)
    )
