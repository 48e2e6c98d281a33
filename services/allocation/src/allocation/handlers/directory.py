"""What the locality says of its workers."""

from datetime import datetime

from allocation.domain.directory import NoSuchWorker, Worker
from allocation.handlers.placing import Desk
from allocation.store.kept import Workers


async def put_worker(
    told: Worker, *, at: datetime, workers: Workers, desk: Desk
) -> Worker:
    """Take a worker into the directory, or replace what it says of them.

    The places that they have given stay.

    Raises:
        ServesBothSides: Their roles would have them serve both sides.
        StillServesTheOtherSide: They would change sides in the middle of a case.
    """
    told.check()

    def replacing(worker: Worker) -> Worker:
        return worker.replaced_by(told, at)

    try:
        return await desk.directory.change(told.id, replacing)
    except NoSuchWorker:
        saved = await workers.save(Worker(id=told.id).replaced_by(told, at))
        desk.directory.learn(saved)
        return saved
