"""Erasing over HTTP, and the legal holds that forbid it.

To forbid it, one person is enough. To erase or to end a hold needs two who are not the
same, each just logged in: one asks, the other confirms.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict

from referrals import deciding, erasing
from referrals.deciding import Office
from referrals.domain.case import Case
from referrals.domain.erasure import Decision, NoSuchCase, NoSuchPerson
from referrals.domain.request import Act, Identity, NoSuchRequest, Request
from referrals.store import Cases

router = APIRouter(tags=["erasure"])

Office_ = Annotated[Office, part(Office)]
Cases_ = Annotated[Cases, part(Cases)]
Clock_ = Annotated[Clock, part(Clock)]
Eraser = Annotated[Asking, Security(asking, scopes=["referrals.erase"])]

BY_LAW = (Purpose.OPERATION,)


def _by_scope(name: str) -> Action:
    return Action(name, (Relation.SCOPE,), purposes=BY_LAW, outlasts=True)


HOLD_CASE = _by_scope("case.hold")
ASK = {
    Act.ERASE_PERSON: _by_scope("person.ask_erasure"),
    Act.ERASE_CASE: _by_scope("case.ask_erasure"),
    Act.RELEASE_HOLD: _by_scope("case.ask_release"),
}
CONFIRM = {
    Act.ERASE_PERSON: _by_scope("person.erase"),
    Act.ERASE_CASE: _by_scope("case.erase"),
    Act.RELEASE_HOLD: _by_scope("case.release"),
}
"""Confirming it does it. One action each, by what is asked for."""

LIST_REQUESTS = _by_scope("requests.list")
READ_REQUEST = _by_scope("request.read")
WITHDRAW_REQUEST = _by_scope("request.withdraw")


class Why(BaseModel):
    """Why, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    reason: Code


class RequestView(BaseModel):
    """What somebody asks for, and until when another may confirm it."""

    request_id: Id
    act: Act
    about: Id
    reason: Code
    asked_at: datetime
    until: datetime
    withdrawn_at: datetime | None
    confirmed_at: datetime | None

    @classmethod
    def of(cls, held: Request) -> Self:
        """Show a request. Who asked for it is in the audit log."""
        own = set(cls.model_fields) - {"request_id", "confirmed_at"}
        at = held.decided.at if held.decided else None
        shown = held.model_dump(include=own)
        return cls(request_id=held.id, confirmed_at=at, **shown)


@router.put("/cases/{case_id}/hold", status_code=204)
async def hold_case(
    case_id: Id, why: Why, *, cases: Cases_, clock: Clock_, eraser: Eraser
) -> None:
    """Forbid that a case, or anybody in it, is erased."""
    case = Resource("case", case_id, case_id)
    await eraser.permit(HOLD_CASE, case, otherwise=NoSuchCase)
    decision = Decision(reason=why.reason, by=eraser.who.subject, at=clock.now())
    await erasing.hold_case(case_id, decision, cases=cases)


@router.post("/cases/{case_id}/hold/release", status_code=201)
async def ask_for_release(
    case_id: Id, why: Why, *, office: Office_, eraser: Eraser
) -> RequestView:
    """Ask that the legal hold on a case ends. It needs a recent login."""
    return await _ask(Act.RELEASE_HOLD, case_id, why, office, eraser)


@router.post("/cases/{case_id}/erasure", status_code=201)
async def ask_for_case(
    case_id: Id, why: Why, *, office: Office_, eraser: Eraser
) -> RequestView:
    """Ask that a case is erased, everywhere. It needs a recent login."""
    return await _ask(Act.ERASE_CASE, case_id, why, office, eraser)


@router.post("/people/{person_id}/erasure", status_code=201)
async def ask_for_person(
    person_id: Id, why: Why, *, office: Office_, eraser: Eraser
) -> RequestView:
    """Ask that somebody is erased from every referral. It needs a recent login."""
    return await _ask(Act.ERASE_PERSON, person_id, why, office, eraser)


@router.get("/requests")
async def list_requests(
    *, office: Office_, clock: Clock_, eraser: Eraser
) -> list[RequestView]:
    """List what waits for a second person, the first to lapse first.

    Of at most two hundred that wait: what is about a case from which one is barred is
    left out.
    """
    waiting = await office.requests.waiting(clock.now())
    reached = [
        (resource, each.id)
        for each in waiting
        for resource in await _reached(each, office)
    ]
    permitted = await eraser.permit_each(
        LIST_REQUESTS, reached, of=Resource("requests", "waiting")
    )
    # Whoever is barred from one of the cases is barred from what is asked.
    wanted = Counter(request_id for _, request_id in reached)
    may_see = Counter(request_id for request_id, _ in permitted)
    return [RequestView.of(e) for e in waiting if may_see[e.id] == wanted[e.id]]


@router.get("/requests/{request_id}")
async def read_request(
    request_id: Id, *, office: Office_, eraser: Eraser
) -> RequestView:
    """Read what is asked for."""
    held = await office.requests.get(request_id)
    await _permit_on(request_id, held, READ_REQUEST, office, eraser)
    if held is None:
        raise NoSuchRequest
    return RequestView.of(held)


@router.post("/requests/{request_id}/confirmation")
async def confirm_request(
    request_id: Id, *, office: Office_, eraser: Eraser
) -> RequestView:
    """Confirm what somebody else asks for, which does it. It cannot be undone.

    It needs a recent login, and somebody else than who asked.
    """
    eraser.logged_in_lately()
    held = await office.requests.get(request_id)
    action = CONFIRM[held.act if held else Act.ERASE_CASE]
    await _permit_on(request_id, held, action, office, eraser)
    return RequestView.of(await deciding.confirm(request_id, _who(eraser), office))


@router.delete("/requests/{request_id}", status_code=204)
async def withdraw_request(request_id: Id, *, office: Office_, eraser: Eraser) -> None:
    """Take back what one has asked for."""
    held = await office.requests.get(request_id)
    await _permit_on(request_id, held, WITHDRAW_REQUEST, office, eraser)
    await deciding.withdraw(request_id, _who(eraser), office)


async def _ask(
    act: Act, about: str, why: Why, office: Office, eraser: Asking
) -> RequestView:
    eraser.logged_in_lately()
    person = act is Act.ERASE_PERSON
    kind, otherwise = ("person", NoSuchPerson) if person else ("case", NoSuchCase)
    # Looked for before it is decided, whether or not there is anybody.
    known = not person or await erasing.is_known(about, office.shelves)
    cases = await deciding.cases_about(act, about, office.shelves)
    named = Resource(kind, about, about)
    await _permit(named, cases, ASK[act], eraser, otherwise)
    if not known:
        raise otherwise
    asked = await deciding.ask(act, about, why.reason, _who(eraser), office)
    return RequestView.of(asked)


async def _permit_on(
    request_id: str,
    held: Request | None,
    action: Action,
    office: Office,
    eraser: Asking,
) -> None:
    named, cases = absent("request", request_id), list[Case]()
    if held:
        named = Resource("request", request_id, held.about)
        cases = await deciding.cases_about(held.act, held.about, office.shelves)
    await _permit(named, cases, action, eraser, NoSuchRequest)


async def _reached(held: Request, office: Office) -> list[Resource]:
    """Give what a request is decided on as: once for each case that it reaches."""
    named = Resource("request", held.id, held.about)
    cases = await deciding.cases_about(held.act, held.about, office.shelves)
    return [replace(named, case_id=each.id) for each in cases] or [named]


async def _permit(
    named: Resource,
    cases: Sequence[Case],
    action: Action,
    eraser: Asking,
    otherwise: type[Refusal],
) -> None:
    """See that they may: whoever is barred from one of the cases is barred from it."""
    about = [replace(named, case_id=each.id) for each in cases]
    await eraser.permit_all(
        [(action, e) for e in about or [named]], otherwise=otherwise
    )


def _who(eraser: Asking) -> Identity:
    who = eraser.who
    return Identity(issuer=who.issuer, subject=who.subject, worker=who.worker)
