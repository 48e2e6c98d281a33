"""Events, entities and packets for the chassis's own tests."""

from datetime import datetime
from typing import Any

from accord_chassis.binding import Packet, pack
from accord_chassis.store import Store
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.message import Lane, Message
from accord_contracts.risk import RiskChanged, RiskLevel
from pydantic import BaseModel, ConfigDict, computed_field
from pymongo.operations import IndexModel


class Thing(BaseModel):
    """An entity with every kind of field that services keep."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    count: int = 0
    level: RiskLevel = RiskLevel.LOW
    codes: frozenset[str] = frozenset()
    keys: tuple[str, ...] = ()
    times: dict[RiskLevel, datetime] = {}
    due_at: datetime | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def many(self) -> bool:
        """What follows from another field, and is kept to be searched for."""
        return self.count > 1


class Things(Store[Thing]):
    """A store with a unique key and clocks."""

    entity = Thing
    collection = "things"
    due = "due_at"
    inbox = 3
    indexes = (IndexModel([("keys", 1)], unique=True),)


def thing(**fields: Any) -> Thing:
    """A thing that is not stored yet."""
    made = Thing(id=new_id(), **fields)
    return made.model_copy(update={"keys": made.keys or (made.id,)})


def changed(
    case_id: str | None = None, level: RiskLevel = RiskLevel.HIGH
) -> RiskChanged:
    """An event, any event."""
    return RiskChanged(
        case_id=case_id or new_id(),
        level=level,
        previous=RiskLevel.LOW,
        changed_at=NOON,
    )


def message(case_id: str | None = None, **envelope: Any) -> Message[Any]:
    """A message, any message."""
    return message_of(changed(case_id), **envelope)


def packet(case_id: str | None = None, *, lane: Lane = Lane.ROUTINE) -> Packet:
    """A message as it travels."""
    return pack(message(case_id, lane=lane))
