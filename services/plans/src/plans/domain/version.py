"""A version of a plan: the assessment that it rests on, and what was promised in it."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from hmac import compare_digest

from accord_contracts.allocation import Role
from accord_contracts.risk import RiskLevel, Tier
from pydantic import BaseModel, ConfigDict

from plans.domain.action import Action
from plans.domain.outcome import Ending, Left, Outcome
from plans.domain.template import Part

KEPT_VERSIONS = 50
"""Versions of a plan that its document remembers, beside all that were agreed to."""

KEPT_DRAFTS = 5
"""Of so many drafts that nobody agreed to it is remembered what stood in them."""


class Assessment(BaseModel):
    """What a plan knows of the assessment that it rests on.

    Attributes:
        referral_id: The referral that was weighed, if one caused it.
        revision: The version of the assessment's own document.
        first_referred_at: When the response to this episode was first asked for.
    """

    model_config = ConfigDict(frozen=True)

    level: RiskLevel
    referral_id: str | None
    revision: int
    assessed_at: datetime
    first_referred_at: datetime

    def outdates(self, other: "Assessment") -> bool:
        """Tell whether this is the later of two.

        The revision decides, because a referral that was delayed is weighed last,
        with everything known, and yet bears its own earlier time.
        """
        own = (self.revision, self.assessed_at)
        return own > (other.revision, other.assessed_at)


class Promise(BaseModel):
    """An action as it stood in a version of a plan."""

    model_config = ConfigDict(frozen=True)

    action_id: str
    code: str
    strand: str
    part: Part
    person_id: str | None
    role: Role
    mandatory: bool
    due_at: datetime
    worker_id: str | None
    done_at: datetime | None
    undone_at: datetime | None

    @classmethod
    def of(cls, action: Action) -> "Promise":
        """Note an action as it stands."""
        names = cls.model_fields.keys() - {"action_id"}
        return cls(action_id=action.id, **{e: getattr(action, e) for e in names})


class PlanVersion(BaseModel):
    """One version of a plan: what it rests on, and what became of it.

    Attributes:
        number: Counted from 1.
        tier: What follows from its level besides, as risk told it.
        agree_by: By when it should be agreed to, from the first draft on that nobody
            agreed to; none: drafted before there was such a time.
        told_late_at: When it was told that it is not agreed to, or reviewed, in time.
        promises: What stood in it, when it was agreed to, or when the next took its
            place. Of what stood in it of merged cases, their own plans tell.
        merged: Which versions of the plans of merged cases stood in it, by case.
        agreed_by: Who agreed, for all who have promised.
        digest: SHA-256, in hexadecimal, over all that was agreed to.
        reviewed_at: When somebody last looked at it and let it stand.
        closed_for: Why the plan was closed, if this was its last version.
        outcomes: What had come of the response by then.
        left: What becomes of each thing that was open then.
        ending: Who says that the response should end, without a proof. It goes with the
            version: what becomes known meanwhile is no part of what they say.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    assessment: Assessment
    tier: Tier | None = None
    policy_version: str
    drafted_at: datetime
    review_by: datetime
    agree_by: datetime | None = None
    told_late_at: datetime | None = None
    promises: tuple[Promise, ...] | None = None
    merged: dict[str, int] = {}
    agreed_at: datetime | None = None
    agreed_by: str | None = None
    digest: str | None = None
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None
    closed_at: datetime | None = None
    closed_for: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    left: tuple[Left, ...] = ()
    ending: Ending | None = None

    def with_promises(self, actions: Iterable[Action]) -> "PlanVersion":
        """Note what stands in it, unless that is settled already."""
        if self.promises is not None:
            return self
        promises = tuple(Promise.of(each) for each in actions)
        return self.model_copy(update={"promises": promises})

    def agreed(
        self,
        actions: Iterable[Action],
        merged: dict[str, int],
        at: datetime,
        by: str | None,
    ) -> "PlanVersion":
        """Settle what is agreed to: from now on nothing of it is changed."""
        settled = self.with_promises(actions).model_copy(
            update={
                "merged": merged,
                "agreed_at": at,
                "agreed_by": by,
                "told_late_at": None,
            }
        )
        return settled.model_copy(update={"digest": settled.hashed()})

    @property
    def late_from(self) -> datetime | None:
        """From when on it is told that people do not look at it; none: it was told."""
        if self.closed_at or self.told_late_at:
            return None
        return self.review_by if self.agreed_at else self.agree_by

    def urged_like(self, draft: "PlanVersion") -> "PlanVersion":
        """Have it agreed to by when the draft should be that it takes the place of.

        However often a case is assessed anew, there is no more time to agree. What was
        told of the draft is told again if this is for a higher level.
        """
        if draft.agreed_at or draft.closed_at:
            return self
        by = min(filter(None, (draft.agree_by, self.agree_by)), default=None)
        risen = self.assessment.level.rank > draft.assessment.level.rank
        told = None if risen else draft.told_late_at
        return self.model_copy(update={"agree_by": by, "told_late_at": told})

    @property
    def intact(self) -> bool:
        """Tell whether it is still what was agreed to."""
        return compare_digest(self.digest or "", self.hashed())

    def hashed(self) -> str:
        """Give the hash of what is agreed to: SHA-256, in hexadecimal."""
        told = {name: getattr(self, name) for name in SEALED}
        text = json.dumps(told, sort_keys=True, default=_plain, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


SEALED = (
    "number", "assessment", "policy_version", "drafted_at", "promises", "merged",
    "agreed_at", "agreed_by",
)  # fmt: skip


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return dict(value)
    if isinstance(value, datetime):
        # As a store keeps it: to the millisecond, in UTC.
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    raise TypeError(type(value).__name__)


def kept(versions: tuple[PlanVersion, ...]) -> tuple[PlanVersion, ...]:
    """Give what is remembered: all that was agreed to or closed, and the latest."""
    settled = [each.agreed_at or each.closed_at for each in versions]
    drafts = [
        e.number for e, agreed in zip(versions, settled, strict=True) if not agreed
    ]
    told, whole = set(drafts[-KEPT_VERSIONS:]), set(drafts[-KEPT_DRAFTS:])
    return tuple(
        each
        if agreed or each.number in whole
        else each.model_copy(update={"promises": None})
        for each, agreed in zip(versions, settled, strict=True)
        if agreed or each.number in told
    )
