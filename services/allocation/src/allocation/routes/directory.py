"""The directory over HTTP: workers, how they are reached, who is on duty."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.clock import Clock
from accord_chassis.guard import Action, Asking, Relation, Resource, asking
from accord_chassis.service import part, settled
from accord_contracts.access import Purpose
from accord_contracts.allocation import Role, WorkerContact
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Query, Security
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from allocation.domain.directory import (
    Gender,
    NoSuchWorker,
    Worker,
)
from allocation.handlers.directory import put_worker as put
from allocation.store import PAGE, Directory, Workers

router = APIRouter(tags=["directory"])

Workers_ = Annotated[Workers, part(Workers)]
Directory_ = Annotated[Directory, part(Directory)]
Clock_ = Annotated[Clock, part(Clock)]
Administrator = Annotated[Asking, Security(asking, scopes=["allocation.admin"])]
Asker = Annotated[Asking, Security(asking, scopes=["allocation.ask"])]

BY_SCOPE = (Relation.SCOPE,)
OPERATION = (Purpose.OPERATION,)
PUT_WORKER = Action("worker.put", BY_SCOPE, purposes=OPERATION)
READ_WORKER = Action("worker.read", BY_SCOPE, purposes=OPERATION)
LIST_WORKERS = Action("workers.list", BY_SCOPE, purposes=OPERATION)
READ_CONTACT = Action("contact.read", BY_SCOPE, purposes=OPERATION)

Email = Annotated[
    str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,189}$", max_length=254)
]
Codes = Annotated[frozenset[Code], Field(max_length=200)]

FIRST = ""
"""Comes before every id."""


class PutWorker(BaseModel):
    """What the locality says of a worker.

    Attributes:
        areas: Codes of the areas they serve; none: the whole region.
        capacity: How many points of work they can carry; the policy says what a role
            takes at each level.
    """

    model_config = ConfigDict(extra="forbid")

    roles: Annotated[frozenset[Role], Field(max_length=len(Role))] = frozenset()
    gender: Gender | None = None
    languages: Codes = frozenset()
    kaupapa_maori: StrictBool = False
    areas: Codes = frozenset()
    capacity: Annotated[int, Field(ge=0, le=100_000, strict=True)] = 0
    email: Email | None = None
    deputy: Id | None = None
    team_lead: Id | None = None
    duty_coordinator: StrictBool = False
    active: StrictBool = True


class WorkerView(PutWorker):
    """A worker as the directory knows them, and how much work they carry."""

    worker_id: Id
    load: int
    places: int

    @classmethod
    def of(cls, held: Worker) -> Self:
        """Show a worker."""
        shown = held.model_dump(include={*PutWorker.model_fields, "load"})
        return cls(worker_id=held.id, places=len(held.holds), **shown)


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
    directory: Directory_,
    clock: Clock_,
    administrator: Administrator,
) -> WorkerView:
    """Take a worker into the directory, or replace what it says of them."""
    await administrator.permit(PUT_WORKER, Resource("worker", worker_id))
    worker = Worker(id=worker_id, **told.model_dump())
    at: datetime = clock.now()
    decide = partial(put, worker, at=at, workers=workers, directory=directory)
    return WorkerView.of(await settled(decide))


@router.get("/workers/{worker_id}")
async def read_worker(
    worker_id: Id, workers: Workers_, administrator: Administrator
) -> WorkerView:
    """Read what the directory says of a worker."""
    await administrator.permit(READ_WORKER, Resource("worker", worker_id))
    return WorkerView.of(await _worker(worker_id, workers))


@router.get("/workers")
async def list_workers(
    workers: Workers_,
    administrator: Administrator,
    after: Id | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> WorkersView:
    """List the directory by id, a page at a time."""
    await administrator.permit(LIST_WORKERS, Resource("workers", after or FIRST))
    found = await workers.page(after or FIRST, limit)
    return WorkersView(
        workers=tuple(map(WorkerView.of, found)),
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
        deputy=held.deputy,
        team_lead=held.team_lead,
        coordinator=directory.duty_coordinator,
    )
