"""The directory as files over HTTP: organisations as HSDS, workers as a sheet."""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part, settled
from accord_contracts.access import Purpose
from accord_contracts.allocation import OfferOfHelp
from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from allocation.domain import sheet
from allocation.domain.directory import NoSuchPlace, Worker
from allocation.domain.hsds.reading import listings
from allocation.domain.hsds.standard import Page
from allocation.domain.hsds.writing import page_of
from allocation.domain.policy import Policy
from allocation.domain.providers import (
    Listing,
    NoSuchNeed,
    NoSuchProvider,
    Provider,
)
from allocation.handlers import exchange
from allocation.handlers.placing import Desk
from allocation.routes.directory import ToldWorker
from allocation.store.kept import Providers, Workers

router = APIRouter(tags=["directory"])

Providers_ = Annotated[Providers, part(Providers)]
Workers_ = Annotated[Workers, part(Workers)]
Desk_ = Annotated[Desk, part(Desk)]
Administrator = Annotated[Asking, Security(asking, scopes=["allocation.admin"])]
Asker = Annotated[Asking, Security(asking, scopes=["allocation.ask"])]

BY_SCOPE = (Relation.SCOPE,)
OPERATION = (Purpose.OPERATION,)
PUT_PROVIDER = Action("provider.put", BY_SCOPE, purposes=OPERATION)
READ_PROVIDER = Action("provider.read", BY_SCOPE, purposes=OPERATION)
LIST_HELP = Action("help.list", (Relation.SERVICE,), purposes=OPERATION)
IMPORT = Action("directory.import", BY_SCOPE, purposes=OPERATION)
EXPORT = Action("directory.export", BY_SCOPE, purposes=OPERATION)

CSV = "text/csv"

FILE_LIMIT = 10 * 1024 * 1024
"""Bytes of one file: ten thousand workers, as of a batch of referrals."""

LINE = {"properties": {each: {"type": "string"} for each in sheet.HEADINGS}}

SHEET: dict[str, Any] = {
    "requestBody": {
        "required": True,
        # What a line is stands here for readers, and for a problem to name it.
        "content": {CSV: {"schema": {"type": "string"}, "x-line": LINE}},
    }
}


class NotASheet(Refusal):
    """The workers of the directory are sent as text/csv."""

    status = 415


class ProviderView(Listing):
    """An organisation as the directory knows it."""

    code: Code

    @classmethod
    def of(cls, held: Provider) -> "ProviderView":
        """Show an organisation."""
        return cls(code=held.id, **held.model_dump(exclude={"id", "version"}))


class TakenView(BaseModel):
    """How much of a file was taken in: all of it."""

    model_config = ConfigDict(extra="forbid")

    taken: int


@router.get("/providers")
async def list_providers(
    providers: Providers_, administrator: Administrator
) -> list[ProviderView]:
    """List the organisations of the directory by code, at most a thousand."""
    await administrator.permit(READ_PROVIDER, Resource("providers", "all"))
    return [ProviderView.of(each) for each in await providers.all()]


@router.get("/providers/{code}")
async def read_provider(
    code: Code, providers: Providers_, administrator: Administrator
) -> ProviderView:
    """Read what the directory says of an organisation."""
    await administrator.permit(READ_PROVIDER, Resource("providers", code))
    held = await providers.get(code)
    if held is None:
        raise NoSuchProvider
    return ProviderView.of(held)


@router.put("/providers/{code}")
async def put_provider(
    code: Code,
    told: Listing,
    *,
    providers: Providers_,
    desk: Desk_,
    administrator: Administrator,
) -> ProviderView:
    """Take an organisation into the directory, or replace what it says of it."""
    await administrator.permit(PUT_PROVIDER, Resource("providers", code))
    named = frozenset[str]().union(*(each.places for each in told.services))
    if not named <= desk.policy.places.keys():
        raise NoSuchPlace
    if not told.meets <= desk.policy.needs:
        raise NoSuchNeed
    putting = partial(exchange.put_provider, code, told, providers=providers)
    return ProviderView.of(await settled(putting))


@router.get("/offers-of-help")
async def list_offers_of_help(
    need: Code, providers: Providers_, asker: Asker
) -> list[OfferOfHelp]:
    """Tell a service which organisations meet a need, by code: where help is asked for.

    Nothing of where they are, or how they are reached.
    """
    await asker.permit(LIST_HELP, Resource("providers", "all"))
    found = await providers.meeting(need)
    return [OfferOfHelp(provider=each.id, name=each.about.name) for each in found]


@router.get("/directory/hsds")
async def export_hsds(
    providers: Providers_, workers: Workers_, desk: Desk_, administrator: Administrator
) -> dict[str, Any]:
    """Give the organisations as Open Referral HSDS 3.1 has them: a page of services.

    With each how many points of work it has room for. No worker is in it.
    """
    await administrator.permit(EXPORT, Resource("directory", "hsds"))
    at = desk.clock.now()
    rooms = exchange.rooms(await exchange.all_workers(workers), at)
    shown = at.astimezone(desk.policy.zone)
    return page_of(await providers.all(), rooms, desk.policy.places, shown)


@router.put("/directory/hsds", max_body_size=FILE_LIMIT)
async def import_hsds(
    page: Page, providers: Providers_, desk: Desk_, administrator: Administrator
) -> TakenView:
    """Take organisations in as HSDS 3.1 has them: all that are told, or none.

    Those that are not told stay. Addresses, named contacts and capacities are not kept,
    nor schedules that have ended; one that is not the same in every week is refused.
    """
    await administrator.permit(IMPORT, Resource("directory", "hsds"))
    shown = desk.clock.now().astimezone(desk.policy.zone)
    found, wrong = listings(page, desk.policy.places, shown)
    if wrong:
        raise _invalid((each.loc, each.rule) for each in wrong)
    putting = partial(exchange.put_providers, found, providers=providers)
    return TakenView(taken=len(await settled(putting)))


@router.get(
    "/directory/workers",
    response_class=Response,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
async def export_workers(workers: Workers_, administrator: Administrator) -> Response:
    """Give all workers as a sheet, by id: what was said of each, and no places."""
    await administrator.permit(EXPORT, Resource("directory", "workers"))
    found = await exchange.all_workers(workers)
    return Response(await asyncio.to_thread(sheet.written, found), media_type=CSV)


@router.put("/directory/workers", openapi_extra=SHEET, max_body_size=FILE_LIMIT)
async def import_workers(
    request: Request, workers: Workers_, desk: Desk_, administrator: Administrator
) -> TakenView:
    """Take workers in from a sheet: all that are in it, or none.

    Each row says all of a worker. Those who are not in it stay as they are; whoever
    sends it may be in it as they are, and not otherwise. What is wrong is named by line
    and column.
    """
    await administrator.permit(IMPORT, Resource("directory", "workers"))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != CSV:
        raise NotASheet
    rows = await asyncio.to_thread(sheet.read, await request.body())
    told = _workers(rows, desk.policy)
    lines = [line for line, _ in rows]
    if wrong_row := await _own_row(told, lines, administrator.worker, workers):
        raise _invalid([wrong_row])
    at = desk.clock.now()
    if wrong := await exchange.wrong_with(told, at=at, workers=workers, desk=desk):
        raise _invalid(((lines[e.number], e.field), e.rule) for e in wrong)
    await exchange.put_workers(told, at=at, workers=workers, desk=desk)
    return TakenView(taken=len(told))


def _workers(rows: list[tuple[int, dict[str, Any]]], policy: Policy) -> list[Worker]:
    """Read what is told of each worker; name whatever cannot be, by line and column."""
    found, wrong = list[Worker](), list[tuple[tuple[str | int, ...], str]]()
    for line, row in rows:
        try:
            told = ToldWorker.model_validate(row)
            found.append(told.entry(told.worker_id, policy))
        except ValidationError as invalid:
            wrong += [((line, *e["loc"][:1]), e["type"]) for e in invalid.errors()]
        except NoSuchPlace:
            wrong.append(((line, "base"), "no_such_place"))
    if wrong:
        raise _invalid(wrong)
    return found


async def _own_row(
    told: list[Worker], lines: list[int], sender: str | None, workers: Workers
) -> tuple[tuple[str | int, ...], str] | None:
    """Say where whoever sends a sheet changes what it says of themselves, if they do.

    As it was given out it says nothing new: a sheet may be sent back whole.
    """
    held = await workers.get(sender) if sender else None
    for line, each in zip(lines, told, strict=True):
        if each.id == sender and (
            held is None or sheet.written([each]) != sheet.written([held])
        ):
            return (line, "worker_id"), "own_entry"
    return None


def _invalid(
    wrong: Iterable[tuple[tuple[str | int, ...], str]],
) -> RequestValidationError:
    """Refuse a file: each place, and the rule that it breaks. Never a value."""
    every = dict.fromkeys(wrong)
    return RequestValidationError([{"loc": loc, "type": rule} for loc, rule in every])
