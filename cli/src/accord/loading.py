"""The invented world, put into a deployment that runs, over its public API.

Agencies, staff and rotas are put where they stand already as well, so it can be done
again; each time one more referral is made, by people nobody has referred before.
"""

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from accord.actors import Actors, Kept
from accord.client import Gone
from accord.deployment import running
from accord.faults import CannotGoOn
from accord.world import AGENCIES, World

POLICE = AGENCIES[0]

WITHIN = 60.0
"""Seconds: a deployment that has just started may be slow, and is not stuck yet."""

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was put there.

    Attributes:
        agencies: How many stand in the register.
        workers: How many stand in the directory.
        rotas: How many say who is on call.
        referral_id: The referral that was made.
        status_url: Where its agency sees how far the response to it has come.
        assessed_seconds: How long after it was posted its risk was known.
    """

    agencies: int
    workers: int
    rotas: int
    referral_id: str
    status_url: str
    assessed_seconds: float

    def document(self) -> dict[str, Any]:
        """Give it for a machine."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Give it for people."""
        there = f"{self.workers} workers and {self.rotas} rota are there."
        took = f"{self.assessed_seconds:.1f} s"
        return [
            f"{self.agencies} agencies, {there}",
            f"A referral was assessed after {took}: {self.status_url}",
        ]


def target(url: str | None, tokens: Path | None) -> tuple[str, Path]:
    """Say where to put it and under whose tokens; by default the demonstration's.

    Raises:
        CannotGoOn: It is not known.
    """
    if url and tokens:
        return url.rstrip("/"), tokens
    state = running()
    if state is None or url or tokens:
        raise CannotGoOn(
            "Where to put the world is not known.",
            mend="Give --url and --tokens (a directory with the files administrator, "
            f"coordinator and {POLICE.code}), or run `accord demo` here.",
        )
    return state["url"], Path(state["here"]) / "tokens"


async def load(url: str, tokens: Path, locality: Path, region: str) -> Loaded:
    """Put the invented world there, and see its first referral assessed.

    Args:
        url: The gateway: ``/api/<service>/v1/…`` below it.
        tokens: Directory with a token of the administrator of the register, of a
            coordinator and of the police, each in a file of that name.
        locality: Directory of the policies that are in force there.
        region: After which the staff are named, as those tokens are.

    Raises:
        CannotGoOn: It does not answer, or refuses.
    """
    # Nobody in it was referred before, however often this is run.
    world = World(locality, uuid4().int, name=region)
    actors = Actors(url, Kept(tokens), world=world)
    with contextlib.closing(actors):
        try:
            await actors.register()
            await actors.hire()
            await actors.call()
            return await _refer(actors, url)
        except Gone as fault:
            raise CannotGoOn(
                f"{url} does not answer ({type(fault).__name__}).",
                mend="Start the deployment, or correct --url.",
            ) from None


async def _refer(actors: Actors, url: str) -> Loaded:
    now = datetime.now(UTC)
    told = actors.world.grave_referral(f"world-{uuid4().hex[:12]}", now)
    started = time.monotonic()
    referral_id = (await actors.refer(POLICE, told))["referral_id"]
    while (await actors.status(POLICE, referral_id))["assessed_at"] is None:
        if time.monotonic() > started + WITHIN:
            raise CannotGoOn(
                f"The referral {referral_id} was taken, and its risk is not known "
                f"after {WITHIN:.0f} s.",
                mend="`accord doctor` and the services' logs say why.",
            )
        await asyncio.sleep(POLL_SECONDS)
    return Loaded(
        agencies=len(AGENCIES),
        workers=len(actors.staff),
        rotas=len(actors.world.rotas()),
        referral_id=referral_id,
        status_url=f"{url}/api/referrals/v1/referrals/{referral_id}",
        assessed_seconds=round(time.monotonic() - started, 3),
    )
