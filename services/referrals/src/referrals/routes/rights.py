"""What people ask of what is held of them, over HTTP: by a privacy officer, for them.

Two people answer: one decides, another confirms. What is released is made when it is
fetched, of a list of what may leave, and fetched by an officer, who hands it over.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self, TypeVar

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from fastapi import APIRouter, Security
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from referrals import answering
from referrals.answering import Counter
from referrals.domain.erasure import NoSuchCase, NoSuchPerson
from referrals.domain.notice import Notice, Told3A
from referrals.domain.policy import Misfit
from referrals.domain.request import Identity
from referrals.domain.rights import (
    Answer,
    AskRight,
    Export,
    ExtendedFor,
    NoSuchRightsRequest,
    Outcome,
    Proof,
    Right,
    RightsRequest,
    misfits_of_answer,
)
from referrals.erasing import standing_case
from referrals.looking_back import note_namesakes
from referrals.routes.lines import errors_of

router = APIRouter(tags=["rights"])

T = TypeVar("T")

Counter_ = Annotated[Counter, part(Counter)]
Officer = Annotated[Asking, Security(asking, scopes=["referrals.rights"])]
Reader = Annotated[Asking, Security(asking, scopes=["referrals.history"])]


def _by_scope(name: str) -> Action:
    return Action(name, (Relation.SCOPE,), purposes=(Purpose.OPERATION,), outlasts=True)


TAKE = _by_scope("rights.take")
READ = _by_scope("rights.read")
LIST = _by_scope("rights.list")
DECIDE = _by_scope("rights.decide")
EXTEND = _by_scope("rights.extend")
CONFIRM = _by_scope("rights.confirm")
EXPORT = _by_scope("rights.export")
READ_NOTICE = _by_scope("notice.read")
ENTER_NOTICE = _by_scope("notice.enter")
LIST_NOTICES = _by_scope("notices.list")
READ_STATEMENTS = Action(
    "statements.read",
    (Relation.TEAM, Relation.COORDINATOR),
    parts={"record": NOT_OUTREACH},
)


class RightsView(BaseModel):
    """What somebody asks for, by when they must be answered, and how they were.

    Attributes:
        extended: Why more time is taken; they must be told so.
        answer: What was decided; not to be told before it is confirmed.
    """

    rights_id: Id
    right: Right
    person_id: Id | None
    proof: Proof
    asked_at: datetime
    answer_by: datetime
    extended: ExtendedFor | None
    answer: Answer | None
    decided_at: datetime | None
    confirmed_at: datetime | None

    @classmethod
    def of(cls, held: RightsRequest) -> Self:
        """Show a request. Who took, decided and confirmed it is in the audit log."""
        decided = held.decided
        return cls(
            rights_id=held.id,
            asked_at=held.asked_at,
            answer_by=held.answer_by,
            extended=held.extended and held.extended.reason,
            answer=decided and decided.answer,
            decided_at=decided and decided.at,
            confirmed_at=decided and decided.confirmed_at,
            **held.asked.model_dump(include={"right", "person_id", "proof"}),
        )


class Extend(BaseModel):
    """By how many days more somebody is answered, and why."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=1, le=60)]
    reason: ExtendedFor


class Confirm(BaseModel):
    """Which decision is confirmed: the one made then, and none made since."""

    model_config = ConfigDict(extra="forbid")

    decided_at: AwareDatetime


class StatementView(BaseModel):
    """What somebody says is right, of what was not corrected."""

    person_id: Id
    at: datetime
    statement: str


class NoticeEntryView(Told3A):
    """What was recorded, and when."""

    at: datetime


class NoticeView(BaseModel):
    """Whether somebody was told of what was collected; the last entry counts.

    Attributes:
        due_at: By when they are to be told, or why not is to be recorded, or looked at
            again; none: they were told, or nobody has referred them.
    """

    person_id: Id
    entries: tuple[NoticeEntryView, ...]
    due_at: datetime | None

    @classmethod
    def of(cls, held: Notice) -> Self:
        """Show the ledger of one person."""
        entries = (
            NoticeEntryView(at=each.at, **each.told.model_dump())
            for each in held.entries
        )
        return cls(person_id=held.id, entries=tuple(entries), due_at=held.tell_by)


@router.post("/rights", status_code=201)
async def take_request(
    told: AskRight, *, counter: Counter_, officer: Officer
) -> RightsView:
    """Take down what somebody asks for. Their own id is one of those that are known."""
    await _permit(TAKE, "rights", told.person_id, counter, officer)
    if told.person_id and not await _known(told.person_id, counter):
        raise NoSuchRightsRequest
    if (told.right is Right.CORRECTION) is not (told.statement is not None):
        _refuse([Misfit(("statement",), "of_a_correction")])
    return RightsView.of(await answering.take(told, _who(officer), counter))


@router.get("/rights")
async def list_requests(
    *, counter: Counter_, officer: Officer
) -> tuple[RightsView, ...]:
    """List what waits for an answer, the first to be due first."""
    waiting = await counter.shelves.rights.open_ones()
    found = [(each, each.asked.person_id) for each in waiting]
    of = Resource("rights", "rights")
    shown = await _permitted(LIST, of, found, counter, officer)
    return tuple(map(RightsView.of, shown))


@router.get("/rights/{rights_id}")
async def read_request(
    rights_id: Id, *, counter: Counter_, officer: Officer
) -> RightsView:
    """Read what somebody asks for."""
    return RightsView.of(await _held(READ, rights_id, counter, officer))


@router.post("/rights/{rights_id}/extension")
async def extend_request(
    rights_id: Id, told: Extend, *, counter: Counter_, officer: Officer
) -> RightsView:
    """Take more time to answer a request for access (s 48), once, before it is due."""
    await _held(EXTEND, rights_id, counter, officer)
    if told.days > counter.policy.rights.extension_days:
        _refuse([Misfit(("days",), "longer_than_is_reasonable_here")])
    by = _who(officer)
    return RightsView.of(
        await answering.extend(rights_id, told.days, told.reason, by, counter)
    )


@router.post("/rights/{rights_id}/decision")
async def decide_request(
    rights_id: Id, told: Answer, *, counter: Counter_, officer: Officer
) -> RightsView:
    """Decide what is released and what is withheld, on which grounds.

    That something was corrected is said of what was: an amendment, or a decision of who
    harmed whom, since it was asked for.
    """
    held = await _held(DECIDE, rights_id, counter, officer)
    officer.logged_in_lately()
    person_id = held.asked.person_id
    violent = bool(person_id) and await answering.used_violence(
        person_id or "", counter.shelves
    )
    _refuse([*misfits_of_answer(told, held.asked, used_violence=violent)])
    where = told.corrected_in
    if where and not await answering.was_corrected(held, where, counter.shelves):
        _refuse([Misfit(("corrected_in",), "nothing_was_corrected_there")])
    return RightsView.of(
        await answering.decide(rights_id, told, _who(officer), counter)
    )


@router.post("/rights/{rights_id}/confirmation")
async def confirm_decision(
    rights_id: Id, told: Confirm, *, counter: Counter_, officer: Officer
) -> RightsView:
    """Confirm what somebody else decided. It needs a recent login."""
    await _held(CONFIRM, rights_id, counter, officer)
    officer.logged_in_lately()
    return RightsView.of(
        await answering.confirm(rights_id, told.decided_at, _who(officer), counter)
    )


@router.get("/rights/{rights_id}/export")
async def export_request(
    rights_id: Id, *, counter: Counter_, officer: Officer
) -> Export:
    """Fetch what is released, to hand it over. It needs a recent login."""
    held = await _held(EXPORT, rights_id, counter, officer)
    officer.logged_in_lately()
    about = [held.asked.person_id] if held.asked.person_id else []
    named = Resource("rights", rights_id)
    await note_namesakes(about, named, counter.shelves.people, officer)
    return await answering.export(held, counter)


@router.get("/cases/{case_id}/statements")
async def read_statements(
    case_id: Id, *, counter: Counter_, reader: Reader
) -> tuple[StatementView, ...]:
    """Read what people of a case say is right, where it was not corrected.

    Which of their cases it is about nobody knows: whoever may not read it in all cases
    of somebody does not read it.
    """
    named = Resource("statements", case_id, case_id)
    await reader.permit(READ_STATEMENTS, named, otherwise=NoSuchCase)
    case = await standing_case(case_id, counter.shelves.cases)
    ids = sorted({each.person_id for each in case.people})
    found = await counter.shelves.rights.of_people(ids)
    about = [(each, each.asked.person_id) for each in found]
    shown = await _permitted(READ_STATEMENTS, named, about, counter, reader)
    return tuple(
        StatementView(person_id=asked.person_id, at=at, statement=asked.statement)
        for asked, decided in ((each.asked, each.decided) for each in shown)
        if decided and decided.answer.outcome is Outcome.STATEMENT
        if (at := decided.confirmed_at) and asked.person_id and asked.statement
    )


@router.put("/people/{person_id}/notice")
async def enter_notice(
    person_id: Id, told: Told3A, *, counter: Counter_, officer: Officer
) -> NoticeView:
    """Record that somebody was told of what was collected, or why they are not."""
    known = await _known(person_id, counter)
    await _permit(ENTER_NOTICE, "notice", person_id, counter, officer)
    if not known:
        raise NoSuchPerson
    by = officer.who.subject
    return NoticeView.of(await answering.enter_notice(person_id, told, by, counter))


@router.get("/people/{person_id}/notice")
async def read_notice(
    person_id: Id, *, counter: Counter_, officer: Officer
) -> NoticeView:
    """Read whether somebody was told of what was collected about them."""
    known = await _known(person_id, counter)
    await _permit(READ_NOTICE, "notice", person_id, counter, officer)
    if not known:
        raise NoSuchPerson
    held = await counter.shelves.notices.get(person_id)
    return NoticeView.of(held or Notice(id=person_id))


@router.get("/notices")
async def list_notices(
    *, counter: Counter_, officer: Officer
) -> tuple[NoticeView, ...]:
    """List who is still to be told, or why not looked at again, longest waiting first.

    Of whom the time has come.
    """
    due = await counter.shelves.notices.due_by(counter.clock.now())
    found = [(each, each.id) for each in due]
    of = Resource("notices", "notices")
    shown = await _permitted(LIST_NOTICES, of, found, counter, officer)
    return tuple(map(NoticeView.of, shown))


async def _known(person_id: str, counter: Counter) -> bool:
    return await counter.shelves.people.get(person_id) is not None


async def _held(
    action: Action, rights_id: str, counter: Counter, officer: Asking
) -> RightsRequest:
    held = await counter.shelves.rights.get(rights_id)
    named = Resource("rights", rights_id) if held else absent("rights", rights_id)
    person_id = held.asked.person_id if held else None
    about = await _reached(named, person_id, counter)
    await officer.permit_all(
        [(action, e) for e in about], otherwise=NoSuchRightsRequest
    )
    if held is None:
        raise NoSuchRightsRequest
    return held


async def _permit(
    action: Action,
    kind: str,
    person_id: str | None,
    counter: Counter,
    officer: Asking,
) -> None:
    named = Resource(kind, person_id or kind, person_id)
    otherwise = NoSuchRightsRequest if kind == "rights" else NoSuchPerson
    about = await _reached(named, person_id, counter)
    await officer.permit_all([(action, e) for e in about], otherwise=otherwise)


async def _reached(
    named: Resource, person_id: str | None, counter: Counter
) -> list[Resource]:
    """Give what is decided on: whoever is barred from one case is barred from it."""
    shelves = counter.shelves
    cases = await answering.reached_by(person_id, shelves) if person_id else []
    return [replace(named, case_id=each.id) for each in cases] or [named]


async def _permitted(
    action: Action,
    of: Resource,
    found: Sequence[tuple[T, str | None]],
    counter: Counter,
    officer: Asking,
) -> list[T]:
    """Give those that are about nobody in a case with which they may not do this."""
    reached = [
        (resource, place)
        for place, (_, person_id) in enumerate(found)
        for resource in await _reached(
            Resource(of.kind, person_id or of.kind), person_id, counter
        )
    ]
    permitted = await officer.permit_each(action, reached, of=of)
    wanted = Tally(place for _, place in reached)
    may_see = Tally(place for place, _ in permitted)
    return [
        each for place, (each, _) in enumerate(found) if may_see[place] == wanted[place]
    ]


def _refuse(wrong: list[Misfit]) -> None:
    if wrong:
        raise RequestValidationError(errors_of(wrong, "body"))


def _who(officer: Asking) -> Identity:
    who = officer.who
    return Identity(issuer=who.issuer, subject=who.subject, worker=who.worker)
