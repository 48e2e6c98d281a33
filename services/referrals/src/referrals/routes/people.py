"""Whom a case is about and what happened, for whoever works on it, by compartment.

Where something happened is often where she lives: it is shown one at a time, for a
stated need, to who has just logged in.
"""

import asyncio
from dataclasses import replace
from typing import Annotated

import structlog
from accord_chassis.access import Caller, who_is
from accord_chassis.clock import Clock
from accord_chassis.decision import (
    ANYBODY,
    NOT_OUTREACH,
    Action,
    Permit,
    Relation,
    Resource,
)
from accord_chassis.guard import Asking, asking
from accord_chassis.limits import Records
from accord_chassis.service import part
from accord_contracts.message import Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict

from referrals.accounting import enter_reading, reading_by
from referrals.domain.case import Case
from referrals.domain.erasure import NoSuchCase
from referrals.domain.ledger import FieldGroup
from referrals.domain.parties import (
    SHOWN,
    Accounts,
    NoSuchPlace,
    PeopleOfCase,
    RevealedFor,
    account_of,
    address_of,
    parties_of,
    using_violence_alone,
)
from referrals.domain.referral import Referral
from referrals.erasing import Shelves, standing_case
from referrals.looking_back import note_namesakes

log = structlog.get_logger()

router = APIRouter(tags=["people"])

Shelves_ = Annotated[Shelves, part(Shelves)]
Clock_ = Annotated[Clock, part(Clock)]
Revealed_ = Annotated[Records, part(Records)]
Worker = Annotated[Asking, Security(asking, scopes=["referrals.people"])]

WORKING = (Relation.TEAM, Relation.COORDINATOR)
HIM, EVERYBODY = "person_using_violence", "everybody"

READ_PEOPLE = Action(
    "people.read", WORKING, parts={HIM: ANYBODY, EVERYBODY: NOT_OUTREACH}
)
READ_ACCOUNTS = Action("accounts.read", WORKING, parts={"record": NOT_OUTREACH})


class Reveal(BaseModel):
    """What an address must be known for."""

    model_config = ConfigDict(extra="forbid")

    reason: RevealedFor


class PlaceView(BaseModel):
    """Where something happened, as an agency told it."""

    address: str


def showing_address(reason: RevealedFor) -> Action:
    """Name the showing of an address, so that the audit log says what it was for."""
    name = f"address.show_for_{reason}"
    return Action(name, WORKING, parts={"address": NOT_OUTREACH}, outlasts=True)


def count_revealed(who: Caller, record: str, reason: RevealedFor, of: Records) -> None:
    """Count an address that is shown, and say so to whoever watches.

    Raises:
        TooManyRequests: It is one too many within the hour.
    """
    of.count(who_is(who), record, route="address")
    log.warning("address.revealed", caller=who_is(who).digest, reason=reason.value)


@router.get("/cases/{case_id}/people")
async def read_people(
    case_id: Id, *, shelves: Shelves_, reader: Worker
) -> PeopleOfCase:
    """Read whom a case is about: names, birthdays, parts and wishes.

    Whoever serves the person using violence reads of that person alone.
    """
    named = Resource("people", case_id, case_id)
    permit = await reader.permit(READ_PEOPLE, named, otherwise=NoSuchCase)
    family = await _family(READ_PEOPLE, named, permit, shelves, reader)
    referrals = await _referrals_of(family, shelves)
    people = [member for each in family for member in each.people]
    ids = sorted({each.person_id for each in people})
    erased = await asyncio.gather(*map(shelves.tombstones.get, ids))
    gone = frozenset(each.id for each in erased if each)
    shown = parties_of(people, referrals, gone)
    if EVERYBODY not in permit:
        shown = using_violence_alone(shown)
    seen = [each.person_id for each in shown]
    await note_namesakes(seen, named, shelves.people, reader)
    return PeopleOfCase(case_id=case_id, people=shown)


@router.get("/cases/{case_id}/accounts")
async def read_accounts(case_id: Id, *, shelves: Shelves_, reader: Worker) -> Accounts:
    """Read what happened, as each agency told it, the latest first."""
    named = Resource("accounts", case_id, case_id)
    permit = await reader.permit(READ_ACCOUNTS, named, otherwise=NoSuchCase)
    family = await _family(READ_ACCOUNTS, named, permit, shelves, reader)
    await _notice(family, named, shelves, reader)
    found = await _referrals_of(family, shelves)
    latest = sorted(found, key=lambda each: (each.received_at, each.id), reverse=True)
    return Accounts(
        case_id=case_id,
        accounts=tuple(map(account_of, latest[:SHOWN])),
        complete=len(latest) <= SHOWN,
    )


@router.post("/cases/{case_id}/accounts/{referral_id}/place")
async def reveal_place(
    case_id: Id,
    referral_id: Id,
    told: Reveal,
    *,
    shelves: Shelves_,
    revealed: Revealed_,
    clock: Clock_,
    reader: Worker,
) -> PlaceView:
    """Show where something happened, for a stated need. It needs a recent login.

    That it was shown stands in the ledger of everybody in the referral before it is.
    """
    named = Resource("account", referral_id, case_id)
    permit = await reader.permit(READ_ACCOUNTS, named, otherwise=NoSuchCase)
    reader.logged_in_lately()
    family = await _family(READ_ACCOUNTS, named, permit, shelves, reader)
    await _notice(family, named, shelves, reader)
    found = await _referrals_of(family, shelves)
    referral = next((each for each in found if each.id == referral_id), None)
    address = referral and address_of(referral)
    if referral is None or address is None:
        raise NoSuchPlace
    count_revealed(reader.who, referral_id, told.reason, revealed)
    # Last, so that the audit log says of no address that it was shown which was not.
    await reader.permit(showing_address(told.reason), named, otherwise=NoSuchCase)
    await enter_reading(
        dict.fromkeys(referral.person_ids),
        case_id,
        reading_by(reader.who, None),
        clock.now(),
        shelves,
        group=FieldGroup.PIECES,
    )
    return PlaceView(address=address)


async def _family(
    action: Action, named: Resource, permit: Permit, shelves: Shelves, reader: Asking
) -> list[Case]:
    """Give a case and what is merged into it, if the reader may see as much of that.

    Raises:
        NoSuchCase: There is none, or it is erased.
    """
    case = await standing_case(named.case_id or "", shelves.cases)
    _, *merged = await shelves.cases.family_of(case)
    if not merged:
        return [case]
    found = [(replace(named, id=each.id, case_id=each.id), each) for each in merged]
    seen = await reader.permit_each(action, found, of=named, otherwise=NoSuchCase)
    return [case, *(each for each, other in seen if permit.parts <= other.parts)]


async def _referrals_of(family: list[Case], shelves: Shelves) -> list[Referral]:
    found = await asyncio.gather(*map(shelves.referrals.of_case, family))
    return [*{each.id: each for of_one in found for each in of_one}.values()]


async def _notice(
    family: list[Case], named: Resource, shelves: Shelves, reader: Asking
) -> None:
    people = {member.person_id for each in family for member in each.people}
    await note_namesakes(sorted(people), named, shelves.people, reader)
