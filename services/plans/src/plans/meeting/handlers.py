"""What people do at meetings."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog
from accord_chassis.service import settled
from accord_chassis.store import EPOCH
from accord_contracts.access import ClosedToChange
from accord_contracts.message import Lane
from accord_contracts.plans import (
    MeetingCalled,
    MeetingCalledOff,
    MeetingClosed,
    MeetingDecided,
)

from plans.domain.meeting.agenda import agenda
from plans.domain.meeting.discussion import (
    Decision,
    Discussion,
    NotLoweredHere,
    NotOnTheAgenda,
    ResponseEnded,
    Wanted,
    id_of,
)
from plans.domain.meeting.docket import Docket
from plans.domain.meeting.meeting import (
    Addition,
    Called,
    Entry,
    Meeting,
    MeetingOver,
    NoSuchMeeting,
    NotBegun,
    Seat,
    SignFirst,
)
from plans.domain.meeting.minutes import minutes_of, seal_of
from plans.domain.meeting.rules import CALLED, Takes
from plans.domain.plan import Merged
from plans.meeting.promising import newly_promised, no_longer_asked
from plans.meeting.store import Table, Taken, by_case

log = structlog.get_logger()

AROUND = timedelta(days=15)
"""So far before and after now meetings stand in the calendar without being called."""


async def meeting_of(meeting_id: str, table: Table) -> Meeting:
    """Give a meeting: as it is kept, or as it stands in the calendar.

    Raises:
        NoSuchMeeting: There is none.
    """
    if held := await table.meetings.get(meeting_id):
        return held
    now = table.clock.now()
    for slot in table.rules.calendar(now - AROUND, now + AROUND):
        if slot.id == meeting_id:
            return Meeting.of_slot(slot, table.rules)
    raise NoSuchMeeting


async def upcoming(since: datetime, until: datetime, table: Table) -> list[Meeting]:
    """Give the meetings between two times, in order."""
    kept = {each.id: each for each in await table.meetings.between(since, until)}
    slots = table.rules.calendar(since, until)
    found = {each.id: Meeting.of_slot(each, table.rules) for each in slots} | kept
    return sorted(found.values(), key=lambda each: (each.starts_at, each.series))


class Agenda(NamedTuple):
    """What a meeting is about, and how many cases are too many for it."""

    entries: tuple[Entry, ...]
    left_off: int


async def agenda_of(meeting: Meeting, table: Table) -> Agenda:
    """Give a meeting's agenda: as it stands, or as it was when the meeting began.

    What was added since stands behind, in the order of risk and clock.
    """
    cases = {each.case_id for each in meeting.added}
    if meeting.began_at:
        cases -= {each.case_id for each in meeting.agenda}
        late = await table.dockets.all_of(cases)
        # Beside what was added, nothing comes up any more.
        added = meeting.model_copy(update={"series": CALLED})
        entries = (*meeting.agenda, *agenda(added, late, {}, table.rules))
        return Agenda(entries, meeting.left_off)
    carried = await _carried(meeting, table)
    taken = await _taken(meeting, table)
    if taken.left_off:
        log.warning("agenda.left_off", count=taken.left_off)
    found = {each.id: each for each in taken.cases}
    missing = (cases | carried.keys()) - found.keys()
    if missing:
        found |= {each.id: each for each in await table.dockets.all_of(missing)}
    entries = agenda(meeting, found.values(), carried, table.rules)
    return Agenda(entries, taken.left_off)


async def _carried(meeting: Meeting, table: Table) -> dict[str, datetime]:
    """Give what was left open, each case with since when.

    A series goes on with its own; what is called besides has no next meeting, so the
    series that takes what has happened goes on with that too.
    """
    last = await table.meetings.last_of(meeting.series)
    before = [last] if last else []
    series = table.rules.series.get(meeting.series)
    if series and series.takes is Takes.STIRRED:
        since = last.began_at if last else None
        before += await table.meetings.called_since(since or EPOCH)
    before.sort(key=lambda each: each.starts_at, reverse=True)
    found = {case_id: each.starts_at for each in before for case_id in each.carried}
    carried = dict(found)
    for each in await table.dockets.all_of(found):
        # Of what was merged since, the case that it is part of comes up.
        if each.merged_into and not each.erased_at:
            since = carried.pop(each.id)
            carried.setdefault(each.merged_into, since)
    return carried


async def _taken(meeting: Meeting, table: Table) -> Taken:
    series = table.rules.series.get(meeting.series)
    if series is None:
        return Taken([], 0)
    if series.takes is Takes.STIRRED:
        by = meeting.starts_at
        return await table.dockets.wanted(by, series.least, meeting.series)
    return await table.dockets.at_risk(series.least, meeting.series)


async def call(
    meeting_id: str,
    starts_at: datetime,
    agencies: tuple[str, ...],
    cases: tuple[str, ...],
    *,
    by: str | None,
    table: Table,
) -> Meeting:
    """Call a meeting; the same called again is the same meeting.

    Raises:
        NotOnTheAgenda: Nobody is to talk about one of the cases.
        Called: That id is another meeting's.
        TooLateToAdd: It is to begin before its cut-off can be kept.
        MeetingOver: It was called off since.
    """
    at = table.clock.now()
    made = Meeting.call(meeting_id, starts_at, table.rules, agencies)
    for each in cases:
        made = made.add(Addition(case_id=each, by=by, at=at))
    try:
        held = await meeting_of(meeting_id, table)
    except NoSuchMeeting:
        await _are_open(cases, table)
        told = (
            MeetingCalled(meeting_id=made.id, agency=each, starts_at=made.starts_at)
            for each in made.agencies
        )
        return await table.meetings.save(made, *told)
    same = {"series", "starts_at", "agencies"}
    if held.model_dump(include=same) != made.model_dump(include=same):
        raise Called
    if held.called_off_at:
        raise MeetingOver
    return held


async def call_off(meeting_id: str, *, table: Table) -> Meeting:
    """Have a called meeting not take place, and tell so whom it was told of."""
    held, at = await meeting_of(meeting_id, table), table.clock.now()
    new = held.call_off(at)
    if new is held:
        return held
    told = (
        MeetingCalledOff(meeting_id=held.id, agency=each, called_off_at=at)
        for each in held.agencies
    )
    return await table.meetings.save(new, *told)


async def sign(meeting_id: str, seat: Seat, *, table: Table) -> Meeting:
    """Have somebody sit down at a meeting who has signed its statement."""
    held = await meeting_of(meeting_id, table)
    new = held.sign(seat, table.rules)
    return held if new is held else await table.meetings.save(new)


async def add_case(
    meeting_id: str, case_id: str, *, by: str | None, table: Table
) -> Meeting:
    """Put a case on a meeting's agenda.

    Raises:
        NotOnTheAgenda: Nobody is to talk about it: there is none, or it has ended.
    """
    await _are_open((case_id,), table)
    held = await meeting_of(meeting_id, table)
    new = held.add(Addition(case_id=case_id, by=by, at=table.clock.now()))
    return held if new is held else await table.meetings.save(new)


async def _are_open(cases: Sequence[str], table: Table) -> None:
    found = await table.dockets.all_of(cases)
    if {each.id for each in found if each.open} != set(cases):
        raise NotOnTheAgenda


async def begin(meeting_id: str, *, table: Table) -> Meeting:
    """Begin a meeting: its agenda stays as it is from now on."""
    held = await meeting_of(meeting_id, table)
    if held.began_at:
        return held
    found = await agenda_of(held, table)
    new = held.begin(found.entries, table.clock.now(), found.left_off)
    return await table.meetings.save(new)


async def decide(
    meeting_id: str,
    case_id: str,
    wanted: Wanted,
    *,
    replaces: int,
    by: str | None,
    table: Table,
) -> Discussion:
    """Decide on a case, in the name of whoever sits at the table.

    Raises:
        SignFirst: They have not signed.
        NotBegun: The meeting has not begun.
        MeetingOver: It is over.
        NotOnTheAgenda: The case is not on it, nor one that is merged into it.
        NotLoweredHere: The level is lower than the case's.
        ResponseEnded: It has ended since, and nothing is said of more danger.
        Merged: It was merged into another since, which is decided on.
        ClosedToChange: It was handed over since.
        AlreadyDecided: Somebody has decided meanwhile.
    """
    meeting = await meeting_of(meeting_id, table)
    seat = meeting.seat_of(by)
    if seat is None:
        raise SignFirst
    if not meeting.began_at:
        raise NotBegun
    if not await _is_spoken_about(case_id, meeting, table):
        raise NotOnTheAgenda
    held = await table.discussions.get(id_of(meeting_id, case_id))
    held = held or Discussion.of(meeting_id, case_id)
    docket = await table.dockets.get(case_id)
    if docket is None or docket.level is None or docket.erased_at:
        raise NotOnTheAgenda
    level = docket.level
    decision = Decision(
        wanted=wanted,
        by=seat.worker_id,
        agency=seat.agency,
        at=table.clock.now(),
        raised=wanted.level.rank > level.rank,
        remind_hours=table.policy.reminders[wanted.level],
    )
    new = held.decide(wanted, replaces=replaces, decision=decision)
    if new is held:
        return held
    if meeting.closing_at:
        raise MeetingOver
    if wanted.level.rank < level.rank:
        raise NotLoweredHere
    _may_be_decided_on(docket, raised=decision.raised)
    lane = Lane.URGENT if wanted.level.urgent else Lane.ROUTINE
    told = (
        _decided(new, decision),
        *no_longer_asked(new, held, decision.at),
        *newly_promised(new, held, decision.at),
    )
    return await table.discussions.save(new, *told, lane=lane)


async def _is_spoken_about(case_id: str, meeting: Meeting, table: Table) -> bool:
    """Tell whether a case is on the agenda, or one that was merged into it since."""
    if case_id in meeting.cases:
        return True
    merged = await table.dockets.merged_with(case_id)
    return any(each.id in meeting.cases for each in merged)


def _may_be_decided_on(docket: Docket, *, raised: bool) -> None:
    """See that a case is still talked about: the agenda stands since the beginning.

    That a household is in more danger than was known is heard though its response has
    ended: by it, it begins anew.
    """
    if docket.transferred_at:
        raise ClosedToChange
    if docket.merged_into:
        raise Merged("It is part of another case: decide on that one.")
    if not docket.open and not raised:
        raise ResponseEnded


def _decided(said: Discussion, decision: Decision) -> MeetingDecided:
    """Tell what a meeting decided, in the name of whoever did."""
    wanted = decision.wanted
    return MeetingDecided(
        case_id=said.case_id,
        meeting_id=said.meeting_id,
        number=len(said.decisions),
        decided_by=decision.by,
        agency=decision.agency,
        level=wanted.level,
        raised=decision.raised,
        lead=wanted.lead,
        roles=wanted.roles,
        review_at=wanted.review_at,
        carried_over=wanted.carry_over,
        decided_at=decision.at,
    )


async def close(meeting_id: str, *, table: Table) -> Meeting:
    """Close a meeting: nothing is decided any more, and its minutes are locked.

    It is three steps, each of which may be done again: first nobody may begin to
    decide, then what is under way is let finish or refused, case by case, and then what
    is left is what the minutes say.
    """
    held = await meeting_of(meeting_id, table)
    new = held.end(table.clock.now())
    if new is not held:
        held = await table.meetings.save(new)
    return await lock_minutes(held, table=table)


async def close_by_clock(held: Meeting, *, table: Table) -> None:
    """Close a meeting that nobody has closed, so that its cases come up again.

    If it never began, all of them do.
    """
    if not held.began_at:
        found = await agenda_of(held, table)
        new = held.begin(found.entries, table.clock.now(), found.left_off)
        held = await table.meetings.save(new)
    if not held.closing_at:
        held = await table.meetings.save(held.end(table.clock.now()))
    await lock_minutes(held, table=table)


async def lock_minutes(meeting: Meeting, *, table: Table) -> Meeting:
    """Bring the closing of a meeting to its end; if it is closed, it stays as it is."""
    if meeting.closed_at:
        return meeting
    into = await _survivors(meeting, table)
    said = await table.discussions.of_meeting(meeting.id)
    cases = {
        *meeting.cases,
        *into.values(),
        *(e.case_id for e in said if not e.erased_at),
    }
    await asyncio.gather(
        *(settled(partial(_lock, meeting.id, each, table)) for each in sorted(cases))
    )
    said = await table.discussions.of_meeting(meeting.id)
    done = by_case(said)
    # What was merged is settled by what was decided on the case that it is part of.
    carried = tuple(
        each
        for each in meeting.cases
        if not (_settled(done, each) or _settled(done, into.get(each, each)))
    )
    new = meeting.lock(minutes_of(meeting, said), carried, table.clock.now())
    closed = MeetingClosed(
        meeting_id=meeting.id,
        decided=len(meeting.cases) - len(carried),
        carried_over=len(carried),
        closed_at=new.closed_at or table.clock.now(),
    )
    return await table.meetings.save(new, closed)


async def _survivors(meeting: Meeting, table: Table) -> dict[str, str]:
    """Give of the cases of a meeting that are merged by now which they are part of."""
    dockets = await table.dockets.all_of(meeting.cases)
    return {each.id: each.merged_into for each in dockets if each.merged_into}


def _settled(done: Mapping[str, Discussion], case_id: str) -> bool:
    said = done.get(case_id)
    return said is not None and (said.settled or said.erased_at is not None)


async def _lock(meeting_id: str, case_id: str, table: Table) -> None:
    held = await table.discussions.get(id_of(meeting_id, case_id))
    held = held or Discussion.of(meeting_id, case_id)
    if held.locked is None:
        salted = held.model_copy(update={"salt": secrets.token_hex(16)})
        await table.discussions.save(salted.lock(seal_of(salted)))
