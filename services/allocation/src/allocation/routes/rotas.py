"""Rotas over HTTP: who is on call in turn, and who instead."""

from typing import Annotated, Self

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.allocation import Role, Shift
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from allocation.domain.availability import Moment
from allocation.domain.rota import Override, Rota
from allocation.handlers import rota as handlers
from allocation.handlers.rota import Calls

router = APIRouter(tags=["rotas"])

Calls_ = Annotated[Calls, part(Calls)]
Administrator = Annotated[Asking, Security(asking, scopes=["allocation.admin"])]

BY_SCOPE = (Relation.SCOPE,)
OPERATION = (Purpose.OPERATION,)
PUT_ROTA = Action("rota.put", BY_SCOPE, purposes=OPERATION)
READ_ROTA = Action("rota.read", BY_SCOPE, purposes=OPERATION)
PUT_OVERRIDE = Action("override.put", BY_SCOPE, purposes=OPERATION)


class PutRota(BaseModel):
    """What the locality says of a rota.

    Attributes:
        rota: What it is for.
        roles: Which roles those who are on call stand in for; none: those of the
            locality's coordinators.
        turns: The workers, in their order; none: the rota has ended.
        starts_at: When the first of them begins. Every turn begins when clocks in the
            region show the same time.
        turn_days: How long each turn is.
    """

    model_config = ConfigDict(extra="forbid")

    rota: Code
    roles: Annotated[tuple[Role, ...], Field(max_length=len(Role))] = ()
    turns: Annotated[tuple[Id, ...], Field(max_length=50)]
    starts_at: Moment
    turn_days: Annotated[int, Field(ge=1, le=28, strict=True)] = 7


class PutOverride(Override):
    """Somebody is on call between two times, whoever's turn it is."""

    worker_id: Id
    since: Moment
    until: Moment


class RotaView(PutRota):
    """A rota, its overrides, and who is on call for the next four weeks."""

    rota_id: Id
    overrides: dict[Id, PutOverride]
    shifts: tuple[Shift, ...]

    @classmethod
    def of(cls, held: Rota) -> Self:
        """Show a rota."""
        shown = held.model_dump(
            include={"roles", "turns", "starts_at", "turn_days", "overrides"}
        )
        return cls(rota_id=held.id, rota=held.code, shifts=held.told, **shown)


@router.put("/rotas/{rota_id}")
async def put_rota(
    rota_id: Id, told: PutRota, calls: Calls_, administrator: Administrator
) -> RotaView:
    """Take in a rota, or replace it; its overrides stay."""
    await administrator.permit(PUT_ROTA, Resource("rota", rota_id))
    said = told.model_dump(exclude={"rota"})
    rota = Rota(id=rota_id, code=told.rota, **said)
    return RotaView.of(await handlers.put_rota(rota, calls=calls))


@router.get("/rotas")
async def list_rotas(calls: Calls_, administrator: Administrator) -> list[RotaView]:
    """List the rotas of the locality, at most a hundred."""
    await administrator.permit(READ_ROTA, Resource("rotas", "all"))
    return [RotaView.of(each) for each in await calls.rotas.page()]


@router.get("/rotas/{rota_id}")
async def read_rota(
    rota_id: Id, calls: Calls_, administrator: Administrator
) -> RotaView:
    """Read a rota, and who is on call by it."""
    await administrator.permit(READ_ROTA, Resource("rota", rota_id))
    return RotaView.of(await handlers.rota_of(rota_id, calls=calls))


@router.put("/rotas/{rota_id}/overrides/{override_id}")
async def put_override(
    rota_id: Id,
    override_id: Id,
    told: PutOverride,
    calls: Calls_,
    administrator: Administrator,
) -> RotaView:
    """Have somebody on call between two times, whoever's turn it is."""
    await administrator.permit(PUT_OVERRIDE, Resource("rota", rota_id))
    by = Override(**told.model_dump())
    return RotaView.of(
        await handlers.put_override(rota_id, override_id, by, calls=calls)
    )


@router.delete("/rotas/{rota_id}/overrides/{override_id}")
async def take_back_override(
    rota_id: Id, override_id: Id, calls: Calls_, administrator: Administrator
) -> RotaView:
    """Take an override back."""
    await administrator.permit(PUT_OVERRIDE, Resource("rota", rota_id))
    return RotaView.of(
        await handlers.take_back_override(rota_id, override_id, calls=calls)
    )
