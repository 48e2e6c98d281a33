"""A referral: who posted it, what they told, and how it stands."""

import json
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from accord_contracts.message import Lane
from accord_contracts.problem import Refusal
from accord_contracts.referrals import AgencyKind
from pydantic import BaseModel, ConfigDict

from referrals.domain.case import Episode
from referrals.domain.erasure import Decision
from referrals.domain.policy import Expected, Policy
from referrals.domain.telling import Telling

REFERRALS = uuid5(NAMESPACE_URL, "urn:accord:referrals")
"""The ids of all referrals are derived in this name space."""


class NoKey(Refusal):
    """An Idempotency-Key or the agency's own reference is needed."""

    status = 400


class KeyUsedBefore(Refusal):
    """This key or reference was used before, for a referral that says otherwise."""

    status = 422


class NotReferred(Refusal):
    """This agency has made no such referral."""

    status = 404


class Sender(BaseModel):
    """Who posts a referral, and for which agency.

    Attributes:
        issuer: The identity provider who vouches for them.
        subject: Who, by the provider's id.
        agency: The agency's code.
    """

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: str
    agency: str
    agency_kind: AgencyKind

    def referral_id(self, key: str | None, reference: str | None) -> str:
        """Derive the id of a referral, so that posting it again is known.

        Args:
            key: The request's idempotency key.
            reference: The agency's own, which stands in for a key.

        Raises:
            NoKey: There is neither.
        """
        if key is not None:
            named = ["key", key]
        elif reference is not None:
            named = ["reference", reference]
        else:
            raise NoKey
        return str(uuid5(REFERRALS, json.dumps([self.issuer, self.agency, *named])))


class Referral(BaseModel):
    """What one agency told at one time. It is not changed once people are recognised.

    Attributes:
        fingerprint: Of what was told, to know the same referral when it comes again;
            keyed, because a short telling could be guessed from a bare one.
        lane: Decided from what was told alone.
        due: When what it knows to come is, in the order told.
        person_ids: Who the described people are, in their order; none until recognised.
        left_case: Where it stood when its case grew too long to keep it.
        left_case_id: Which case that was.
        erased: It is a tombstone, or somebody in it is.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    sender: Sender
    told: Telling
    fingerprint: str
    lane: Lane
    received_at: datetime
    expected: Expected
    due: tuple[datetime, ...] = ()
    person_ids: tuple[str, ...] = ()
    left_case: Episode | None = None
    left_case_id: str | None = None
    erased: Decision | None = None

    @classmethod
    def post(
        cls,
        told: Telling,
        sender: Sender,
        *,
        key: str | None,
        fingerprint: str,
        at: datetime,
        by: Policy,
    ) -> "Referral":
        """Receive a referral.

        Raises:
            NoKey: Nothing would tell whether it was posted before.
        """
        due = tuple(map(by.triggers.due_at, told.triggers))
        near = any(by.triggers.near(each, at) for each in due)
        lane = Lane.URGENT if near else by.lane(told)
        return cls(
            id=sender.referral_id(key, told.reference),
            sender=sender,
            told=told,
            fingerprint=fingerprint,
            lane=lane,
            received_at=at,
            expected=by.expected(lane, at),
            due=due,
        )

    @property
    def begun(self) -> Episode:
        """Where it stands while it has no case yet."""
        return Episode(referral_id=self.id, received_at=self.received_at)

    def recognised(self, person_ids: tuple[str, ...]) -> "Referral":
        """Note who its people are."""
        return self.model_copy(update={"person_ids": person_ids})

    def leave_case(self, episode: Episode, case_id: str) -> "Referral":
        """Keep where it stood when its case let go of it."""
        update = {"left_case": episode, "left_case_id": case_id}
        return self.model_copy(update=update)

    def without_unreadable(self, decision: Decision) -> "Referral":
        """Write down anew what can still be read, and nothing by which to guess more.

        Posted again it is refused, because its fingerprint is gone.
        """
        return self.model_copy(
            update={
                "told": self.told.model_copy(),
                "fingerprint": "",
                "erased": decision,
            }
        )

    def erase(self, decision: Decision) -> "Referral":
        """Leave a tombstone: ids, times, and how many people of which part it named."""
        update = {"told": self.told.tombstone(self.received_at), "due": ()}
        return self.without_unreadable(decision).model_copy(update=update)
