"""Who is on call is told before the other coordinators."""

from datetime import datetime, timedelta

import pytest
from accord_chassis.store import Database
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Role, RotaChanged, Shift
from accord_contracts.message import Message
from notify.domain.occasion import Eyes
from notify.handlers.rotas import follow_rota
from notify.store import Rotas
from notify_builders import IVS, Running, WorkersDirectory, sent, unfilled

HOUR = timedelta(hours=1)


def rota(
    *turns: tuple[str, int, int], roles: tuple[Role, ...] = (), **told: object
) -> Message[RotaChanged]:
    """Who is on call, from which hour after noon to which."""
    event = RotaChanged(
        rota_id=str(told.pop("rota_id", new_id())),
        rota="after_hours",
        roles=roles,
        shifts=tuple(
            Shift(worker_id=who, since=NOON + a * HOUR, until=NOON + b * HOUR)
            for who, a, b in turns
        ),
        known_until=NOON + 99 * HOUR,
        changed_at=NOON,
    )
    return sent(event, dict(told))


async def told_of(running: Running) -> str:
    """Have something happen that a coordinator must know, and give who is told."""
    message = unfilled()
    await running.hears(message)
    [held] = [e for e in await running.all() if e.case_id == message.data.case_id]
    return held.told[0].worker_id


async def test_whoever_is_on_call_is_told_first(
    running: Running, workers: WorkersDirectory
) -> None:
    duty, first, second = workers.has_on_duty(), workers.knows(), workers.knows()
    await running.hears(rota((first, -1, 1), (second, 1, 2)))

    told = [await told_of(running)]
    for _ in range(2):
        running.clock.advance(HOUR)
        told.append(await told_of(running))

    assert told == [first, second, duty]


async def test_whoever_is_on_call_and_barred_is_passed_over(
    running: Running, workers: WorkersDirectory
) -> None:
    duty, called = workers.has_on_duty(), workers.knows()
    message = unfilled()
    running.standings.tell(called, message.data.case_id, conflict=True)

    await running.hears(rota((called, -1, 1)), message)

    [held] = await running.all()
    assert held.told[0].worker_id == duty
    assert held.eyes is Eyes.NOT_OUTREACH


async def test_a_rota_of_other_roles_calls_no_coordinator(
    running: Running, workers: WorkersDirectory
) -> None:
    duty = workers.has_on_duty()

    await running.hears(rota((workers.knows(), -1, 1), roles=(IVS,)))

    assert await told_of(running) == duty


@pytest.fixture
async def rotas(database: Database) -> Rotas:
    store = Rotas(database)
    await store.prepare()
    return store


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 1, 2)])
async def test_the_latest_of_a_rota_counts_in_whatever_order_it_comes(
    rotas: Rotas, order: tuple[int, ...]
) -> None:
    before, now, rota_id = new_id(), new_id(), new_id()
    told = {
        1: rota((before, 0, 9), rota_id=rota_id, version=1),
        2: rota((now, 0, 9), rota_id=rota_id, version=2),
    }

    for each in order:
        message = told[each]
        copy: Message[RotaChanged] = sent(message.data, {"version": each})
        await follow_rota(copy, rotas=rotas)

    [held] = await rotas.coordinating()
    at: datetime = NOON + HOUR
    assert held.on_call(at) == now
    assert held.on_call(NOON + 9 * HOUR) is None
