"""One real referral driven through real messages, and the time each stage took."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from accord.actors import Actors
from accord.faults import CannotGoOn
from accord.world import AGENCIES

POLICE = AGENCIES[0]

WITHIN = 30.0
POLL_SECONDS = 0.02

R = TypeVar("R")


class SelfTest:
    """Drives a referral of high risk from the agency's POST to the agreed plan.

    Every stage is seen over HTTP, as the one who waits for it would see it.

    Args:
        actors: Everybody in the invented world.
        reference: The agency's own; nobody was referred under it before.
    """

    def __init__(self, actors: Actors, reference: str) -> None:
        self._actors = actors
        self._reference = reference
        self._started = 0.0
        self.milliseconds: dict[str, float] = {}

    async def run(self) -> dict[str, float]:
        """Drive it, and give the milliseconds from the POST to each stage.

        Raises:
            CannotGoOn: A stage was not reached: which.
        """
        actors = self._actors
        now = datetime.now(UTC)
        told = actors.world.grave_referral(self._reference, now)
        self._started = time.perf_counter()
        receipt = await actors.refer(POLICE, told)
        self._reached("received")
        referral = receipt["referral_id"]
        await self._until("assessed", lambda: self._at(referral, "assessed_at"))
        message = await self._until("notified", lambda: self._told_since(receipt))
        case_id = message["case_id"]
        plan = await self._until("planned", lambda: actors.plan(case_id))
        await self._take_up(case_id)
        await self._until("allocated", lambda: self._taken_up(case_id))
        await actors.agree(plan)
        await self._until("agreed", lambda: self._agreed(case_id))
        return self.milliseconds

    async def _until(self, stage: str, look: Callable[[], Awaitable[R | None]]) -> R:
        """Look again until a stage is reached, and give what is seen then."""
        deadline = time.monotonic() + WITHIN
        while (seen := await look()) is None:
            if time.monotonic() > deadline:
                raise CannotGoOn(
                    f"A referral was not {stage} within {WITHIN:.0f} s.",
                    mend="The logs in .accord/logs say why; `accord dead-letters list` "
                    "may too.",
                )
            await asyncio.sleep(POLL_SECONDS)
        self._reached(stage)
        return seen

    def _reached(self, stage: str) -> None:
        took = time.perf_counter() - self._started
        self.milliseconds[stage] = round(took * 1000, 1)

    async def _at(self, referral: str, stage: str) -> str | None:
        told = await self._actors.status(POLICE, referral)
        found: str | None = told[stage]
        return found

    async def _taken_up(self, case_id: str) -> str | None:
        """Find a role that somebody has; its agency is told hours later."""
        roles = await self._actors.roles_of(case_id)
        return next((e["role"] for e in roles if e["status"] == "accepted"), None)

    async def _agreed(self, case_id: str) -> dict[str, Any] | None:
        plan = await self._actors.plan(case_id)
        return plan if plan and plan["status"] == "agreed" else None

    async def _told_since(self, receipt: dict[str, Any]) -> dict[str, Any] | None:
        """Find the offer in somebody's inbox."""
        since = datetime.fromisoformat(receipt["received_at"])
        staff = self._actors.staff
        inboxes = await asyncio.gather(*map(self._actors.inbox, staff))
        for message in (each for inbox in inboxes for each in inbox):
            offered = message["event"].startswith("allocation.offered.")
            if offered and datetime.fromisoformat(message["created_at"]) >= since:
                return message
        return None

    async def _take_up(self, case_id: str) -> None:
        """Have everybody who was asked accept."""
        for role in await self._actors.roles_of(case_id):
            if role["status"] == "offered":
                await self._actors.accept(role["worker_id"], role["allocation_id"])
