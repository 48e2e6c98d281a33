"""A case: one family or household, the pairs in it, and what became of its referrals.

What a case remembers is bounded, because some families are referred hundreds of times.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeVar

from accord_contracts.referrals import PersonRole
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from referrals.domain.erasure import (
    DAYS_PER_YEAR,
    Decision,
    OnHold,
    Overtaken,
    Retention,
)
from referrals.domain.feedback import ClosedAs
from referrals.domain.handover import Handover
from referrals.domain.household import (
    Household,
    Member,
    Pair,
    Settled,
    harmed_of,
    with_role,
)

EPISODES_KEPT = 100
PEOPLE_KEPT = 100
PAIRS_KEPT = 100

T = TypeVar("T")


class Stage(StrEnum):
    """How far the response to a referral has come."""

    RECEIVED = "received"
    ASSESSED = "assessed"
    ALLOCATED = "allocated"
    BEING_ACTED_ON = "being_acted_on"
    CONTACT_MADE = "contact_made"
    CLOSED = "closed"


LATER_STAGES = (*Stage,)[2:]
"""Those for which somebody is at work: all but *received* and *assessed*."""


class Episode(BaseModel):
    """One referral to a case: when each stage was first reached, written once."""

    model_config = ConfigDict(frozen=True)

    referral_id: str
    received_at: datetime
    assessed_at: datetime | None = None
    allocated_at: datetime | None = None
    being_acted_on_at: datetime | None = None
    contact_made_at: datetime | None = None
    closed_at: datetime | None = None
    closed_as: ClosedAs | None = None

    @property
    def stage(self) -> Stage:
        """The furthest stage reached."""
        return next(each for each in reversed(Stage) if self.at(each))

    def at(self, stage: Stage) -> datetime | None:
        """Give when a stage was first reached."""
        time: datetime | None = getattr(self, f"{stage}_at")
        return time

    def open_at(self, time: datetime) -> bool:
        """Tell whether it was not closed yet."""
        return self.closed_at is None or time <= self.closed_at

    def ended(self, at: datetime, told: ClosedAs) -> "Episode":
        """Note when it was closed, and how that is told; the first time counts."""
        closed = self.reached(Stage.CLOSED, at)
        if closed is self:
            return self
        return closed.model_copy(update={"closed_as": told})

    def told(self, told_from: datetime, at: datetime) -> "Episode":
        """Give it as its agency is told it.

        Somebody works on a family that was known before as soon as it is referred
        again. So no agency sees a stage after *assessed* before a family that is new
        would have come to it, nor afterwards that it was earlier.

        Args:
            told_from: From when on later stages are told, at that time or their own.
            at: The present time.
        """
        if at < told_from:
            early = Episode(referral_id=self.referral_id, received_at=self.received_at)
            return early.model_copy(update={"assessed_at": self.assessed_at})
        later = {f"{each}_at": self.at(each) for each in LATER_STAGES}
        told = {name: max(time, told_from) for name, time in later.items() if time}
        return self.model_copy(update=told)

    def reached(self, stage: Stage, at: datetime) -> "Episode":
        """Note when a stage was reached; the first time counts, however told."""
        known = self.at(stage)
        if known is not None and known <= at:
            return self
        return self.model_copy(update={f"{stage}_at": at})


class Joined(NamedTuple):
    """A case that a referral has joined.

    Attributes:
        case: With the referral's episode, people and pairs.
        left: The episode that it let go of, if it had grown too long.
    """

    case: "Case"
    left: Episode | None


class Taken(BaseModel):
    """That another case was merged into one.

    Attributes:
        at: When that was decided.
        children: There is a child in it.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    children: bool


class Case(BaseModel):
    """A family or household, the pairs in it, and how each of its referrals stands.

    Attributes:
        people: The one met last comes last.
        keys: What no other case may have, so that two first referrals make one case:
            every couple; and whoever was harmed and had no case before, because of two
            agencies that refer at once one may not know who harmed them.
        level: The level of risk by the latest assessment told of.
        level_version: The version of the assessment that said so.
        staffed_since: When the first of those now working on it took a role.
        closed_at: When the response last ended.
        erase_at: When it is to be erased, if nothing more is referred until then.
        hold: A legal hold forbids erasing it.
        released_at: When the last legal hold ended.
        erased: It is erased. It stays until the keys of all that it names are
            destroyed, and then it goes: a tombstone is kept elsewhere.
        merged_into: The case that it is merged into; see ``domain.merging``.
        merged: Why, by whom and when.
        taken: The cases that are merged into it, or are about to be.
        settled: What a person has decided of who harmed whom, of each two the latest.
        transferred: It is another region's now; see ``domain.transferring``.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    opened_at: datetime
    people: tuple[Member, ...] = ()
    pairs: tuple[Pair, ...] = ()
    keys: tuple[str, ...] = ()
    episodes: tuple[Episode, ...] = ()
    level: RiskLevel | None = None
    level_version: int = 0
    staffed_since: datetime | None = None
    closed_at: datetime | None = None
    erase_at: datetime | None = None
    hold: Decision | None = None
    released_at: datetime | None = None
    erased: Decision | None = None
    merged_into: str | None = None
    merged: Decision | None = None
    taken: dict[str, Taken] = {}
    settled: tuple[Settled, ...] = ()
    transferred: Handover | None = None

    @property
    def harmed(self) -> frozenset[str]:
        """Who was harmed, in any of its referrals."""
        return harmed_of(self.people)

    def episode(self, referral_id: str) -> Episode | None:
        """Give the episode of a referral, if the case still keeps it."""
        found = (each for each in self.episodes if each.referral_id == referral_id)
        return next(found, None)

    def knows(self, household: Household) -> bool:
        """Tell whether what is told of each pair stands here as it is told."""
        return all(
            any(pair.same(held) and {*pair.told} <= {*held.told} for held in self.pairs)
            for pair in household.pairs
        )

    def join(
        self, referral_id: str, household: Household, others: Iterable["Case"]
    ) -> Joined:
        """Add a referral.

        Args:
            referral_id: The referral's.
            household: Its people.
            others: The other cases that any of those harmed are in.
        """
        people = _latest(self.people, household.members, PEOPLE_KEPT)
        pairs = _with_pairs(self.pairs, household.pairs, people)
        episode = Episode(referral_id=referral_id, received_at=household.referred_at)
        episodes, left = _room_for(episode, self.episodes)
        case = self.model_copy(
            update={
                "people": people,
                "pairs": pairs,
                "episodes": episodes,
                "erase_at": None,
            }
        )
        claimed = case.claims({*self.keys, *household.keys}, others)
        return Joined(case.model_copy(update={"keys": claimed}), left)

    def rename(
        self, household: Household, gone: frozenset[Member], others: Iterable["Case"]
    ) -> "Case":
        """Take over who its people are after a referral of it was corrected.

        Args:
            household: The people of that referral, as it names them now.
            gone: Those whom no referral of the case names any more.
            others: The other cases that any of those harmed are in.
        """
        named = [each for each in self.people if each not in gone]
        people = _latest(named, household.members, PEOPLE_KEPT)
        parts = (PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE)
        standing = [
            each
            for each in self.pairs
            if gone.isdisjoint(
                Member(person_id=person, role=role)
                for person, role in zip(
                    (each.harmed, each.using_violence), parts, strict=True
                )
            )
        ]
        pairs = _with_pairs(standing, household.pairs, people)
        case = self.model_copy(update={"people": people, "pairs": pairs})
        claimed = case.claims({*self.keys, *household.keys}, others)
        return case.model_copy(update={"keys": claimed})

    def claims(self, keys: set[str], others: Iterable["Case"]) -> tuple[str, ...]:
        """Choose the keys that this case may have beside others; never none.

        The store's unique index takes an empty list for a key like any other. Of what
        was transferred the keys stay: who is referred again has them with a number, the
        one after the highest, since an earlier one may be free again by now.
        """
        gone: dict[str, int] = {}
        wanted = {_bare(each) for each in keys}
        for other in others:
            if other.transferred:
                for each in other.keys:
                    after = _number(each) + 1
                    gone[_bare(each)] = max(after, gone.get(_bare(each), 0))
            else:
                wanted = wanted.difference(map(_bare, other.keys), other.harmed)
        held = {each.person_id for each in self.people}
        held.update(each.couple for each in self.pairs)
        numbered = {_bare(each): each for each in self.keys}
        claimed = (
            numbered.get(each) or (f"{each}/{gone[each]}" if each in gone else each)
            for each in wanted & held
        )
        return tuple(sorted(claimed)) or (self.id,)

    def assess(
        self, referral_id: str | None, level: RiskLevel, at: datetime, *, revision: int
    ) -> "Case":
        """Note a level of risk, and which referral it was weighed for.

        The revision of the assessment decides which level is the latest, because a
        referral that was delayed is weighed last and yet bears its own earlier time.
        Whoever works on the case already works on that referral too.
        """
        case = self
        if revision > self.level_version:
            update = {"level": level, "level_version": revision}
            case = self.model_copy(update=update)
        episode = self.episode(referral_id) if referral_id else None
        if episode is None:
            return case
        assessed = episode.reached(Stage.ASSESSED, at)
        if case.staffed_since and not assessed.allocated_at and assessed.open_at(at):
            assessed = assessed.reached(Stage.ALLOCATED, at)
        return case.with_episodes(
            assessed if each is episode else each for each in self.episodes
        )

    def staff(self, at: datetime) -> "Case":
        """Note that a worker has taken a role, for every referral not yet closed."""
        case = self
        dissolved = self.closed_at is not None and at <= self.closed_at
        if not dissolved and (self.staffed_since is None or at < self.staffed_since):
            case = self.model_copy(update={"staffed_since": at})
        return case.reach(Stage.ALLOCATED, at)

    def agree(self, at: datetime) -> "Case":
        """Note that a plan is agreed, for every referral not yet closed."""
        return self.reach(Stage.BEING_ACTED_ON, at)

    def contact(self, at: datetime) -> "Case":
        """Note that the person harmed was reached, for what was referred until then."""
        return self.with_episodes(
            each.reached(Stage.CONTACT_MADE, at)
            if each.received_at <= at and each.open_at(at)
            else each
            for each in self.episodes
        )

    def close(self, at: datetime, told: ClosedAs = ClosedAs.ENDED) -> "Case":
        """Note that the response to everything referred until then has ended.

        Args:
            at: When.
            told: How the agencies are told that it did.
        """
        case = self
        if self.closed_at is None or at > self.closed_at:
            case = self.model_copy(update={"closed_at": at})
        if case.staffed_since and case.staffed_since <= at:
            case = case.model_copy(update={"staffed_since": None})
        return case.with_episodes(
            each.ended(at, told) if each.received_at <= at else each
            for each in self.episodes
        )

    def retain(self, retention: Retention) -> "Case":
        """Say when it is to be erased: never while it is open, or a hold stands.

        A merged case is erased with its survivor.
        """
        erase_at = None
        kept = self.hold or self.merged_into or self.is_open
        if self.closed_at and not kept:
            erase_at = self.closed_at + timedelta(days=self._days(retention))
        if erase_at == self.erase_at:
            return self
        return self.model_copy(update={"erase_at": erase_at})

    @property
    def is_open(self) -> bool:
        """Tell whether the response to one of its referrals has not ended."""
        return any(each.closed_at is None for each in self.episodes)

    @property
    def children(self) -> bool:
        """Tell whether there is a child in it, or in what is merged into it."""
        own = with_role(PersonRole.CHILD, self.people)
        return bool(own) or any(each.children for each in self.taken.values())

    def _days(self, retention: Retention) -> float:
        years = retention.with_children if self.children else retention.standard
        return years * DAYS_PER_YEAR

    def held_by(self, decision: Decision) -> "Case":
        """Put it under a legal hold."""
        return self.model_copy(update={"hold": decision, "erase_at": None})

    def released(
        self, hold: Decision | None, retention: Retention, at: datetime
    ) -> "Case":
        """End a legal hold; if none stands, it has ended.

        Raises:
            Overtaken: Another hold stands.
        """
        if self.hold is None:
            return self
        if self.hold != hold:
            raise Overtaken
        update = {"hold": None, "released_at": at}
        return self.model_copy(update=update).retain(retention)

    def may_be_erased(self, asked_at: datetime) -> None:
        """See that no legal hold forbids erasing it, or has since that was asked for.

        Raises:
            OnHold: One stands.
            Overtaken: One has ended since, or another case was merged into it.
        """
        if self.hold:
            raise OnHold
        since = [self.released_at, *(each.at for each in self.taken.values())]
        if any(each and each > asked_at for each in since):
            raise Overtaken

    def erase(self, decision: Decision, asked_at: datetime) -> "Case":
        """Note that it is erased, so that nothing is referred to it any more.

        Raises:
            OnHold: A legal hold forbids it.
            Overtaken: One has, since that was asked for.
        """
        self.may_be_erased(asked_at)
        # Due at once, so that it is seen to even if whoever decided it dies now.
        return self.model_copy(update={"erased": decision, "erase_at": decision.at})

    def reach(self, stage: Stage, at: datetime) -> "Case":
        """Note a stage for every referral that was open at the time."""
        return self.with_episodes(
            each.reached(stage, at) if each.open_at(at) else each
            for each in self.episodes
        )

    def with_episodes(self, episodes: Iterable[Episode]) -> "Case":
        """Give the case with these episodes; itself, if they are the same."""
        changed = tuple(episodes)
        if changed == self.episodes:
            return self
        return self.model_copy(update={"episodes": changed})


def find_case(cases: Sequence[Case], household: Household) -> Case | None:
    """Find the case that a referral belongs to, if there is one.

    The case that has the couple, and if several do the oldest; else the one case in
    which the person harmed was harmed before, if it is one. None that was transferred.

    Args:
        cases: Those that any of the people harmed are in.
        household: The referral's people.
    """
    here = [each for each in cases if not each.transferred]
    couples = household.couples
    sharing = [each for each in here if couples.intersection(map(_bare, each.keys))]
    if sharing:
        return min(sharing, key=lambda each: (each.opened_at, each.id))
    near = (each for each in here if household.harmed & each.harmed)
    before = {each.merged_into or each.id: each for each in near}
    return next(iter(before.values())) if len(before) == 1 else None


def is_repeat(
    cases: Iterable[Case],
    household: Household,
    same: Mapping[str, str],
    within: timedelta,
) -> bool:
    """Tell whether one of the pairs was referred within a year, in whichever case.

    Two agencies that tell of one incident are no repeat.

    Args:
        cases: Those that any of the people harmed are in.
        household: The referral's people.
        same: Who else they are known as, by id.
        within: How far apart agencies say that one incident happened.
    """
    known = [pair.counted_as(same) for each in cases for pair in each.pairs]
    pairs = [each.counted_as(same) for each in household.pairs]
    return any(pair.repeats(known, within) for pair in pairs)


def _bare(key: str) -> str:
    """Give a key without the number that it has since a case was transferred."""
    return key.partition("/")[0]


def _number(key: str) -> int:
    """Give the number of a key; 0 if it has none."""
    return int(key.partition("/")[2] or 0)


def _latest(known: Sequence[T], met: Sequence[T], most: int) -> tuple[T, ...]:
    """Put those met now last, and let go of those who were not met for longest."""
    return (*(each for each in known if each not in met), *met)[-most:]


def _with_pairs(
    known: Sequence[Pair], met: Sequence[Pair], people: Iterable[Member]
) -> tuple[Pair, ...]:
    """Put the pairs met now last; let go of pairs of people who are not kept."""
    kept = {each.person_id for each in people}
    pairs = {(each.harmed, each.using_violence): each for each in known}
    for each in met:
        who = (each.harmed, each.using_violence)
        pairs[who] = pairs.pop(who, each).with_told(each.told)
    standing = (pair for who, pair in pairs.items() if {*who} <= kept)
    return tuple(standing)[-PAIRS_KEPT:]


def _room_for(
    new: Episode, known: tuple[Episode, ...]
) -> tuple[tuple[Episode, ...], Episode | None]:
    """Add an episode, and let one go if there are too many: a closed one, if any."""
    if len(known) < EPISODES_KEPT:
        return (*known, new), None
    left = next((each for each in known if each.closed_at), known[0])
    return (*(each for each in known if each is not left), new), left
