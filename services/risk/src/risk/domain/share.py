"""What a merged case knows, as its survivor goes by it."""

from datetime import datetime

from accord_contracts.referrals import Answer, IncidentKind
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from risk.domain.ahead import Ahead
from risk.domain.form import Form
from risk.domain.order import Order
from risk.domain.reassessment import Reassessment
from risk.domain.telling import Happened


class Share(BaseModel):
    """What a merged case knows, as its survivor goes by it.

    Attributes:
        dates: Its dates that weigh, by id. Its own clock says when one begins to.
        level: The level that it is held at by itself.
        weighed: It was weighed at all.
        stopped: The response to it has ended.
        clock_from: Since when its clock runs.
        urged_at: When people were called to look at it at once, if they were.
        reassess_by: By when it should have been assessed, as it stood by itself.
        reassessment: How late that is, as far as anybody was told.
        first_referred_at: When the response to its latest episode was asked for.
        occurred: When each kind of incident last did, as far as that is known.
        happened: What was told in it that happened, and weighs.
        orders: Those that bind, or bound, somebody in it.
        received: When each of its referrals was, in order.
        child: One of them names a child.
        ever_extreme: It was ever held at extreme.
        above_low_until: When a level above low last ended; none: none has.
        settled: A lowering that was proved has taken it into account: but for its
            dates it weighs no more, until something in it changes. How often it was
            referred, and for whom, counts all the same.
    """

    model_config = ConfigDict(frozen=True)

    answers: dict[str, Answer]
    incidents: frozenset[IncidentKind]
    repeats: int
    forms: dict[str, Form] = {}
    dates: dict[str, Ahead] = {}
    level: RiskLevel
    weighed: bool
    stopped: bool
    clock_from: datetime
    urged_at: datetime | None = None
    reassess_by: datetime
    reassessment: Reassessment
    first_referred_at: datetime
    occurred: dict[IncidentKind, datetime] = {}
    happened: tuple[Happened, ...] = ()
    orders: dict[str, Order] = {}
    received: tuple[datetime, ...] = ()
    child: bool = False
    ever_extreme: bool = False
    above_low_until: datetime | None = None
    settled: bool = False

    @property
    def facts(self) -> tuple[object, ...]:
        """What is weighed of it, but for its dates."""
        told = (self.answers, self.incidents, self.occurred, self.repeats, self.forms)
        return *told, self.happened, self.level, self.weighed

    def as_known(self, before: "Share | None") -> "Share":
        """Stay settled while nothing has changed in it but its dates."""
        settled = before is not None and before.settled and before.facts == self.facts
        return self.model_copy(update={"settled": settled})

    def comes_near_after(self, before: "Share | None") -> bool:
        """Tell whether a date has come near, or is there, since an earlier share."""
        known = before.dates if before else {}
        return any(known.get(key) != each for key, each in self.dates.items())
