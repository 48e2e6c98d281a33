"""Offers of a role, what became of them, and what is refused about them."""

from datetime import datetime
from enum import StrEnum

from accord_contracts.allocation import DeclineReason, HandOverReason
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from allocation.domain.choosing import Unmet
from allocation.domain.policy import Wish
from allocation.domain.wishes import NO_WISHES, Wishes


class NoSuchOffer(Refusal):
    """There is no such offer to you."""

    status = 404


class OfferExpired(Refusal):
    """The offer was not answered in time and has gone to somebody else."""


class OfferDeclined(Refusal):
    """You have declined this offer."""


class OfferAccepted(Refusal):
    """You have accepted this offer: the role can only be handed over now."""


class NotYours(Refusal):
    """You do not have this role, so that you cannot hand it over."""


class TakenAlready(Refusal):
    """Somebody has the role: it can be handed over or taken back, not offered."""


class NoLongerNeeded(Refusal):
    """The role is no longer needed, because the response has ended."""


class Status(StrEnum):
    """Where a role stands with being filled."""

    WANTED = "wanted"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    UNFILLED = "unfilled"
    ENDED = "ended"


class Answer(StrEnum):
    """What became of an offer."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Alarm(StrEnum):
    """Why a role is called unfilled."""

    NO_CANDIDATE = "no_candidate"
    TO_CHOOSE = "to_choose"
    OUT_OF_TIME = "out_of_time"


class Offer(BaseModel):
    """A worker is asked to take the role, and why they are.

    Attributes:
        reasons: Codes of what spoke for them, and of the wishes they do not meet.
        unmet: The wishes they do not meet, and why nobody who does was asked.
        wishes: Those that they were chosen by.
        policy_version: By which policy they were chosen.
        declined_for: Why they declined, if they did.
        decided_by: Who chose them, if a person did.
        beyond_by: Who decided that they take it although they have no room for it:
            whoever chose them, or they themselves, who said yes after their time.
        against_wish: The person harmed did not want their agency told, and a person
            decided that all the same.
        handed_over_for: Why they have looked for somebody else to take it, if they did.
    """

    model_config = ConfigDict(frozen=True)

    worker_id: str
    offered_at: datetime
    answer_by: datetime
    reasons: tuple[str, ...]
    unmet: dict[Wish, Unmet] = {}
    wishes: Wishes = NO_WISHES
    policy_version: str
    answer: Answer | None = None
    answered_at: datetime | None = None
    declined_for: DeclineReason | None = None
    decided_by: str | None = None
    beyond_by: str | None = None
    against_wish: bool = False
    handed_over_for: HandOverReason | None = None
