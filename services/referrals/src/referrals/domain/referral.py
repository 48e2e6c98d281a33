"""A referral: who posted it, what they told, and how it stands."""

import json
from datetime import datetime

from accord_contracts.message import Lane
from accord_contracts.problem import Refusal
from accord_contracts.referrals import (
    AgencyKind,
    Party,
    PersonRole,
    WithdrawalReason,
)
from pydantic import BaseModel, ConfigDict

from referrals.domain.amendment import (
    MOST_CHANGES,
    Change,
    NothingChanged,
    PartlyErased,
    TooManyChanges,
    Withdrawn,
    compared,
)
from referrals.domain.case import Episode
from referrals.domain.contradictions import age_of
from referrals.domain.erasure import Decision
from referrals.domain.feedback import Wanted, told_at
from referrals.domain.household import Household, Member, Occurrence, role_of
from referrals.domain.policy import Expected, Policy
from referrals.domain.quality import Gap
from referrals.domain.telling import Telling


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

    def names(self, key: str | None, reference: str | None) -> str:
        """Give by what a referral is known again, when it is posted again.

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
        return json.dumps([self.issuer, self.agency, *named])


class Mistaken(BaseModel):
    """Whom somebody was taken for, and where among the people they are described."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    place: int


class Referral(BaseModel):
    """What one agency tells: as it was posted, and as the agency has changed it since.

    Attributes:
        fingerprint: Of what was told, to know the same referral when it comes again;
            keyed, because a short telling could be guessed from a bare one.
        lane: Decided from what was told alone.
        told_from: From when on its agency is told that somebody works on it. It stays
            when the lane changes, or an amendment would show whether somebody does.
        due: When what it knows to come is, in the order told.
        gaps: What it lacked when it was received.
        person_ids: Who the described people are, in their order; none until recognised.
        former: Whom people were taken for until the agency corrected who they are.
        put_right: The parts of people, by id, that a person has decided against what is
            told: that stays as the agency's word, and counts for nothing.
        put_right_at: When that was decided last.
        changes: By the agency, in their order.
        wanted: What more it is asked for, and has not told yet.
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
    told_from: datetime
    due: tuple[datetime, ...] = ()
    gaps: tuple[Gap, ...] = ()
    person_ids: tuple[str, ...] = ()
    former: tuple[Mistaken, ...] = ()
    put_right: dict[str, PersonRole] = {}
    put_right_at: datetime | None = None
    changes: tuple[Change, ...] = ()
    wanted: Wanted | None = None
    left_case: Episode | None = None
    left_case_id: str | None = None
    erased: Decision | None = None

    @classmethod
    def post(
        cls,
        told: Telling,
        sender: Sender,
        *,
        id: str,  # noqa: A002
        fingerprint: str,
        at: datetime,
        by: Policy,
    ) -> "Referral":
        """Receive a referral."""
        due = tuple(map(by.triggers.due_at, told.triggers))
        near = any(by.triggers.near(each, at) for each in due)
        lane = Lane.URGENT if near else by.lane(told)
        return cls(
            id=id,
            sender=sender,
            told=told,
            fingerprint=fingerprint,
            lane=lane,
            received_at=at,
            expected=by.expected(lane, at),
            told_from=by.feedback.told_from(lane, at),
            due=due,
            gaps=by.gaps(told),
        )

    @property
    def begun(self) -> Episode:
        """Where it stands while it has no case yet."""
        return Episode(referral_id=self.id, received_at=self.received_at)

    def recognised(self, person_ids: tuple[str, ...]) -> "Referral":
        """Note who its people are."""
        return self.model_copy(update={"person_ids": person_ids})

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody whom it names and who is recognised, with the part they have."""
        told = zip(self.person_ids, (e.role for e in self.told.people), strict=False)
        parts = ((who, role_of(who, role, self.put_right)) for who, role in told)
        return tuple(
            Member(person_id=person, role=role) for person, role in dict.fromkeys(parts)
        )

    def household(self, members: tuple[Member, ...]) -> Household:
        """Give its people, with what it tells of them."""
        told = Occurrence(
            referral_id=self.id,
            agency=self.sender.agency,
            occurred_at=self.told.occurred_at,
        )
        return Household(members, self.received_at, told)

    @property
    def parties(self) -> tuple[Party, ...]:
        """Everybody whom it names and who is recognised, as it is told of them."""
        related = {
            who: told.relationship
            for who, told in zip(self.person_ids, self.told.people, strict=False)
            if told.relationship
        }
        happened = self.told.occurred_at.date()
        ages = {
            who: age
            for who, told in zip(self.person_ids, self.told.people, strict=False)
            if (age := age_of(told, happened)) is not None
        }
        return tuple(
            Party(
                person_id=each.person_id,
                role=each.role,
                relationship=related.get(each.person_id),
                age=ages.get(each.person_id) if each.role is PersonRole.CHILD else None,
            )
            for each in self.members
        )

    @property
    def corrected_at(self) -> datetime | None:
        """When a person decided that it tells parts wrongly, if that stands."""
        told = zip(self.person_ids, (e.role for e in self.told.people), strict=False)
        wrong = any(role_of(who, role, self.put_right) != role for who, role in told)
        return self.put_right_at if wrong else None

    def correction_told(self, now: datetime) -> datetime | None:
        """When that is told to its agency: not before anybody works on a new family.

        Parts that are put right within minutes tell that somebody knew them.
        """
        at = self.corrected_at
        return told_at(at, self.told_from, now) if at else None

    def with_parts(self, right: dict[str, PersonRole], at: datetime) -> "Referral":
        """Have people the parts that a person has decided, whatever is told."""
        update = {"put_right": {**self.put_right, **right}, "put_right_at": at}
        return self.model_copy(update=update)

    @property
    def withdrawn(self) -> Change | None:
        """The change by which the agency took it back, if it did: always the last."""
        last = self.changes[-1] if self.changes else None
        return last if last and last.reason else None

    def change(self, change_id: str) -> Change | None:
        """Give a change by its id."""
        return next((each for each in self.changes if each.id == change_id), None)

    def may_be_changed(self) -> None:
        """See that the agency may still change it.

        Raises:
            PartlyErased: What was told in it is erased, or a part of that.
            Withdrawn: It was withdrawn.
        """
        if self.erased:
            raise PartlyErased
        if self.withdrawn:
            raise Withdrawn

    def amended(self, told: Telling, change: Change, *, by: Policy) -> "Referral":
        """Have it tell something else; it never becomes less urgent by that.

        Args:
            told: What it tells now.
            change: Who changed it, and when.
            by: Decides how urgent that is.

        Raises:
            NothingChanged: It tells that already.
            TooManyChanges: There are too many to keep one more.
        """
        differs = compared(self.told, told)
        if not differs["fields"]:
            raise NothingChanged
        # One more is left for withdrawing it.
        if len(self.changes) >= MOST_CHANGES - 1:
            raise TooManyChanges
        lane = Lane.URGENT if self.lane is Lane.URGENT else by.lane(told)
        changes = (*self.changes, change.model_copy(update=differs))
        wanted = self.wanted and self.wanted.without(differs["groups"])
        update = {"told": told, "lane": lane, "changes": changes, "wanted": wanted}
        return self.model_copy(update=update)

    def asked_for(self, wanted: Wanted | None) -> "Referral":
        """Note what more its agency is asked for; none: nothing any more.

        Raises:
            PartlyErased: What was told in it is erased, or a part of that.
            Withdrawn: It was withdrawn.
        """
        self.may_be_changed()
        return self.model_copy(update={"wanted": wanted})

    def withdraw(self, change: Change, reason: WithdrawalReason) -> "Referral":
        """Note that the agency has taken it back. What was told stays."""
        ended = change.model_copy(update={"reason": reason})
        update = {"changes": (*self.changes, ended), "wanted": None}
        return self.model_copy(update=update)

    def recognised_anew(self, person_ids: tuple[str, ...]) -> "Referral":
        """Note who its people are after a change, and whom they were taken for."""
        pairs = enumerate(zip(self.person_ids, person_ids, strict=False))
        mistaken = (Mistaken(person_id=e[0], place=p) for p, e in pairs if e[0] != e[1])
        former = tuple(dict.fromkeys((*self.former, *mistaken)))
        return self.model_copy(update={"person_ids": person_ids, "former": former})

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
                "wanted": None,
                "changes": tuple(each.unreadable() for each in self.changes),
                "erased": decision,
            }
        )

    @property
    def everybody(self) -> frozenset[str]:
        """Whom it is about, and whom people in it were taken for once."""
        return frozenset(self.person_ids).union(e.person_id for e in self.former)

    def erase(self, decision: Decision) -> "Referral":
        """Leave a tombstone: ids, times, and how many people of which part it named."""
        update = {"told": self.told.tombstone(self.received_at), "due": ()}
        return self.without_unreadable(decision).model_copy(update=update)
