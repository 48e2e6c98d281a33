"""The people of the invented world, who do over HTTP what people do.

Each acts under a token of their own, so that what is not allowed to them fails here as
it would for a real one.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any, Protocol

from accord_chassis.development.issuer import DevelopmentIssuer
from accord_contracts.allocation import DeclineReason, Role

from accord.client import Answer, Client
from accord.faults import CannotGoOn
from accord.world import AGENCIES, Agency, Worker, World

TOKEN_DAYS = 7
"""How long a credential is good for; the issuer's key is another at every start."""

AGENCY_SCOPES = ("referrals.submit", "referrals.read", "referrals.answer")
WORKER_SCOPES = ("allocation.work", "allocation.read", "notify.inbox", "plans.read",
                 "plans.work", "referrals.contacts", "referrals.history",
                 "referrals.inquire", "referrals.orders", "referrals.people",
                 "risk.read", "risk.work")  # fmt: skip
COORDINATOR_SCOPES = (*WORKER_SCOPES, "allocation.admin", "allocation.lookups",
                      "allocation.equity", "notify.review",
                      "plans.close", "plans.meet", "referrals.history",
                      "referrals.match", "referrals.merge", "referrals.quality",
                      "referrals.roles", "referrals.transfer",
                      "risk.work")  # fmt: skip
COORDINATOR, SPECIALIST = "coordinator", "specialist"
ADMINISTRATOR = "administrator"
ADMINISTRATOR_SCOPES = ("referrals.admin", "allocation.admin")
"""Of whoever keeps the register of agencies, and works on no case."""

OPERATORS = ("operator", "second-operator")
"""Who looks after the platform, and also reads who looked at what: in production those
are others."""

CREDENTIALS = (*(each.code for each in AGENCIES[:2]), SPECIALIST, COORDINATOR,
               ADMINISTRATOR, *OPERATORS)  # fmt: skip
"""Whose tokens a visitor may try."""

DECLINES = 0.1
"""The share of offers that invented workers decline: made up."""


class Tokens(Protocol):
    """Under which token each of them asks."""

    def of(self, who: str) -> str:
        """Give the token of an agency, a worker, the coordinator, the administrator.

        Raises:
            CannotGoOn: There is none.
        """
        ...


class Signed:
    """Tokens of everybody in the invented world, signed when they are asked for.

    Args:
        issuer: Signs them.
        region: Which region's services believe them.
        world: Whose they are.
    """

    def __init__(self, issuer: DevelopmentIssuer, *, region: str, world: World) -> None:
        self._issuer = issuer
        self._region = region
        self._staff = world.staff()

    def of(self, who: str) -> str:
        """Sign one; see ``Tokens``."""
        if who == COORDINATOR:
            return self._worker(coordinator_of(self._staff).id, COORDINATOR_SCOPES)
        if who == SPECIALIST:
            return self._worker(specialist_of(self._staff).id, WORKER_SCOPES)
        if who == ADMINISTRATOR:
            return self._token(ADMINISTRATOR, ADMINISTRATOR_SCOPES)
        if who in OPERATORS:
            roles = ["operator", "auditor"]
            return self._token(who, (), roles=roles, auth_time=int(time.time()))
        agency = next((each for each in AGENCIES if each.code == who), None)
        if agency is not None:
            return self._token(agency.code, AGENCY_SCOPES, **agency.claims)
        return self._worker(who, WORKER_SCOPES)

    def _worker(self, worker: str, scopes: tuple[str, ...]) -> str:
        return self._token(f"worker-{worker}", scopes, worker=worker)

    def _token(
        self,
        subject: str,
        scopes: tuple[str, ...],
        **claims: Any,  # noqa: ANN401 - Whatever an identity provider may say.
    ) -> str:
        return self._issuer.token(
            subject,
            *scopes,
            region=self._region,
            lifetime=TOKEN_DAYS * 24 * 3600,
            **claims,
        )


class Kept:
    """Tokens in a directory, each in a file of its holder's name.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, who: str) -> str:
        """Read one; see ``Tokens``."""
        try:
            return (self._folder / who).read_text("utf-8").strip()
        except OSError:
            raise CannotGoOn(
                f"There is no token of {who} in {self._folder}.",
                mend="Put one there, in a file of that name.",
            ) from None


class Actors:
    """Everybody in the invented world.

    Args:
        url: Where the services are.
        tokens: Theirs.
        world: Who they are.
    """

    def __init__(self, url: str, tokens: Tokens, *, world: World) -> None:
        self.world = world
        self.staff = world.staff()
        self._url = url
        self._tokens = tokens
        self._clients: dict[str, tuple[Client, asyncio.Lock]] = {}

    @property
    def coordinator(self) -> Worker:
        """The coordinator on duty."""
        return coordinator_of(self.staff)

    def close(self) -> None:
        """Hang up."""
        for client, _ in self._clients.values():
            client.close()

    async def register(self) -> None:
        """Have the agencies stand in the register, as its administrator keeps it."""
        for each in AGENCIES:
            path = f"/api/referrals/v1/agencies/{each.code}"
            answer = await self._as(ADMINISTRATOR, "PUT", path, each.entry)
            _expect(answer, "The register did not take an agency")

    async def hire(self) -> None:
        """Have the staff stand in the directory, as its administrator keeps it."""
        for each in self.staff:
            path = f"/api/allocation/v1/workers/{each.id}"
            answer = await self._as(ADMINISTRATOR, "PUT", path, each.entry)
            _expect(answer, "The directory did not take a worker")

    async def call(self) -> None:
        """Have the rotas stand, as the coordinator keeps them."""
        for identity, entry in self.world.rotas().items():
            path = f"/api/allocation/v1/rotas/{identity}"
            answer = await self._as_coordinator("PUT", path, entry)
            _expect(answer, "No rota was taken in")

    async def refer(self, agency: Agency, told: Mapping[str, Any]) -> dict[str, Any]:
        """Post a referral, and give the receipt."""
        answer = await self._as(
            agency.code, "POST", "/api/referrals/v1/referrals", told
        )
        return _expect(answer, "The referral was not accepted")

    async def status(self, agency: Agency, referral: str) -> dict[str, Any]:
        """Ask how far the response to a referral has come."""
        answer = await self._as(
            agency.code, "GET", f"/api/referrals/v1/referrals/{referral}"
        )
        return _expect(answer, "The referral's status was not told")

    async def inbox(self, worker: Worker) -> list[dict[str, Any]]:
        """Look into a worker's inbox."""
        answer = await self._as(worker.id, "GET", "/api/notify/v1/inbox")
        found: list[dict[str, Any]] = _expect(answer, "An inbox did not open")[
            "messages"
        ]
        return found

    async def offers(self, worker: Worker) -> list[dict[str, Any]]:
        """Ask what a worker is asked to take."""
        path = f"/api/allocation/v1/workers/{worker.id}/offers"
        answer = await self._as(worker.id, "GET", path)
        if not answer.ok:
            _expect(answer, "A worker's offers were not told")
        found: list[dict[str, Any]] = answer.json()
        return found

    async def roles_of(self, case_id: str) -> list[dict[str, Any]]:
        """Ask, as the coordinator, which roles a case has and who was asked."""
        path = f"/api/allocation/v1/allocations?case_id={case_id}"
        answer = await self._as_coordinator("GET", path)
        if answer.status == HTTPStatus.NOT_FOUND:
            # No role of it has been wanted yet.
            return []
        if not answer.ok:
            _expect(answer, "A case's roles were not told")
        found: list[dict[str, Any]] = answer.json()
        return found

    async def accept(self, worker_id: str, allocation: str) -> None:
        """Take a role."""
        path = f"/api/allocation/v1/allocations/{allocation}/acceptance"
        _expect(await self._as(worker_id, "POST", path), "A role was not given")

    async def decline(self, worker_id: str, allocation: str) -> None:
        """Say no to a role."""
        path = f"/api/allocation/v1/allocations/{allocation}/decline"
        said = {"reason": DeclineReason.NO_CAPACITY.value}
        _expect(await self._as(worker_id, "POST", path, said), "No was not heard")

    async def plan(self, case_id: str) -> dict[str, Any] | None:
        """Read a case's plan, as the coordinator, if there is one."""
        answer = await self._as_coordinator("GET", f"/api/plans/v1/plans/{case_id}")
        plan: dict[str, Any] | None = answer.json() if answer.ok else None
        # A plan may have owners of its actions before it is drafted.
        return plan if plan and plan["status"] != "none" else None

    async def agree(self, plan: Mapping[str, Any]) -> None:
        """Agree to a plan as it was read, as the coordinator."""
        path = f"/api/plans/v1/plans/{plan['case_id']}/agreement"
        told = {key: plan[key] for key in ("plan_version", "stale")}
        _expect(await self._as_coordinator("POST", path, told), "No plan was agreed")

    async def answer_offers(self, random: Random) -> dict[str, int]:
        """Have every worker answer what they were offered, and agree to the plans.

        Returns:
            How many offers were accepted and declined, and plans agreed.
        """
        done = {"accepted": 0, "declined": 0, "agreed": 0}
        for worker in self.staff:
            for offer in await self.offers(worker):
                if random.random() < DECLINES:
                    await self.decline(worker.id, offer["allocation_id"])
                    done["declined"] += 1
                    continue
                await self.accept(worker.id, offer["allocation_id"])
                done["accepted"] += 1
                plan = await self.plan(offer["case_id"])
                if plan and plan["status"] == "drafted":
                    await self.agree(plan)
                    done["agreed"] += 1
        return done

    async def _as_coordinator(
        self, method: str, path: str, told: Mapping[str, Any] | None = None
    ) -> Answer:
        return await self._as(COORDINATOR, method, path, told)

    async def _as(
        self, who: str, method: str, path: str, told: Mapping[str, Any] | None = None
    ) -> Answer:
        client, turn = self._client(who)
        async with turn:
            if method == "GET":
                return await client.get(path)
            return await client.send(method, path, told)

    def _client(self, who: str) -> tuple[Client, asyncio.Lock]:
        if who not in self._clients:
            client = Client(self._url, token=self._tokens.of(who))
            self._clients[who] = (client, asyncio.Lock())
        return self._clients[who]


def coordinator_of(staff: Iterable[Worker]) -> Worker:
    """Give the coordinator on duty."""
    return next(each for each in staff if each.entry["duty_coordinator"])


def specialist_of(staff: Iterable[Worker]) -> Worker:
    """Give one of the specialists."""
    role = Role.INDEPENDENT_VICTIM_SPECIALIST
    return next(each for each in staff if role in each.roles)


def _expect(answer: Answer, otherwise: str) -> dict[str, Any]:
    """Give what was answered.

    Raises:
        CannotGoOn: It was refused: with the problem's title and the rules broken.
    """
    if answer.ok:
        return answer.json() if answer.body else {}
    try:
        told = answer.json()
        broken = [
            f"{each['pointer']} {each['rule']}" for each in told.get("errors", ())
        ]
        why = "; ".join([told["title"], *broken])
    except (ValueError, LookupError, TypeError):
        why = f"HTTP {answer.status}"
    raise CannotGoOn(f"{otherwise}: {answer.status} {why}")


def still_open(plan: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say of everything in a plan that is open that it is needed no longer."""
    ids = [
        each["action_id"]
        for each in plan["actions"]
        if not (each["done_at"] or each["undone_at"])
    ]
    ids += [each["service_id"] for each in plan["services"]]
    return [{"id": each, "reason": "no_longer_needed"} for each in ids]
