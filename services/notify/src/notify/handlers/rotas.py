"""Following who is on call, so that they are woken first."""

from accord_chassis.clock import Clock
from accord_contracts.allocation import RotaChanged
from accord_contracts.message import Message

from notify.domain.rota import Rota
from notify.store import Rotas


async def follow_rota(message: Message[RotaChanged], *, rotas: Rotas) -> None:
    """Note who is on call."""
    told = message.data
    held = await rotas.get(told.rota_id, cause=message) or Rota(id=told.rota_id)
    new = held.hear(told.shifts, message.aggregate_version, coordinates=not told.roles)
    if new is not held:
        await rotas.save(new, cause=message)


async def on_call(rotas: Rotas, clock: Clock) -> tuple[str, ...]:
    """Give who is on call now in the place of the locality's coordinators."""
    at = clock.now()
    found = (each.on_call(at) for each in await rotas.coordinating())
    return tuple(dict.fromkeys(each for each in found if each))
