"""The directory as files: taken in whole or not at all, and given out.

Everything in a file is looked over, each for itself and all together, before any of it
is written. What is written then is a document after the other, each as when it is told
alone; should a process die or somebody else change one in between, the same file sent
again does the rest and changes nothing twice.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from accord_chassis.service import settled
from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal

from allocation.domain.directory import Worker
from allocation.domain.hsds.writing import Room
from allocation.domain.policy import outreach
from allocation.domain.providers import Listing, Provider
from allocation.domain.walls import SameCompartment
from allocation.handlers.directory import put_worker
from allocation.handlers.placing import Desk
from allocation.store.kept import PAGE, Providers, Workers

T = TypeVar("T")

OTHER_SIDE = ("compartment", "serves_the_other_side")

TOGETHER = 100
"""Workers that are looked over or written at the same time."""


class WrongWorker(NamedTuple):
    """Why one of some workers cannot be taken in: which one, and which field of it."""

    number: int
    field: str
    rule: str


class Moving(NamedTuple):
    """That one of some workers would serve a case from another compartment.

    Attributes:
        number: Which one.
        case_id: The case, or the one that it is merged into.
        wall: The compartment.
        outreach: They serve the person using violence there.
    """

    number: int
    case_id: str
    wall: str
    outreach: bool


def clashing(moving: Iterable[Moving]) -> Iterator[int]:
    """Give those who would meet in one compartment from both sides of a case."""
    there = defaultdict[tuple[str, str], list[Moving]](list)
    for each in moving:
        there[each.case_id, each.wall].append(each)
    for some in there.values():
        if len({each.outreach for each in some}) > 1:
            yield from (each.number for each in some)


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
    moving = list[Moving]()
    for some in _some([*enumerate(told)]):
        checked = await asyncio.gather(
            *(_wrong(number, each, at, workers, desk) for number, each in some)
        )
        found += [each for each in checked if isinstance(each, WrongWorker)]
        moving += [
            moved
            for each in checked
            if not isinstance(each, WrongWorker)
            for moved in each
        ]
    found += [WrongWorker(number, *OTHER_SIDE) for number in clashing(moving)]
    return sorted({*found})


def _some(every: Sequence[T]) -> Iterator[Sequence[T]]:
    return (every[i : i + TOGETHER] for i in range(0, len(every), TOGETHER))


async def _wrong(
    number: int, told: Worker, at: datetime, workers: Workers, desk: Desk
) -> WrongWorker | list[Moving]:
    """Say why a worker cannot be taken in; else where they would serve from anew."""
    held = await workers.get(told.id)
    try:
        told.check()
        if held is None:
            return []
        held.replaced_by(told, at)
        if told.wall is None or told.wall == held.wall:
            return []
        return [each async for each in _moving(number, held, told.wall, desk)]
    except SameCompartment:
        return WrongWorker(number, *OTHER_SIDE)
    except Refusal:
        return WrongWorker(number, "roles", "serves_both_sides")


async def _moving(
    number: int, held: Worker, wall: str, desk: Desk
) -> AsyncIterator[Moving]:
    for each in held.holds.values():
        staffing = await desk.staffings.get(each.case_id)
        if staffing is None or wall in staffing.walls_against(each.role):
            raise SameCompartment
        family = staffing.merged_into or staffing.id
        yield Moving(number, family, wall, outreach(each.role))


async def put_workers(
    told: Sequence[Worker], *, at: datetime, workers: Workers, desk: Desk
) -> None:
    """Take workers in, or replace what is said of them; nobody else is changed.

    Raises:
        Refusal: One changed since all were looked over, so that they cannot be.
        Conflict: One kept changing.
    """

    async def put(each: Worker) -> None:
        put_one = partial(put_worker, each, at=at, workers=workers, desk=desk)
        await settled(put_one)

    for some in _some(told):
        await asyncio.gather(*map(put, some))


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
    """Take organisations in; their teams stay, and the needs that they meet."""
    saved = list[Provider]()
    for code, each in sorted(told.items()):
        held = await providers.get(code)
        known = held.model_dump(include={"teams", "meets"}) if held else {}
        kept = each.model_copy(update=known)
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
