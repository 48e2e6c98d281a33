"""What notify asks of others: whom to tell, whom not, and how they are reached.

Answers hold addresses: they are kept in memory for a minute, and never logged.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog
from accord_chassis.asking import NoAnswer, Peer
from accord_chassis.batching import ByLane
from accord_chassis.guard import StandingAway, Standings
from accord_contracts.access import Purpose, Standing
from accord_contracts.allocation import WorkerContact
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, TypeAdapter

from notify.domain.contact import NoSuchContact, Permission

log = structlog.get_logger()

FRESH_SECONDS = 60.0
"""How long an answer is believed."""

REMEMBERED = 4096
"""Workers of whom an answer is kept."""

NOBODY_THERE = 404

CONTACTS = TypeAdapter[WorkerContact | tuple[WorkerContact, ...]](
    WorkerContact | tuple[WorkerContact, ...]
)


class DirectoryAway(Refusal, ConnectionError):
    """The directory of workers gives no answer: try again soon."""

    status = 503


class NobodyOnDuty(DirectoryAway):
    """No coordinator is on duty who may be told: it must not swallow an alarm."""


async def standing_to(case_id: str, worker_id: str, standings: Standings) -> Standing:
    """Ask how a worker stands to a case, before they are told anything of it.

    Raises:
        DirectoryAway: It cannot be known at present, so nobody is told yet.
    """
    try:
        known = await standings.of(worker_id, [case_id])
    except StandingAway:
        raise DirectoryAway(StandingAway.__name__) from None
    # Of whom nothing is known, nothing allows.
    return known.get(case_id) or Standing(case_id=case_id, worker_id=worker_id)


class Directory:
    """The allocation service's directory of workers.

    Args:
        allocation: The allocation service, as it is asked.
        fresh_seconds: How long an answer is believed.
    """

    def __init__(
        self, allocation: Peer, *, fresh_seconds: float = FRESH_SECONDS
    ) -> None:
        self._fresh_seconds = fresh_seconds
        self._allocation = allocation
        self._ask = ByLane[str, tuple[WorkerContact, ...]](self._ask_all)
        self._answers: dict[str, tuple[float, tuple[WorkerContact, ...]]] = {}

    async def contact(self, worker_id: str) -> WorkerContact | None:
        """Give how a worker is reached, or nothing if the directory knows no such one.

        Raises:
            DirectoryAway: There is no answer.
        """
        found = await self._answer(f"/workers/{worker_id}/contact")
        return found[0] if found else None

    async def coordinators(self) -> tuple[WorkerContact, ...]:
        """Give how the coordinators on duty are reached, the first one first.

        Raises:
            DirectoryAway: There is no answer.
        """
        return await self._answer("/duty/coordinators")

    async def _answer(self, path: str) -> tuple[WorkerContact, ...]:
        known = self._answers.get(path)
        if known and time.monotonic() - known[0] < self._fresh_seconds:
            return known[1]
        return await self._ask(path)

    async def _ask_all(
        self, paths: Sequence[str]
    ) -> Sequence[tuple[WorkerContact, ...] | BaseException]:
        """Ask each question once, however many wait for the answer."""
        different = list(dict.fromkeys(paths))
        asked = (self._asked(each) for each in different)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        by_path = dict(zip(different, answers, strict=True))
        return [by_path[each] for each in paths]

    async def _asked(self, path: str) -> tuple[WorkerContact, ...]:
        try:
            answer = await self._allocation.get(path, CONTACTS)
        except NoAnswer as none:
            if none.status != NOBODY_THERE:
                raise DirectoryAway(none.fault) from None
            answer = ()
        found = answer if isinstance(answer, tuple) else (answer,)
        if len(self._answers) >= REMEMBERED:
            self._answers.clear()
        if found:
            # That nobody is there is believed once: whoever comes is told at once.
            self._answers[path] = (time.monotonic(), found)
        return found


class ContactsAway(Refusal):
    """How people may be reached cannot be known at present: try again soon."""

    status = 503


class Permissions(BaseModel):
    """By which ways somebody may be written to now.

    Attributes:
        case_ids: The cases that they are in.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    permissions: tuple[Permission, ...]
    case_ids: tuple[str, ...]

    def by(self, contact_id: str) -> Permission | None:
        """Give one way to reach them."""
        found = (e for e in self.permissions if e.contact_id == contact_id)
        return next(found, None)


class AskPermission(BaseModel):
    """Asks by which numbers somebody who was harmed may be written to now."""

    model_config = ConfigDict(frozen=True)

    channel: str = "text"
    purpose: Purpose
    case_id: str


class SafeContacts:
    """The referrals service, which knows how people may be reached.

    It is asked each time, and no answer is kept: what was safe a minute ago may not be.

    Args:
        referrals: The referrals service, as it is asked.
    """

    def __init__(self, referrals: Peer) -> None:
        self._referrals = referrals

    async def ask(self, person_id: str, case_id: str, purpose: Purpose) -> Permissions:
        """Ask by which numbers a person who was harmed may be written to now.

        Raises:
            NoSuchContact: There is no such person in this case.
            ContactsAway: There is no answer.
        """
        asked = AskPermission(purpose=purpose, case_id=case_id)
        path = f"/people/{person_id}/contact-permission"
        try:
            return await self._referrals.post(path, asked, Permissions)
        except NoAnswer as none:
            if none.status == NOBODY_THERE:
                raise NoSuchContact from None
            log.warning("contacts.not_known", fault=none.fault)
            raise ContactsAway from None

    async def close(self) -> None:
        """Hang up."""
        await self._referrals.close()
