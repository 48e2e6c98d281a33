"""The directory over HTTP: workers, how they are reached, who is on duty."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part, settled
from accord_contracts.access import Purpose
from accord_contracts.allocation import Role, WorkerContact
from accord_contracts.calendar import Window
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Query, Security
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from allocation.domain.availability import Absence, Moment, contracted_points
from allocation.domain.directory import (
    Gender,
    NoSuchPlace,
    NoSuchWorker,
    Worker,
)
from allocation.domain.policy import Policy
from allocation.domain.providers import Codes, Email
from allocation.handlers.directory import put_worker as put
from allocation.handlers.placing import Desk
from allocation.store.directory import Directory
from allocation.store.kept import PAGE, Workers

router = APIRouter(tags=["directory"])

Workers_ = Annotated[Workers, part(Workers)]
Directory_ = Annotated[Directory, part(Directory)]
Clock_ = Annotated[Clock, part(Clock)]
Desk_ = Annotated[Desk, part(Desk)]
Administrator = Annotated[Asking, Security(asking, scopes=["allocation.admin"])]
Asker = Annotated[Asking, Security(asking, scopes=["allocation.ask"])]

BY_SCOPE = (Relation.SCOPE,)
OPERATION = (Purpose.OPERATION,)
PUT_WORKER = Action("worker.put", BY_SCOPE, purposes=OPERATION)
READ_WORKER = Action("worker.read", BY_SCOPE, purposes=OPERATION)
LIST_WORKERS = Action("workers.list", BY_SCOPE, purposes=OPERATION)
READ_CONTACT = Action("contact.read", (Relation.SERVICE,), purposes=OPERATION)

Mobile = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""As E.164 writes it."""


FIRST = ""
"""Comes before every id."""


class OwnEntry(Refusal):
    """What the directory says of you is for another administrator to say."""

    status = 403


class PutAbsence(Absence):
    """Between two times somebody can do less, or nothing."""

    since: Moment
    until: Moment


class PutWorker(BaseModel):
    """What the locality says of a worker.

    Attributes:
        provider: Code of the organisation that they work for: of an agency, its code in
            the register, by which lists and wishes name it.
        team: Code of their team.
        compartment: Code of the part of it that they belong to, where one part of a
            team serves those who are harmed and another those who harm.
        skills: Codes of what they are trained in.
        iwi: Codes of the iwi that they have links with.
        communities: Codes of other communities that they have links with.
        areas: Codes of the areas they serve; none: the whole region.
        base: Code of the place that they start from, as the policy names places: never
            where they live.
        hours: When they are at work; none: at any time.
        contracted_hours: For how many hours each week they are employed.
        absences: When they are away, or can do less.
        capacity: How many points of work they can carry; the policy says what a role
            takes at each level. Not said: what goes with the contracted hours.
    """

    model_config = ConfigDict(extra="forbid")

    roles: Annotated[frozenset[Role], Field(max_length=len(Role))] = frozenset()
    gender: Gender | None = None
    languages: Codes = frozenset()
    kaupapa_maori: StrictBool = False
    provider: Code | None = None
    team: Code | None = None
    compartment: Code | None = None
    skills: Codes = frozenset()
    iwi: Codes = frozenset()
    communities: Codes = frozenset()
    areas: Codes = frozenset()
    base: Code | None = None
    hours: Annotated[tuple[Window, ...], Field(max_length=21)] = ()
    contracted_hours: Annotated[float, Field(gt=0, le=80)] | None = None
    absences: Annotated[tuple[PutAbsence, ...], Field(max_length=50)] = ()
    capacity: Annotated[int, Field(ge=0, le=100_000, strict=True)] | None = None
    email: Email | None = None
    mobile: Mobile | None = None
    deputy: Id | None = None
    team_lead: Id | None = None
    duty_coordinator: StrictBool = False
    active: StrictBool = True

    def entry(self, worker_id: str, policy: Policy) -> Worker:
        """Give the worker that is told of.

        Raises:
            NoSuchPlace: They start from a place that the policy does not name.
        """
        if self.base is not None and self.base not in policy.places:
            raise NoSuchPlace
        said = self.model_dump(include=set(PutWorker.model_fields))
        if self.capacity is None:
            hours, full = self.contracted_hours or 0, policy.full_time
            said["capacity"] = contracted_points(full.points, hours, full.hours)
        return Worker(id=worker_id, **said)


class ToldWorker(PutWorker):
    """A worker of a file."""

    worker_id: Id


class WorkerView(PutWorker):
    """A worker as the directory knows them, and how much work they carry.

    Attributes:
        capacity_now: How many points they can carry today, absences taken off.
    """

    worker_id: Id
    load: int
    places: int
    capacity_now: int

    @classmethod
    def of(cls, held: Worker, at: datetime) -> Self:
        """Show a worker."""
        shown = held.model_dump(include={*PutWorker.model_fields, "load"})
        return cls(
            worker_id=held.id,
            places=len(held.holds),
            capacity_now=held.capacity_at(at),
            **shown,
        )


class WorkersView(BaseModel):
    """A page of the directory, and after which worker the next one begins."""

    workers: tuple[WorkerView, ...]
    after: Id | None


@router.put("/workers/{worker_id}")
async def put_worker(
    worker_id: Id,
    told: PutWorker,
    *,
    workers: Workers_,
    desk: Desk_,
    administrator: Administrator,
) -> WorkerView:
    """Take a worker into the directory, or replace what it says of them.

    Of nobody who puts it themselves: whoever left would so come back.
    """
    await administrator.permit(PUT_WORKER, Resource("worker", worker_id))
    if worker_id == administrator.worker:
        raise OwnEntry
    at = desk.clock.now()
    entry = told.entry(worker_id, desk.policy)
    decide = partial(put, entry, at=at, workers=workers, desk=desk)
    return WorkerView.of(await settled(decide), at)


@router.get("/workers/{worker_id}")
async def read_worker(
    worker_id: Id, workers: Workers_, clock: Clock_, administrator: Administrator
) -> WorkerView:
    """Read what the directory says of a worker."""
    await administrator.permit(READ_WORKER, Resource("worker", worker_id))
    return WorkerView.of(await _worker(worker_id, workers), clock.now())


@router.get("/workers")
async def list_workers(
    workers: Workers_,
    clock: Clock_,
    administrator: Administrator,
    after: Id | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> WorkersView:
    """List the directory by id, a page at a time."""
    await administrator.permit(LIST_WORKERS, Resource("workers", after or FIRST))
    found = await workers.page(after or FIRST, limit)
    at = clock.now()
    return WorkersView(
        workers=tuple(WorkerView.of(each, at) for each in found),
        after=found[-1].id if len(found) == limit else None,
    )


@router.get("/workers/{worker_id}/contact")
async def read_contact(
    worker_id: Id, workers: Workers_, directory: Directory_, asker: Asker
) -> WorkerContact:
    """Tell a service how a worker is reached, and who is asked when they are silent."""
    await asker.permit(READ_CONTACT, Resource("contact", worker_id))
    await directory.refresh()
    return _contact(await _worker(worker_id, workers), directory)


@router.get("/duty/coordinators")
async def read_coordinators(
    workers: Workers_, directory: Directory_, asker: Asker
) -> list[WorkerContact]:
    """Tell a service how the coordinators on duty are reached, the first one first.

    One who is barred from a case is not told of it, so all of them are named.
    """
    await asker.permit(READ_CONTACT, Resource("contact", "coordinators"))
    await directory.refresh()
    found = await asyncio.gather(*map(workers.get, directory.duty_coordinators))
    return [_contact(each, directory) for each in found if each]


async def _worker(worker_id: str, workers: Workers) -> Worker:
    held = await workers.get(worker_id)
    if held is None:
        raise NoSuchWorker
    return held


def _contact(held: Worker, directory: Directory) -> WorkerContact:
    return WorkerContact(
        worker_id=held.id,
        email=held.email,
        mobile=held.mobile,
        deputy=held.deputy,
        team_lead=held.team_lead,
        coordinator=directory.duty_coordinator,
    )
