"""Finding a worker for a role, and keeping workers' places true to what was answered.

The allocation is the truth about a role. A worker's place is reserved before the
offer is made, and follows the answer: if a process dies in between, the place lapses
by itself, or the step is done again by the message or the clock that caused it.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from typing import Any

from accord_chassis.clock import Clock
from accord_chassis.store import Conflict
from accord_contracts.allocation import Role, RoleWanted, WithdrawnFor
from accord_contracts.message import Event, Lane, Message

from allocation.domain.across import Across, across
from allocation.domain.choosing import choose
from allocation.domain.directory import NO_ROOM, CannotTake, NoSuchWorker, Worker
from allocation.domain.looking import need_of
from allocation.domain.need import Need
from allocation.domain.offer import Alarm, Status
from allocation.domain.offering import HOLD_SLACK, Allocation
from allocation.domain.people import People
from allocation.domain.policy import Mode, Policy
from allocation.domain.staffing import Staffing
from allocation.domain.walls import SameCompartment
from allocation.handlers.telling import (
    accepted,
    ended,
    expired,
    not_needed,
    offered,
    unanswered,
    unfilled,
    withdrawn,
)
from allocation.store.directory import Change, Directory
from allocation.store.kept import Allocations, Rotas, Staffings


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to fill a role."""

    staffings: Staffings
    allocations: Allocations
    directory: Directory
    rotas: Rotas
    policy: Policy
    clock: Clock

    async def staffing(self, message: Message[Any]) -> Staffing:
        """Give the staffing of the case that a message is about, or a new one."""
        case_id = message.data.case_id
        held = await self.staffings.get(case_id, cause=message)
        return held or Staffing(id=case_id)

    async def on_call(self, held: Allocation, at: datetime) -> frozenset[str]:
        """Give who is on call in a role, if whether somebody is at work matters."""
        if not held.level.urgent:
            return frozenset()
        rotas = await self.rotas.page()
        found = (e.on_call_at(at) for e in rotas if held.role in e.roles)
        return frozenset(each for each in found if each is not None)

    async def need(self, held: Allocation, staffing: Staffing, at: datetime) -> Need:
        """Say what is looked for now, by the case and by what it is merged into."""
        above = staffing.merged_into
        survivor = await self.staffings.get(above) if above else None
        on_call = await self.on_call(held, at)
        return need_of(
            held,
            staffing,
            self.policy,
            at,
            on_call,
            survivor=survivor,
            elsewhere=await self._elsewhere(held.role, staffing, survivor),
        )

    async def _elsewhere(
        self, role: Role, staffing: Staffing, survivor: Staffing | None
    ) -> Across:
        """Say what other cases of the same people forbid for a role.

        A case that came after two were found to be one knows them by one id alone, so
        what the others know of that counts as well.
        """
        merged = [staffing] if survivor is None else [staffing, survivor]
        people = staffing.everyone.beside(each.everyone for each in merged)
        own = {id_ for each in merged for id_ in (each.id, *each.shares)}
        known, others = people, list[Staffing]()
        for _ in range(FARTHEST):
            found = await self.staffings.with_people(known.ids)
            others = [each for each in found if each.id not in own]
            looked_by = known.ids
            known = reduce(People.knowing, (each.everyone for each in found), known)
            if known.ids <= looked_by:
                break
        return across(role, known, others)


FARTHEST = 5
"""How often cases of the same people are looked for by ids that only those found last
have told of: somebody is linked with an id or two, rarely in a chain."""


async def place_role(message: Message[RoleWanted], *, desk: Desk) -> None:
    """Offer a role to the best worker; for one offered already, take a higher level.

    If whoever has it or is asked for it has been barred from the case, or is no longer
    at work in the role, it is taken back from them and offered to somebody else in the
    same moment. If they had just taken it over, whoever handed it over has it again
    until then.
    """
    told = message.data
    held, staffing = await asyncio.gather(
        desk.allocations.get(told.allocation_id, cause=message),
        desk.staffings.get(told.case_id),
    )
    wanted = staffing.wanted(told.allocation_id) if staffing else None
    if staffing is None or wanted is None:
        return
    at = desk.clock.now()
    begun = held or Allocation.new(
        told.case_id, told.role, wanted, message.lane, desk.policy
    )
    events: list[Event] = []
    if begun.holder is not None and (
        staffing.in_force.bar(begun.holder)
        or wanted.taken_back(begun.holder, begun.lists)
    ):
        was, begun = begun, begun.withdraw(desk.policy, at)
        keeper = wanted.worker_id
        back = was.kept_by is None and keeper not in {None, was.worker_id}
        if keeper and back and await keep_again(was, keeper, desk=desk):
            begun = begun.back_with(keeper)
            events.append(accepted(begun, keeper, at))
        events.insert(0, withdrawn(begun, at, worker_id=was.worker_id))
        # First, because a place that was given for good lapses by itself never.
        await release(was, desk=desk)
    if (keeper := begun.kept_by) is not None and (
        staffing.in_force.bar(keeper) or wanted.taken_back(keeper, begun.lists)
    ):
        events.append(withdrawn(begun, at, worker_id=keeper))
        await free(begun, keeper, desk=desk)
        begun = begun.taken_from_keeper()
    risen = begun.rise(wanted.level, message.lane, desk.policy, at)
    new = risen.at_stage(wanted.stage, desk.policy)
    # Nobody was left to ask, and the pause goes on whatever the stage.
    moved = risen if new.status is Status.UNFILLED else new
    if new is not begun:
        await weigh_anew(new, desk=desk)
    if new.status is Status.OFFERED and risen is not begun:
        events.append(offered(new))
    elif new.open and new.status is not Status.OFFERED and moved is not held:
        new, told_of = await find(new, staffing, at=at, desk=desk)
        events.append(told_of)
    new = new.heed(wanted)
    if new is not held:
        new = await save(new, *events, desk=desk, cause=message)
        if new.kept_by and held and held.kept_by is None:
            # Once more, in case it was freed for whoever had taken it over.
            await keep_again(new, new.kept_by, desk=desk)


async def attend(due: Allocation, *, desk: Desk) -> None:
    """Act on a role one of whose clocks has run out.

    An offer that was not answered goes to somebody else; after the pause somebody is
    looked for again; and if the role should have been filled by now, an alarm is
    raised once.
    """
    at = desk.clock.now()
    staffing = await desk.staffings.get(due.case_id)
    if staffing is None or staffing.wanted(due.id) is None:
        await end(due, desk=desk)
        return
    new, events = due, list[Event]()
    if due.expired(at):
        new = due.expire(at)
        events.append(expired(due, at))
        if new.escalates(desk.policy.escalate_after[new.level]):
            events.append(unanswered(new, at))
    if new.status is Status.WANTED or new.asks_anew(at):
        new, told_of = await find(new, staffing, at=at, desk=desk)
        events.append(told_of)
    if new.late(at):
        new = new.tell_late()
        events.append(unfilled(new, Alarm.OUT_OF_TIME, at))
    await save(new, *events, desk=desk)
    if due.expired(at):
        await release(due, desk=desk)


async def find(
    held: Allocation, staffing: Staffing, *, at: datetime, desk: Desk
) -> tuple[Allocation, Event]:
    """Reserve a place with the best worker left and offer them the role; else alarm.

    Where people choose whom to ask, the alarm says that somebody is to be chosen.
    """
    if wanted := staffing.wanted(held.id):
        held = held.heed(wanted)
    if desk.policy.mode is Mode.ADVISE:
        new = held.unfilled(desk.policy, at)
        return new, unfilled(new, Alarm.TO_CHOOSE, at)
    await desk.directory.refresh()
    need = await desk.need(held, staffing, at)
    until = desk.policy.answer_by(at, held.level) + HOLD_SLACK
    while True:
        candidates = desk.directory.least_loaded(held.role)
        choice = choose(candidates, need, desk.policy, at)
        if choice is None:
            new = held.unfilled(desk.policy, at)
            return new, unfilled(new, Alarm.NO_CANDIDATE, at)
        reserving = partial(Worker.reserve, need=need, until=until, at=at)
        why = await _refused(choice.worker_id, reserving, held.lane, desk.directory)
        if why is None:
            new = held.offered(choice, desk.policy, at)
            if await asked(held.case_id, held.role, choice.wall, desk=desk):
                return new, offered(new)
            await release(new, desk=desk)
        lost = need.without_room if why == NO_ROOM else need.without
        need = lost(choice.worker_id)


async def asked(case_id: str, role: Role, wall: str | None, *, desk: Desk) -> bool:
    """Note that a compartment is asked to have a role, unless it serves the other side.

    Whoever is in no team has no compartment.

    Raises:
        Conflict: Others kept changing what the case needs.
    """
    if wall is None:
        return True
    for _ in range(TRIES):
        staffing = await desk.staffings.get(case_id)
        if staffing is None:
            return False
        try:
            new = staffing.ask(role, wall)
        except SameCompartment:
            return False
        if new is staffing:
            return True
        with suppress(Conflict):
            await desk.staffings.save(new)
            return True
    raise Conflict


TRIES = 5
"""How often what a case needs is read anew because others have changed it: the roles of
a case are few, and each is noted once."""


async def save(
    new: Allocation, *events: Event, desk: Desk, cause: Message[Event] | None = None
) -> Allocation:
    """Save what was decided about a role.

    Raises:
        Conflict: Something else was decided meanwhile; a place that was reserved for an
            offer which is not made is free again.
    """
    try:
        return await desk.allocations.save(new, *events, cause=cause, lane=new.lane)
    except Conflict:
        decided = await desk.allocations.get(new.id)
        if decided is None or decided.worker_id != new.worker_id:
            await release(new, desk=desk)
        raise


async def settle(accepted: Allocation, *, desk: Desk) -> None:
    """Make the place of whoever has accepted a role permanent.

    If the role has ended or was taken back in the meantime, its place may have been
    freed before this gave it again, so it is looked at once more.
    """
    await keep(accepted, desk=desk)
    held = await desk.allocations.get(accepted.id)
    if held is None or held.holder != accepted.worker_id:
        await release(accepted, desk=desk)
    elif held.taken() != accepted.taken():
        # It is at a higher level meanwhile.
        await keep(held, desk=desk)


async def end(
    held: Allocation,
    *,
    desk: Desk,
    reason: WithdrawnFor | None = None,
    goes_on: bool = False,
) -> None:
    """End a role that is no longer needed, and free its place.

    Whoever has accepted it knows that the response has ended, if that is why; for any
    other reason, or if the response goes on without them, they are told.
    """
    if held.status is not Status.ENDED:
        at = desk.clock.now()
        unknown = reason is not None or goes_on
        tell = held.status is Status.OFFERED or (unknown and held.holder)
        told: list[Event] = [withdrawn(held, at, reason)] if tell else []
        told += [ended(held, each, at) for each in held.working]
        if held.open:
            told.append(not_needed(held, at))
        keeper = held.kept_by
        if keeper is not None and unknown:
            told.append(withdrawn(held, at, reason, worker_id=keeper))
        held = await desk.allocations.save(held.end(at), *told, lane=held.lane)
        if keeper is not None:
            await free(held, keeper, desk=desk)
    await release(held, desk=desk)


async def keep(held: Allocation, *, desk: Desk) -> None:
    """Make the place permanent of whoever has accepted a role."""
    taken = held.taken()

    def keeping(worker: Worker) -> Worker:
        return worker.keep(taken)

    if held.worker_id is not None:
        await desk.directory.change(held.worker_id, keeping, held.lane)


async def keep_again(held: Allocation, keeper: str, *, desk: Desk) -> bool:
    """Give the place back to whoever handed a role over, if they are still at work."""
    taken = held.taken()

    def keeping(worker: Worker) -> Worker:
        if not worker.serves(taken.role):
            raise CannotTake
        return worker.keep(taken)

    try:
        await desk.directory.change(keeper, keeping, held.lane)
    except (CannotTake, NoSuchWorker):
        return False
    return True


async def weigh_anew(held: Allocation, *, desk: Desk) -> None:
    """Have the places of whoever has a role, or is asked, count as it does now."""
    weighing = partial(Worker.weigh_anew, need=held.taken())
    for each in {held.holder, held.kept_by} - {None}:
        if each is not None:
            await desk.directory.change(each, weighing, held.lane)


async def release(held: Allocation, *, desk: Desk) -> None:
    """Free the place of whoever a role was offered to."""
    if held.worker_id is not None:
        await free(held, held.worker_id, desk=desk)


async def free(held: Allocation, worker_id: str, *, desk: Desk) -> None:
    """Free the place that somebody has for a role."""
    releasing = partial(Worker.release, allocation_id=held.id)
    await desk.directory.change(worker_id, releasing, held.lane)


async def _refused(
    worker_id: str, reserving: Change, lane: Lane, directory: Directory
) -> str | None:
    """Reserve a place with somebody, or say why they cannot take it any more."""
    try:
        await directory.change(worker_id, reserving, lane)
    except CannotTake as refusal:
        return str(refusal)
    return None
