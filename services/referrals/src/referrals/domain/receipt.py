"""That another region has received a case that was handed over to it, or not yet.

Between the two regions nobody works on it: here nothing of it is changed any more, and
there nobody may have opened what was sent. So somebody says that it has arrived.
"""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID, uuid5

from accord_contracts.message import Code
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.case import Case
from referrals.domain.request import Identity
from referrals.domain.transferring import NotTransferred


class TransferRules(BaseModel):
    """How long a hand-over may be on its way.

    Attributes:
        receipt_hours: Within which the other region is to have confirmed it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    receipt_hours: Annotated[float, Field(gt=0, le=168)]


class Received(BaseModel):
    """Who said that it has arrived, and when.

    Attributes:
        agency: That they work for: the other region's, or none of its own.
    """

    model_config = ConfigDict(frozen=True)

    by: Identity
    agency: Code | None
    at: datetime


class Receipt(BaseModel):
    """That a case was received in the other region.

    Attributes:
        worker: Who handed it over; none: it is not known, or no worker.
        receipt_by: By when it is to be confirmed.
        due_at: When it is next to be told that it is not; never twice.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    worker: str | None
    receipt_by: datetime
    due_at: datetime | None
    received: Received | None = None

    @classmethod
    def awaited(cls, case: Case, rules: TransferRules) -> Self:
        """Wait for the receipt of a case.

        Raises:
            NotTransferred: It was not handed over.
        """
        if case.transferred is None:
            raise NotTransferred
        at = case.transferred.decision.at
        by = at + timedelta(hours=rules.receipt_hours)
        return cls(
            id=receipt_id(case.id),
            case_id=case.id,
            worker=case.transferred.worker,
            receipt_by=by,
            due_at=by,
        )

    def receive(self, received: Received) -> Self:
        """Note that it has arrived. The first word counts."""
        if self.received:
            return self
        return self.model_copy(update={"received": received, "due_at": None})

    def fall_due(self) -> Self:
        """Note that it was told that nobody has confirmed it, which is done once."""
        return self.model_copy(update={"due_at": None})


def receipt_id(case_id: str) -> str:
    """Give the id of a case's receipt: a case is handed over once."""
    return str(uuid5(UUID(case_id), "receipt"))
