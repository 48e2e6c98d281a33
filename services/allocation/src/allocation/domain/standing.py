"""How a worker stands to a case: what every decision about access begins with."""

from collections.abc import Iterable

from accord_contracts.access import SIDES, OpenGlass, Side, Standing
from accord_contracts.allocation import Role

from allocation.domain.directory import Worker
from allocation.domain.glass import Glass
from allocation.domain.staffing import Staffing


def standing_of(
    worker: Worker, staffing: Staffing, roles: Iterable[Role], glass: Glass | None
) -> Standing:
    """Say how a worker stands to a case.

    Args:
        worker: As the directory knows them.
        staffing: Who has worked on the case, and who may not.
        roles: Which they have accepted in it.
        glass: What they have broken of it, if it is open.
    """
    lists = staffing.lists
    served = {
        Side.PERSON_USING_VIOLENCE: staffing.served_outreach,
        Side.PERSON_HARMED: staffing.served_others,
    }
    return Standing(
        case_id=staffing.id,
        worker_id=worker.id,
        active=worker.active,
        coordinator=worker.duty_coordinator,
        sides=frozenset(SIDES[each] for each in roles),
        served=frozenset(side for side, who in served.items() if worker.id in who),
        own_side=worker.own_side,
        conflict=worker.id in lists.conflicts,
        excluded=worker.id in lists.excluded,
        unlisted=lists.unlisted(worker.id),
        glass=OpenGlass(id=glass.id, until=glass.until) if glass else None,
    )
