"""Rotas: who is on call, told to whoever wakes people."""

import asyncio
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from accord_chassis.clock import Clock
from accord_contracts.allocation import RotaChanged
from accord_contracts.message import Event

from allocation.domain.rota import NoSuchRota, Override, Rota
from allocation.store.kept import Rotas, Workers


@dataclass(frozen=True, slots=True)
class Calls:
    """What it takes to know who is on call.

    Attributes:
        zone: What clocks in the region go by.
    """

    rotas: Rotas
    workers: Workers
    clock: Clock
    zone: ZoneInfo


async def put_rota(told: Rota, *, calls: Calls) -> Rota:
    """Take in a rota, or replace it; its overrides stay."""
    held = await calls.rotas.get(told.id)
    kept = {} if held is None else held.model_dump(include=KEPT)
    return await save(Rota.model_validate(told.model_dump() | kept), calls=calls)


KEPT = {"version", "overrides", "told"}
"""What is no part of what an administrator says of a rota. When it was told is not
kept, so that what it is for is told anew."""


async def put_override(
    rota_id: str, override_id: str, by: Override, *, calls: Calls
) -> Rota:
    """Have somebody on call between two times, whoever's turn it is.

    Raises:
        NoSuchRota: There is no such rota.
        OverridesClash: Another override is on at the same time.
        TooManyOverrides: There are as many as there may be.
    """
    held = await rota_of(rota_id, calls=calls)
    new = held.overridden(override_id, by, calls.clock.now())
    return await save(new, calls=calls)


async def take_back_override(rota_id: str, override_id: str, *, calls: Calls) -> Rota:
    """Take an override back.

    Raises:
        NoSuchRota: There is no such rota.
        NoSuchOverride: It has no such override.
    """
    held = await rota_of(rota_id, calls=calls)
    return await save(held.without(override_id), calls=calls)


async def look_over(due: Rota, *, calls: Calls) -> None:
    """Work out anew who is on call: somebody may have gone away or left."""
    await save(due, calls=calls)


async def save(held: Rota, *, calls: Calls) -> Rota:
    """Work out who is on call, and tell it if it is news."""
    at = calls.clock.now()
    named = sorted(held.named)
    found = await asyncio.gather(*map(calls.workers.get, named))
    away = {e.id: e.absences for e in found if e is not None and e.active}
    new = held.looked_over(away, calls.zone, at)
    told: list[Event] = []
    if new.told is not held.told or new.told_at != held.told_at:
        told.append(
            RotaChanged(
                rota_id=new.id,
                rota=new.code,
                roles=new.roles,
                shifts=new.told,
                known_until=new.known_until,
                changed_at=at,
            )
        )
    return await calls.rotas.save(new, *told)


async def rota_of(rota_id: str, *, calls: Calls) -> Rota:
    """Give a rota.

    Raises:
        NoSuchRota: There is no such rota.
    """
    held = await calls.rotas.get(rota_id)
    if held is None:
        raise NoSuchRota
    return held
