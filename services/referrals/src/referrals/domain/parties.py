"""Who is in a case, and what each agency told of it, for whoever works on it."""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum

from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from accord_contracts.referrals import AgencyKind, IncidentKind, PersonRole
from pydantic import BaseModel, ConfigDict

from referrals.domain.erasure import ERASED_NAME
from referrals.domain.household import Member, with_role
from referrals.domain.referral import Referral
from referrals.domain.rights import Identified
from referrals.domain.telling import WorkerWishes

SHOWN = 100
"""Accounts of a case that are shown, the latest."""


class NoSuchPlace(Refusal):
    """There is no such account, or it says no address."""

    status = 404


class RevealedFor(StrEnum):
    """What somebody must know an address for."""

    VISIT = "visit"
    LETTER = "letter"
    SAFETY_AT_HOME = "safety_at_home"
    PROTECTION_ORDER = "protection_order"
    ATTENDANCE = "attendance"
    MOVING = "moving"


class Wished(WorkerWishes):
    """What somebody who was harmed asks of whoever is sent to them.

    Attributes:
        agency: Whose word that is.
        told_at: Since when.
    """

    model_config = ConfigDict(frozen=True)

    agency: Code
    told_at: datetime


class PartyOfCase(BaseModel):
    """Somebody of a case.

    Attributes:
        roles: The parts that they have, as a person has put them right.
        described: How they were described, each way once, in no order of time.
        wishes: The latest first.
    """

    model_config = ConfigDict(frozen=True)

    person_id: Id
    roles: tuple[PersonRole, ...]
    described: tuple[Identified, ...]
    wishes: tuple[Wished, ...] = ()


class PeopleOfCase(BaseModel):
    """Whom a case is about."""

    model_config = ConfigDict(frozen=True)

    case_id: Id
    people: tuple[PartyOfCase, ...]


class Account(BaseModel):
    """What one agency told: its word, and nobody else's.

    Attributes:
        area: A code of a suburb or larger.
        address_told: It says where it happened, which is shown only when it is asked
            for.
        withdrawn: The agency has taken it back; what it wrote is not shown any more.
    """

    model_config = ConfigDict(frozen=True)

    referral_id: Id
    agency: Code
    agency_kind: AgencyKind
    received_at: datetime
    occurred_at: datetime
    incidents: tuple[IncidentKind, ...]
    area: Code | None
    narrative: str | None
    address_told: bool
    withdrawn: bool


class Accounts(BaseModel):
    """What was told of a case, the latest first.

    Attributes:
        complete: Nothing was left out because there was too much of it.
    """

    model_config = ConfigDict(frozen=True)

    case_id: Id
    accounts: tuple[Account, ...]
    complete: bool


def parties_of(
    people: Iterable[Member], referrals: Collection[Referral], gone: frozenset[str]
) -> tuple[PartyOfCase, ...]:
    """Give everybody of a case who is not erased.

    Args:
        people: Its people, with the parts that they have.
        referrals: Those of the case.
        gone: Who is erased.
    """
    held = tuple(people)
    standing = [each for each in referrals if not each.withdrawn]
    latest = sorted(standing, key=lambda each: each.received_at, reverse=True)
    return tuple(
        PartyOfCase(
            person_id=who,
            roles=tuple(e for e in PersonRole if who in with_role(e, held)),
            described=_described(who, latest),
            wishes=tuple(_wished(who, latest)),
        )
        for who in dict.fromkeys(each.person_id for each in held)
        if who not in gone
    )


def using_violence_alone(
    parties: Iterable[PartyOfCase],
) -> tuple[PartyOfCase, ...]:
    """Give what whoever serves the person using violence sees: that person alone.

    Whoever is said to have been harmed too is not among them, and of nobody more is
    told than how they are described.
    """
    using, harmed = PersonRole.PERSON_USING_VIOLENCE, PersonRole.PERSON_HARMED
    return tuple(
        each.model_copy(update={"roles": (using,), "wishes": ()})
        for each in parties
        if using in each.roles and harmed not in each.roles
    )


def account_of(referral: Referral) -> Account:
    """Give what an agency told, without the address that it may say."""
    told, withdrawn = referral.told, referral.withdrawn is not None
    erased = told.narrative == ERASED_NAME
    return Account(
        referral_id=referral.id,
        agency=referral.sender.agency,
        agency_kind=referral.sender.agency_kind,
        received_at=referral.received_at,
        occurred_at=told.occurred_at,
        incidents=told.incidents,
        area=told.place.area,
        narrative=None if withdrawn or erased else told.narrative,
        address_told=address_of(referral) is not None,
        withdrawn=withdrawn,
    )


def address_of(referral: Referral) -> str | None:
    """Give where it happened, as the agency told it and has not taken back."""
    return None if referral.withdrawn else referral.told.place.address


def _described(who: str, referrals: Iterable[Referral]) -> tuple[Identified, ...]:
    fields = set(Identified.model_fields)
    found = {
        known.model_dump_json(): known
        for each in referrals
        # Whoever an amendment has added has no id for a moment.
        for id_, told in zip(each.person_ids, each.told.people, strict=False)
        if id_ == who and told.given_name != ERASED_NAME
        for known in [Identified(**told.model_dump(include=fields))]
    }
    return tuple(found[each] for each in sorted(found))


def _wished(who: str, referrals: Iterable[Referral]) -> Iterable[Wished]:
    for each in referrals:
        wishes = each.told.wishes
        if who in with_role(PersonRole.PERSON_HARMED, each.members) and (
            wishes != WorkerWishes()
        ):
            yield Wished(
                agency=each.sender.agency,
                told_at=each.received_at,
                **wishes.model_dump(),
            )
