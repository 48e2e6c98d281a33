"""What an agency tries out: of invented people alone, with codes kept for tests."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Self

from accord_contracts.referrals import IncidentKind, PersonRole, WithdrawalReason
from pydantic import BaseModel, ConfigDict

from referrals.domain import nhi
from referrals.domain.amendment import Change
from referrals.domain.case import Episode, Stage
from referrals.domain.erasure import ERASED_NAME
from referrals.domain.feedback import ClosedAs
from referrals.domain.policy import Expected, Misfit, Policy
from referrals.domain.referral import Referral, Sender
from referrals.domain.telling import (
    DescribedPerson,
    Identifier,
    Purpose,
    Sharing,
    Telling,
)

ISSUER = "urn:accord:sandbox"
"""Stands in for who vouches, so that no id is that of a real referral."""

TEST_CODE = re.compile(r"TEST[./_-]?\w+", re.IGNORECASE)
"""Of other registers, which reserve nothing, this house's own: ``TEST-17``."""

STEP = timedelta(minutes=1)
"""After which what is tried out reaches its next stage."""


def is_reserved(told: Identifier) -> bool:
    """Tell whether a code can belong to nobody."""
    if told.system == nhi.SYSTEM:
        return nhi.is_for_tests(told.value)
    return TEST_CODE.fullmatch(re.sub(r"\s", "", told.value)) is not None


def not_invented(told: Telling) -> Iterator[Misfit]:
    """Find whoever may be real: everybody needs a code that is reserved for tests."""
    for place, person in enumerate(told.people):
        if not person.identifiers:
            yield Misfit(("people", place, "identifiers"), "test_identifier_missing")
        for nth, each in enumerate(person.identifiers):
            if not is_reserved(each):
                where = ("people", place, "identifiers", nth, "value")
                yield Misfit(where, "not_a_test_identifier")


class TriedChange(BaseModel):
    """A change that was tried out: which fields, and never what they held."""

    model_config = ConfigDict(frozen=True)

    id: str
    fingerprint: str
    at: datetime
    by: str
    fields: tuple[str, ...] = ()
    reason: WithdrawalReason | None = None


class Trial(BaseModel):
    """That an agency has tried a referral out. Nothing of what it told is kept.

    Attributes:
        fingerprint: Of what was told, keyed, to know it again.
        roles: The part of each who was named, in their order.
        purpose: For what it was told.
        changes: What the agency has tried to change of it: which fields, when.
        erase_at: When it goes.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    agency: str
    fingerprint: str
    received_at: datetime
    expected: Expected
    roles: tuple[PersonRole, ...]
    purpose: Purpose
    changes: tuple[TriedChange, ...] = ()
    erase_at: datetime

    def standing_in(self, sender: Sender, by: Policy) -> Referral:
        """Give a referral that says no more than that, to be changed as a real one."""
        people = tuple(
            DescribedPerson(role=each, given_name=ERASED_NAME) for each in self.roles
        )
        told = Telling(
            people=people,
            incidents=(IncidentKind.OTHER,),
            occurred_at=self.received_at,
            sharing=Sharing(purpose=self.purpose, consulted=True),
        )
        held = Referral.post(
            told,
            sender,
            id=self.id,
            fingerprint=self.fingerprint,
            at=self.received_at,
            by=by,
        )
        changes = tuple(Change(**dict(each)) for each in self.changes)
        return held.model_copy(update={"changes": changes})

    def changed(self, to: Referral) -> Self:
        """Note what was changed, and nothing of what is told now or was before."""
        names = set(TriedChange.model_fields)
        changes = tuple(
            TriedChange(**each.model_dump(include=names)) for each in to.changes
        )
        roles = tuple(each.role for each in to.told.people)
        purpose = to.told.sharing.purpose
        update = {"roles": roles, "purpose": purpose, "changes": changes}
        return self.model_copy(update=update)

    def stands(self, at: datetime) -> Episode:
        """Say how far it has come, as if somebody worked on it: a stage a minute."""
        begun = Episode(referral_id=self.id, received_at=self.received_at)
        stages = [each for each in Stage if each is not Stage.RECEIVED]
        for number, stage in enumerate(stages, 1):
            reached = self.received_at + number * STEP
            if reached > at:
                break
            begun = begun.reached(stage, reached)
            if stage is Stage.CLOSED:
                begun = begun.model_copy(update={"closed_as": ClosedAs.COMPLETED})
        return begun
