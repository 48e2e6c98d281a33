"""What agencies, workers and coordinators do and see, in verbs.

Everything goes over HTTP and under a token of one's own. What somebody sees comes in
time, so it is waited for: ``await eventually(worker.sees(OFFERED, case))``.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from accord.actors import (
    AGENCY_SCOPES,
    COORDINATOR_SCOPES,
    WORKER_SCOPES,
    still_open,
)
from accord.client import Answer, Client
from accord.world import Agency
from accord_chassis.testing import new_id
from accord_contracts.allocation import DeclineReason, Role
from accord_contracts.plans import OutcomeKind

if TYPE_CHECKING:
    from app import Region

SPECIALIST = Role.INDEPENDENT_VICTIM_SPECIALIST.value
OUTREACH = Role.PERPETRATOR_OUTREACH.value
LEAD = Role.LEAD_AGENCY_COORDINATOR.value
SUPPORT = Role.WHANAU_SUPPORT_WORKER.value

HIGH_RISK_TEAM = (SPECIALIST, OUTREACH, LEAD)
"""Whom the locality wants for a case at high or extreme risk."""

EVERY_SCOPE = (
    "referrals.submit", "referrals.read", "referrals.admin", "referrals.erase",
    "referrals.merge", "referrals.roles", "referrals.history", "referrals.match",
    "referrals.answer", "referrals.transfer",
    "referrals.inquire", "referrals.disclosures", "referrals.contacts",
    "referrals.reach", "referrals.sandbox", "referrals.quality", "referrals.orders",
    "referrals.rights", "referrals.screen", "referrals.people",
    "risk.validity", "risk.ask",
    "risk.read", "risk.work", "plans.read", "plans.work", "plans.close", "plans.meet",
    "plans.answer",
    "allocation.admin", "allocation.ask", "allocation.read", "allocation.work",
    "allocation.glass", "allocation.lookups", "allocation.equity",
    "notify.inbox", "notify.review", "notify.admin",
    "notify.contact", "notify.gateway",
    "notify.bounce",
)  # fmt: skip

OFFERED = "allocation.offered.v1"
LAPSED = "allocation.expired.v1"
UNFILLED = "allocation.unfilled.v1"
UNANSWERED = "allocation.unanswered.v1"
OVERDUE = "action.overdue.v1"
DRAFTED = "plan.drafted.v1"

OUTCOMES = [
    {"kind": kind.value, "state": "better", "source": "said_by_person"}
    for kind in OutcomeKind
]
"""What had come of a response when it ends."""

REFERRALS = "/api/referrals/v1/referrals"

Told = dict[str, Any]
Look = Callable[[], Awaitable[Any]]


async def meets_needs(region: "Region", provider: str) -> None:
    """Have the directory say that an agency meets needs, as an administrator would."""
    about = {"name": "A provider", "description": "It helps."}
    told = {"about": about, "meets": ["housing"]}
    path = f"/api/allocation/v1/providers/{provider}"
    assert (await region.coordinator.sends("PUT", path, told)).ok


class Somebody:
    """Somebody with a token, who speaks HTTP."""

    def __init__(
        self, region: "Region", subject: str, *scopes: str, **claims: Any
    ) -> None:
        self.region = region
        self.token = region.surroundings.issuer.token(
            subject, *scopes, region=region.surroundings.region, **claims
        )
        self._client = Client(region.url, token=self.token)
        self._turn = asyncio.Lock()

    async def reads(self, path: str) -> Answer:
        """Read."""
        async with self._turn:
            return await self._client.get(path)

    async def sends(
        self, method: str, path: str, told: object = None, *, key: str | None = None
    ) -> Answer:
        """Send something."""
        async with self._turn:
            return await self._client.send(method, path, told, key=key)

    async def lists(self, case: str, told: object) -> Answer:
        """Put other lists of a case in the place of those that one has read."""
        path = f"/api/allocation/v1/cases/{case}/lists"
        read = await self.reads(path)
        headers = {"content-type": "application/json", "if-match": read.headers["etag"]}
        async with self._turn:
            return await self._client.request(
                "PUT", path, body=json.dumps(told).encode(), headers=headers
            )

    async def sends_lines(self, path: str, *lines: bytes) -> Answer:
        """Send a batch, one text a line."""
        headers = {"content-type": "application/x-ndjson"}
        async with self._turn:
            return await self._client.request(
                "POST", path, body=b"\n".join(lines), headers=headers
            )

    async def posts_signed(
        self, path: str, body: str, headers: Mapping[str, str]
    ) -> Answer:
        """Post exactly this, because its headers sign it."""
        async with self._turn:
            return await self._client.request(
                "POST", path, body=body.encode(), headers=headers
            )

    def hang_up(self) -> None:
        """Close the connection."""
        self._client.close()


class ReferringAgency(Somebody):
    """An agency that refers, and asks how far the response has come."""

    def __init__(self, region: "Region", agency: Agency) -> None:
        super().__init__(region, agency.code, *AGENCY_SCOPES, **agency.claims)
        self.agency = agency

    async def refers(self, told: Told, *, key: str | None = None) -> str:
        """Refer, and give the referral's id."""
        answer = await self.posts(told, key=key)
        assert answer.status == 202, answer.body
        referral_id: str = answer.json()["referral_id"]
        return referral_id

    async def posts(self, told: object, *, key: str | None = None) -> Answer:
        """Post a referral, and give whatever is answered."""
        return await self.sends("POST", REFERRALS, told, key=key)

    async def amends(
        self, referral: str, changes: Told, *, key: str, seen: int = 0
    ) -> Answer:
        """Amend a referral of which so many changes are known."""
        path = f"{REFERRALS}/{referral}/amendments"
        return await self._changes(path, changes, key, **{"if-match": f'"{seen}"'})

    async def withdraws(self, referral: str, reason: str) -> Answer:
        """Take a referral back."""
        path = f"{REFERRALS}/{referral}/withdrawal"
        return await self._changes(path, {"reason": reason}, "withdrawal")

    async def _changes(self, path: str, told: Told, key: str, **headers: str) -> Answer:
        headers |= {"content-type": "application/json", "idempotency-key": key}
        async with self._turn:
            return await self._client.request(
                "POST", path, body=json.dumps(told).encode(), headers=headers
            )

    async def asks_after(self, referral: str) -> Answer:
        """Ask how far the response to a referral has come."""
        return await self.reads(f"{REFERRALS}/{referral}")

    def is_told(self, status: str, *, of: str) -> Look:
        """Look whether a referral has come so far."""

        async def look() -> dict[str, Any] | None:
            answer = await self.asks_after(of)
            told: dict[str, Any] = answer.json()
            return told if told["status"] == status else None

        return look


class Worker(Somebody):
    """A worker who is offered roles, is told of cases and does what is to be done."""

    def __init__(
        self, region: "Region", worker_id: str, scopes: tuple[str, ...] = WORKER_SCOPES
    ) -> None:
        super().__init__(region, f"worker-{worker_id}", *scopes, worker=worker_id)
        self.id = worker_id
        staff = region.actors.staff
        known = (each.entry for each in staff if each.id == worker_id)
        self.entry: Mapping[str, Any] = next(known, {})

    async def inbox(self) -> list[dict[str, Any]]:
        """Look into one's inbox."""
        answer = await self.reads("/api/notify/v1/inbox?limit=100")
        assert answer.ok, answer.body
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    def sees(self, event: str, case_id: str) -> Look:
        """Look for a message about a case in one's inbox."""

        async def look() -> dict[str, Any] | None:
            found = await self.all_seen(event, case_id)
            return found[0] if found else None

        return look

    def sees_message(self, message_id: str) -> Look:
        """Look for one message, whoever it was first meant for, in one's inbox."""

        async def look() -> bool:
            return message_id in {each["id"] for each in await self.inbox()}

        return look

    def finds_ended(self, message: Mapping[str, Any]) -> Look:
        """Look whether a message in one's inbox is over, however it ended."""

        async def look() -> dict[str, Any] | None:
            [found] = [e for e in await self.inbox() if e["id"] == message["id"]]
            return found if found["ended_at"] else None

        return look

    async def all_seen(self, event: str, case_id: str) -> list[dict[str, Any]]:
        """Give the messages of an event about a case that stand in one's inbox."""
        return [
            each
            for each in await self.inbox()
            if (each["event"], each["case_id"]) == (event, case_id)
        ]

    async def acknowledges(self, message: Mapping[str, Any]) -> None:
        """Say that one knows."""
        path = f"/api/notify/v1/inbox/{message['id']}/acknowledgement"
        answer = await self.sends("POST", path)
        assert answer.ok, answer.body

    def is_offered(self, case_id: str) -> Look:
        """Look for a role of a case that one is asked to take."""

        async def look() -> dict[str, Any] | None:
            answer = await self.reads(f"/api/allocation/v1/workers/{self.id}/offers")
            offers = (each for each in answer.json() if each["case_id"] == case_id)
            return next(offers, None)

        return look

    async def accepts(self, allocation: str) -> Answer:
        """Take a role."""
        path = f"/api/allocation/v1/allocations/{allocation}/acceptance"
        return await self.sends("POST", path)

    async def declines(
        self, allocation: str, reason: DeclineReason = DeclineReason.NO_CAPACITY
    ) -> Answer:
        """Say no to a role."""
        path = f"/api/allocation/v1/allocations/{allocation}/decline"
        return await self.sends("POST", path, {"reason": reason.value})

    def owes(self, case_id: str) -> Look:
        """Look for what one has to do for a case."""

        async def look() -> list[dict[str, Any]]:
            answer = await self.reads(f"/api/plans/v1/workers/{self.id}/actions")
            return [each for each in answer.json() if each["case_id"] == case_id]

        return look

    async def does(self, action: Mapping[str, Any]) -> Answer:
        """Say that one has kept a commitment; somebody else confirms it if needed."""
        path = f"/api/plans/v1/plans/{action['case_id']}/actions/{action['action_id']}"
        shown = {"evidence": {"kind": "contact_record"}}
        said = await self.sends("POST", f"{path}/completion", shown)
        if not said.ok or said.json()["done_at"]:
            return said
        second = await self._second(action["case_id"])
        meant = {"said_at": said.json()["said"]["at"], "confirmed": True}
        return await second.sends("POST", f"{path}/confirmation", meant)

    async def _second(self, case_id: str) -> "Worker":
        """Give who else may confirm: a coordinator, or the specialist who joined."""
        coordinator = self.region.coordinator
        if self.id != coordinator.id:
            return coordinator
        found = (await coordinator.roles_of(case_id)).get(SPECIALIST, {})
        if found.get("status") == "accepted":
            return self.region.worker(found["worker_id"])
        other = new_id()
        path = f"/api/allocation/v1/workers/{other}"
        hired = await coordinator.sends("PUT", path, {"duty_coordinator": True})
        assert hired.ok, hired.body
        return self.region.worker(other)

    async def reassesses(self, case_id: str) -> Answer:
        """Say that one has met the person harmed, and that no danger was found."""
        path = f"/api/risk/v1/assessments/{case_id}/reassessment"
        found = dict.fromkeys(self.region.world.questions, "no")
        told = {"answers": found, "contact": "in_person"}
        return await self.sends("POST", path, told)


class Coordinator(Worker):
    """The coordinator on duty, who sees everything of a case and leads its plan."""

    def __init__(self, region: "Region", worker_id: str) -> None:
        super().__init__(region, worker_id, COORDINATOR_SCOPES)

    async def roles_of(self, case_id: str) -> dict[str, dict[str, Any]]:
        """Give the roles of a case, by role."""
        found = await self.region.actors.roles_of(case_id)
        return {each["role"]: each for each in found}

    def finds_asked(self, case_id: str, *roles: str) -> Look:
        """Look whether somebody is asked for each of some roles: who, by role."""

        async def look() -> dict[str, Asked] | None:
            found = await self.roles_of(case_id)
            if any(found.get(r, {}).get("status") != "offered" for r in roles):
                return None
            return {
                role: Asked(
                    self.region.worker(each["worker_id"]), each["allocation_id"]
                )
                for role, each in found.items()
            }

        return look

    def finds(self, case_id: str, role: str, status: str) -> Look:
        """Look whether a role of a case has come so far."""

        async def look() -> dict[str, Any] | None:
            found = (await self.roles_of(case_id)).get(role)
            return found if found and found["status"] == status else None

        return look

    async def risk_of(self, case_id: str) -> dict[str, Any]:
        """Read how high the risk is, and why."""
        return await self._shown(f"/api/risk/v1/assessments/{case_id}")

    def reads_plan(self, case_id: str, status: str = "drafted") -> Look:
        """Look whether a case's plan has come so far."""

        async def look() -> dict[str, Any] | None:
            plan = await self.region.actors.plan(case_id)
            return plan if plan and plan["status"] == status else None

        return look

    async def agrees(self, plan: Mapping[str, Any]) -> None:
        """Agree to the version of a plan that was read."""
        await self.region.actors.agree(plan)

    async def closes(
        self,
        case_id: str,
        reason: str = "safety_goals_met",
        second: Worker | None = None,
    ) -> Answer:
        """End the response to a household; somebody else confirms it if needed."""
        path = f"/api/plans/v1/plans/{case_id}/closure"
        plan = await self.reads(f"/api/plans/v1/plans/{case_id}")
        left = still_open(plan.json()) if plan.ok else []
        told = {"reason": reason, "outcomes": OUTCOMES, "left": left}
        said = await self.sends("POST", path, told)
        if not said.ok or said.json()["status"] == "closed":
            return said
        second = second or await self._second(case_id)
        meant = {"said_at": said.json()["versions"][-1]["ending"]["at"]}
        return await second.sends("POST", f"{path}/confirmation", meant)

    async def merges(self, survivor: str, other: str) -> Answer:
        """Merge a case into another."""
        return await self._on("merge", survivor, other)

    async def unmerges(self, survivor: str, other: str) -> Answer:
        """Take that back."""
        return await self._on("unmerge", survivor, other)

    async def _on(self, act: str, survivor: str, other: str) -> Answer:
        told = {"other_id": other, "reason": "same_household"}
        return await self.sends(
            "POST", f"/api/referrals/v1/cases/{survivor}/{act}", told
        )

    async def who_was_told(self, case_id: str) -> list[dict[str, Any]]:
        """Read who was told what of a case, and when."""
        path = f"/api/notify/v1/cases/{case_id}/notifications?limit=100"
        answer = await self.reads(path)
        if answer.status == HTTPStatus.NOT_FOUND:
            return []
        assert answer.ok, answer.body
        found: list[dict[str, Any]] = answer.json()["notifications"]
        return found

    async def directory_entry(self, worker_id: str) -> dict[str, Any]:
        """Read what the directory says of a worker, and how much they carry."""
        return await self._shown(f"/api/allocation/v1/workers/{worker_id}")

    async def _shown(self, path: str) -> dict[str, Any]:
        answer = await self.reads(path)
        assert answer.ok, answer.body
        found: dict[str, Any] = answer.json()
        return found


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who is asked to take a role."""

    worker: Worker
    allocation: str

    async def accepts(self) -> None:
        """Take it."""
        answer = await self.worker.accepts(self.allocation)
        assert answer.ok, answer.body

    async def declines(self) -> None:
        """Say no."""
        answer = await self.worker.declines(self.allocation)
        assert answer.ok, answer.body
