"""The workers as a process knows them, and how their capacity is reserved."""

import asyncio
import time
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from accord_chassis.batching import Batcher
from accord_chassis.service import settled
from accord_chassis.store import Conflict
from accord_contracts.allocation import Role
from accord_contracts.message import Event, Lane
from accord_contracts.problem import Refusal

from allocation.domain.availability import Absence
from allocation.domain.directory import NoSuchWorker, Worker
from allocation.store.kept import Workers

FRESH = 1.0
"""Seconds for which the directory is believed before its changes are looked for."""

COMPARED = 60.0
"""Seconds after which every worker's version is compared, whatever was seen since."""

OVERLAP = timedelta(seconds=2)
"""How long a write may take between its time stamp and its being seen."""

Change = Callable[[Worker], Worker]
"""What is to become of a worker. Raises a refusal if it must not be."""

News = Callable[[Worker], Sequence[Event]]
"""What is told of a worker, as they are saved."""


def no_news(_: Worker) -> Sequence[Event]:
    """Tell nothing."""
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class _Planned:
    """A change that waits to be saved, how urgently, and what is told with it."""

    change: Change
    lane: Lane
    news: News = no_news


@dataclass(slots=True)
class _Known:
    """A worker as this process knows them.

    Attributes:
        saved: As last saved or loaded.
        expected: As they will be when all that is planned is saved.
        planned: What waits to be saved.
        places: Where they stand in the order of each of their roles.
    """

    saved: Worker
    expected: Worker
    changes: Batcher[_Planned, Worker]
    planned: list[_Planned] = field(default_factory=list)
    places: list[tuple[Role, tuple[float, str]]] = field(default_factory=list)


class Directory:
    """The workers as this process knows them, and the one way to change their places.

    What is known may be a second old. That costs another try, never an overfilled
    worker: every change is decided again on the document as it is, and saved with its
    version checked. What is planned here counts at once, so that many placements at
    the same time spread over the workers; and what many plan for one worker travels in
    one write.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._known: dict[str, _Known] = {}
        self._order: dict[Role, list[tuple[float, str]]] = defaultdict(list)
        self._on_duty: set[str] = set()
        self._refreshing = asyncio.Lock()
        self._fresh_until = self._compare_at = float("-inf")
        self._seen: datetime | None = None

    def least_loaded(self, role: Role) -> Iterator[Worker]:
        """Go through the active workers in a role by load, then id. Do not wait in it.

        ``refresh`` comes first.
        """
        for _, worker_id in self._order[role]:
            yield self._known[worker_id].expected

    async def away(self, at: datetime, until: datetime) -> dict[str, Absence]:
        """Give who is away some time until then: their next time of it, by worker.

        Whoever can do less is not away.
        """
        await self.refresh()
        found = dict[str, Absence]()
        for worker_id, known in self._known.items():
            coming = [
                each
                for each in known.saved.absences
                if each.percent == 0 and each.since < until and each.until > at
            ]
            if known.saved.active and coming:
                found[worker_id] = min(coming, key=lambda each: each.since)
        return found

    async def works_for(self, agency: str) -> bool:
        """Tell whether somebody who is at work for an agency is known."""
        await self.refresh()
        known = (each.saved for each in self._known.values())
        return any(each.active and each.provider == agency for each in known)

    @property
    def duty_coordinators(self) -> list[str]:
        """The coordinators on duty, by id."""
        return sorted(self._on_duty)

    @property
    def duty_coordinator(self) -> str | None:
        """The coordinator on duty, the first by id if several are."""
        return min(self._on_duty, default=None)

    async def change(
        self,
        worker_id: str,
        change: Change,
        lane: Lane = Lane.ROUTINE,
        news: News = no_news,
    ) -> Worker:
        """Change a worker's places; return when that is durable.

        Args:
            worker_id: Whose.
            change: What is to become of them.
            lane: Whether it may wait for a batch of other writes.
            news: Says what is told of the worker as saved. It is told once, however
                many changes with the same news are saved together.

        Raises:
            Refusal: The change must not be, as the worker is now.
            NoSuchWorker: There is no such worker.
            Conflict: Others kept changing the worker.
        """
        known = self._known.get(worker_id) or await self._found(worker_id)
        known.expected = change(known.expected)
        planned = _Planned(change, lane, news)
        known.planned.append(planned)
        self._place(known)
        return await known.changes(planned)

    async def read(self, worker_id: str) -> Worker | None:
        """Give a worker as they are in the store now, if there is such a worker."""
        worker = await self._workers.get(worker_id)
        if worker is not None:
            self.learn(worker)
        return worker

    async def refresh(self) -> None:
        """Learn what has changed, if what is known is older than a second."""
        if time.monotonic() < self._fresh_until:
            return
        async with self._refreshing:
            if time.monotonic() < self._fresh_until:
                return
            asked_at = self._workers.now()
            await self._learn(await self._changed())
            self._seen = asked_at
            self._fresh_until = time.monotonic() + FRESH

    def learn(self, worker: Worker) -> None:
        """Take over a worker as they are in the store."""
        known = self._known.get(worker.id)
        if known is None:
            save = partial(self._save, worker.id)
            known = _Known(worker, worker, Batcher(save))
            self._known[worker.id] = known
        elif worker.version > known.saved.version:
            known.saved = worker
        self._expect(known)

    async def _changed(self) -> dict[str, int]:
        if self._seen is None or time.monotonic() > self._compare_at:
            self._compare_at = time.monotonic() + COMPARED
            return await self._workers.versions()
        return await self._workers.versions(self._seen - OVERLAP)

    async def _learn(self, versions: dict[str, int]) -> None:
        newer = [
            worker_id
            for worker_id, version in versions.items()
            if (known := self._known.get(worker_id)) is None
            or known.saved.version < version
        ]
        for worker in await asyncio.gather(*map(self._workers.get, newer)):
            if worker is not None:
                self.learn(worker)

    async def _found(self, worker_id: str) -> _Known:
        worker = await self._workers.get(worker_id)
        if worker is None:
            raise NoSuchWorker
        self.learn(worker)
        return self._known[worker_id]

    async def _save(
        self, worker_id: str, changes: Sequence[_Planned]
    ) -> list[Worker | BaseException]:
        known = self._known[worker_id]
        try:
            return await settled(partial(self._try_to_save, known, changes))
        finally:
            # Whatever became of them, they are no longer ahead.
            done = set(changes)
            known.planned = [each for each in known.planned if each not in done]
            self._expect(known)

    async def _try_to_save(
        self, known: _Known, changes: Sequence[_Planned]
    ) -> list[Worker | BaseException]:
        news: News = no_news
        changed, outcomes = known.saved, []
        for each in changes:
            changed, outcome = _tried(each.change, changed)
            outcomes.append(outcome)
            # All who save it together would tell the same of it: the last one does.
            news = news if outcome or each.news is no_news else each.news
        if changed is known.saved:
            return [outcome or changed for outcome in outcomes]
        try:
            urgent = any(each.lane is Lane.URGENT for each in changes)
            lane = Lane.URGENT if urgent else Lane.ROUTINE
            told = news(changed)
            known.saved = await self._workers.save(changed, *told, lane=lane)
        except Conflict:
            known.saved = await self._workers.get(changed.id) or known.saved
            raise
        return [outcome or known.saved for outcome in outcomes]

    def _expect(self, known: _Known) -> None:
        expected = known.saved
        for each in known.planned:
            expected, _ = _tried(each.change, expected)
        known.expected = expected
        self._place(known)

    def _place(self, known: _Known) -> None:
        """Put a worker where they belong in the order of each of their roles."""
        worker = known.expected
        on_duty = worker.active and worker.duty_coordinator
        (self._on_duty.add if on_duty else self._on_duty.discard)(worker.id)
        key = (worker.fullness, worker.id)
        roles: Iterable[Role] = worker.roles if worker.active else ()
        places = [(role, key) for role in roles]
        if places == known.places:
            return
        for role, place in known.places:
            order = self._order[role]
            del order[bisect_left(order, place)]
        for role, place in places:
            insort(self._order[role], place)
        known.places = places


def _tried(change: Change, worker: Worker) -> tuple[Worker, Refusal | None]:
    """Change a worker, or leave them as they are and say why."""
    try:
        return change(worker), None
    except Refusal as refused:
        return worker, refused
