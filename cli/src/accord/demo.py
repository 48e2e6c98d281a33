"""A whole region on this machine, with an invented world in it.

Found or started: a broker and a store; applied: the topology; started: the five
services; loaded: the staff. Then one referral goes all the way through real messages,
and only when it has arrived does anything say that Accord runs.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.development.backing import Backing, Means, backing
from accord_chassis.development.install import install_rabbitmq
from accord_chassis.development.machine import Machine, choose_broker, look
from accord_chassis.development.process import LOOPBACK, Unavailable, write_private
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.service import StandIns
from accord_chassis.topology import OPERATOR, definitions
from starlette.types import ASGIApp

from accord import banner, issuing
from accord.actors import CREDENTIALS, OPERATORS, Actors, Signed
from accord.catalogue import SERVICES, catalogue_of
from accord.deployment import Deployment, forget, held, remember
from accord.faults import CannotGoOn
from accord.gateway import gateway
from accord.logs import LogFiles, into_files
from accord.mail import Mailbox, mailbox
from accord.management import Management
from accord.platform import Platform
from accord.reset import ELSEWHERE, SUFFIX
from accord.selftest import SelfTest
from accord.serving import listen, serving, until_ready
from accord.show import Steps
from accord.story import Story
from accord.surroundings import AUDIT, Surroundings, application, prepare
from accord.together import died, living, together
from accord.world import AGENCIES, World

INTERRUPTED = 130

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a demonstration is run.

    Attributes:
        here: Where everything is kept.
        locality: Directory of the locality's policies.
        processes: Each service has a process of its own.
        once: End after the self-test.
        json: Tell one document instead of lines.
        speed: How many times as many referrals as one in twenty seconds.
        seed: The same seed makes the same referrals.
        port: Where to serve; by default 8000 or the next one that is free.
        machine: What there is to have a broker and a store with; by default what this
            machine offers.
    """

    here: Path
    locality: Path
    processes: bool = False
    once: bool = False
    json: bool = False
    speed: float = 1.0
    seed: int = 1
    port: int | None = None
    machine: Machine | None = None


async def demonstrate(options: Options, tell: Any) -> int:  # noqa: ANN401 - A printer.
    """Run a demonstration until it is told to stop, and give the exit code.

    Args:
        options: How.
        tell: Prints the document, if there is to be one.

    Raises:
        CannotGoOn: It could not begin: in which step, why, and what mends it.
    """
    demonstration = Demonstration(options, tell)
    work = asyncio.create_task(demonstration.run())
    with _stopped_by_signals(work, demonstration.say):
        try:
            await work
        except asyncio.CancelledError:
            demonstration.say("Stopped.")
            return 0 if demonstration.begun else INTERRUPTED
    return 0


@contextlib.contextmanager
def _stopped_by_signals(
    work: asyncio.Task[None], say: Callable[[str], None]
) -> Iterator[None]:
    """Have the first signal end the work in good order, and the second at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop() -> None:
        if work.cancelling():
            # Whatever was started ends with this process.
            os._exit(INTERRUPTED)
        say("Stopping …")
        work.cancel()

    for each in signals:
        loop.add_signal_handler(each, stop)
    try:
        yield
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


class Demonstration:
    """One run of a demonstration."""

    def __init__(self, options: Options, tell: Any) -> None:  # noqa: ANN401 - As above.
        self.begun = False
        self._options = options
        self._tell = tell
        self._here = options.here
        self._steps = Steps(quiet=options.json)
        self.say = self._steps.line
        self._started = time.perf_counter()
        self._found: Backing | None = None

    async def run(self) -> None:
        """Begin, say so, and go on until cancelled, or end if it is for once."""
        async with AsyncExitStack() as stack:
            actors = await self._begin(stack)
            self.begun, options = True, self._options
            if not options.once:
                await Story(actors, options.speed, options.seed, self.say).go_on()

    async def _begin(self, stack: AsyncExitStack) -> Actors:
        options, step = self._options, self._steps.step
        with step("machine", "This machine checked"):
            stack.enter_context(held(self._here))
            listening = listen(options.port)
            stack.callback(listening.close)
            url = f"http://{LOOPBACK}:{listening.getsockname()[1]}"
            into_files(stack.enter_context(LogFiles(self._here / "logs")), self._region)
            mail = await stack.enter_async_context(mailbox(self._here / "mail"))
        with step("backing", "Broker and store started"):
            found = await stack.enter_async_context(self._backing())
        with step("topology", "Topology applied"):
            surroundings = await asyncio.to_thread(self._prepare, found, url, mail)
        with step("services", "Services started"):
            app = await stack.enter_async_context(self._services(surroundings, url))
            app = issuing.beside(app, surroundings, url, self._here)
            await stack.enter_async_context(serving(app, listening))
            ready = (until_ready(f"{url}/api/{s}", what=s) for s in SERVICES)
            await asyncio.gather(*ready)
        world = World(options.locality, options.seed)
        signed = Signed(surroundings.issuer, region=self._region, world=world)
        actors = Actors(url, signed, world=world)
        stack.callback(actors.close)
        with step("world", "Agencies and staff loaded"):
            await actors.register()
            await actors.hire()
            self._steps.note(f"{len(AGENCIES)} agencies, {len(actors.staff)} workers")
        with step("self_test", "A referral received, assessed, notified, agreed"):
            times = await self._self_test(surroundings, url)
        state = self._state(surroundings, url, mail, signed, world)
        remember(self._here, state)
        stack.callback(forget, self._here)
        self._introduce(state, times)
        return actors

    @property
    def _region(self) -> str:
        return self._options.locality.name

    @property
    def _anchors(self) -> Path:
        """Where heads of the audit log go; a region's are in another's keeping."""
        return (self._here / "anchors").absolute()

    @asynccontextmanager
    async def _backing(self) -> AsyncIterator[Backing]:
        """Find or start a broker and a store."""
        machine = self._options.machine or look()
        if choose_broker(machine).means is Means.NONE:
            with contextlib.suppress(Unavailable):
                await asyncio.to_thread(install_rabbitmq, self.say)
                machine = self._options.machine or look()
        async with in_thread(backing(self._here / "backing", machine)) as found:
            if found.broker.means is Means.NONE:
                self._no_broker(found)
            self._found = found
            self._steps.note(
                f"broker: {found.broker.means}, store: {found.store.means}"
            )
            yield found

    def _no_broker(self, found: Backing) -> None:
        if self._options.processes:
            raise CannotGoOn(f"There is no broker: {found.broker.why}.")
        self.say(
            "NO BROKER: messages travel within this process and are lost when it ends. "
            f"This shows the services, and proves nothing. ({found.broker.why}.)"
        )

    def _prepare(self, found: Backing, url: str, mail: Mailbox) -> Surroundings:
        # Credentials are for this run alone: with the key, yesterday's are worthless.
        shutil.rmtree(self._here / "issuer", ignore_errors=True)
        self._anchors.mkdir(exist_ok=True, mode=0o700)
        vhost = f"{self._region}-demo"
        if found.broker.means is Means.ENVIRONMENT:
            _refuse_shared(found.management_url, vhost)
        if Means.ENVIRONMENT in {found.broker.means, found.store.means}:
            left = {"management_url": found.management_url, "vhost": vhost,
                    "store_url": found.store_url}  # fmt: skip
            write_private(self._here / ELSEWHERE, json.dumps(left))
        return prepare(
            found,
            region=self._region,
            vhost=vhost,
            locality=self._options.locality,
            folder=self._here,
            suffix=SUFFIX,
            extra={
                "ACCORD_AUDIT_ANCHORS": str(self._anchors),
                "ACCORD_LINK_BASE": url,
                "ACCORD_LINK_KEY": secrets.token_urlsafe(32),
                "ACCORD_MAIL_FROM": "accord@accord.example",
                "ACCORD_SMTP_URL": mail.url,
            },
        )

    @asynccontextmanager
    async def _services(
        self, surroundings: Surroundings, url: str
    ) -> AsyncIterator[ASGIApp]:
        """Start the services, and give what serves them behind one port."""
        if self._options.processes:
            folder = self._here / "services"
            async with Platform(surroundings, folder, behind="/api") as platform:
                for each in platform:
                    _link(self._here / "logs" / f"{each.name}.log", each.log)
                await platform.start()
                async with gateway(platform.addresses) as app:
                    yield app
            return
        port = int(url.rpartition(":")[2])
        addresses = {name: f"{url}/api/{name}" for name in SERVICES}
        stand_ins = _stand_ins(surroundings)
        apps = {
            name: application(
                name,
                surroundings.environment(name, port=port, addresses=addresses),
                stand_ins.get(name),
            )
            for name in SERVICES
        }
        async with living(apps):
            try:
                yield together(apps)
            except asyncio.CancelledError:
                # A service that dies ends its process by the signal that ends ours.
                if dead := await died(apps):
                    raise CannotGoOn(
                        f"The service {' and '.join(dead)} died.",
                        mend=f"{self._here}/logs says why.",
                    ) from None
                raise

    async def _self_test(
        self, surroundings: Surroundings, url: str
    ) -> dict[str, float]:
        # Nobody in it was referred before, however often this is run.
        world = World(self._options.locality, uuid4().int)
        signed = Signed(surroundings.issuer, region=self._region, world=world)
        actors = Actors(url, signed, world=world)
        with contextlib.closing(actors):
            times = await SelfTest(actors, f"self-test-{uuid4().hex[:12]}").run()
        told = ", ".join(f"{stage} {took:.0f} ms" for stage, took in times.items())
        self._steps.note(told)
        return times

    def _state(
        self,
        surroundings: Surroundings,
        url: str,
        mail: Mailbox,
        signed: Signed,
        world: World,
    ) -> dict[str, Any]:
        """Write down what other commands need, and what a visitor may try."""
        tokens = self._here / "tokens"
        tokens.mkdir(exist_ok=True, mode=0o700)
        for role in CREDENTIALS:
            write_private(tokens / role, signed.of(role))
        # Of its own at each start: what was sent before is here still.
        reference = f"first-{secrets.token_hex(4)}"
        example = world.grave_referral(reference, datetime.now(UTC))
        (self._here / banner.EXAMPLE).write_text(json.dumps(example, indent=2))
        deployed = Deployment(
            region=surroundings.region,
            vhost=surroundings.vhost,
            locality=surroundings.locality,
            management_url=surroundings.management_url,
            amqp_url=surroundings.amqp_url and surroundings.amqp_url_of(OPERATOR),
            store_url=surroundings.store_url,
            audit_database=surroundings.database_of(AUDIT),
            audit_key=surroundings.audit_key,
            audit_anchors=self._anchors,
            databases={each: surroundings.database_of(each) for each in SERVICES},
            url=url,
            jwks_url=surroundings.issuer.jwks_url,
            issuer=DEVELOPMENT_ISSUER,
            operator_token=signed.of(OPERATORS[0]),
            smtp_url=mail.url,
        )
        return {
            "pid": os.getpid(),
            "here": str(self._here),
            "url": url,
            "locality": self._options.locality.name,
            "credentials": list(CREDENTIALS),
            "deployment": deployed.model_dump(mode="json"),
        }

    def _introduce(self, state: dict[str, Any], times: dict[str, float]) -> None:
        for line in banner.lines(state):
            self.say(line)
        if not self._options.json:
            return
        found = self._found
        self._tell(
            {
                "url": state["url"],
                "locality": state["locality"],
                "pid": state["pid"],
                "processes": self._options.processes,
                "broker": found and found.broker.means.value,
                "store": found and found.store.means.value,
                "seconds": round(time.perf_counter() - self._started, 3),
                "stages_seconds": self._steps.seconds,
                "self_test_milliseconds": times,
            }
        )


@asynccontextmanager
async def in_thread(blocking: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context that blocks, without blocking what else goes on.

    Cancelled while it is entered, it is entered to the end and left.
    """
    entering = asyncio.ensure_future(asyncio.to_thread(blocking.__enter__))
    try:
        entered = await asyncio.shield(entering)
    except asyncio.CancelledError:
        with contextlib.suppress(Unavailable):
            await entering
            await asyncio.to_thread(blocking.__exit__, None, None, None)
        raise
    try:
        yield entered
    finally:
        await asyncio.to_thread(blocking.__exit__, None, None, None)


def _stand_ins(surroundings: Surroundings) -> dict[str, StandIns]:
    """Have messages travel in memory, if this machine can have no broker."""
    if surroundings.amqp_url:
        return {}
    catalogue = catalogue_of(surroundings.locality)
    broker = InProcessBroker(definitions(catalogue, vhost=surroundings.vhost))
    return {
        name: StandIns(transport=InProcessTransport(broker, user=name))
        for name in SERVICES
    }


def _refuse_shared(management_url: str, vhost: str) -> None:
    """Refuse a broker on which the services' users belong to another deployment."""
    with Management(management_url) as management:
        users = {*SERVICES, OPERATOR}
        others = sorted(
            {row["vhost"] for row in management.rows("permissions")
             if row["user"] in users and row["vhost"] != vhost}
        )  # fmt: skip
    if others:
        raise CannotGoOn(
            f"The broker that the environment names serves {', '.join(others)}, and "
            "its users would get other passwords.",
            mend="Unset ACCORD_TEST_AMQP_URL and ACCORD_TEST_MANAGEMENT_URL.",
        )


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target.absolute())
