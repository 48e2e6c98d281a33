"""What was referred before about the people of a case: how often, in which parts, when.

Whoever answers a call puts this together by hand from several systems: how many times,
who was named as what each time, when it was last, whether it happens more often
(DOMAIN 1.5). It says nothing that was told of anybody but their part and what kind of
incident it was, so nothing has to be opened for it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Self

from accord_contracts.referrals import AgencyKind, IncidentKind, PersonRole
from pydantic import BaseModel, ConfigDict

from referrals.domain.household import REPEAT, Household, Member, Pair, counted
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


class Heard(BaseModel):
    """One referral, as far as history goes.

    Attributes:
        case_id: Whose; none while it has found no case.
        members: Everybody in it, each once for each part that they had.
        asked_by: Who asked for help themselves; none: an agency saw it.
        withdrawn: The agency took it back: it is shown, and counts for nothing.
    """

    model_config = ConfigDict(frozen=True)

    referral_id: str
    case_id: str | None
    agency_kind: AgencyKind
    incidents: tuple[IncidentKind, ...]
    occurred_at: datetime
    members: tuple[Member, ...]
    asked_by: Asker | None = None
    withdrawn: bool = False

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Who harmed whom."""
        return Household(self.members, self.occurred_at).pairs

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
    ) -> Self:
        """Put together what was referred about the people of a case.

        Args:
            case_id: Which case.
            heard: Every referral that one of them is in, of this case and of others.
            at: Now.
            complete: Whether those are all.
        """
        latest = sorted(heard, key=lambda each: each.occurred_at, reverse=True)
        own = [each for each in latest if each.case_id == case_id]
        ids = {member.person_id for each in own for member in each.members}
        counted = [each for each in latest if not each.withdrawn]
        found = [pair for each in counted for pair in each.pairs]
        about = dict.fromkeys((pair.harmed, pair.using_violence) for pair in found)
        return cls(
            case_id=case_id,
            people=tuple(_person(each, counted) for each in sorted(ids)),
            pairs=tuple(_pair(*each, counted, at) for each in about if ids & {*each}),
            episodes=tuple(latest[:SHOWN]),
            complete=complete and len(latest) <= SHOWN,
        )


def _person(person_id: str, latest: Sequence[Heard]) -> PersonHistory:
    roles = Counter[PersonRole]()
    times = []
    for each in latest:
        own = {m.role for m in each.members if m.person_id == person_id}
        roles.update(own)
        if own:
            times.append(each.occurred_at)
    return PersonHistory(
        person_id=person_id,
        episodes=len(times),
        roles=dict(sorted(roles.items())),
        first_at=times[-1] if times else None,
        last_at=times[0] if times else None,
    )


def _pair(
    harmed: str, using_violence: str, latest: Sequence[Heard], at: datetime
) -> PairHistory:
    told = [e for e in latest if _in(e, harmed, using_violence)]
    times = [each.occurred_at for each in told]
    kinds = Counter(kind for each in told for kind in {*each.incidents})
    recent = _between(times, at - REPEAT, at)
    before = _between(times, at - 2 * REPEAT, at - REPEAT)
    return PairHistory(
        harmed=harmed,
        using_violence=using_violence,
        episodes=len(told),
        reversed=sum(_in(each, using_violence, harmed) for each in latest),
        in_last_year=recent,
        in_year_before=before,
        trend=_trend(recent, before, new=times[-1] > at - REPEAT),
        potential_escalation=_escalates(times),
        incidents=dict(sorted(kinds.items())),
        first_at=times[-1],
        last_at=times[0],
        cases=tuple(sorted({each.case_id for each in told if each.case_id})),
    )


def _in(heard: Heard, harmed: str, using_violence: str) -> bool:
    pairs = ((each.harmed, each.using_violence) for each in heard.pairs)
    return (harmed, using_violence) in pairs


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
