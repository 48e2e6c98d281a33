"""Workers, messages and a desk for tests: what is not named is of no importance."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from accord_chassis import topology
from accord_chassis.binding import pack, unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.service import Service
from accord_chassis.settings import policy_of
from accord_chassis.store import AlreadyHandled, Database, Store
from accord_chassis.testing import NOON, eventually, message_of, new_id, published
from accord_chassis.transport import Publication
from accord_contracts.access import Standing
from accord_contracts.allocation import AllocationAccepted, Role, RoleWanted
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import PlanClosed
from accord_contracts.referrals import AgencyKind, Party, ReferralReceived, Wishes
from accord_contracts.risk import RiskAssessed, RiskLevel, Tier
from allocation.domain.choosing import Choice
from allocation.domain.directory import Worker
from allocation.domain.need import Need
from allocation.domain.offering import Allocation
from allocation.domain.policy import Policy
from allocation.domain.wanted import Wanted
from allocation.handlers.access import Door
from allocation.handlers.placing import Desk, place_role
from allocation.handlers.staffing import join_team, settle_place, want_roles
from allocation.store.directory import Directory
from allocation.store.kept import PAGE, Allocations, Rotas, Staffings, Workers

LOCALITIES = Path(__file__).parents[3] / "localities"
POLICY = policy_of(Policy, LOCALITIES / "canterbury", "allocation")

WHANAU = Role.WHANAU_SUPPORT_WORKER
SPECIALIST = Role.INDEPENDENT_VICTIM_SPECIALIST
OUTREACH = Role.PERPETRATOR_OUTREACH
COORDINATOR = Role.LEAD_AGENCY_COORDINATOR

DANGER = {"reason": "imminent_danger"}

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def worker(*roles: Role, **fields: Any) -> Worker:
    """A worker with plenty of room."""
    given = {"id": new_id(), "roles": frozenset(roles or (WHANAU,)), "capacity": 100}
    return Worker.model_validate({**given, **fields})


def need(role: Role = WHANAU, **fields: Any) -> Need:
    """A role of some case that a worker is looked for."""
    given = {"allocation_id": new_id(), "case_id": new_id(), "points": 1}
    return Need(role=role, **{**given, **fields})


def full(carrying: Worker, *, at: datetime = NOON) -> Worker:
    """The same worker without room."""
    taken = need(next(iter(carrying.roles)), points=carrying.capacity)
    return carrying.reserve(taken, at + 1000 * HOUR, at)


def allocation(level: RiskLevel = RiskLevel.LOW, **fields: Any) -> Allocation:
    """A role that nobody has been asked for yet."""
    wanted = Wanted(
        allocation_id=new_id(), level=level, since=NOON, first_referred_at=NOON
    )
    made = Allocation.new(new_id(), WHANAU, wanted, Lane.ROUTINE, POLICY)
    return made.model_copy(update=fields)


def choice(worker_id: str) -> Choice:
    """Somebody who was chosen."""
    return Choice(worker_id, ("least_loaded",))


def referred(
    case_id: str,
    *,
    referral_id: str | None = None,
    wishes: Wishes | None = None,
    at: datetime = NOON,
    first_referred_at: datetime | None = None,
    lane: Lane = Lane.ROUTINE,
    parties: tuple[Party, ...] = (),
) -> Message[ReferralReceived]:
    """A referral has found its case."""
    told = ReferralReceived(
        case_id=case_id,
        referral_id=referral_id or new_id(),
        agency_kind=AgencyKind.POLICE,
        incidents=(),
        answers={},
        parties=parties,
        wishes=wishes or Wishes(),
        repeat=False,
        occurred_at=at,
        first_referred_at=first_referred_at or at,
    )
    return message_of(told, at=at, lane=lane)


def assessed(
    case_id: str,
    level: RiskLevel = RiskLevel.LOW,
    *,
    referral_id: str | None = None,
    at: datetime = NOON,
    first_referred_at: datetime | None = None,
    revision: int = 1,
    lane: Lane | None = None,
    tier: Tier | None = None,
) -> Message[RiskAssessed]:
    """Risk has spoken."""
    told = RiskAssessed(
        case_id=case_id,
        referral_id=referral_id,
        level=level,
        previous=None,
        provisional=False,
        reasons=(),
        unknowns=(),
        policy_version="test",
        assessed_at=at,
        reassess_by=at,
        first_referred_at=first_referred_at or at,
        tier=tier,
    )
    usual = Lane.URGENT if level.urgent else Lane.ROUTINE
    return message_of(told, at=at, lane=lane or usual, version=revision)


def closed(case_id: str, *, at: datetime, revision: int = 1) -> Message[PlanClosed]:
    """The response has ended, by a plan that rested on this assessment."""
    told = PlanClosed(
        case_id=case_id,
        plan_version=1,
        reason="safety_goals_met",
        assessment_revision=revision,
        closed_at=at,
    )
    return message_of(told, at=at)


@dataclass
class Office:
    """One process of the service without its bus: the test delivers the messages.

    What the service tells itself is delivered by ``deliver``, each message once.
    """

    database: Database
    workers: Workers
    desk: Desk
    clock: SimulatedClock
    delivered: set[str] = field(default_factory=set)

    @classmethod
    async def over(
        cls, database: Database, clock: SimulatedClock, policy: Policy = POLICY
    ) -> "Office":
        """Open an office over a database; a second one is another process."""
        workers, staffings = Workers(database), Staffings(database)
        allocations = Allocations(database)
        for store in (workers, staffings, allocations):
            await store.prepare()
        rotas = Rotas(database)
        await rotas.prepare()
        desk = Desk(staffings, allocations, Directory(workers), rotas, policy, clock)
        return cls(database, workers, desk, clock)

    async def employs(self, *workers: Worker) -> list[Worker]:
        """Take workers into the directory."""
        saved = [await self.workers.save(each) for each in workers]
        for each in saved:
            self.desk.directory.learn(each)
        return saved

    async def told(self, kind: type[Event]) -> list[Message[Any]]:
        """What has been told so far, of one type, oldest first."""
        stores: tuple[Store[Any], ...] = (self.desk.staffings, self.desk.allocations)
        told = [each for store in stores for each in await published(store)]
        return [each for each in told if isinstance(each.data, kind)]

    async def wants_a_role(self) -> RoleWanted:
        """What a new case at low risk wants: one role, not yet placed."""
        case_id = new_id()
        await want_roles(assessed(case_id), desk=self.desk)
        [told] = [
            each.data
            for each in await self.told(RoleWanted)
            if each.data.case_id == case_id
        ]
        return RoleWanted.model_validate(told.model_dump())

    async def deliver(self) -> None:
        """Deliver what the service has told itself."""
        for message in await self.told(RoleWanted):
            if self._first_time(message):
                await place_role(message, desk=self.desk)
        for message in await self.told(AllocationAccepted):
            if self._first_time(message):
                await join_team(message, desk=self.desk)
                await settle_place(message, desk=self.desk)

    async def allocations(self, case_id: str) -> dict[Role, Allocation]:
        """The roles of a case that are not ended."""
        held = await self.desk.allocations.of_case(case_id)
        return {each.role: each for each in held if each.status != "ended"}

    async def allocation(self, case_id: str, role: Role = WHANAU) -> Allocation:
        """One role of a case."""
        return (await self.allocations(case_id))[role]

    async def worker(self, worker_id: str) -> Worker:
        """A worker as they are in the store."""
        found = await self.workers.get(worker_id)
        assert found is not None
        return found

    def _first_time(self, message: Message[Any]) -> bool:
        new = message.id not in self.delivered
        self.delivered.add(message.id)
        return new


async def handled_once(handling: Awaitable[None]) -> bool:
    """Tell whether a message had had its effect already."""
    try:
        await handling
    except AlreadyHandled:
        return False
    return True


@dataclass(frozen=True)
class Running:
    """The service itself, its HTTP, and the broker in memory."""

    service: Service
    broker: InProcessBroker
    http: httpx2.AsyncClient
    issuer: DevelopmentIssuer
    clock: SimulatedClock

    def bearer(self, *scopes: str, worker: str | None = None) -> dict[str, str]:
        """What a caller with these scopes sends along."""
        claims: dict[str, Any] = {"worker": worker} if worker else {}
        token = self.issuer.token("somebody", *scopes, region="test", **claims)
        return {"Authorization": f"Bearer {token}"}

    async def hears(self, *messages: Message[Any]) -> None:
        """Have messages come over the bus, from whoever publishes their types."""
        for message in messages:
            producer = CATALOGUE.entries[message.type].producer
            sender = InProcessTransport(self.broker, user=producer)
            publication = Publication(topology.EVENTS, pack(message))
            assert await sender.publish([publication]) == [None]
        await self.idle()

    async def idle(self) -> None:
        """Wait until nothing is under way, seen twice, because a message may just be
        between its queue and its handler."""
        own = [topology.queue_of("allocation", lane) for lane in Lane]
        seen = 0

        async def quiet() -> bool:
            nonlocal seen
            busy = self.broker.held(own) or not self.service.idle()
            seen = 0 if busy else seen + 1
            return seen == 2

        await eventually(quiet)

    async def later(self, by: timedelta) -> None:
        """Let time pass, and have everything done that has fallen due."""
        self.clock.advance(by)
        while await self.service.sweep_once():
            await self.idle()


SCOPES = ("admin", "ask", "read", "work", "glass", "lookups", "equity")


class Front:
    """The service over HTTP, and everybody who asks it something.

    Args:
        running: The service.
    """

    def __init__(self, running: Running) -> None:
        self.running = running

    async def ask(
        self,
        method: str,
        path: str,
        *,
        who: str,
        body: Any = None,
        subject: str = "somebody",
        seen: str | None = None,
        **claims: Any,
    ) -> httpx2.Response:
        """Ask as a worker with every scope, who has just logged in."""
        scopes = [f"allocation.{e}" for e in SCOPES]
        now = int(self.running.clock.now().timestamp())
        claims = {"worker": who, "auth_time": now, **claims}
        token = self.running.issuer.token(subject, *scopes, region="test", **claims)
        return await self.running.http.request(
            method,
            f"/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"}
            | ({"If-Match": seen} if seen else {}),
        )

    async def lists(self, case_id: str, who: str, **told: Any) -> httpx2.Response:
        """Have somebody read the lists of a case, and put others in their place."""
        path = f"/cases/{case_id}/lists"
        seen = (await self.ask("GET", path, who=who)).headers.get("etag")
        return await self.ask("PUT", path, who=who, body=told, seen=seen)

    async def hires(
        self, *roles: str, worker_id: str | None = None, **entry: Any
    ) -> str:
        worker_id = worker_id or new_id()
        told = {"roles": roles, "capacity": 100, **entry}
        # Nobody takes themselves into the directory.
        answer = await self.running.http.put(
            f"/v1/workers/{worker_id}",
            headers=self.running.bearer("allocation.admin"),
            json=told,
        )
        assert answer.status_code == 200
        return worker_id

    async def case(self, level: RiskLevel = RiskLevel.LOW) -> str:
        case_id, referral_id = new_id(), new_id()
        at = self.running.clock.now()
        await self.running.hears(
            referred(case_id, referral_id=referral_id, at=at),
            assessed(case_id, level, referral_id=referral_id, at=at),
        )
        return case_id

    async def offer(self, worker_id: str) -> dict[str, Any]:
        path = f"/workers/{worker_id}/offers"
        [found] = (await self.ask("GET", path, who=worker_id)).json()
        held: dict[str, Any] = found
        return held

    async def accepts(self, worker_id: str) -> httpx2.Response:
        allocation = (await self.offer(worker_id))["allocation_id"]
        path = f"/allocations/{allocation}/acceptance"
        answer = await self.ask("POST", path, who=worker_id)
        await self.running.idle()
        return answer

    async def standing(self, worker_id: str, case_id: str) -> Standing:
        door: Door = self.running.service.parts[Door]
        return (await door.of(worker_id, [case_id]))[case_id]

    async def roles(self, case_id: str) -> list[Allocation]:
        desk: Desk = self.running.service.parts[Desk]
        return await desk.allocations.of_case(case_id)

    async def workers(self) -> list[Worker]:
        return await self.running.service.store(Workers).page("", PAGE)

    async def breaks(self, case_id: str, who: str, **sent: Any) -> httpx2.Response:
        path = f"/cases/{case_id}/glass"
        return await self.ask("POST", path, who=who, body=DANGER | sent)

    def told(self, kind: type[Event]) -> list[Event]:
        """Give what waits for notify of one type."""
        waiting = [
            unpack(each, CATALOGUE).data
            for lane in Lane
            for each in self.running.broker.queues[
                topology.queue_of("notify", lane)
            ].ready
        ]
        return [each for each in waiting if isinstance(each, kind)]
