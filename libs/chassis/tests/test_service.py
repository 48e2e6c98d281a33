"""The life of a service, on a real broker and a real store."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from accord_chassis import migrations, topology
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.binding import pack
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.backing import Backing
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.process import free_ports
from accord_chassis.edge import BODY_LIMIT
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.rabbit import RabbitTransport
from accord_chassis.service import Service, check_production, life, settled
from accord_chassis.service.life import AGAIN_SECONDS
from accord_chassis.settings import BadConfiguration, ChassisSettings
from accord_chassis.store import Conflict, connect
from accord_chassis.testing import (
    AUDIT_KEY,
    NOON,
    KnownStandings,
    VirtualHost,
    audited,
    eventually,
    message_of,
    new_id,
)
from accord_chassis.transport import Publication, Transport
from accord_contracts.message import Lane
from accord_contracts.publish import fingerprint
from chassis_builders import Thing, Things
from chassis_surroundings import Line, Proxy, logged, virtual_host_of
from chassis_toy import (
    FORGOTTEN,
    TOY,
    WORKER,
    Heard,
    Settings,
    Toy,
    changed,
    create_app,
    living,
    settings_for,
)
from pydantic import SecretStr
from pymongo.errors import AutoReconnect

SENTINEL = "Aroha"


@pytest.fixture(scope="module")
async def host(backing_services: Backing) -> AsyncIterator[VirtualHost]:
    """A virtual host for the toy."""
    async with virtual_host_of(backing_services, TOY) as made:
        yield made


@pytest.fixture
async def settings(
    backing_services: Backing, host: VirtualHost, issuer: DevelopmentIssuer
) -> Settings:
    for lane in Lane:
        await (await host.channel.get_queue(f"toy.{lane}")).purge()
    store_url = backing_services.store_url
    return settings_for(store_url, issuer, amqp_url=host.url("toy"))


@pytest.fixture
async def toy(settings: Settings, issuer: DevelopmentIssuer) -> AsyncIterator[Toy]:
    """The toy, started."""
    async with living(settings, issuer) as alive:
        await alive.service.started.wait()
        yield alive
        await alive.service.client.drop_database(settings.database)
        await alive.service.client.drop_database(settings.audit_database)


@pytest.fixture
async def deaf_toy(
    request: pytest.FixtureRequest,
    backing_services: Backing,
    issuer: DevelopmentIssuer,
) -> AsyncIterator[Toy]:
    """The toy over a broker in memory, for what concerns its HTTP alone."""
    broker = InProcessBroker(topology.definitions(TOY, vhost="test"))
    transport = InProcessTransport(broker, user="toy")
    changed = getattr(request, "param", {})
    given = settings_for(backing_services.store_url, issuer, **changed)
    async with living(given, issuer, transport=transport) as alive:
        await alive.service.started.wait()
        yield alive
        await alive.service.client.drop_database(given.database)
        await alive.service.client.drop_database(given.audit_database)
    broker.close()


def counted(toy: Toy, thing_id: str) -> Callable[[], Awaitable[bool]]:
    async def once() -> bool:
        return await toy.count(thing_id) == 1

    return once


def is_ready(toy: Toy, **expected: bool) -> Callable[[], Awaitable[bool]]:
    """Whether it is ready, or exactly these of its dependencies are not."""

    async def looks_so() -> bool:
        status, found = await toy.ready()
        wanted = {"store": True, "broker": True, "consumer": True, "outbox": True}
        wanted |= expected
        # The audit log is in the same store.
        wanted["audit"] = wanted["store"]
        # Without the broker it serves on: what it is told waits in the outboxes.
        return found == wanted and status == (200 if wanted["store"] else 503)

    return looks_so


async def test_a_service_that_has_started_is_ready_and_does_its_work(
    toy: Toy,
) -> None:
    assert (await toy.http.get("/live")).json() == {"status": "live"}
    ready = (await toy.http.get("/ready")).json()
    assert ready["status"] == "ready"
    assert ready["contracts"] == fingerprint()
    assert ready["dependencies"]["outbox"] == {
        "ok": True, "pending": 0, "unroutable": 0,
    }  # fmt: skip
    aloud, quietly = new_id(), new_id()

    assert (await toy.make(aloud)).status_code == 202
    assert (await toy.make(quietly, quietly=True)).status_code == 202

    await eventually(counted(toy, aloud))
    await eventually(counted(toy, quietly))
    await eventually(idle(toy))


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A migration that comes with the toy, for one test alone."""
    step = tmp_path / "toy" / "migrations" / "m0001_step.py"
    step.parent.mkdir(parents=True)
    step.write_text(
        "async def migrate(database):\n"
        "    await database.changed.insert_one({'by': 'the migration'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("toy.migrations.m0001_step", "toy.migrations", "toy"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("shipped")
async def test_what_a_release_changes_is_changed_once_before_it_serves(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    found = []
    for _ in range(2):
        async with living(settings, issuer) as alive:
            await alive.service.started.wait()
            documents = alive.service.database.documents
            found.append(await documents["changed"].count_documents({}))
            wait = await migrations.pending(documents, migrations.shipped_with("toy"))
    async with connect(settings.store_url.get_secret_value()) as client:
        await client.drop_database(settings.database)
        await client.drop_database(settings.audit_database)

    assert found == [1, 1]
    assert wait == []


def idle(toy: Toy) -> Callable[[], Awaitable[bool]]:
    async def nothing_in_hand() -> bool:
        return toy.service.idle()

    return nothing_in_hand


async def test_a_service_that_starts_before_its_store_waits_for_it(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    async with Proxy(settings.store_url.get_secret_value()) as proxy:
        await proxy.become(Line.REFUSED)
        waiting = settings_for(
            proxy.url, issuer, amqp_url=settings.amqp_url.get_secret_value()
        )
        async with living(waiting, issuer) as toy:
            down = is_ready(toy, store=False, broker=False, consumer=False)
            await eventually(down)
            assert (await toy.http.get("/live")).status_code == 200

            await proxy.become(Line.GOOD)
            await eventually(is_ready(toy), within=30)


async def test_a_service_that_starts_before_its_broker_waits_for_it(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    async with Proxy(settings.amqp_url.get_secret_value()) as proxy:
        await proxy.become(Line.REFUSED)
        store_url = settings.store_url.get_secret_value()
        waiting = settings_for(store_url, issuer, amqp_url=proxy.url)
        async with living(waiting, issuer) as toy:
            await eventually(is_ready(toy, broker=False, consumer=False))
            # What is accepted meanwhile is in the outbox and comes later.
            thing_id = new_id()
            assert (await toy.make(thing_id)).status_code == 202

            await proxy.become(Line.GOOD)
            await eventually(counted(toy, thing_id), within=30)
            await eventually(is_ready(toy))


async def test_while_the_store_is_away_requests_are_put_off_and_messages_wait(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    async with Proxy(settings.store_url.get_secret_value()) as proxy:
        amqp_url = settings.amqp_url.get_secret_value()
        given = settings_for(proxy.url, issuer, amqp_url=amqp_url)
        async with living(given, issuer) as toy:
            await toy.service.started.wait()
            await eventually(is_ready(toy))
            await proxy.become(Line.REFUSED)
            thing_id = new_id()
            await tell(toy.service.transport, thing_id)
            await eventually(is_ready(toy, store=False))

            answer = await toy.make(new_id())
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert answer.json()["type"] == "urn:accord:problem:audit-away"

            await proxy.become(Line.GOOD)
            await eventually(counted(toy, thing_id), within=30)
            assert toy.service.bus.activity.parked == 0
            assert toy.service.bus.activity.retried == 0


async def test_a_service_ends_though_a_driver_swallows_that_it_was_told_to(
    settings: Settings, issuer: DevelopmentIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = asyncio.Event()

    async def swallow(_: Service) -> None:
        entered.set()
        # As asyncio.wait_for does, when what it waits for is done at that moment.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    monkeypatch.setattr(Service, "_recover", swallow)
    async with asyncio.timeout(30), living(settings, issuer):
        await entered.wait()


async def test_what_is_left_behind_is_looked_for_until_there_is_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    behind, handed = list(range(7)), []

    class Behind:
        async def left_behind(self) -> list[int]:
            return [behind.pop()] if behind else []

    service = object.__new__(Service)
    service._stores = [Behind(), Behind()]  # type: ignore[list-item]
    service.relay = SimpleNamespace(pending=0, hand_over=handed.extend)  # type: ignore[assignment]
    monkeypatch.setattr(life, "PAGES", 2)
    monkeypatch.setattr(life, "MORE_SECONDS", 0)

    await service._recover()

    assert len(handed) == 7


async def test_readiness_does_not_wait_for_a_store_that_does_not_answer(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    async with Proxy(settings.store_url.get_secret_value()) as proxy:
        amqp_url = settings.amqp_url.get_secret_value()
        given = settings_for(proxy.url, issuer, amqp_url=amqp_url)
        async with living(given, issuer) as toy:
            await toy.service.started.wait()
            await proxy.become(Line.DEAD)

            async with asyncio.timeout(4):
                _, found = await toy.ready()

            assert not found["store"]
            await proxy.become(Line.GOOD)


async def tell(transport: Transport, thing_id: str) -> None:
    """Tell the toy of a thing, as its own relay would."""
    sent = pack(message_of(changed(Thing(id=thing_id))))
    assert await transport.publish([Publication(topology.EVENTS, sent)]) == [None]


async def test_readiness_says_when_the_broker_is_away_and_work_goes_on_after(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    async with Proxy(settings.amqp_url.get_secret_value()) as proxy:
        store_url = settings.store_url.get_secret_value()
        async with living(
            settings_for(store_url, issuer, amqp_url=proxy.url), issuer
        ) as toy:
            await toy.service.started.wait()
            await proxy.become(Line.REFUSED)
            await eventually(is_ready(toy, broker=False))
            thing_id = new_id()
            assert (await toy.make(thing_id)).status_code == 202

            await proxy.become(Line.GOOD)
            await eventually(counted(toy, thing_id), within=30)
            await eventually(is_ready(toy))


async def test_what_falls_due_is_acted_on_by_one_of_two_replicas(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    clock = SimulatedClock(NOON)
    async with (
        living(settings, issuer, clock=clock) as one,
        living(settings, issuer, clock=clock) as other,
    ):
        await asyncio.gather(*(each.service.started.wait() for each in (one, other)))
        heard: Heard = one.service.store(Heard)
        due = [
            await heard.save(Thing(id=new_id(), due_at=NOON + timedelta(days=1)))
            for _ in range(20)
        ]
        clock.advance(timedelta(days=1))

        sweeps = (each.service.sweep_once() for each in (one, other) * 5)
        await asyncio.gather(*sweeps)
        found = [await heard.get(each.id) for each in due]
        await one.service.client.drop_database(settings.database)
        await one.service.client.drop_database(settings.audit_database)

    assert [each and each.count for each in found] == [1] * 20


class Apart(Heard):
    """What only the test sweeps; the service may have in hand what it sweeps itself."""

    collection = "apart"


async def apart(service: Service) -> Apart:
    made = service.store(Apart)
    await made.prepare()
    return made


async def test_what_fails_when_it_falls_due_holds_nothing_else_up(
    deaf_toy: Toy,
) -> None:
    service = deaf_toy.service
    heard = await apart(service)
    due = [Thing(id=new_id(), count=count, due_at=NOON) for count in range(4)]
    await asyncio.gather(*(heard.save(each) for each in due))
    corrupt = {"_id": new_id(), "version": 1, "count": SENTINEL, "due_at": NOON}
    await service.client[service.database.name]["things"].insert_one(corrupt)
    acted = []

    async def act(entity: Thing) -> None:
        faults = {0: LookupError(SENTINEL), 1: AutoReconnect(SENTINEL), 2: Conflict()}
        if entity.count in faults:
            raise faults[entity.count]
        acted.append(entity.count)

    service._sweeps = [(service.store(Things), act), (heard, act)]
    with logged() as lines:
        await service.sweep_once()

    assert acted == [3]
    faults = {each["fault"] for each in lines if each["level"] == "error"}
    assert faults == {"ValidationError", "LookupError", "AutoReconnect"}
    assert SENTINEL not in lines.stream.getvalue()
    assert service.idle()


async def test_what_may_pass_soon_is_taken_up_again_soon_and_nothing_else_is(
    deaf_toy: Toy,
) -> None:
    service = deaf_toy.service
    heard = await apart(service)
    faults = (AutoReconnect(), ConnectionError(), Conflict(), LookupError())
    for count in range(len(faults)):
        await heard.save(Thing(id=new_id(), count=count, due_at=NOON))
    acted: list[int] = []

    async def act(entity: Thing) -> None:
        acted.append(entity.count)
        raise faults[entity.count]

    service._sweeps = [(heard, act)]
    await service.sweep_once()
    await service.sweep_once()
    assert sorted(acted) == [0, 1, 2, 2, 3]

    service.database._ahead += timedelta(seconds=AGAIN_SECONDS)
    await service.sweep_once()
    assert sorted(acted) == [0, 0, 1, 1, 2, 2, 2, 3]


async def test_whatever_cannot_be_done_for_now_does_not_hide_what_is_due_after_it(
    deaf_toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is real time, and a busy machine may take longer for a hundred of them.
    monkeypatch.setattr(life, "AGAIN_SECONDS", 600.0)
    service = deaf_toy.service
    heard = await apart(service)
    first = (Thing(id=new_id(), due_at=NOON - timedelta(1)) for _ in range(100))
    await asyncio.gather(*(heard.save(each) for each in first))
    after = await heard.save(Thing(id=new_id(), due_at=NOON))
    acted: list[str] = []

    async def act(entity: Thing) -> None:
        if entity.due_at != after.due_at:
            raise ConnectionError
        acted.append(entity.id)

    service._sweeps = [(heard, act)]
    await service.sweep_once()
    await service.sweep_once()

    assert acted == [after.id]


async def test_a_decision_on_what_has_changed_is_made_again() -> None:
    tries = 0

    async def decide() -> str:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Conflict
        return "decided"

    assert await settled(decide) == "decided"

    async def never() -> None:
        raise Conflict

    with pytest.raises(Conflict):
        await settled(never, tries=3)


class Failing(InProcessTransport):
    """A transport that fails in a way that nobody expects."""

    async def publish(self, _: object) -> list[BaseException | None]:
        raise LookupError(SENTINEL)


async def test_a_service_ends_when_a_part_of_it_dies(
    backing_services: Backing, issuer: DevelopmentIssuer
) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    broker = InProcessBroker(topology.definitions(TOY, vhost="test"))
    failing = Failing(broker, user="toy")
    given = settings_for(backing_services.store_url, issuer)
    try:
        with logged() as lines:
            async with living(given, issuer, transport=failing) as toy:
                await toy.service.started.wait()
                await toy.make(new_id())
                await asyncio.wait_for(told.wait(), 10)
                status, found = await toy.ready()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)

    assert (status, found["consumer"]) == (503, False)
    [line] = lines.of("service.died")
    assert (line["service"], line["fault"]) == ("toy", "LookupError")
    assert "accord_chassis.relay:" in line["place"]
    assert SENTINEL not in lines.stream.getvalue()


SAFE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


async def sent_in_pieces(toy: Toy) -> httpx2.Response:
    """Send a body whose length nobody tells beforehand."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(BODY_LIMIT // 1024 + 1):
            yield b" " * 1024

    headers = {"Authorization": f"Bearer {toy.token}"}
    return await toy.http.post("/v1/things", content=pieces(), headers=headers)


Ask = Callable[[Toy], Awaitable[httpx2.Response]]

ANSWERS: dict[str, tuple[int, Ask]] = {
    "done": (202, lambda toy: toy.make(new_id())),
    "alive": (200, lambda toy: toy.http.get("/live")),
    "no token": (401, lambda toy: toy.http.post("/v1/things", json={})),
    "nowhere": (404, lambda toy: toy.http.get(f"/nowhere/{SENTINEL}")),
    "nobody": (404, lambda toy: toy.look(new_id())),
    "head": (405, lambda toy: toy.http.head("/v1/things")),
    "options": (405, lambda toy: toy.http.options("/v1/things")),
    "too deep": (422, lambda toy: toy.make(new_id(), counts=nested(20))),
    "a description": (200, lambda toy: toy.http.get("/openapi.json")),
    "another method": (405, lambda toy: toy.http.delete("/v1/things")),
    "no method at all": (405, lambda toy: toy.http.request(SENTINEL, "/v1/things")),
    "too large": (413, lambda toy: toy.make(new_id(), name="A" * BODY_LIMIT)),
    "too large in pieces": (413, sent_in_pieces),
    "wrong": (422, lambda toy: toy.make(new_id(), name=SENTINEL * 9)),
    "a fault": (500, lambda toy: toy.http.get("/v1/broken", params={"name": SENTINEL})),
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_every_answer_is_safe_and_every_refusal_a_problem(
    deaf_toy: Toy, what: str
) -> None:
    status, ask = ANSWERS[what]

    answer = await ask(deaf_toy)

    assert answer.status_code == status
    assert SAFE.items() <= dict(answer.headers).items()
    assert "strict-transport-security" not in answer.headers
    if status >= 400 and what != "head":
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["instance"].startswith("urn:accord:trace:")
        assert SENTINEL not in answer.text


async def test_who_asks_in_the_wrong_way_is_told_every_way_that_there_is(
    deaf_toy: Toy,
) -> None:
    answer = await deaf_toy.http.delete(f"/v1/things/{new_id()}")

    assert answer.headers["allow"] == "GET, PUT"


def nested(depth: int) -> Any:
    return {"deep": nested(depth - 1)} if depth else {}


async def test_where_tls_is_spoken_in_front_browsers_are_to_insist_on_it(
    backing_services: Backing, issuer: DevelopmentIssuer
) -> None:
    given = settings_for(backing_services.store_url, issuer, tls_terminated=True)
    over = httpx2.ASGITransport(create_app(given))

    async with httpx2.AsyncClient(transport=over, base_url="http://toy") as http:
        found = [await http.get(path) for path in ("/live", "/nowhere", "/docs")]

    for each in found:
        told = each.headers["strict-transport-security"]
        assert told == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"development": True}, True),
        ({"development": False, "docs": True}, True),
        ({"development": False}, False),
    ],
)
async def test_a_service_describes_itself_in_development_or_when_told_to(
    backing_services: Backing,
    issuer: DevelopmentIssuer,
    changed: dict[str, Any],
    *,
    shown: bool,
) -> None:
    given = settings_for(backing_services.store_url, issuer, **changed)
    over = httpx2.ASGITransport(create_app(given))
    paths = ("/docs", "/docs.js", "/openapi.json", "/docs-assets/swagger-ui.css")

    async with httpx2.AsyncClient(transport=over, base_url="http://toy") as http:
        found = [(await http.get(path)).status_code for path in paths]

    assert found == [200 if shown else 404] * len(paths)


async def test_the_page_of_a_service_holds_no_script_and_loads_its_own_only(
    deaf_toy: Toy,
) -> None:
    page = await deaf_toy.http.get("/docs")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; connect-src 'self'" in policy
    assert re.findall(r"<script([^>]*)>([^<]*)<", page.text) == [
        (' src="docs-assets/swagger-ui-bundle.js"', ""),
        (' src="docs.js"', ""),
    ]
    assert "http" not in page.text
    script = await deaf_toy.http.get("/docs.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "default-src 'none'" in script.headers["content-security-policy"]


@pytest.mark.parametrize("deaf_toy", [{"requests_a_minute": 3}], indirect=True)
async def test_a_caller_who_asks_too_often_is_told_when_to_come_back(
    deaf_toy: Toy,
) -> None:
    answers = [await deaf_toy.make(new_id()) for _ in range(4)]

    assert [each.status_code for each in answers] == [202] * 3 + [429]
    refused = answers[-1]
    assert refused.json()["type"] == "urn:accord:problem:too-many-requests"
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit-policy"] == '"requests";q=3;w=60'
    assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')


@pytest.mark.parametrize("deaf_toy", [{"guesses_a_minute": 3}], indirect=True)
async def test_guessing_is_slowed_and_holds_up_nobody_who_is_known(
    deaf_toy: Toy, issuer: DevelopmentIssuer
) -> None:
    assert (await deaf_toy.make(new_id())).status_code == 202

    with logged() as lines:
        for _ in range(5):
            guess = {"Authorization": f"Bearer {new_id()}"}
            await deaf_toy.make(new_id(), headers=guess)
        unknown = issuer.token("another", "things.make", region="test")
        fresh = {"Authorization": f"Bearer {unknown}"}
        waiting = await deaf_toy.make(new_id(), headers=fresh)

    statuses = [each["status"] for each in lines.of("request.answered")]
    assert statuses == [401, 401, 401, 429, 429, 429]
    assert waiting.headers["ratelimit-policy"] == '"guesses";q=3;w=60'
    assert len(lines.of("token.refused")) == len(lines.of("guessing.suspected")) == 3
    assert (await deaf_toy.make(new_id())).status_code == 202


async def test_a_body_just_within_the_limit_is_read(deaf_toy: Toy) -> None:
    spare = BODY_LIMIT - len(json.dumps({"id": new_id(), "name": ""}))

    answer = await deaf_toy.make(new_id(), name="A" * (spare - 10))

    assert answer.status_code == 422


async def test_a_request_leaves_a_line_without_anything_of_it(deaf_toy: Toy) -> None:
    with logged() as lines:
        await deaf_toy.look(f"{SENTINEL}?q={SENTINEL}")
        await deaf_toy.http.get("/nowhere/live")
        await deaf_toy.http.get("/live")

    wrong, nowhere = lines.of("request.answered")
    assert (wrong["route"], wrong["status"]) == ("/v1/things/{thing_id}", 422)
    assert (nowhere["route"], nowhere["status"]) == ("none", 404)
    assert SENTINEL not in lines.stream.getvalue()


async def test_a_success_for_which_nothing_was_decided_is_never_sent(
    deaf_toy: Toy,
) -> None:
    with logged() as lines:
        answer = await deaf_toy.http.get("/v1/forgotten", headers=deaf_toy.bearer)

    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:accord:problem:http-500"
    assert FORGOTTEN not in answer.text
    assert lines.of("access.undecided")


async def test_every_decision_is_in_the_audit_log_before_anything_is_answered(
    deaf_toy: Toy,
) -> None:
    made, unknown = new_id(), new_id()
    assert (await deaf_toy.make(made)).status_code == 202
    standings = deaf_toy.service.standings
    assert isinstance(standings, KnownStandings)
    standings.tell(WORKER, unknown)
    assert (await deaf_toy.look(unknown)).status_code == 404

    entries = await audited(deaf_toy.service.audit)

    assert [(e.action, e.outcome, e.rule, e.resource_id) for e in entries] == [
        ("thing.make", "permitted", "scope", made),
        ("thing.read", "refused", "no_relation", unknown),
    ]
    assert {e.worker for e in entries} == {WORKER}
    assert {e.purpose for e in entries} == {"fva20_b"}
    assert all(e.request_id for e in entries)


async def test_without_an_audit_log_nothing_is_answered(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    store_url = settings.store_url.get_secret_value()
    async with Proxy(store_url) as proxy:
        given = settings_for(
            store_url,
            issuer,
            amqp_url=settings.amqp_url.get_secret_value(),
            audit_url=SecretStr(proxy.url),
        )
        async with living(given, issuer) as toy:
            await toy.service.started.wait()
            thing_id = new_id()
            assert (await toy.make(thing_id)).status_code == 202
            await eventually(counted(toy, thing_id))

            await proxy.become(Line.REFUSED)
            answer = await toy.look(thing_id)

            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:accord:problem:audit-away"
            assert answer.headers["retry-after"]
            await proxy.become(Line.GOOD)
            await eventually(counted(toy, thing_id))


async def test_what_somebody_may_not_see_looks_as_if_it_were_not_there(
    deaf_toy: Toy,
) -> None:
    standings = deaf_toy.service.standings
    assert isinstance(standings, KnownStandings)
    heard: Heard = deaf_toy.service.store(Heard)
    there = await heard.save(Thing(id=new_id()))
    standings.tell(WORKER, there.id, excluded=True, coordinator=True)

    excluded = await deaf_toy.look(there.id)
    nothing = await deaf_toy.look(new_id())

    assert without_trace(excluded.json()) == without_trace(nothing.json())
    assert excluded.status_code == nothing.status_code == 404
    differing = {"content-length", "ratelimit"}
    assert excluded.headers.keys() - differing == nothing.headers.keys() - differing


async def test_a_purpose_that_is_none_of_the_actions_is_refused(deaf_toy: Toy) -> None:
    known = await deaf_toy.look(new_id(), **{"accord-purpose": "operation"})
    unknown = await deaf_toy.look(new_id(), **{"accord-purpose": SENTINEL})

    assert (known.status_code, unknown.status_code) == (403, 422)
    assert SENTINEL not in unknown.text


async def test_while_nobody_can_say_who_works_on_what_nothing_is_shown(
    deaf_toy: Toy,
) -> None:
    standings = deaf_toy.service.standings
    assert isinstance(standings, KnownStandings)
    standings.away = True

    answer = await deaf_toy.look(new_id())

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:accord:problem:standing-away"


def without_trace(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in problem.items() if name != "instance"}


def environment(settings: Settings, **changed: str) -> dict[str, str]:
    """The toy's settings, as variables of a process of its own."""
    given = {
        "region": settings.region,
        "locality": str(settings.locality),
        "amqp_url": settings.amqp_url.get_secret_value(),
        "store_url": settings.store_url.get_secret_value(),
        "database": settings.database,
        "audit_database": settings.audit_database,
        "audit_key": settings.audit_key.get_secret_value(),
        "jwks_url": settings.jwks_url,
        "issuer": settings.issuer,
        "development": "true",
        "drain_seconds": "10",
        "port": str(free_ports(1)[0]),
        **changed,
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")}
    tests = str(Path(__file__).parent)
    return inherited | {
        "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]),
        "PYTHONUNBUFFERED": "1",
        **{f"ACCORD_{name.upper()}": value for name, value in given.items()},
    }


async def start(variables: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis_toy", env=variables, stdout=PIPE, stderr=PIPE
    )


async def test_on_sigterm_what_is_in_hand_is_finished(
    settings: Settings, host: VirtualHost, issuer: DevelopmentIssuer
) -> None:
    variables = environment(settings, pause="1.5")
    process = await start(variables)
    speaker = RabbitTransport(host.url("toy"), name="speaker")
    await speaker.connect()
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{variables['ACCORD_PORT']}"
    ) as http:
        await eventually(lambda: answers(http), within=30)
        in_hand = new_id()
        await tell(speaker, in_hand)
        await eventually(lambda: has_in_hand(http))
        process.send_signal(signal.SIGTERM)
        # What comes now is for another replica.
        await eventually(lambda: stopped_listening(host))
        left = new_id()
        await tell(speaker, left)
        out, err = await asyncio.wait_for(process.communicate(), 20)

    lines = [json.loads(each) for each in out.decode().splitlines()]
    events = [each["event"] for each in lines]
    assert err == b""
    assert events[:2] == ["audit.not_prepared", "service.started"]
    assert events[-2:] == ["service.drained", "audit.anchored"]
    assert lines[-2]["count"] == 0
    async with living(settings, issuer) as successor:
        await successor.service.started.wait()
        assert await successor.count(in_hand) == 1
        await eventually(counted(successor, left))
        # Nothing that was handled came again.
        assert successor.service.bus.activity.taken == 1
        await successor.service.client.drop_database(settings.database)
        await successor.service.client.drop_database(settings.audit_database)
    await speaker.close()


async def test_where_a_request_says_that_it_comes_from_is_not_believed(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    thumbprint = "c" * 43
    variables = environment(
        settings,
        client_certificate_header="X-Thumbprint",
        trusted_proxies="192.0.2.0/24",
        tls_terminated="true",
    )
    process = await start(variables)
    bound = issuer.token(
        "a", "things.make", region="test", cnf={"x5t#S256": thumbprint}
    )
    unbound = issuer.token("a", "things.make", region="test")
    said = {"X-Forwarded-For": "192.0.2.7", "X-Thumbprint": thumbprint}
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{variables['ACCORD_PORT']}"
    ) as http:
        await eventually(lambda: answers(http), within=30)
        told = [{"Authorization": f"Bearer {t}", **said} for t in (bound, unbound)]
        thing = {"id": new_id()}
        asked = [http.post("/v1/things", headers=each, json=thing) for each in told]
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 20)

    assert statuses == [401, 202]


async def answers(http: httpx2.AsyncClient) -> bool:
    try:
        return (await http.get("/ready")).status_code == 200
    except httpx2.TransportError:
        return False


async def has_in_hand(http: httpx2.AsyncClient) -> bool:
    found = (await http.get("/ready")).json()["dependencies"]["consumer"]["in_hand"]
    return bool(found)


async def stopped_listening(host: VirtualHost) -> bool:
    found = await host.channel.declare_queue("toy.routine", passive=True)
    return found.declaration_result.consumer_count == 0


async def test_a_wiring_that_differs_from_the_catalogue_stops_the_start(
    settings: Settings,
) -> None:
    process = await start(environment(settings, deaf="true"))

    out, err = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode not in {0, None}
    [line] = [json.loads(each) for each in out.splitlines() if b"not_started" in each]
    assert line["service"] == "toy"
    assert "risk.changed.v1" in line["reason"]
    assert err == b""


async def test_what_is_only_for_development_stops_the_start(
    settings: Settings,
) -> None:
    process = await start(environment(settings, development="false"))

    out, err = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert out == b""
    assert err.decode().strip() == (
        "The development issuer signs anything: set ACCORD_ISSUER and "
        "ACCORD_JWKS_URL (https) to your identity provider's."
    )


def fit(**changed: Any) -> ChassisSettings:
    """Settings that are fit for production, but for what is changed."""
    given: dict[str, Any] = {
        "region": "waikato",
        "locality": "/localities/waikato",
        "amqp_url": "amqps://toy:secret@broker/",
        "store_url": "mongodb://toy:secret@store/?tls=true",
        "jwks_url": "https://identity.example/jwks.json",
        "issuer": "https://identity.example",
        "audit_key": AUDIT_KEY,
        "tls_terminated": True,
        **changed,
    }
    return ChassisSettings(**given)


def test_what_is_fit_for_production_may_start() -> None:
    check_production(fit())
    check_production(fit(tls_terminated=False, server_cert_file="/server.pem"))
    check_production(fit(allocation_url="https://allocation:8000"))
    check_production(fit(allocation_url="http://127.0.0.1:8001"))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"issuer": DEVELOPMENT_ISSUER}, "development issuer"),
        ({"jwks_url": "file:///etc/jwks.json"}, "development issuer"),
        ({"jwks_url": "http://identity.example/jwks.json"}, "https://"),
        ({"database": "toy_demo"}, "ACCORD_DATABASE"),
        ({"database": "toy", "audit_database": "toy"}, "ACCORD_AUDIT_DATABASE"),
        ({"log_level": "warning"}, "ACCORD_AUDIT_ANCHORS"),
        ({"tls_terminated": False}, "ACCORD_SERVER_CERT_FILE"),
        ({"allocation_url": "http://allocation:8000"}, "ACCORD_ALLOCATION_URL"),
        ({"requests_a_minute": 0}, "ACCORD_REQUESTS_A_MINUTE"),
        ({"guesses_a_minute": 0}, "ACCORD_GUESSES_A_MINUTE"),
        ({"records_an_hour": 0}, "ACCORD_RECORDS_AN_HOUR"),
        ({"agency_records_an_hour": 0}, "ACCORD_AGENCY_RECORDS_AN_HOUR"),
        ({"amqp_url": "amqp://toy:secret@broker/"}, "ACCORD_AMQP_URL"),
        ({"store_url": "mongodb://toy:secret@store/"}, "ACCORD_STORE_URL"),
    ],
)
def test_what_is_not_fit_for_production_is_refused(
    changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadConfiguration, match=told):
        check_production(fit(**changed))
