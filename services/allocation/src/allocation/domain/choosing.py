"""Choosing whom to ask: hard rules first, then wishes, then whatever else counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from accord_contracts.referrals import ContactWish

from allocation.domain.availability import away_for
from allocation.domain.directory import (
    LEAVES,
    NO_ROOM,
    OFF_DUTY,
    ON_LEAVE,
    Worker,
)
from allocation.domain.need import Need
from allocation.domain.policy import Policy, Soft, Wish, outreach
from allocation.domain.wishes import NO_WISHES, Wishes

LEAST_LOADED = "least_loaded"


class Unmet(StrEnum):
    """Why a wish of the person harmed could not be met: a measure of equity.

    Of several reasons the one that was nearest to meeting it.
    """

    OUTWEIGHED = "outweighed"
    DECLINED = "declined"
    SILENT = "silent"
    NO_ROOM = "no_room"
    AWAY = "away"
    MAY_NOT = "may_not"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to ask, and why them.

    Attributes:
        reasons: Codes of the wishes they meet and do not meet, and of what else spoke
            for them.
        wall: Their compartment, which may not serve the other side of the case.
        unmet: The wishes they do not meet, and why nobody who does is asked.
        wishes: Those that they were chosen by.
    """

    worker_id: str
    reasons: tuple[str, ...]
    wall: str | None = None
    unmet: Mapping[Wish, Unmet] = field(default_factory=dict)
    wishes: Wishes = NO_WISHES


def choose(
    least_loaded_first: Iterable[Worker], need: Need, policy: Policy, at: datetime
) -> Choice | None:
    """Choose whom to ask next, or nobody if nobody may and can.

    No wish outweighs a hard rule, and nothing else a wish. Among those whom the hard
    rules allow, the one who meets the weightiest wishes is asked; among those who meet
    the same, the one for whom most else speaks; among equals the first.

    Args:
        least_loaded_first: Who might be asked, by load relative to capacity, then id.
        need: The role.
        policy: How much each wish counts, and whatever else speaks for somebody.
        at: The present.
    """
    asked = tests(need.wishes)
    bits = [(1 << place, meets) for place, meets in enumerate(asked.values())]
    weights = [policy.weights[wish] for wish in asked]
    worth_of = [_sum(weights, met) for met in range(1 << len(bits))]
    full = worth_of[-1]
    weigh = Weighing(need, policy, at)
    quickly, looked_at = weigh.quickly, list[Worker]()
    best, best_score, best_worth = None, -1, -1.0
    for worker in least_loaded_first:
        if best_score == full and best_worth >= weigh.at_best(worker):
            break
        met = 0
        for bit, meets in bits:
            if meets(worker):
                met |= bit
        looked_at.append(worker)
        score = worth_of[met]
        if score < best_score:
            continue
        if score == best_score and quickly(worker) <= best_worth:
            continue
        worth = weigh(worker)
        if score == best_score and worth <= best_worth:
            continue
        if not need.bars(worker.id) and worker.why_not(need, at) is None:
            best, best_score, best_worth = worker, score, worth
    if best is None:
        return None
    found = explain(best, looked_at, need, at)
    return replace(found, reasons=(*found.reasons, LEAST_LOADED))


def explain(
    worker: Worker, candidates: Sequence[Worker], need: Need, at: datetime
) -> Choice:
    """Say why somebody is asked, whoever chose them, and which wishes they do not meet.

    Args:
        worker: Who is asked.
        candidates: Who might have been: each wish that is not met has its reason there.
        need: The role.
        at: The present.
    """
    asked = tests(need.wishes)
    unmet = {
        wish: _why(filter(meets, candidates), need, at)
        for wish, meets in asked.items()
        if not meets(worker)
    }
    reasons = tuple(_reasons(worker, need, asked))
    return Choice(worker.id, reasons, worker.wall, unmet, need.wishes)


def worth(worker: Worker, need: Need, policy: Policy) -> int:
    """Say how much the wishes count that somebody meets."""
    asked = tests(need.wishes).items()
    return sum(policy.weights[wish] for wish, meets in asked if meets(worker))


def unmet_by(worker: Worker, wishes: Wishes) -> tuple[Wish, ...]:
    """Give the wishes that somebody does not meet."""
    return tuple(wish for wish, meets in tests(wishes).items() if not meets(worker))


def _sum(weights: Sequence[int], met: int) -> int:
    """Add up the weights of the wishes that are met, one bit each."""
    return sum(each for place, each in enumerate(weights) if met >> place & 1)


def asked_for(wishes: Wishes) -> tuple[Wish, ...]:
    """Give the wishes that were said."""
    return tuple(tests(wishes))


Meets = Callable[[Worker], bool]


def tests(wishes: Wishes) -> dict[Wish, Meets]:
    """Give a test for each wish there is."""
    tests: dict[Wish, Meets] = {}
    if wishes.gender is not ContactWish.NO_WISH:
        gender = wishes.gender.value
        tests[Wish.GENDER] = lambda worker: worker.gender == gender
    if wishes.languages:
        languages = wishes.languages
        tests[Wish.LANGUAGE] = lambda worker: not worker.languages.isdisjoint(languages)
    if wishes.kaupapa_maori:
        tests[Wish.KAUPAPA_MAORI] = lambda worker: worker.kaupapa_maori
    if wishes.iwi:
        iwi = wishes.iwi
        tests[Wish.IWI] = lambda worker: not worker.iwi.isdisjoint(iwi)
    if wishes.communities:
        of = wishes.communities
        tests[Wish.COMMUNITY] = lambda worker: not worker.communities.isdisjoint(of)
    if wishes.area is not None:
        area = wishes.area
        tests[Wish.AREA] = lambda worker: not worker.areas or area in worker.areas
    return tests


class Weighing:
    """How much speaks for somebody besides the wishes of the person harmed.

    Each part of the policy's ``soft`` counts between nothing and its whole weight.
    """

    def __init__(self, need: Need, policy: Policy, at: datetime) -> None:
        self._at, soft = at, policy.soft
        self._load, self._week = soft[Soft.LOAD], soft[Soft.PAST_WEEK]
        self._fair, self._again = soft[Soft.FAIRNESS], soft[Soft.CONTINUITY]
        self._leave, self._ahead = soft[Soft.LEAVE], need.ahead
        self._leads, self._lead = soft[Soft.LEAD_AGENCY], need.lead
        self._base = self._load + self._week + self._fair + self._leave
        self._earlier, self._skills = need.earlier, need.skills
        self._skill = soft[Soft.SKILLS] / (len(need.skills) or 1)
        near, far = soft[Soft.DISTANCE], policy.far_km
        self._near: dict[str | None, float] = {
            base: near * max(0.0, 1 - km / far) for base, km in need.distances.items()
        }
        self._most = self._base + max(self._near.values(), default=0.0)
        self._most += soft[Soft.SKILLS] if need.skills else 0
        self._most += self._again if need.earlier else 0
        self._most += self._leads if need.lead else 0

    def at_best(self, worker: Worker) -> float:
        """Say what speaks for them and for whoever has less room, at the most."""
        return self._most - self._load * min(worker.fullness, 1.0)

    def quickly(self, worker: Worker) -> float:
        """Say what speaks for them at the most, without looking at each place."""
        full = worker.capacity_at(self._at) if worker.absences else worker.capacity
        load = worker.load
        value = self._base - self._load * (load / full if load < full else 1)
        if self._earlier and worker.id in self._earlier:
            value += self._again
        if self._lead and worker.provider == self._lead:
            value += self._leads
        if self._skills:
            value += self._skill * len(self._skills & worker.skills)
        if self._near:
            value += self._near.get(worker.base, 0.0)
        return value

    def __call__(self, worker: Worker) -> float:
        """Say what speaks for them."""
        value = self.quickly(worker)
        if worker.holds:
            capacity = worker.capacity_at(self._at) or 1
            lately = worker.given_lately(self._at) / capacity
            urgent = worker.urgent_load / capacity
            value -= self._week * min(1.0, lately) + self._fair * min(1.0, urgent)
        if worker.absences and self._ahead:
            until = self._at + self._ahead
            away = away_for(worker.absences, self._at, until)
            value -= self._leave * (away / self._ahead)
        return value


def _reasons(worker: Worker, need: Need, asked: Mapping[Wish, Meets]) -> list[str]:
    """Give codes of what spoke for somebody, and of the wishes they do not meet."""
    codes = [f"{wish}_{_met(worker, meets)}" for wish, meets in asked.items()]
    if need.lead is not None:
        codes.append(
            f"lead_agency_{'met' if worker.provider == need.lead else 'not_met'}"
        )
    if worker.id in need.earlier:
        codes.append("continuity_met")
    # Whoever meets the person using violence knows what they are trained in, so that
    # this would tell them what was said of him.
    if need.skills and not outreach(need.role):
        all_ = need.skills <= worker.skills
        codes.append(f"skills_{'met' if all_ else 'not_met'}")
    if worker.base is not None and worker.base in need.distances:
        codes.append(f"distance_km_{round(need.distances[worker.base])}")
    return codes


def _met(worker: Worker, meets: Meets) -> str:
    return "met" if meets(worker) else "not_met"


NEAREST = {
    NO_ROOM: Unmet.NO_ROOM,
    ON_LEAVE: Unmet.AWAY,
    LEAVES: Unmet.AWAY,
    OFF_DUTY: Unmet.AWAY,
}


def _barred(worker_id: str, need: Need) -> Unmet:
    """Say why somebody is not asked who may not be now."""
    if worker_id in need.listed | need.served:
        return Unmet.MAY_NOT
    if worker_id in need.full:
        return Unmet.NO_ROOM
    if worker_id in need.declined:
        return Unmet.DECLINED
    return Unmet.SILENT if worker_id in need.silent else Unmet.MAY_NOT


def _why(who_meet_it: Iterable[Worker], need: Need, at: datetime) -> Unmet:
    """Say why none of those is asked who meet a wish."""
    found = {Unmet.NOBODY}
    for worker in who_meet_it:
        if need.bars(worker.id):
            found.add(_barred(worker.id, need))
            continue
        why = worker.why_not(need, at)
        if why is None:
            return Unmet.OUTWEIGHED
        found.add(NEAREST.get(why, Unmet.MAY_NOT))
    return next(each for each in Unmet if each in found)
