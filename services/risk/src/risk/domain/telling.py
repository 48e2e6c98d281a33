"""What each referral told, and the risk to each pair and each child by it."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from itertools import takewhile

from accord_contracts.one_person import Link, one_with
from accord_contracts.referrals import Answer, IncidentKind, PersonRole, Relationship
from pydantic import BaseModel, ConfigDict

from risk.domain.answers import merged
from risk.domain.form import Form, all_forms

YEAR = timedelta(days=365)

SAME_INCIDENT = timedelta(hours=12)
"""How far apart two agencies may say that one incident happened, as in referrals."""

KEPT = 200
"""Referrals of one case that are told apart; the oldest go first."""


class Happened(BaseModel):
    """That somebody told of an incident.

    Attributes:
        agency: Which did; of a breach of an order, the order's id; none: no agency, or
            it was not said.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    agency: str | None = None


def most_in_a_year(told: Iterable[Happened]) -> int:
    """Count the incidents within 12 months of each other, where there are most.

    Different agencies tell of one if it happened at one time; one agency never tells of
    one twice, but of two. Incidents 365 days apart are within 12 months.
    """
    found: list[tuple[datetime, set[str | None]]] = []
    for each in sorted(told, key=lambda one: (one.at, one.agency or "")):
        since = each.at - SAME_INCIDENT
        near = takewhile(lambda held: held[0] >= since, reversed(found))  # noqa: B023 - Used up at once.
        alike = (agencies for _, agencies in near if each.agency not in agencies)
        if agencies := next(alike, None):
            agencies.add(each.agency)
        else:
            found.append((each.at, {each.agency}))
    times = [at for at, _ in found]
    starts = (bisect_left(times, at - YEAR) for at in times)
    return max((n + 1 - start for n, start in enumerate(starts)), default=0)


class Telling(BaseModel):
    """What one referral told, as its agency last said it.

    Attributes:
        forms: What the agency has filled in, by instrument.
        people: Whom it is about, by id.
        number: Of the amendment that last said whom it is about; 0: the referral.
        asked_at: When it asked for a response; none: an amendment of it came first.
        agency: Which referred, as the locality calls it.
        relationship: How the person harmed is related to whoever uses violence.
    """

    model_config = ConfigDict(frozen=True)

    occurred_at: datetime
    received_at: datetime
    incidents: frozenset[IncidentKind]
    answers: dict[str, Answer]
    forms: dict[str, Form] = {}
    people: dict[PersonRole, tuple[str, ...]]
    repeat: bool = False
    number: int = 0
    asked_at: datetime | None = None
    agency: str | None = None
    relationship: Relationship | None = None

    def with_more(self, other: "Telling") -> "Telling":
        """Put together what a referral and its amendments told, in any order."""
        latest = max(self, other, key=lambda each: each.number)
        return latest.model_copy(
            update={
                "received_at": min(self.received_at, other.received_at),
                "incidents": self.incidents | other.incidents,
                "answers": merged(self.answers, other.answers),
                "forms": all_forms(self.forms, other.forms),
                "repeat": self.repeat or other.repeat,
                "asked_at": self.asked_at or other.asked_at,
                "agency": self.agency or other.agency,
            }
        )


Tellings = Mapping[str, Telling]


def with_telling(
    known: Tellings, referral_id: str, told: Telling
) -> dict[str, Telling]:
    """Put what a referral told among what others did."""
    before = known.get(referral_id)
    tellings = {**known, referral_id: before.with_more(told) if before else told}
    if len(tellings) > KEPT:
        oldest = min(tellings, key=lambda each: tellings[each].received_at)
        del tellings[oldest]
    return tellings


def occurred(tellings: Iterable[Telling]) -> dict[IncidentKind, datetime]:
    """Say when each kind of incident last occurred."""
    latest: dict[IncidentKind, datetime] = {}
    for each in tellings:
        for kind in each.incidents:
            latest[kind] = max(latest.get(kind, each.occurred_at), each.occurred_at)
    return latest


def happened(tellings: Iterable[Telling]) -> tuple[Happened, ...]:
    """Give what referrals tell that happened."""
    return tuple(
        Happened(at=each.occurred_at, agency=each.agency)
        for each in tellings
        if each.incidents
    )


def of_late(
    incidents: Iterable[IncidentKind],
    when: Mapping[IncidentKind, datetime],
    at: datetime,
    days: int,
) -> frozenset[IncidentKind]:
    """Give the kinds of incident that still count; of unknown time, they do."""
    since = at - timedelta(days=days)
    return frozenset(each for each in incidents if when.get(each, at) >= since)


class Unnamed(BaseModel):
    """What is known of a case and was told of nobody in it by name.

    A worker's answers, a reassessment, what an agency that was asked has answered, and
    a breach say of nobody whom they are about: they count for everybody.
    """

    model_config = ConfigDict(frozen=True)

    answers: dict[str, Answer] = {}
    forms: dict[str, Form] = {}
    incidents: frozenset[IncidentKind] = frozenset()
    repeats: int = 0
    happened: tuple[Happened, ...] = ()


def unnamed(known: Unnamed, tellings: Iterable[Telling]) -> Unnamed:
    """Give what of all that is known of a case none of its referrals told."""
    told = _together([*tellings])
    return Unnamed(
        answers={k: a for k, a in known.answers.items() if told.lacks(k, a)},
        forms={k: e for k, e in known.forms.items() if told.forms.get(k) != e},
        incidents=known.incidents - told.incidents,
        repeats=max(known.repeats - told.repeats, 0),
        happened=known.happened,
    )


class Facts(BaseModel):
    """What was told of a pair, or of a child.

    Attributes:
        last_at: When the latest of it occurred.
        referrals: How many name them.
    """

    model_config = ConfigDict(frozen=True)

    answers: dict[str, Answer]
    forms: dict[str, Form]
    incidents: frozenset[IncidentKind]
    repeats: int
    happened: tuple[Happened, ...]
    last_at: datetime | None
    referrals: int

    def lacks(self, question: str, answer: Answer) -> bool:
        """Tell whether an answer adds something to what was told."""
        return merged(self.answers, {question: answer}) != self.answers

    def beside(self, shared: Unnamed) -> "Facts":
        """Add what is known and names nobody."""
        return self.model_copy(
            update={
                "answers": merged(self.answers, shared.answers),
                "forms": all_forms(self.forms, shared.forms),
                "incidents": self.incidents | shared.incidents,
                "repeats": self.repeats + shared.repeats,
                "happened": (*self.happened, *shared.happened),
            }
        )


Pair = tuple[str, str]
"""The person harmed and the person using violence, by id."""


class Parts(BaseModel):
    """Who harmed whom of two people, as a coordinator has decided.

    Attributes:
        using: By whom.
        decided_at: Of two decisions about the same two the later counts.
    """

    model_config = ConfigDict(frozen=True)

    harmed: str
    using: str
    decided_at: datetime

    @property
    def pair(self) -> Pair:
        """Who was harmed, and by whom."""
        return self.harmed, self.using

    @property
    def two(self) -> frozenset[str]:
        """Both, whoever did it."""
        return frozenset(self.pair)


def with_parts(known: tuple[Parts, ...], decided: Parts) -> tuple[Parts, ...]:
    """Put a decision among those known, whichever was heard first."""

    def when(parts: Parts) -> tuple[datetime, Pair]:
        return parts.decided_at, parts.pair

    latest = {each.two: each for each in sorted((*known, decided), key=when)}
    return tuple(sorted(latest.values(), key=when))


def by_one_id(people: Sequence[str], links: Iterable[Link]) -> Callable[[str], str]:
    """Give by which id somebody counts: the first of theirs that the case knows.

    If A is B and B is C, the three are one.

    Args:
        people: Those of the case: of nobody is an id told that it does not know.
        links: Which of them are one, also by way of somebody it does not know.
    """
    links = [*links]

    def one(person_id: str) -> str:
        same = one_with(person_id, links)
        return next((each for each in people if each in same), person_id)

    return one


def of_pairs(
    tellings: Tellings, parts: Iterable[Parts] = (), links: Iterable[Link] = ()
) -> dict[Pair, Facts]:
    """Give what was told of each pair: whatever names both, by any id of theirs.

    What names no pair at all counts for each.

    A pair is turned on reading, so that it does not matter whether what was told of it
    came before its parts were put right or after, or of which of their ids.
    """
    one = by_one_id(people_of(tellings), links)
    right: dict[frozenset[str], Pair] = {}
    for each in parts:
        # The latest come last.
        right[frozenset(map(one, each.pair))] = one(each.harmed), one(each.using)
    found: dict[Pair, list[Telling]] = {}
    loose: list[Telling] = []
    for telling in tellings.values():
        harmed = map(one, telling.people.get(PersonRole.PERSON_HARMED, ()))
        using = [*map(one, telling.people.get(PersonRole.PERSON_USING_VIOLENCE, ()))]
        told = [(each, other) for each in harmed for other in using]
        if not told:
            loose.append(telling)
        # Whoever is told to have harmed each other makes one pair, once decided.
        for pair in {right.get(frozenset(two), two): None for two in told}:
            found.setdefault(pair, []).append(telling)
    return {pair: _together(told, loose) for pair, told in found.items()}


def of_children(tellings: Tellings, links: Iterable[Link] = ()) -> dict[str, Facts]:
    """Give what was told where each child is named as one, by any id of theirs."""
    one = by_one_id(people_of(tellings), links)
    found: dict[str, list[Telling]] = {}
    for each in tellings.values():
        children = map(one, each.people.get(PersonRole.CHILD, ()))
        for child in dict.fromkeys(children):
            found.setdefault(child, []).append(each)
    return {child: _together(told) for child, told in found.items()}


def people_of(tellings: Tellings) -> list[str]:
    """Give everybody who was told of, in order."""
    in_order = sorted(tellings.values(), key=lambda each: each.received_at)
    return [id_ for each in in_order for ids in each.people.values() for id_ in ids]


def _together(told: list[Telling], loose: Sequence[Telling] = ()) -> Facts:
    nothing: dict[str, Answer] = {}
    every = [*told, *loose]
    return Facts(
        answers=reduce(merged, (each.answers for each in every), nothing),
        forms=all_forms(*(each.forms for each in every)),
        incidents=frozenset[IncidentKind]().union(*(each.incidents for each in every)),
        repeats=sum(each.repeat for each in every),
        happened=happened(every),
        last_at=max((each.occurred_at for each in told), default=None),
        referrals=len(told),
    )
