"""Who may not have to do with a case, how workers stand to cases, and broken glass."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from accord_chassis.batching import Batcher
from accord_chassis.clock import Clock
from accord_chassis.guard import NoSuchRecord
from accord_contracts.access import QUESTIONS_TOGETHER, Standing
from accord_contracts.allocation import (
    AllocationDeclined,
    DeclineReason,
    GlassBroken,
    GlassNotReviewed,
    GlassReason,
    GlassReviewed,
)
from accord_contracts.message import Event, Lane, Message
from accord_contracts.notify import NotificationDeclined

from allocation.domain.glass import Glass, NoSuchGlass, NotJustified
from allocation.domain.lists import Lists, ListsChanged, NotSeen
from allocation.domain.staffing import Staffing
from allocation.domain.standing import standing_of, standing_outside
from allocation.handlers.staffing import team_changed, wanted
from allocation.store.kept import Allocations, Glasses, Staffings, Workers

Question = tuple[str, Sequence[str]]
"""How a worker stands to some cases."""


@dataclass(slots=True, eq=False)
class Door:
    """What it takes to know who may have to do with which case."""

    staffings: Staffings
    allocations: Allocations
    workers: Workers
    glasses: Glasses
    clock: Clock
    _asked: Batcher[Question, Mapping[str, Standing]] = field(init=False)

    def __post_init__(self) -> None:
        self._asked = Batcher(self._of_all, limit=QUESTIONS_TOGETHER)

    async def of(
        self, worker_id: str, case_ids: Sequence[str]
    ) -> Mapping[str, Standing]:
        """Tell how a worker stands to each of some cases.

        Whoever the directory does not know is not active, and has to do with none; but
        the lists of a case may name them.
        """
        return await self._asked((worker_id, case_ids))

    async def _of_all(
        self, asked: Sequence[Question]
    ) -> Sequence[Mapping[str, Standing]]:
        worker_ids = sorted({worker_id for worker_id, _ in asked})
        case_ids = sorted({each for _, some in asked for each in some})
        workers, cases, roles, open_glass = await asyncio.gather(
            asyncio.gather(*map(self.workers.get, worker_ids)),
            self._staffings(case_ids),
            self.allocations.accepted_by(worker_ids, case_ids),
            self.glasses.open_to(worker_ids, case_ids, self.clock.now()),
        )
        known = dict(zip(worker_ids, workers, strict=True))
        families = await self._families(cases)
        if more := families.keys() - cases.keys():
            roles |= await self.allocations.accepted_by(worker_ids, more)

        def standing(worker_id: str, case_id: str) -> Standing:
            worker, place = known[worker_id], (worker_id, case_id)
            staffing = families.get(case_id) or Staffing(id=case_id)
            merged = one_with(staffing, families)
            if worker is None:
                return standing_outside(worker_id, staffing, merged)
            held = [
                role
                for each in (staffing, *merged)
                for role in roles.get((worker_id, each.id), ())
            ]
            glass = open_glass.get(place)
            return standing_of(worker, staffing, held, glass, merged)

        return [
            {case_id: standing(worker_id, case_id) for case_id in some}
            for worker_id, some in asked
        ]

    async def family_of(self, case_id: str) -> list[str]:
        """Name a case and what is one with it; nothing, if there is no such case."""
        families = await self._families(await self._staffings([case_id]))
        held = families.get(case_id)
        return [case_id, *(e.id for e in one_with(held, families))] if held else []

    async def _staffings(self, case_ids: Iterable[str]) -> dict[str, Staffing]:
        found = await asyncio.gather(*map(self.staffings.get, case_ids))
        return {each.id: each for each in found if each is not None}

    async def _families(self, cases: dict[str, Staffing]) -> dict[str, Staffing]:
        """Add what the cases are merged into, and then what is merged into that."""
        known = dict(cases)
        for _ in range(2):
            linked = {
                e for each in known.values() for e in (each.merged_into, *each.shares)
            }
            if missing := {e for e in linked if e is not None} - known.keys():
                known |= await self._staffings(missing)
        return known


def one_with(held: Staffing, known: Mapping[str, Staffing]) -> list[Staffing]:
    """Give the other cases that are one with a case: its survivor, and its likes."""
    survivor = known.get(held.merged_into, held) if held.merged_into else held
    ids = dict.fromkeys((survivor.id, *survivor.shares))
    return [known[each] for each in ids if each != held.id and each in known]


async def put_lists(
    case_id: str, lists: Lists, by: str, *, seen: str | None, door: Door
) -> Lists:
    """Name who may have nothing to do with a case; who works on it changes with it.

    Every role that nobody else has is wanted anew: one that is with somebody who is
    barred now is taken back and offered to another.

    Args:
        case_id: Which case.
        lists: The lists, which take the place of those there are.
        by: The coordinator who sets them.
        seen: The mark of those they have read, if they say.
        door: What it takes to know who may have to do with it.

    Raises:
        NoSuchRecord: There is no such case.
        NotSeen: They do not say which they have read.
        ListsChanged: Somebody else has changed them since.
        NobodyLeft: No coordinator but the one who sets them could look at it.
    """
    held = await door.staffings.get(case_id)
    if held is None:
        raise NoSuchRecord
    # Only now: a case that there is not must look like one that they may not see.
    if seen is None:
        raise NotSeen
    if seen != held.lists.mark:
        raise ListsChanged
    others = await door.workers.coordinators() - {by}
    theirs = await door.workers.of_agencies(lists.agencies)
    new = held.list_(lists.model_copy(update={"agency_workers": theirs}), others)
    if new.lists == held.lists:
        return held.lists
    told = changed(new, held, door.clock.now())
    await door.staffings.save(new, *told, lane=Lane.URGENT)
    return new.lists


async def note_conflict(
    message: Message[AllocationDeclined] | Message[NotificationDeclined], *, door: Door
) -> None:
    """Bar from a case whoever has said that they have a conflict of interest.

    Whether they have said so of a role or of anything else that they were told of the
    case: every role that they have or are asked for is taken back with it.
    """
    told = message.data
    if told.reason is not DeclineReason.CONFLICT_OF_INTEREST:
        return
    held = await door.staffings.get(told.case_id, cause=message)
    held = held or Staffing(id=told.case_id)
    if held.erased_at is not None:
        return
    new = held.note_conflict(told.worker_id)
    if new is held:
        return
    events = changed(new, held, told.declined_at)
    await door.staffings.save(new, *events, cause=message)


def changed(new: Staffing, held: Staffing, at: datetime) -> list[Event]:
    """Tell what other lists change: who works on the case, and what it needs."""
    events = wanted(new, held)
    if (new.team, new.lead_agency) != (held.team, held.lead_agency):
        events.insert(0, team_changed(new, at))
    return events


async def break_glass(
    case_id: str, worker_id: str, reason: GlassReason, *, minutes: int, door: Door
) -> Glass:
    """Break the glass of a case; while it is open, once is as good as twice.

    Raises:
        NoSuchGlass: There is no such case.
        NotJustified: They have done so before without good reason.
    """
    at = door.clock.now()
    held, open_glass, abused = await asyncio.gather(
        door.staffings.get(case_id),
        door.glasses.open_to([worker_id], [case_id], at),
        door.glasses.abused_by(worker_id, case_id),
    )
    if held is None:
        raise NoSuchGlass
    if abused:
        raise NotJustified
    if still_open := open_glass.get((worker_id, case_id)):
        return still_open
    glass = Glass.broken(case_id, worker_id, reason, minutes=minutes, at=at)
    broken = GlassBroken(
        **_about(glass),
        reason=reason,
        broken_at=at,
        until=glass.until,
        review_by=glass.review_by,
    )
    return await door.glasses.save(glass, broken, lane=Lane.URGENT)


async def review_glass(
    glass_id: str, reviewer_id: str, *, justified: bool, door: Door
) -> Glass:
    """Say whether there was good reason to break the glass of a case.

    Raises:
        NoSuchGlass: There is no such record.
        OwnGlass: By whoever broke it.
        ReviewedBefore: Somebody has said otherwise.
    """
    held = await door.glasses.get(glass_id)
    if held is None:
        raise NoSuchGlass
    at = door.clock.now()
    new = held.review(reviewer_id, at, justified=justified)
    if new is held:
        return held
    reviewed = GlassReviewed(
        **_about(new), reviewer_id=reviewer_id, justified=justified, reviewed_at=at
    )
    return await door.glasses.save(new, reviewed)


async def tell_not_reviewed(due: Glass, *, door: Door) -> None:
    """Raise the alarm that nobody has reviewed in time why a glass was broken."""
    at = door.clock.now()
    alarm = GlassNotReviewed(
        **_about(due),
        noticed_at=at,
        late_by=(at - due.review_by).total_seconds(),
    )
    await door.glasses.save(due.fall_due(at), alarm, lane=Lane.URGENT)


def _about(glass: Glass) -> dict[str, str]:
    return {
        "case_id": glass.case_id,
        "glass_id": glass.id,
        "worker_id": glass.worker_id,
    }
