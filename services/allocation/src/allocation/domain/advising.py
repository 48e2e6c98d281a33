"""Every candidate for a role, with what speaks for and against each, as sentences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from allocation.domain.availability import away_for
from allocation.domain.choosing import Weighing, tests, worth
from allocation.domain.directory import Worker
from allocation.domain.need import SILENT, Need
from allocation.domain.policy import Policy, Wish

MEETS: Mapping[Wish, tuple[str, str]] = {
    Wish.GENDER: (
        "They are of the gender that was asked for.",
        "They are not of the gender that was asked for.",
    ),
    Wish.LANGUAGE: (
        "They speak a language that was asked for.",
        "They speak none of the languages that were asked for.",
    ),
    Wish.KAUPAPA_MAORI: (
        "They work by kaupapa Māori, which was asked for.",
        "They do not work by kaupapa Māori, which was asked for.",
    ),
    Wish.IWI: (
        "They have links with an iwi that was asked for.",
        "They have links with none of the iwi that were asked for.",
    ),
    Wish.COMMUNITY: (
        "They have links with a community that was asked for.",
        "They have links with none of the communities that were asked for.",
    ),
    Wish.AREA: ("They serve the area.", "They do not serve the area."),
}
"""What is said of a wish that is met, and of one that is not."""


DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody in a role, and what speaks for and against asking them.

    Attributes:
        barred: Every reason why they cannot be asked, if they cannot.
    """

    worker_id: str
    barred: tuple[str, ...]
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]


def advise(
    workers: Iterable[Worker], need: Need, policy: Policy, at: datetime
) -> list[Candidate]:
    """Give all who are in a role, those first who would be asked first.

    Args:
        workers: Who might be asked, by load relative to capacity, then id.
        need: The role.
        policy: How much each reason counts.
        at: The present.
    """
    weigh = Weighing(need, policy, at)
    ranked = []
    for place, worker in enumerate(workers):
        against = (*need.against(worker.id), *worker.against(need, at))
        barred = tuple(dict.fromkeys(against))
        met = worth(worker, need, policy)
        key = (bool(barred), -met, -weigh(worker), place)
        ranked.append((key, worker, barred))
    ranked.sort(key=lambda each: each[0])
    return [_candidate(each, barred, need, at) for _, each, barred in ranked]


def _candidate(
    worker: Worker, barred: tuple[str, ...], need: Need, at: datetime
) -> Candidate:
    for_, against = list[str](), list[str]()
    for wish, meets in tests(need.wishes).items():
        yes, no = MEETS[wish]
        (for_ if meets(worker) else against).append(yes if meets(worker) else no)
    if need.lead is not None:
        leads = worker.provider == need.lead
        told = "work" if leads else "do not work"
        (for_ if leads else against).append(f"They {told} for the agency that leads.")
    if worker.id in need.earlier:
        for_.append("They have worked with this side of the family before.")
    if need.skills:
        have = len(need.skills & worker.skills)
        told = f"They are trained in {have} of {len(need.skills)} of what has happened."
        (for_ if have else against).append(told)
    if worker.base is not None and worker.base in need.distances:
        km = round(need.distances[worker.base])
        for_.append(f"They start {km} km away, as the crow flies.")
    capacity = worker.capacity_at(at)
    room = f"They carry {worker.load} of {capacity} points; this takes {need.points}."
    (for_ if worker.load + need.points <= capacity else against).append(room)
    if lately := worker.given_lately(at):
        against.append(f"They were given {lately} points in the past seven days.")
    if away := away_for(worker.absences, at, at + need.ahead):
        days, of = ceil(away / DAY), need.ahead // DAY
        against.append(f"They are away for {days} of the next {of} days.")
    if worker.id in need.silent - need.excluded:
        against.append(SILENT)
    if worker.urgent_load:
        against.append(f"{worker.urgent_load} of their points are at a high level.")
    return Candidate(worker.id, barred, tuple(for_), tuple(against))
