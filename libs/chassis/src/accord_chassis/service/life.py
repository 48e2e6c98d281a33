"""The life of a service: connect, consume, relay, sweep, drain.

Nothing that was taken is left unfinished when the service stops.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog
from accord_contracts.catalogue import CATALOGUE, Catalogue
from accord_contracts.message import Event, Lane
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from accord_chassis import migrations, telemetry
from accord_chassis.audit import ANCHOR_SECONDS, AuditLog
from accord_chassis.batching import in_lane
from accord_chassis.bus import OUTAGE, TRANSIENT, Bus, Handler
from accord_chassis.clock import Clock, SystemClock
from accord_chassis.doors import RENEW_SECONDS, Line, reason_of
from accord_chassis.ending import Ending, heed_cancellation
from accord_chassis.entries import Keys
from accord_chassis.guard import Guard, Standings
from accord_chassis.oddities import Watch
from accord_chassis.rabbit import WATCH_SECONDS, RabbitTransport
from accord_chassis.relay import Relay
from accord_chassis.service.lines import StoreLines
from accord_chassis.service.vigil import ALIVE_SECONDS, LOOK_SECONDS, Vigil
from accord_chassis.settings import ChassisSettings
from accord_chassis.store import Conflict, Database, Store
from accord_chassis.transport import Transport
from accord_chassis.vault import VaultSettings, vault_of

log = structlog.get_logger()

RECOVER_SECONDS = 3.0
"""Between two looks for what was left behind, which was given a lease of ten."""

MORE_SECONDS = 1.0
"""The same after a look that stopped before its end: there is more."""

ALIGN_SECONDS = 60.0

SWEEP_SECONDS = 0.5
"""Between two turns of a sweep. It looks only if something may be due."""

ENOUGH = 1000
"""Events on their way with which nobody looks for more that were left behind: while
the broker is away they are in good hands, and claiming them again changes nothing."""

PAGES = 20
"""How often in a row what was left behind is looked for."""

REQUESTS_SHARE, MESSAGES_SHARE, GOODBYE_SHARE = 0.3, 0.5, 0.2
"""Of the time to drain: for requests in hand, then for messages, then to disconnect."""

AGAIN_SECONDS = 5.0
"""How long what could not be done for a passing reason makes way for others."""

S = TypeVar("S", bound=Store[Any])

Sweep = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StandIns:
    """What a test, a demonstration or a replay puts in the place of the usual."""

    transport: Transport | None = None
    clock: Clock | None = None
    catalogue: Catalogue | None = None
    standings: Standings | None = None
    root: bytes | None = None


class Service:
    """One service, while it lives.

    Args:
        settings: How the locality runs it.
        name: Which service.
        stand_ins: What is put in the place of the usual.
    """

    def __init__(
        self, settings: ChassisSettings, name: str, stand_ins: StandIns
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock = stand_ins.clock or SystemClock()
        self.catalogue = stand_ins.catalogue or CATALOGUE
        self._store_lines = StoreLines(settings, name)
        self.client = self._store_lines.connect("store_url")
        self.database = Database(
            self.client,
            settings.database or name,
            source=f"/{settings.region}/{name}",
            clock=self.clock,
        )
        if isinstance(settings, VaultSettings):
            self.database.vault = vault_of(
                settings, self.client, own=self._vault_client(settings)
            )
            if stand_ins.root:
                self.database.vault.stand_in(stand_ins.root)
        self.transport = stand_ins.transport or RabbitTransport(
            Line.to(settings, "amqp_url"), name=name
        )
        self.bus = Bus(
            name,
            self.transport,
            self.catalogue,
            prefetch=settings.prefetch,
            store_answers=self._store_answers,
        )
        self.relay = self.database.relay = Relay(
            self.transport,
            self.catalogue,
            self.database.clear,
            service=name,
            to_self=self.bus.deliver,
        )
        self.vigil = Vigil(
            name,
            self.relay,
            {"store": self._store_answers, "broker": self._broker_answers},
            clock=self.clock,
            silent_minutes=settings.outbox_silent_minutes,
        )
        self.standings = stand_ins.standings
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self.audit = AuditLog(
            self._audit_client()[settings.audit_database],
            Keys(settings.audit_key.get_secret_value()),
            writer=name,
            watch=Watch(
                cases=settings.audit_cases_an_hour,
                refusals=settings.audit_refusals_an_hour,
                services=self.catalogue.services,
            ),
            clock=self.clock,
            anchors=settings.audit_anchors,
        )
        self.ending = Ending()
        self.parts: dict[type[Any], Any] = {
            Clock: self.clock,
            AuditLog: self.audit,
            Ending: self.ending,
        }
        self.started = asyncio.Event()
        self._stores: list[Store[Any]] = []
        self._sweeps: list[tuple[Store[Any], Sweep]] = []
        self._sweeping = 0
        self._prepared = False
        self._life: asyncio.Task[None] | None = None

    @property
    def guard(self) -> Guard:
        """Decides who may do what.

        Raises:
            LookupError: Nobody is named who knows who works on what.
        """
        if self.standings is None:
            raise LookupError(f"{self.name} cannot know who works on which case.")
        return Guard(self.standings, self.audit, self.clock)

    def _audit_client(self) -> AsyncMongoClient[dict[str, Any]]:
        """Give the connection to the audit log: the store's, unless it has its own."""
        if self.settings.audit_url is None:
            return self.client
        client = self._store_lines.connect("audit_url")
        self.at_close(client.close)
        return client

    def _vault_client(
        self, settings: VaultSettings
    ) -> AsyncMongoClient[dict[str, Any]] | None:
        """Give the connection to the vault, if it has a store of its own."""
        if settings.vault_url is None:
            return None
        return self._store_lines.connect("vault_url")

    def store(self, kind: type[S]) -> S:
        """Give the service's one store of a kind."""
        if kind not in self.parts:
            made = kind(self.database)
            self._stores.append(made)
            self.parts[kind] = made
        found: S = self.parts[kind]
        return found

    def provide(self, part: object) -> None:
        """Have routes find a part by its type, with ``part``."""
        self.parts[type(part)] = part

    def on(self, event: type[Event], handler: Handler) -> None:
        """Have a handler called with every message of a type."""
        self.bus.on(event, handler)

    def sweep(self, store: Store[Any], act: Sweep) -> None:
        """Have an entity acted on when it falls due."""
        self._sweeps.append((store, act))

    def at_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something closed when the service stops."""
        self._closing.append(close)

    def idle(self) -> bool:
        """Tell whether no message, event on its way or sweep is in hand."""
        return not (self.bus.activity.in_hand or self.relay.pending or self._sweeping)

    async def live(self) -> None:
        """Live until cancelled. If a part of it dies, all of it does."""
        async with asyncio.TaskGroup() as group:
            # From the first moment: a service that waits for its store is cut off too.
            group.create_task(self._every(LOOK_SECONDS, self.vigil.look))
            group.create_task(self._every(ALIVE_SECONDS, self.vigil.say_alive))
            await self._prepare()
            self._prepared = True
            await self.transport.connect()
            heed_cancellation()
            group.create_task(self.relay.run(), name="relay")
            group.create_task(self._every(RECOVER_SECONDS, self._recover))
            group.create_task(self._every(ALIGN_SECONDS, self.database.align))
            group.create_task(self._every(ANCHOR_SECONDS, self.audit.anchor))
            group.create_task(self._every(RENEW_SECONDS, self._renew))
            group.create_task(self._every(WATCH_SECONDS, self.transport.watch))
            for store, act in self._sweeps:
                # Each by itself: what is slow with one holds up nothing of another.
                sweep = partial(self._sweep_in_time, store, act)
                group.create_task(self._every(SWEEP_SECONDS, sweep))
            await self.bus.start()
            self.started.set()
            log.info("service.started", service=self.name)

    async def _prepare(self) -> None:
        """Make the database ready, trying until the store answers and lets it."""
        pause = 0.2
        while True:
            heed_cancellation()
            try:
                await self.database.align()
                if self.database.vault:
                    await self.database.vault.open()
                shipped = migrations.shipped_with(self.name)
                await migrations.migrate(self.database, shipped)
                for store in self._stores:
                    await store.prepare()
                await self.audit.prepare()
            except OperationFailure as fault:
                # It is there and says no: a password, a right, another index.
                refused = type(fault).__name__
                log.warning("store.refused", fault=refused, status=fault.code)
            except (PyMongoError, OSError) as fault:
                log.warning(
                    "store.not_reached",
                    fault=type(fault).__name__,
                    reason=reason_of(fault),
                )
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
            await self._store_lines.renew()

    async def _renew(self) -> None:
        """Follow passwords and certificates that were written anew."""
        self.transport.renew()
        await self._store_lines.renew()

    async def _every(self, seconds: float, do: Callable[[], Awaitable[object]]) -> None:
        while True:
            heed_cancellation()
            await asyncio.sleep(seconds)
            try:
                await do()
            except (PyMongoError, TimeoutError, ConnectionError) as fault:
                log.warning("store.away", fault=type(fault).__name__)

    async def _recover(self) -> None:
        """Hand over what was left behind, until a look comes to its end."""
        while not await self._recover_some():
            await asyncio.sleep(MORE_SECONDS)
            heed_cancellation()

    async def _recover_some(self) -> bool:
        """Hand over what was left behind, but not more than can be sent.

        Returns:
            Whether that is all.
        """
        every = True
        for store in self._stores:
            for _ in range(PAGES):
                if self.relay.pending >= ENOUGH:
                    return False
                left = await store.left_behind()
                if not left:
                    break
                self.relay.hand_over(left)
            else:
                every = False
        return every

    async def sweep_once(self) -> int:
        """Act on what has fallen due by the clock, and say on how much not in vain."""
        return sum([await self._sweep(*each) for each in self._sweeps])

    async def sweep_in_time(self) -> int:
        """Act as ``sweep_once``, but look only where something may be due by now.

        Of what other processes saved, that is known some seconds later.
        """
        return sum([await self._sweep_in_time(*each) for each in self._sweeps])

    async def _sweep_in_time(self, store: Store[Any], act: Sweep) -> int:
        if not store.may_be_due(self.clock.now()):
            return 0
        return await self._sweep(store, act)

    async def _sweep(self, store: Store[Any], act: Sweep) -> int:
        self._sweeping += 1
        try:
            due = await self._due(store)
            acts = (self._act(store, act, each) for each in due)
            return sum(await asyncio.gather(*acts))
        finally:
            self._sweeping -= 1

    async def _due(self, store: Store[Any]) -> list[Any]:
        try:
            return await store.due_now(self.clock.now())
        except PyMongoError:
            raise
        except Exception as fault:  # noqa: BLE001 - One bad document stops no other.
            self._report_sweep(fault)
            return []

    async def _act(self, store: Store[Any], act: Sweep, due: Any) -> bool:  # noqa: ANN401 - An entity.
        """Act on an entity, and tell whether it was not in vain.

        What was overtaken is released for the next sweep. What may pass soon makes way
        for others for a few: a hundred of it would hold up everything that is due after
        it. Any other fault would come again with it, so its lease goes on.
        """
        try:
            # A morning's letters ask for no alarm; what is one says so itself.
            with in_lane(getattr(due, "lane", Lane.ROUTINE)):
                await act(due)
        except Conflict:
            # Something happened to it meanwhile; if it is still due, its turn comes.
            log.debug("sweep.overtaken")
            await self._release(store, due)
        except Exception as fault:  # noqa: BLE001 - It is tried again; others go on.
            self._report_sweep(fault)
            if isinstance(fault, (*OUTAGE, *TRANSIENT)):
                await self._release(store, due, after=AGAIN_SECONDS)
            return False
        return True

    async def _release(
        self,
        store: Store[Any],
        due: Any,  # noqa: ANN401 - An entity.
        *,
        after: float = 0,
    ) -> None:
        """Give back what was claimed; if the store is away, its lease ends it."""
        with suppress(PyMongoError, ConnectionError, TimeoutError):
            await store.release(due, after=timedelta(seconds=after))

    def _report_sweep(self, fault: Exception) -> None:
        log.error(
            "sweep.failed",
            service=self.name,
            fault=type(fault).__name__,
            place=telemetry.place_of(fault),
        )

    async def stop(self) -> None:
        """Finish what is in hand, within the time for that; give back the rest."""
        self.ending.set()
        try:
            async with asyncio.timeout(self.settings.drain_seconds * MESSAGES_SHARE):
                await self.transport.stop_consuming()
                while not self._drained():  # noqa: ASYNC110 - Once, at the end.
                    await asyncio.sleep(0.02)
        except Exception as fault:  # noqa: BLE001 - It ends all the same.
            log.warning("service.not_drained", fault=type(fault).__name__)
        log.info("service.drained", service=self.name, count=self.bus.activity.in_hand)

    def _drained(self) -> bool:
        """Tell whether there is nothing to wait for; a dead relay sends no more."""
        return self.idle() if self._alive() else not self.bus.activity.in_hand

    def _alive(self) -> bool:
        return self._life is not None and not self._life.done()

    async def close(self) -> None:
        """Disconnect, as far as the other side takes part in that."""
        await asyncio.to_thread(telemetry.flush)
        vault = [self.database.vault.close] if self.database.vault else []
        parting = (
            self.audit.close,
            *self._closing,
            self.transport.close,
            *vault,
            self.client.close,
        )
        seconds = self.settings.drain_seconds * GOODBYE_SHARE / len(parting)
        for close in parting:
            try:
                async with asyncio.timeout(seconds):
                    await close()
            except Exception as fault:  # noqa: BLE001 - What is left ends with us.
                log.warning("service.not_closed", fault=type(fault).__name__)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Let the service live in the background; drain it in the end."""
        life = self._life = asyncio.create_task(self.live(), name=self.name)
        life.add_done_callback(_died)
        try:
            yield
            await self.stop()
        finally:
            life.remove_done_callback(_died)
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            await self.close()

    async def dependencies(self) -> dict[str, dict[str, Any]]:
        """Say how the service and each thing it depends on is doing."""
        store, audit = await asyncio.gather(self._store_answers(), self.audit.answers())
        return {
            "store": {"ok": store},
            "audit": {"ok": audit, "odd": self.audit.odd},
            "broker": {"ok": self.transport.ready()},
            "consumer": {
                "ok": self.started.is_set() and self._alive(),
                "in_hand": self.bus.activity.in_hand,
                "retried": self.bus.activity.retried,
                "parked": self.bus.activity.parked,
            },
            "outbox": {
                "ok": self.relay.unroutable == 0,
                "pending": self.relay.pending,
                "unroutable": self.relay.unroutable,
            },
        }

    def status(self, found: dict[str, dict[str, Any]]) -> str:
        """Sum up what its dependencies say.

        ``degraded`` while the broker is away: requests are served all the same, and
        what they cause waits in the outboxes, so nobody is to be sent elsewhere.
        Without the audit log nothing may be shown or changed: it is as the store is.
        """
        if all(each["ok"] for each in found.values()):
            return "ready"
        keeps = found["store"]["ok"] and found["audit"]["ok"]
        serving = self._alive() and self._prepared and keeps
        return "degraded" if serving else "not_ready"

    async def _broker_answers(self) -> bool:
        return self.transport.ready()

    async def _store_answers(self) -> bool:
        try:
            async with asyncio.timeout(2):
                await self.client.admin.command("ping")
        except (PyMongoError, TimeoutError):
            return False
        return True


def _died(life: asyncio.Task[None]) -> None:
    """End the process when a part of the service died, so that it is started anew."""
    fault = life.exception() if not life.cancelled() else None
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    log.critical(
        "service.died",
        service=life.get_name(),
        fault=type(fault).__name__ if fault else None,
        place=telemetry.place_of(fault) if fault else None,
    )
    signal.raise_signal(signal.SIGTERM)
