"""Meetings over HTTP."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from accord_chassis.decision import (
    ANYBODY,
    NOT_OUTREACH,
    Action,
    Permit,
    Relation,
    Resource,
)
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part, settled
from accord_contracts.access import NO_CASE, Purpose, Side
from accord_contracts.message import Code, Id, PolicyVersion
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Response, Security
from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)
from pydantic_core import PydanticCustomError

from plans.domain.meeting.discussion import (
    Discussion,
    NotOnTheAgenda,
    Wanted,
    id_of,
)
from plans.domain.meeting.meeting import (
    Meeting,
    NoSuchMeeting,
    NotBegun,
    Seat,
    SignFirst,
)
from plans.domain.meeting.minutes import intact
from plans.domain.meeting.rules import to_the_minute
from plans.meeting import handlers
from plans.meeting.calendar import MEDIA_TYPE, calendar
from plans.meeting.store import Table, by_case
from plans.meeting.views import (
    CaseView,
    DiscussionView,
    ExtractCaseView,
    ExtractView,
    MeetingView,
    MinutesView,
    SeatView,
    StatementView,
    TableView,
)

router = APIRouter(prefix="/meetings", tags=["meetings"])

Table_ = Annotated[Table, part(Table)]
Member = Annotated[Asking, Security(asking, scopes=["plans.meet"])]

AHEAD = timedelta(days=14)
"""So far ahead meetings are listed."""

PURPOSES = (Purpose.PLAN, Purpose.ASSESSMENT, Purpose.PROTECTION)

INVITED = (Relation.OWNER, Relation.COORDINATOR)
"""Agencies that are invited, whoever sits at the table, and coordinators."""

LIST_MEETINGS = Action("meetings.list", (Relation.SCOPE,), purposes=PURPOSES)
READ_STATEMENT = Action("statement.read", (Relation.SCOPE,), purposes=PURPOSES)
LEADING = (Relation.COORDINATOR, Relation.OWNER)
"""The same: who coordinates is shown all, also when they sit at the table."""

READ_MEETING = Action("meeting.read", LEADING)
SIGN = Action("meeting.sign", INVITED)
LEAD_MEETING = Action("meeting.lead", (Relation.COORDINATOR,))
ADD_CASE = Action("meeting.add_case", INVITED, parts={"why": NOT_OUTREACH})
TASKS = {
    f"tasks_{Side.PERSON_HARMED}": NOT_OUTREACH,
    f"tasks_{Side.WHOLE_CASE}": NOT_OUTREACH,
    f"tasks_{Side.PERSON_USING_VIOLENCE}": ANYBODY,
}
READ_CASE = Action(
    "discussion.read",
    LEADING,
    parts={"stand": ANYBODY, "why": NOT_OUTREACH, "decision": NOT_OUTREACH, **TASKS},
)
DECIDE = Action("discussion.decide", (Relation.OWNER,), parts={"why": NOT_OUTREACH})
READ_EXTRACT = Action(
    "extract.read", (Relation.OWNER,), parts={"decision": NOT_OUTREACH, **TASKS}
)


class CallMeeting(BaseModel):
    """A meeting that is called besides.

    Attributes:
        agencies: Who is invited; none: whom the locality always invites.
        cases: What it is about.
    """

    model_config = ConfigDict(extra="forbid")

    starts_at: Annotated[AwareDatetime, AfterValidator(to_the_minute)]
    agencies: Annotated[tuple[Code, ...], Field(max_length=60)] = ()
    cases: Annotated[tuple[Id, ...], Field(min_length=1, max_length=100)]

    @field_validator("agencies")
    @classmethod
    def _each_once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        # Each is told of the meeting, once.
        if len(set(given)) < len(given):
            raise PydanticCustomError("named_twice", "An agency is named twice.")
        return given


class SignStatement(BaseModel):
    """That somebody attends, and keeps to the confidentiality statement they read.

    Attributes:
        statement: Its version.
        digest: Of the text that they read, as it was given with it.
    """

    model_config = ConfigDict(extra="forbid")

    statement: PolicyVersion
    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Decide(Wanted):
    """What is decided, and which decision it replaces: 0, if it is the first."""

    replaces: Annotated[int, Field(ge=0)] = 0


def named(
    meeting_id: str, held: Meeting | None, asker: Asking, at: datetime
) -> Resource:
    """Give a meeting as it is decided about; one that there is not looks the same."""
    if held is None:
        return Resource("meeting", meeting_id, NO_CASE)
    own = asker.who.agency if asker.who.agency in held.agencies else None
    workers = held.at_table(at, seat_hours=0)
    return Resource("meeting", meeting_id, NO_CASE, agency=own, workers=workers)


def case_at(held: Meeting | None, case_id: str, table: Table) -> Resource:
    """Give a case at a meeting as it is decided about: of whoever sits there."""
    if held is None:
        return Resource("discussion", case_id, case_id)
    workers = held.at_table(table.clock.now(), table.rules.seat_hours)
    return Resource("discussion", id_of(held.id, case_id), case_id, workers=workers)


async def _found(meeting_id: str, table: Table) -> Meeting | None:
    try:
        return await handlers.meeting_of(meeting_id, table)
    except NoSuchMeeting:
        return None


async def permitted(
    action: Action,
    meeting_id: str,
    table: Table,
    asker: Asking,
    *,
    otherwise: type[Refusal] = NoSuchMeeting,
) -> tuple[Meeting, Permit]:
    """Give a meeting with which somebody may do something, and by which rule."""
    held = await _found(meeting_id, table)
    resource = named(meeting_id, held, asker, table.clock.now())
    seen = await asker.permit(action, resource, otherwise=otherwise)
    if held is None:
        raise otherwise
    return held, seen


@router.get("")
async def list_meetings(table: Table_, member: Member) -> list[MeetingView]:
    """List the meetings of the next fortnight, called ones included."""
    found = await _listed(table, member)
    return [MeetingView.of(each, table.rules.statement.version) for each in found]


@router.get("/calendar", response_class=Response)
async def read_calendar(table: Table_, member: Member) -> Response:
    """Read the same as an iCalendar that says nothing but when."""
    found = await _listed(table, member)
    return Response(calendar(found, table.clock.now()), media_type=MEDIA_TYPE)


@router.get("/statement")
async def read_statement(table: Table_, member: Member) -> StatementView:
    """Read the confidentiality statement that whoever sits down at a meeting signs."""
    await member.permit(READ_STATEMENT, Resource("statement", NO_CASE))
    return StatementView.of(table.rules.statement)


async def _listed(table: Table, member: Asking) -> list[Meeting]:
    await member.permit(LIST_MEETINGS, Resource("meetings", NO_CASE))
    since = table.clock.now() - timedelta(days=1)
    return await handlers.upcoming(since, since + AHEAD, table)


@router.put("/{meeting_id}")
async def call_meeting(
    meeting_id: Id, told: CallMeeting, table: Table_, chair: Member
) -> MeetingView:
    """Call a meeting besides those of the calendar."""
    resource = Resource("meeting", meeting_id, NO_CASE)
    await chair.permit(LEAD_MEETING, resource, otherwise=NoSuchMeeting)
    for each in told.cases:
        about = Resource("discussion", each, each)
        await chair.permit(ADD_CASE, about, otherwise=NotOnTheAgenda)
    call = partial(
        handlers.call,
        meeting_id,
        told.starts_at,
        told.agencies,
        told.cases,
        by=chair.worker,
        table=table,
    )
    return MeetingView.of(await settled(call), table.rules.statement.version)


@router.delete("/{meeting_id}")
async def call_off_meeting(meeting_id: Id, table: Table_, chair: Member) -> MeetingView:
    """Call a meeting off that was called: its cases come up at the next daily one."""
    await permitted(LEAD_MEETING, meeting_id, table, chair)
    held = await settled(partial(handlers.call_off, meeting_id, table=table))
    return MeetingView.of(held, table.rules.statement.version)


@router.get("/{meeting_id}")
async def read_meeting(meeting_id: Id, table: Table_, member: Member) -> TableView:
    """Read a meeting's agenda: as it builds itself, or as it stands since it began.

    An agency that has not signed sees when it is, and none of its cases.
    """
    held, seen = await permitted(READ_MEETING, meeting_id, table, member)
    return await _laid(held, seen, table, member)


async def _laid(
    held: Meeting, leads: Permit, table: Table, member: Asking
) -> TableView:
    """Show of a meeting what somebody may see."""
    agenda = await handlers.agenda_of(held, table)
    listed = [(case_at(held, each.case_id, table), each) for each in agenda.entries]
    of = named(held.id, held, member, table.clock.now())
    may = await member.permit_each(READ_CASE, listed, of=of)
    ids = [each.case_id for each, _ in may]
    dockets = {each.id: each for each in await table.dockets.all_of(ids)}
    merged = await table.dockets.merged_into(ids)
    said = by_case(await table.discussions.of_meeting(held.id))
    at = table.clock.now()
    cases = (
        CaseView.of(
            entry,
            dockets.get(entry.case_id),
            said.get(entry.case_id),
            merged=merged.get(entry.case_id, ()),
            meeting=held,
            at=at,
            seen=seen,
            agency=member.who.agency,
        )
        for entry, seen in may
    )
    # How many cases there are tells an agency of some that it may not see.
    left_off = agenda.left_off if leads.rule == Relation.COORDINATOR else None
    return TableView.laid(held, table.rules.statement.version, cases, left_off)


@router.post("/{meeting_id}/attendance")
async def attend(
    meeting_id: Id, told: SignStatement, table: Table_, member: Member
) -> SeatView:
    """Sit down at a meeting, having signed its confidentiality statement."""
    await permitted(SIGN, meeting_id, table, member)
    if member.worker is None:
        raise SignFirst
    seat = Seat(
        worker_id=member.worker,
        agency=member.who.agency,
        statement=told.statement,
        text=told.digest,
        signed_at=table.clock.now(),
    )
    held = await settled(partial(handlers.sign, meeting_id, seat, table=table))
    return SeatView.of(held.seat_of(member.worker) or seat)


@router.put("/{meeting_id}/cases/{case_id}")
async def add_case(
    meeting_id: Id, case_id: Id, table: Table_, member: Member
) -> MeetingView:
    """Put a case on a meeting's agenda, until its cut-off."""
    resource = case_at(await _found(meeting_id, table), case_id, table)
    await member.permit(ADD_CASE, resource, otherwise=NotOnTheAgenda)
    add = partial(handlers.add_case, meeting_id, case_id, by=member.worker, table=table)
    return MeetingView.of(await settled(add), table.rules.statement.version)


@router.get("/{meeting_id}/cases/{case_id}")
async def read_case(
    meeting_id: Id, case_id: Id, table: Table_, member: Member
) -> DiscussionView:
    """Read what was decided on a case, by whom, and what was promised."""
    held = await _found(meeting_id, table)
    resource = case_at(held, case_id, table)
    seen = await member.permit(READ_CASE, resource, otherwise=NotOnTheAgenda)
    if held is None:
        raise NotOnTheAgenda
    said = await table.discussions.get(id_of(meeting_id, case_id))
    if said is None and case_id not in held.cases:
        raise NotOnTheAgenda
    return DiscussionView.of(said or Discussion.of(meeting_id, case_id), seen)


@router.post("/{meeting_id}/beginning")
async def begin_meeting(meeting_id: Id, table: Table_, chair: Member) -> TableView:
    """Begin: the agenda stays as it is, and what was added until the cut-off."""
    _, seen = await permitted(LEAD_MEETING, meeting_id, table, chair)
    held = await settled(partial(handlers.begin, meeting_id, table=table))
    return await _laid(held, seen, table, chair)


@router.post("/{meeting_id}/cases/{case_id}/decision")
async def decide(
    meeting_id: Id, case_id: Id, told: Decide, *, table: Table_, member: Member
) -> DiscussionView:
    """Decide on a case: whoever has decided meanwhile is not overwritten."""
    held = await _found(meeting_id, table)
    resource = case_at(held, case_id, table)
    await member.permit(DECIDE, resource, otherwise=NotOnTheAgenda)
    seen = await member.permit(READ_CASE, resource, otherwise=NotOnTheAgenda)
    if held and (wrong := [*_misfits(told, held, table)]):
        raise RequestValidationError(wrong)
    decide_ = partial(
        handlers.decide,
        meeting_id,
        case_id,
        Wanted(**told.model_dump(exclude={"replaces"})),
        replaces=told.replaces,
        by=member.worker,
        table=table,
    )
    return DiscussionView.of(await settled(decide_), seen)


def _misfits(told: Decide, held: Meeting, table: Table) -> Iterator[dict[str, Any]]:
    """Name what this locality cannot decide so, as the errors of a request."""
    for place, each in enumerate(told.tasks):
        if each.action not in table.policy.actions:
            yield error("unknown_action", "tasks", place, "action")
        if each.agency not in held.agencies:
            yield error("not_invited", "tasks", place, "agency")
    if told.lead is not None and told.lead not in held.agencies:
        yield error("not_invited", "lead")
    if told.review_at is not None and told.review_at <= table.clock.now():
        yield error("not_in_the_future", "review_at")


def error(rule: str, *at: str | int) -> dict[str, Any]:
    """Give what is wrong with a field, as the error of a request."""
    return {"loc": ("body", *at), "type": rule}


@router.post("/{meeting_id}/closure")
async def close_meeting(meeting_id: Id, table: Table_, chair: Member) -> MeetingView:
    """Close a meeting and lock its minutes: what is not decided is carried over."""
    await permitted(LEAD_MEETING, meeting_id, table, chair)
    held = await settled(partial(handlers.close, meeting_id, table=table))
    return MeetingView.of(held, table.rules.statement.version)


@router.get("/{meeting_id}/minutes")
async def read_minutes(meeting_id: Id, table: Table_, chair: Member) -> MinutesView:
    """Read the locked minutes of a meeting, and whether they are what was locked."""
    held, _ = await permitted(LEAD_MEETING, meeting_id, table, chair)
    if held.minutes is None:
        raise NotBegun("Its minutes are locked when it is closed.")
    said = await table.discussions.of_meeting(meeting_id)
    listed = [(case_at(held, each.case_id, table), each) for each in said]
    of = named(held.id, held, chair, table.clock.now())
    may = await chair.permit_each(READ_CASE, listed, of=of)
    shown = MeetingView.of(held, table.rules.statement.version).model_dump()
    seen = {each.case_id for each, _ in may}
    return MinutesView(
        **shown,
        seats=tuple(map(SeatView.of, held.seats)),
        cases=tuple(DiscussionView.of(*each) for each in may),
        carried_over=tuple(each for each in held.carried if each in seen),
        intact=intact(held, said),
    )


@router.get("/{meeting_id}/extract")
async def read_extract(meeting_id: Id, table: Table_, member: Member) -> ExtractView:
    """Read what one's own agency has promised at a meeting, and where it leads."""
    held, _ = await permitted(READ_MEETING, meeting_id, table, member)
    agency = member.who.agency
    if agency is None or member.worker is None:
        raise NoSuchMeeting
    said = [
        each
        for each in await table.discussions.of_meeting(meeting_id)
        if agency in _concerned(each)
    ]
    listed = [
        (Resource("extract", each.id, each.case_id, agency=agency), each)
        for each in said
    ]
    of = Resource("extract", held.id, agency=agency)
    may = await member.permit_each(READ_EXTRACT, listed, of=of)
    shown = (ExtractCaseView.of(each, agency, seen) for each, seen in may)
    cases = tuple(each for each in shown if each.leads or each.tasks)
    return ExtractView(meeting_id=meeting_id, agency=agency, cases=cases)


def _concerned(held: Discussion) -> set[str | None]:
    """Name the agencies that have promised something, and the one that leads."""
    if held.latest is None:
        return set()
    wanted = held.latest.wanted
    return {wanted.lead, *(each.agency for each in wanted.tasks)}
