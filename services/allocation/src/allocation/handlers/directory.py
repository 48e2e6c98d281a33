"""What the locality says of its workers."""

from datetime import datetime

from allocation.domain.directory import NoSuchWorker, Worker
from allocation.store import Directory, Workers


async def put_worker(
    told: Worker, *, at: datetime, workers: Workers, directory: Directory
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
        return await directory.change(told.id, replacing)
    except NoSuchWorker:
        saved = await workers.save(Worker(id=told.id).replaced_by(told, at))
        directory.learn(saved)
        return saved
