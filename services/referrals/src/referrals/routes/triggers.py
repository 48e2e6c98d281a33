"""Dates that are known ahead, over HTTP: the agency that told of one keeps it true."""

from datetime import datetime
from functools import partial
from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from accord_contracts.referrals import TriggerKind
from fastapi import APIRouter, Path, Security
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from referrals import triggers as handlers
from referrals.domain.policy import Policy
from referrals.domain.referral import NotReferred, Referral
from referrals.domain.trigger import (
    MOST,
    NoSuchTrigger,
    NotScheduledYet,
    State,
    Trigger,
    When,
)
from referrals.routes.agencies import registered
from referrals.store import Cases, Referrals
from referrals.triggers import Triggers

router = APIRouter(prefix="/referrals/{referral_id}/triggers", tags=["triggers"])

Referrals_ = Annotated[Referrals, part(Referrals)]
Triggers_ = Annotated[Triggers, part(Triggers)]
Cases_ = Annotated[Cases, part(Cases)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Number = Annotated[int, Path(ge=0, lt=MOST, description="As the referral told it.")]
Submitter = Annotated[Asking, Security(registered, scopes=["referrals.submit"])]
Reader = Annotated[Asking, Security(registered, scopes=["referrals.read"])]

OWN = (Relation.OWNER,)
PURPOSES = tuple(each for each in Purpose if each is not Purpose.OPERATION)
READ_TRIGGERS = Action("triggers.read", OWN, purposes=PURPOSES)
MOVE_TRIGGER = Action("trigger.move", OWN, purposes=PURPOSES)
CANCEL_TRIGGER = Action("trigger.cancel", OWN, purposes=PURPOSES)


class MoveTrigger(When):
    """The day or the time that it is at now."""


class ChangeView(BaseModel):
    """That it was moved or called off: when, and what it was before."""

    at: datetime
    was: datetime
    state: State


class TriggerView(BaseModel):
    """A date as it is known now.

    Attributes:
        number: Which of the referral's, from 0.
        due_at: When it is; of a day, when that begins in the region.
        changes: The latest, oldest first.
    """

    number: int
    kind: TriggerKind
    due_at: datetime
    state: State
    reference: Code | None
    fell_due_at: datetime | None
    changes: tuple[ChangeView, ...]

    @classmethod
    def of(cls, held: Trigger) -> "TriggerView":
        """Show a date to the agency that told of it."""
        return cls(
            number=held.number,
            kind=held.kind,
            due_at=held.happens_at,
            state=held.state,
            reference=held.reference,
            fell_due_at=held.fell_due_at,
            changes=tuple(
                ChangeView(at=each.at, was=each.was, state=each.state)
                for each in held.changes
            ),
        )


@router.get("")
async def read_triggers(
    referral_id: Id, referrals: Referrals_, triggers: Triggers_, agency: Reader
) -> tuple[TriggerView, ...]:
    """Read the dates that one's own agency's referral told of."""
    found = await permitted(READ_TRIGGERS, referral_id, referrals, triggers, agency)
    return tuple(TriggerView.of(each) for each in found)


@router.put("/{number}")
async def move_trigger(
    referral_id: Id,
    number: Number,
    when: MoveTrigger,
    *,
    referrals: Referrals_,
    triggers: Triggers_,
    cases: Cases_,
    policy: Policy_,
    clock: Clock_,
    agency: Submitter,
) -> TriggerView:
    """Move a date. The time that it had does not fall due any more."""
    found = await permitted(MOVE_TRIGGER, referral_id, referrals, triggers, agency)
    held, at, rules = one(found, number), clock.now(), policy.triggers
    if wrong := rules.wrong_with(when, at):
        named = "on" if when.at is None else "at"
        raise RequestValidationError([{"loc": ("body", named), "type": wrong}])
    who = agency.who.subject
    move = partial(handlers.move, by=who, at=at, triggers=triggers, cases=cases)
    return TriggerView.of(await move(held.id, when, rules=rules))


@router.delete("/{number}", status_code=204)
async def cancel_trigger(
    referral_id: Id,
    number: Number,
    *,
    referrals: Referrals_,
    triggers: Triggers_,
    cases: Cases_,
    clock: Clock_,
    agency: Submitter,
) -> None:
    """Call a date off: it does not fall due."""
    found = await permitted(CANCEL_TRIGGER, referral_id, referrals, triggers, agency)
    held, who, at = one(found, number), agency.who.subject, clock.now()
    await handlers.cancel(held.id, by=who, at=at, triggers=triggers, cases=cases)


async def permitted(
    action: Action,
    referral_id: str,
    referrals: Referrals,
    triggers: Triggers,
    agency: Asking,
) -> list[Trigger]:
    """Give the dates of a referral, if the caller's agency told of them.

    Raises:
        NotReferred: There is no such referral, or it is another agency's.
        NotScheduledYet: It has not found its case yet.
    """
    referral: Referral | None = await referrals.get(referral_id)
    found = await triggers.of_referral(referral_id)
    sender = referral.sender.agency if referral else None
    case_id = found[0].case_id if found else None
    resource = Resource("referral", referral_id, case_id, agency=sender)
    await agency.permit(action, resource, otherwise=NotReferred)
    if referral is None:
        raise NotReferred
    if len(found) < len(referral.due):
        raise NotScheduledYet
    return found


def one(found: list[Trigger], number: int) -> Trigger:
    """Give one of a referral's dates.

    Raises:
        NoSuchTrigger: It told of none with this number.
    """
    for each in found:
        if each.number == number:
            return each
    raise NoSuchTrigger
