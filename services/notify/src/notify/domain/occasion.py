"""What happened, and whom a message about it is for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from accord_contracts.message import Lane

from notify.domain.untold import Waited


class Eyes(StrEnum):
    """Who may know of a message, apart from those who are barred from its case."""

    ALL = "all"
    NOT_OUTREACH = "not_outreach"
    """Nobody who meets the person using violence."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What happened, as far as a message about it needs to know.

    Attributes:
        message_id: Which message told of it.
        event: Its type.
        revision: The version of the publisher's document that it told of.
        happened_at: When it happened, by its publisher's clock.
        about_id: The allocation or action in question, if one is.
        waited: Since when nobody could be told, if it had to wait.
        eyes: Who may know of it; none: whoever is told, from where they see the case.
    """

    message_id: str
    event: str
    case_id: str
    lane: Lane
    revision: int
    happened_at: datetime
    about_id: str | None = None
    waited: Waited | None = None
    eyes: Eyes | None = None


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a message is for.

    Attributes:
        worker_id: Whom the rule names.
        eyes: Who else may know of it.
        told: Who is told in their place, because they may not know of the case.
        step: At which step of their chain that is.
        wait: How long until the next is told, if it is not as the rule says.
        away: They are on leave: it stands in their inbox for when they are back, and if
            somebody has to say that they know, the next is told at once.
    """

    worker_id: str
    eyes: Eyes
    told: str | None = None
    step: int = 0
    wait: timedelta | None = None
    away: bool = False
