"""Events, a directory of workers and a mail server for notify's tests."""

import asyncio
import email
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy as formats
from email.message import EmailMessage
from pathlib import Path
from socket import socket
from typing import Annotated, Any

import httpx2
import uvicorn
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.service import Service
from accord_chassis.settings import policy_of
from accord_chassis.testing import (
    NOON,
    KnownStandings,
    eventually,
    message_of,
    new_id,
)
from accord_chassis.transport import Publication
from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationDeclined,
    AllocationExpired,
    AllocationOffered,
    AllocationUnfilled,
    AllocationWithdrawn,
    CaseTeamChanged,
    DeclineReason,
    Role,
    TeamMember,
    WorkerContact,
)
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import ActionOverdue, PlanDrafted
from accord_contracts.referrals import (
    InformationRequested,
    ReferralWithdrawn,
    WithdrawalReason,
)
from accord_contracts.risk import (
    ReassessmentDue,
    ReassessmentOverdue,
    RiskChanged,
    RiskLevel,
)
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from fastapi import FastAPI, Header, Response
from notify.domain.channels import Way
from notify.domain.notification import Notification
from notify.domain.occasion import Addressee, Eyes, Occasion
from notify.domain.policy import Policy
from notify.store import Notifications

LOCALITIES = Path(__file__).parents[3] / "localities"


def by_day(locality: str) -> Policy:
    """A locality's policy, where it is day at noon, and nothing is pushed."""
    policy = policy_of(Policy, LOCALITIES / locality, "notify")
    quiet = policy.quiet.model_copy(update={"time_zone": "UTC"})
    rings = policy.by_ways({Way.EMAIL, Way.SMS})
    return rings.model_copy(update={"quiet": quiet})


POLICY = by_day("canterbury")

MINUTE = timedelta(minutes=1)
ANSWERED = NOON + 7 * MINUTE
LINK_BASE = "https://portal.accord.example"
MAIL_FROM = "accord@accord.example"

AGENCY = "hospital"
"""The agency that has a system of its own."""


Token = Annotated[str, Header(alias="authorization")]

IVS = Role.INDEPENDENT_VICTIM_SPECIALIST
LEAD = Role.LEAD_AGENCY_COORDINATOR


def sent(event: Event, told: dict[str, Any]) -> Message[Any]:
    """An event in its envelope, of which some attributes may be told."""
    envelope = ("at", "lane", "version", "message_id")
    return message_of(event, **{each: told[each] for each in envelope if each in told})


def offered(
    worker_id: str | None = None,
    *,
    level: RiskLevel = RiskLevel.LOW,
    case_id: str | None = None,
    role: Role = IVS,
    **told: Any,
) -> Message[AllocationOffered]:
    """A worker is asked to take a role."""
    event = AllocationOffered(
        case_id=case_id or new_id(),
        allocation_id=told.pop("allocation_id", None) or new_id(),
        role=role,
        first_referred_at=NOON,
        worker_id=worker_id or new_id(),
        level=level,
        offered_at=NOON,
        answer_by=NOON + timedelta(hours=3),
    )
    return sent(event, told)


def offered_again(
    message: Message[AllocationOffered], **told: Any
) -> Message[AllocationOffered]:
    """The same role is offered to the same worker once more."""
    return sent(message.data, told)


def accepted(
    offer: Message[AllocationOffered], **told: Any
) -> Message[AllocationAccepted]:
    """A worker takes the role that they were offered."""
    event = AllocationAccepted(**of_offer(offer), accepted_at=ANSWERED)
    return sent(event, {"version": 2, **told})


def declined(
    offer: Message[AllocationOffered], **told: Any
) -> Message[AllocationDeclined]:
    """A worker cannot take the role that they were offered."""
    event = AllocationDeclined(
        **of_offer(offer), reason=DeclineReason.NO_CAPACITY, declined_at=ANSWERED
    )
    return sent(event, {"version": 2, **told})


def expired(
    offer: Message[AllocationOffered], **told: Any
) -> Message[AllocationExpired]:
    """A worker did not answer in time."""
    event = AllocationExpired(**of_offer(offer), expired_at=ANSWERED, late_by=0.5)
    return sent(event, {"version": 2, **told})


def withdrawn(
    offer: Message[AllocationOffered], **told: Any
) -> Message[AllocationWithdrawn]:
    """The response ended before a worker answered."""
    event = AllocationWithdrawn(**of_offer(offer), withdrawn_at=ANSWERED)
    return sent(event, {"version": 2, **told})


def of_offer(offer: Message[AllocationOffered]) -> dict[str, Any]:
    """What an offer's end says of it."""
    same = {"case_id", "allocation_id", "role", "first_referred_at", "worker_id"}
    return offer.data.model_dump(include=same)


def unfilled(
    *, level: RiskLevel = RiskLevel.HIGH, **told: Any
) -> Message[AllocationUnfilled]:
    """Nobody can be found for a role."""
    event = AllocationUnfilled(
        case_id=told.pop("case_id", None) or new_id(),
        allocation_id=told.pop("allocation_id", None) or new_id(),
        role=IVS,
        first_referred_at=NOON,
        level=level,
        reason="no_candidate",
        noticed_at=NOON,
    )
    return sent(event, told)


def taken_back(case_id: str, **told: Any) -> Message[ReferralWithdrawn]:
    """An agency takes its referral back."""
    event = ReferralWithdrawn(
        case_id=case_id,
        referral_id=new_id(),
        reason=WithdrawalReason.WRONG_PERSON,
        withdrawn_at=NOON,
    )
    return sent(event, told)


def team(
    *members: tuple[str, Role], case_id: str, **told: Any
) -> Message[CaseTeamChanged]:
    """The team of a case, as it is now."""
    event = CaseTeamChanged(
        case_id=case_id,
        members=tuple(TeamMember(worker_id=who, role=role) for who, role in members),
        changed_at=told.get("at", NOON),
    )
    return sent(event, told)


def drafted(
    case_id: str, *, level: RiskLevel = RiskLevel.LOW, **told: Any
) -> Message[PlanDrafted]:
    """A plan has been drafted."""
    event = PlanDrafted(
        case_id=case_id,
        plan_version=1,
        referral_id=new_id(),
        level=level,
        actions=5,
        drafted_at=NOON,
    )
    return sent(event, told)


def overdue(
    case_id: str,
    worker_id: str | None = None,
    *,
    level: RiskLevel = RiskLevel.LOW,
    **told: Any,
) -> Message[ActionOverdue]:
    """A commitment was not kept in time."""
    event = ActionOverdue(
        case_id=case_id,
        plan_version=1,
        action_id=new_id(),
        action="visit",
        role=IVS,
        worker_id=worker_id,
        level=level,
        due_at=NOON,
        late_by=1.0,
    )
    return sent(event, told)


def asked(agency: str = AGENCY, **told: Any) -> Message[InformationRequested]:
    """An agency is asked what it knows."""
    at = datetime.now(UTC)
    event = InformationRequested(
        case_id=told.get("case_id") or new_id(),
        inquiry_id=new_id(),
        agency=agency,
        requested_at=at,
        needed_by=at + timedelta(days=1),
    )
    return message_of(event)


def changed(
    case_id: str, *, level: RiskLevel = RiskLevel.HIGH, **told: Any
) -> Message[RiskChanged]:
    """The level of risk is another than before."""
    event = RiskChanged(
        case_id=case_id, level=level, previous=RiskLevel.LOW, changed_at=NOON
    )
    return sent(event, told)


def review_due(
    case_id: str, *, level: RiskLevel = RiskLevel.LOW, **told: Any
) -> Message[ReassessmentDue]:
    """A case is to be assessed anew."""
    event = ReassessmentDue(case_id=case_id, level=level, due_at=NOON, late_by=0.5)
    return sent(event, told)


def review_overdue(
    case_id: str, *, level: RiskLevel = RiskLevel.LOW, **told: Any
) -> Message[ReassessmentOverdue]:
    """A case should have been assessed anew."""
    event = ReassessmentOverdue(case_id=case_id, level=level, due_at=NOON, late_by=0.5)
    return sent(event, told)


def notification(
    *,
    worker_id: str | None = None,
    event: str = "allocation.offered.v1",
    level: RiskLevel = RiskLevel.HIGH,
    at: datetime = NOON,
    mail: bool = False,
    eyes: Eyes = Eyes.NOT_OUTREACH,
) -> Notification:
    """A message to a worker, as it stands in their inbox at first."""
    what = Occasion(
        message_id=new_id(),
        event=event,
        case_id=new_id(),
        lane=Lane.URGENT,
        revision=1,
        happened_at=at,
        about_id=new_id(),
    )
    return Notification.of(
        what,
        Addressee(worker_id or new_id(), eyes),
        POLICY.rule(event, level),
        at=at,
        policy=POLICY,
        mail=mail,
    )


@dataclass
class WorkersDirectory:
    """The allocation service's part that notify asks, on a real port.

    Attributes:
        contacts: Who is known, by worker's id.
        on_duty: The coordinator on duty, if one is.
        also_on_duty: The others, who come after.
        token: The only one that is believed; any, if none is set.
        status: What every question is answered with, if not with the truth.
        body: What every question is answered with, if not with the truth.
        asked: How often each path was asked for.
    """

    url: str = ""
    contacts: dict[str, WorkerContact] = field(default_factory=dict)
    on_duty: str | None = None
    also_on_duty: tuple[str, ...] = ()
    token: str | None = None
    status: int = 200
    body: bytes | None = None
    asked: Counter[str] = field(default_factory=Counter)

    def knows(self, worker_id: str | None = None, **contact: Any) -> str:
        """Have a worker in the directory, and give the worker's id."""
        worker_id = worker_id or new_id()
        self.contacts[worker_id] = WorkerContact(worker_id=worker_id, **contact)
        return worker_id

    def has_on_duty(self, **contact: Any) -> str:
        """Have a coordinator on duty, and give the coordinator's id."""
        self.on_duty = self.knows(**contact)
        return self.on_duty

    def refusal(self, authorization: str) -> Response | None:
        if self.token and authorization != f"Bearer {self.token}":
            return Response(status_code=401)
        if self.body is not None or self.status != 200:
            return Response(self.body, status_code=self.status)
        return None

    def app(self) -> FastAPI:
        served = FastAPI()

        @served.get("/v1/workers/{worker_id}/contact")
        async def contact(worker_id: str, authorization: Token) -> Response:
            self.asked[worker_id] += 1
            if refusal := self.refusal(authorization):
                return refusal
            if worker_id not in self.contacts:
                return Response(status_code=404)
            text = self.contacts[worker_id].model_dump_json()
            return Response(text, media_type="application/json")

        @served.get("/v1/duty/coordinators")
        async def coordinators(authorization: Token) -> Response:
            self.asked["coordinators"] += 1
            if refusal := self.refusal(authorization):
                return refusal
            first = (self.on_duty,) if self.on_duty else ()
            found = [self.contacts[each] for each in (*first, *self.also_on_duty)]
            text = f"[{','.join(each.model_dump_json() for each in found)}]"
            return Response(text, media_type="application/json")

        return served


@asynccontextmanager
async def serving(directory: WorkersDirectory) -> AsyncIterator[WorkersDirectory]:
    """Serve a directory on a free port of the loopback interface."""
    async with listening(directory.app()) as directory.url:
        yield directory


class _Server(uvicorn.Server):
    """A server that leaves the signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(
    app: FastAPI, *, at: socket | None = None, **config: Any
) -> AsyncIterator[str]:
    """Serve an application on a free port of the loopback interface; give its URL.

    Args:
        app: Which.
        at: A socket that is bound: until now, whoever called there was refused.
        config: Of the server.
    """
    with at or socket() as bound:
        if at is None:
            bound.bind(("127.0.0.1", 0))
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=1,
                **config,
            )
        )
        task = asyncio.create_task(server.serve(sockets=[bound]))

        async def started() -> bool:
            return server.started

        await eventually(started)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


class MailServer:
    """A mail server on a real port, which does as the test says.

    Attributes:
        manner: What it does with a letter: ``take``, ``refuse`` (the recipient, for
            good), ``refuse_later`` (the letter, for good), ``not_now`` (the recipient),
            ``drop`` (the line, when it has the letter) or ``hang`` (then, too).
        seconds: How long it thinks about a letter.
        letters: What it was given, whether it answered or not.
        written: The same, to the letter.
        released: Ends a ``hang``.
        meanwhile: What happens between its being called and its answer.
        dsn: It says what becomes of a letter if it is asked to (RFC 3461).
        asked: What it was asked to say, by its two commands.
    """

    def __init__(self) -> None:
        self.url = ""
        self.manner = "take"
        self.seconds = 0.0
        self.letters: list[EmailMessage] = []
        self.written: list[bytes] = []
        self.recipients: list[str] = []
        self.senders: list[str] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.password = b"secret"
        self.released = asyncio.Event()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.dsn = False
        self.asked: list[str] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's own name.
        self,
        _server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        offered = ["250-DSN"] if self.dsn else []
        return [*responses[:-1], *offered, responses[-1]]

    def authenticate(
        self,
        _server: SMTP,
        _session: Session,
        _envelope: Envelope,
        _mechanism: str,
        given: LoginPassword,
    ) -> AuthResult:
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == self.password)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own name.
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if self.meanwhile:
            await self.meanwhile()
        if self.manner == "refuse":
            return f"550 No such user {address}"
        if self.manner == "not_now":
            return "451 Greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's own name.
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        raw = envelope.content or b""
        assert isinstance(raw, bytes)
        if self.manner == "refuse_later":
            return "554 Not wanted here"
        letter = email.message_from_bytes(raw, policy=formats.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.written.append(raw)
        self.recipients.extend(envelope.rcpt_tos)
        self.senders.append(envelope.mail_from or "")
        await asyncio.sleep(self.seconds)
        if self.manner == "drop":
            cut(server)
        if self.manner == "hang":
            await self.released.wait()
        return "250 Taken"


class Speaking(SMTP):
    """Speaks SMTP, and takes what RFC 3461 adds where its server offers that."""

    def _without(self, arg: str | None, pattern: str) -> str | None:
        post = self.event_handler
        if not post.dsn or arg is None:
            return arg
        post.asked += re.findall(pattern, arg)
        return re.sub(rf" {pattern}", "", arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - Its own name.
        """Hear who writes, and how much is to come back."""
        await super().smtp_MAIL(self._without(arg, "RET=[A-Z]+"))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - Its own name.
        """Hear to whom, and of what is to be told."""
        await super().smtp_RCPT(self._without(arg, "NOTIFY=[A-Z,]+"))


def cut(connection: SMTP) -> None:
    """Cut a line, as a failing network does."""
    if isinstance(connection.transport, asyncio.WriteTransport):
        connection.transport.abort()


@asynccontextmanager
async def receiving(
    post: MailServer,
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: bool = False,
    at: socket | None = None,
) -> AsyncIterator[MailServer]:
    """Have a mail server listen on a free port of the loopback interface.

    Args:
        post: Which.
        tls: Speaks TLS from the first byte.
        starttls: Speaks it when it is asked to.
        login: Takes letters only from who logs in.
        at: A socket that is bound: until now, whoever called there was refused.
    """
    loop = asyncio.get_running_loop()
    opened: list[SMTP] = []

    def connection() -> SMTP:
        made = Speaking(
            post,
            hostname="mail.example",
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=login,
            auth_require_tls=starttls is not None,
            authenticator=post.authenticate if login else None,
            loop=loop,
        )
        opened.append(made)
        return made

    if at is None:
        server = await loop.create_server(connection, "127.0.0.1", 0, ssl=tls)
    else:
        server = await loop.create_server(connection, sock=at, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    post.url = f"smtp://127.0.0.1:{port}"
    try:
        yield post
    finally:
        server.close()
        for each in opened:
            cut(each)
        await server.wait_closed()


@dataclass
class Running:
    """The service while it lives, and how others speak to it."""

    service: Service
    broker: InProcessBroker
    http: httpx2.AsyncClient
    issuer: DevelopmentIssuer
    clock: SimulatedClock
    standings: KnownStandings
    app: FastAPI

    @property
    def notifications(self) -> Notifications:
        return self.service.store(Notifications)

    async def all(self) -> list[Notification]:
        """Every message there is, first to last."""
        found = self.notifications.documents.find({})
        loaded = [self.notifications.load(each) async for each in found]
        return sorted(loaded, key=lambda each: each.since)

    async def hears(self, *messages: Message[Any]) -> None:
        """Have messages come over the bus, from whoever publishes their types."""
        for message in messages:
            producer = CATALOGUE.entries[message.type].producer
            sender = InProcessTransport(self.broker, user=producer)
            await sender.connect()
            publication = Publication(topology.EVENTS, pack(message))
            assert await sender.publish([publication]) == [None]

        async def handled() -> bool:
            queues = (topology.queue_of("notify", lane) for lane in Lane)
            return self.broker.held(queues) == 0 and self.service.idle()

        await eventually(handled)

    async def later(self, by: timedelta) -> None:
        """Let time pass, and have everything done that has fallen due."""
        self.clock.advance(by)

        async def nothing_left() -> bool:
            return not await self.service.sweep_once() and self.service.idle()

        await eventually(nothing_left)

    def bearer(self, *scopes: str, worker: str | None = None) -> dict[str, str]:
        named = {"worker": worker} if worker else {}
        claims: dict[str, Any] = {"region": "test", **named}
        token = self.issuer.token("somebody", *scopes, **claims)
        return {"Authorization": f"Bearer {token}"}

    async def inbox(self, worker_id: str, **query: Any) -> list[dict[str, Any]]:
        """What a worker finds in their inbox."""
        headers = self.bearer("notify.inbox", worker=worker_id)
        answer = await self.http.get("/v1/inbox", headers=headers, params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    async def acknowledges(self, worker_id: str, message_id: str) -> httpx2.Response:
        """A worker says that they know."""
        headers = self.bearer("notify.inbox", worker=worker_id)
        path = f"/v1/inbox/{message_id}/acknowledgement"
        return await self.http.post(path, headers=headers)
