"""How a worker stands to a case: what every decision about access begins with."""

from collections.abc import Iterable, Sequence

from accord_contracts.access import SIDES, OpenGlass, Side, Standing
from accord_contracts.allocation import Role

from allocation.domain.directory import Worker
from allocation.domain.glass import Glass
from allocation.domain.lists import Lists
from allocation.domain.staffing import Staffing


def standing_of(
    worker: Worker,
    staffing: Staffing,
    roles: Iterable[Role],
    glass: Glass | None,
    merged: Sequence[Staffing] = (),
) -> Standing:
    """Say how a worker stands to a case.

    Args:
        worker: As the directory knows them.
        staffing: Who has worked on the case, and who may not.
        roles: Which they have accepted in it, or in what it is merged with.
        glass: What they have broken of it, if it is open.
        merged: The other cases that are one with it: the lists of all of them hold.
    """
    lists = lists_of(staffing, merged)
    family = (staffing, *merged)
    served = {
        Side.PERSON_USING_VIOLENCE: _all(each.served_outreach for each in family),
        Side.PERSON_HARMED: _all(each.served_others for each in family),
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
        excluded=worker.id in lists.excluded | lists.agency_workers
        or worker.provider in lists.agencies,
        unlisted=lists.unlisted(worker.id),
        glass=OpenGlass(id=glass.id, until=glass.until) if glass else None,
        transferred=any(each.transferred_at for each in family),
        skills=worker.skills,
    )


def standing_outside(
    listed: str, staffing: Staffing, merged: Sequence[Staffing] = ()
) -> Standing:
    """Say whether the lists of a case name somebody whom the directory does not know.

    Args:
        listed: Their ``listed_id``, or an agency's.
        staffing: Who may have nothing to do with the case.
        merged: The other cases that are one with it.
    """
    named = lists_of(staffing, merged).name(listed)
    return Standing(case_id=staffing.id, worker_id=listed, excluded=named)


def lists_of(staffing: Staffing, merged: Sequence[Staffing]) -> Lists:
    """Give the lists that hold for a case and for all that is one with it."""
    return staffing.in_force.with_those_of(each.in_force for each in merged)


def _all(some: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*some)
