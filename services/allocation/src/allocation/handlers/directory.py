"""What the locality says of its workers."""

from datetime import datetime

from accord_chassis.store import Conflict

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

    try:
        return await desk.directory.change(told.id, replacing)
    except NoSuchWorker:
        saved = await workers.save(Worker(id=told.id).replaced_by(told, at))
        desk.directory.learn(saved)
        return saved
