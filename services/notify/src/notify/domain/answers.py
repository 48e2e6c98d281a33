"""What those who were told say to it: they know, they cannot, somebody else will.

And what follows when they said that they know, and nothing came of it.
"""

from datetime import datetime
from enum import StrEnum

from accord_contracts.allocation import DeclineReason
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict


class NothingToAnswer(Refusal):
    """This message is over, or asks for no answer."""


class AnswerTheOffer(Refusal):
    """An offer of a role is accepted or declined at the allocation service."""


class CannotBeHandedOver(Refusal):
    """This message cannot be handed over to that worker."""


class Said(StrEnum):
    """What was said to a message, or came of it."""

    ACKNOWLEDGED = "acknowledged"
    CANNOT_TAKE = "cannot_take"
    HANDED_OVER = "handed_over"
    REOPENED = "reopened"


class Answer(BaseModel):
    """What somebody said to a message, and when.

    Attributes:
        worker_id: Who; of a message that opens again, who had acknowledged it.
        to: Whom it was handed over to.
        reason: Why they cannot take it.
        by_link: By the link in their e-mail: whoever has that mailbox, and not somebody
            who logged in.
        by_sms: By a reply from the telephone that the directory has as theirs.
    """

    model_config = ConfigDict(frozen=True)

    said: Said
    worker_id: str
    at: datetime
    to: str | None = None
    reason: DeclineReason | None = None
    by_link: bool = False
    by_sms: bool = False
