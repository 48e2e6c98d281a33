"""What the locality says of its workers."""

from datetime import datetime
from functools import partial

from accord_chassis.store import Conflict
from accord_contracts.allocation import Leave, LeaveChanged
from accord_contracts.message import Event, Lane

from allocation.domain.directory import NoSuchWorker, Worker
from allocation.domain.walls import SameCompartment
from allocation.handlers.placing import Desk, asked
from allocation.store.kept import Workers


async def put_worker(
    told: Worker, *, at: datetime, workers: Workers, desk: Desk
) -> Worker:
    """Take a worker into the directory, or replace what it says of them.

    The places that they have given stay.

    Raises:
        ServesBothSides: Their roles would have them serve both sides.
        StillServesTheOtherSide: They would change sides in the middle of a case.
        SameCompartment: Their new compartment serves the other side of one.
        Conflict: They were given another place meanwhile.
    """
    told.check()
    held = await workers.get(told.id)
    places = held.holds if held else {}
    if held and told.wall != held.wall:
        for each in places.values():
            if not await asked(each.case_id, each.role, told.wall, desk=desk):
                raise SameCompartment

    def replacing(worker: Worker) -> Worker:
        if worker.wall != told.wall and not worker.holds.keys() <= places.keys():
            # What was given meanwhile was not asked about: all of it again.
            raise Conflict
        return worker.replaced_by(told, at)

    news = partial(leave_of, at=at)
    try:
        return await desk.directory.change(told.id, replacing, Lane.ROUTINE, news)
    except NoSuchWorker:
        new = Worker(id=told.id).replaced_by(told, at)
        saved = await workers.save(new, *news(new))
        desk.directory.learn(saved)
        return saved


def leave_of(worker: Worker, at: datetime) -> list[Event]:
    """Tell when somebody is away, if they are to be or ever were to be.

    Also where nothing has changed: so whoever has not heard of it, or of its being
    taken back, hears it from the next file of the directory.
    """
    if not worker.leave_told:
        return []
    away = [e for e in worker.absences if e.percent == 0 and e.until > at]
    leave = tuple(Leave(since=each.since, until=each.until) for each in away)
    return [LeaveChanged(worker_id=worker.id, leave=leave, changed_at=at)]
