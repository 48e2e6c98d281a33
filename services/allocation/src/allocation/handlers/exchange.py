"""The directory as files: taken in whole or not at all, and given out.

Everything in a file is looked over before any of it is written. What is written then is
a document after the other, each as when it is told alone; should a process die in
between, the same file sent again does the rest and changes nothing twice.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal

from allocation.domain.directory import Worker
from allocation.domain.hsds import Room
from allocation.domain.providers import Listing, Provider
from allocation.domain.walls import SameCompartment
from allocation.handlers.directory import put_worker
from allocation.handlers.placing import Desk
from allocation.store.kept import PAGE, Providers, Workers

T = TypeVar("T")

TOGETHER = 100
"""Workers that are looked over or written at the same time."""


class WrongWorker(NamedTuple):
    """Why one of some workers cannot be taken in: which one, and which field of it."""

    number: int
    field: str
    rule: str


async def wrong_with(
    told: Sequence[Worker], *, at: datetime, workers: Workers, desk: Desk
) -> list[WrongWorker]:
    """Name every worker who could not be taken in, and why."""
    numbers = defaultdict[str, list[int]](list)
    for number, each in enumerate(told):
        numbers[each.id].append(number)
    found = [
        WrongWorker(number, "worker_id", "named_twice")
        for some in numbers.values()
        for number in some[1:]
    ]
    for some in _some([*enumerate(told)]):
        checked = await asyncio.gather(
            *(_wrong(each, at, workers, desk) for _, each in some)
        )
        found += [
            WrongWorker(number, *each)
            for (number, _), each in zip(some, checked, strict=True)
            if each is not None
        ]
    return sorted(found)


def _some(every: Sequence[T]) -> Iterator[Sequence[T]]:
    return (every[i : i + TOGETHER] for i in range(0, len(every), TOGETHER))


async def _wrong(
    told: Worker, at: datetime, workers: Workers, desk: Desk
) -> tuple[str, str] | None:
    held = await workers.get(told.id)
    try:
        told.check()
        if held is None:
            return None
        held.replaced_by(told, at)
        if told.wall is not None and told.wall != held.wall:
            await _check_wall(held, told.wall, desk)
    except SameCompartment:
        return "compartment", "serves_the_other_side"
    except Refusal:
        return "roles", "serves_both_sides"
    return None


async def _check_wall(held: Worker, wall: str, desk: Desk) -> None:
    for each in held.holds.values():
        staffing = await desk.staffings.get(each.case_id)
        if staffing is not None and wall in staffing.walls_against(each.role):
            raise SameCompartment


async def put_workers(
    told: Sequence[Worker], *, at: datetime, workers: Workers, desk: Desk
) -> None:
    """Take workers in, or replace what is said of them; nobody else is changed.

    Raises:
        Refusal: One changed since all were looked over, so that they cannot be.
    """
    for some in _some(told):
        await asyncio.gather(
            *(put_worker(each, at=at, workers=workers, desk=desk) for each in some)
        )


async def all_workers(workers: Workers) -> list[Worker]:
    """Give the whole directory, by id."""
    found, after = list[Worker](), ""
    while some := await workers.page(after, PAGE):
        found += some
        after = some[-1].id
    return found


async def put_provider(code: str, told: Listing, *, providers: Providers) -> Provider:
    """Take an organisation in, or replace what is said of it."""
    held = await providers.get(code)
    new = Provider.of(code, told, held)
    return held if held == new else await providers.save(new)


async def put_providers(
    told: Mapping[str, Listing], *, providers: Providers
) -> list[Provider]:
    """Take organisations in; the teams that are known of them stay."""
    saved = list[Provider]()
    for code, each in sorted(told.items()):
        held = await providers.get(code)
        kept = each.model_copy(update={"teams": held.teams}) if held else each
        saved.append(await put_provider(code, kept, providers=providers))
    return saved


def rooms(workers: Iterable[Worker], at: datetime) -> dict[tuple[str, Role], Room]:
    """Add up the points that organisations have room for, by their code and the role.

    Whoever has several roles counts in each, with all the room they have.
    """
    found: dict[tuple[str, Role], Room] = {}
    for each in workers:
        if each.provider is None or not each.active:
            continue
        most = each.capacity_at(at)
        free = max(0, most - each.load)
        for role in each.roles:
            key = (each.provider, role)
            room = found.get(key, Room(0, 0))
            found[key] = Room(room.available + free, room.maximum + most)
    return found
