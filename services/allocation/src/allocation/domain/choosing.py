"""Choosing whom to ask: hard rules first, then wishes, then who has least to do."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from accord_contracts.referrals import ContactWish

from allocation.domain.directory import Worker
from allocation.domain.need import Need
from allocation.domain.policy import Wish
from allocation.domain.wishes import Wishes

LEAST_LOADED = "least_loaded"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to ask, and why them: codes of the wishes they meet and do not meet."""

    worker_id: str
    reasons: tuple[str, ...]


def choose(
    least_loaded_first: Iterable[Worker],
    need: Need,
    weights: Mapping[Wish, int],
    at: datetime,
) -> Choice | None:
    """Choose whom to ask next, or nobody if nobody may and can.

    No wish outweighs a hard rule. Among those whom the hard rules allow, the one who
    meets the weightiest wishes is asked; among equals the first, who has least to do.

    Args:
        least_loaded_first: Who might be asked, by load relative to capacity, then id.
        need: The role.
        weights: How much each wish counts.
        at: The present.
    """
    asked = _tests(need.wishes)
    weighed = [(weights[wish], meets) for wish, meets in asked.items()]
    full = sum(weight for weight, _ in weighed)
    best, best_score = None, -1
    for worker in least_loaded_first:
        score = 0
        for weight, meets in weighed:
            if meets(worker):
                score += weight
        if score <= best_score or need.bars(worker.id):
            continue
        if worker.why_not(need, at) is None:
            best, best_score = worker, score
            if score == full:
                break
    if best is None:
        return None
    met = (f"{wish}_{_met(best, meets)}" for wish, meets in asked.items())
    return Choice(best.id, (*met, LEAST_LOADED))


Meets = Callable[[Worker], bool]


def _tests(wishes: Wishes) -> dict[Wish, Meets]:
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
    if wishes.area is not None:
        area = wishes.area
        tests[Wish.AREA] = lambda worker: not worker.areas or area in worker.areas
    return tests


def _met(worker: Worker, meets: Meets) -> str:
    return "met" if meets(worker) else "not_met"
