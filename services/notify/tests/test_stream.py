"""An inbox that is watched: Server-Sent Events over a real connection."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.protocol import BoundedProtocol
from accord_chassis.testing import NOON, eventually, new_id
from notify.domain.following import Following, beginning, taken_up
from notify.routes import stream
from notify_builders import MINUTE, Running, listening, notification, offered

SECOND = timedelta(seconds=1)


class Watcher:
    """A client that watches an inbox, and comes back where it was cut off."""

    def __init__(self, running: Running, url: str, worker: str) -> None:
        self._headers = running.bearer("notify.inbox", worker=worker)
        self._url = url
        self.last: str | None = None
        self.retry_ms: int | None = None
        self.told: list[dict[str, Any]] = []
        self.places: list[str] = []
        self.status = 0
        self.began = asyncio.Event()

    async def watch(self, **query: int) -> None:
        """Watch until the stream ends."""
        self.began.clear()
        resumed = {"last-event-id": self.last} if self.last else {}
        async with (
            httpx2.AsyncClient(timeout=30) as client,
            client.stream(
                "GET",
                f"{self._url}/v1/inbox/stream",
                headers={**self._headers, **resumed},
                params=query,
            ) as answer,
        ):
            self.status = answer.status_code
            self.kind = answer.headers["content-type"]
            async for line in answer.aiter_lines():
                self._hear(line)

    def _hear(self, line: str) -> None:
        self.began.set()
        name, _, value = line.partition(": ")
        if name == "retry":
            self.retry_ms = int(value)
        if name == "id":
            self.last = value
            self.places.append(value)
        if name == "data":
            self.told.append(json.loads(value))

    async def keep_watching(self, came_back: list[float]) -> None:
        """Watch, and come back after as long as was said, whenever the line breaks."""
        while True:
            with contextlib.suppress(httpx2.TransportError):
                await self.watch()
            assert self.retry_ms is not None
            broke = time.monotonic()
            await asyncio.sleep(self.retry_ms / 1000)
            came_back.append(time.monotonic() - broke)

    async def watch_until(self, count: int) -> None:
        """Watch until so much was told, and cut the line there."""
        task = asyncio.create_task(self.watch())
        await eventually(lambda: self.hears_of(count))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch while the block runs, then cut the line."""
        task = asyncio.create_task(self.watch())
        await self.began.wait()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def hears_of(self, count: int) -> bool:
        return len(self.told) >= count


@pytest.fixture
async def url(running: Running) -> AsyncIterator[str]:
    """The service on a real port."""
    async with listening(running.app, http=BoundedProtocol) as at:
        yield at


async def test_whoever_watches_is_told_and_takes_up_where_they_were_cut_off(
    running: Running, url: str
) -> None:
    worker = new_id()
    watcher = Watcher(running, url, worker)

    async with watcher.watching():
        await running.hears(offered(worker))
        await eventually(lambda: watcher.hears_of(1))
    running.clock.advance(MINUTE)
    await running.hears(offered(worker), offered())
    running.clock.advance(MINUTE)
    first = watcher.told[0]
    # What was seen last comes once more.
    async with watcher.watching():
        await eventually(lambda: watcher.hears_of(3))
        await running.acknowledges(worker, first["id"])
        await eventually(lambda: watcher.hears_of(4))

    assert watcher.kind.startswith("text/event-stream")
    found = {each["id"] for each in await running.inbox(worker)}
    assert {each["id"] for each in watcher.told} == found
    assert set(first) == {"id", "reference", "urgency", "acknowledged_at", "ended_at"}
    assert watcher.told[1] == first
    assert watcher.told[3]["id"] == first["id"]
    assert watcher.told[3]["acknowledged_at"]


def port_of(url: str | None = None) -> socket.socket:
    """A socket of the loopback interface: at the port of an address, or at any."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", httpx2.URL(url).port or 0 if url else 0))
    return made


async def test_when_the_server_dies_a_client_comes_back_and_has_missed_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "AGAIN_MS", (300,))
    worker, came_back = new_id(), list[float]()

    async def happens() -> None:
        await running.hears(offered(worker))
        # Longer than what is told twice: for what another clock has saved.
        running.clock.advance(MINUTE)

    async with listening(running.app, at=port_of(), http=BoundedProtocol) as url:
        watcher = Watcher(running, url, worker)
        task = asyncio.create_task(watcher.keep_watching(came_back))
        await happens()
        await happens()
        await eventually(lambda: watcher.hears_of(2))
    before, last = len(watcher.places), watcher.last
    await happens()
    await happens()
    async with listening(running.app, at=port_of(url), http=BoundedProtocol):
        await eventually(lambda: watcher.hears_of(before + 3))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    # What was seen last comes once more, under the id by which it is known.
    assert watcher.places[before] == last
    anew = [*watcher.places[:before], *watcher.places[before + 1 :]]
    assert anew == [each.moved for each in await running.all()]
    assert watcher.retry_ms == 300
    assert all(each >= 0.3 for each in came_back)


async def test_a_line_that_is_cut_within_a_page_leaves_nothing_out(
    running: Running, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LONGEST_PAGE", 3)
    worker = new_id()
    watcher = Watcher(running, url, worker)
    for _ in range(7):
        await running.hears(offered(worker))
        running.clock.advance(MINUTE)
    every = [each.moved for each in await running.all()]
    watcher.last = f"{beginning(NOON)}.{new_id()}"

    await watcher.watch_until(4)
    # The line broke after the first of the second page, whatever was on its way.
    watcher.last, heard = every[3], watcher.places[:4]
    watcher.places, watcher.told = [], []
    await watcher.watch_until(4)

    assert heard == every[:4]
    assert watcher.places == every[3:]


async def test_whoever_is_barred_meanwhile_is_told_nothing_more(
    running: Running, url: str
) -> None:
    worker = new_id()
    watcher = Watcher(running, url, worker)
    barred, known = offered(worker), offered(worker)

    async with watcher.watching():
        await running.hears(barred)
        await eventually(lambda: watcher.hears_of(1))
        [told] = watcher.told
        running.standings.tell(worker, barred.data.case_id, conflict=True)
        held = await running.notifications.get(told["id"])
        assert held
        await running.notifications.save(held.end(NOON))
        await running.hears(known)
        await eventually(lambda: watcher.hears_of(2))

    ids = [each["id"] for each in watcher.told]
    assert len(ids) == 2
    assert ids.count(told["id"]) == 1


async def test_a_stream_ends_by_itself_and_when_the_service_stops(
    running: Running, url: str
) -> None:
    watcher = Watcher(running, url, new_id())

    await watcher.watch(lasting=1)
    task = asyncio.create_task(watcher.watch())
    await watcher.began.wait()
    running.service.ending.set()

    async with asyncio.timeout(5):
        await task


async def test_nobody_has_more_streams_than_anybody_needs(
    running: Running, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_OF_ONE", 1)
    worker = new_id()
    one, two = Watcher(running, url, worker), Watcher(running, url, worker)

    async with one.watching():
        await two.watch()
        refused = two.status
        await Watcher(running, url, new_id()).watch(lasting=1)

    async def let_in() -> bool:
        await two.watch(lasting=1)
        return two.status == 200

    assert refused == 503
    await eventually(let_in)


NO_DAY = "2026-02-31T12:00:00.000.00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize("place", ["yesterday", NO_DAY])
async def test_a_place_that_is_none_is_refused(running: Running, place: str) -> None:
    headers = running.bearer("notify.inbox", worker=new_id())

    answer = await running.http.get(
        "/v1/inbox/stream", headers={**headers, "last-event-id": place}
    )

    assert answer.status_code == 422
    assert place not in answer.text


def test_a_stream_is_taken_up_within_the_last_day() -> None:
    hour = timedelta(hours=1)

    def follows(at: datetime) -> str:
        return taken_up(f"{beginning(at)}.{new_id()}", NOON)

    assert taken_up(None, NOON) == beginning(NOON)
    assert follows(NOON - hour).startswith(beginning(NOON - hour))
    assert follows(NOON + hour) == beginning(NOON)
    assert follows(NOON - 9999 * hour) == beginning(NOON - 24 * hour)


async def test_a_stream_ends_by_the_clock_however_long_it_looks(
    running: Running, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0.01)
    watcher = Watcher(running, url, new_id())
    began = time.monotonic()

    await watcher.watch(lasting=1)

    assert 1 <= time.monotonic() - began < 10


def test_what_was_saved_a_little_earlier_by_another_clock_is_not_left_out() -> None:
    following = Following(beginning(NOON))
    late = notification(at=NOON).model_copy(update={"saved_at": NOON - 20 * SECOND})
    following.pass_by(NOON)

    assert late.moved > following.after
    assert following.new([late]) == [late]
    assert following.new([late]) == []
    assert following.new([late.end(NOON)]) != []
