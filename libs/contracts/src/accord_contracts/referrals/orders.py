"""What binds somebody for another's safety."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.message import Code, Event, Id


class OrderKind(StrEnum):
    """What binds somebody for another's safety, by a court or another authority.

    Attributes:
        POLICE_SAFETY_ORDER: By a constable, for some days (Family Violence Act 2018,
            Part 3).
        RELEASE_CONDITIONS: Of a sentence that has ended, or of a detention.
    """

    PROTECTION_ORDER = "protection_order"
    TEMPORARY_PROTECTION_ORDER = "temporary_protection_order"
    POLICE_SAFETY_ORDER = "police_safety_order"
    RESTRAINING_ORDER = "restraining_order"
    BAIL = "bail"
    PAROLE = "parole"
    RELEASE_CONDITIONS = "release_conditions"
    OTHER = "other"


class OrderEnd(StrEnum):
    """Why an order binds nobody any more.

    Attributes:
        MISTAKEN: It was recorded by mistake, and never bound anybody.
    """

    EXPIRED = "expired"
    DISCHARGED = "discharged"
    REPLACED = "replaced"
    MISTAKEN = "mistaken"


class OrderEvent(Event):
    """What every event about an order says: how the order stands now.

    All of one order come from one document, so that of two the one with the higher
    ``aggregate_version`` is the later, in whatever order they are heard. An order is
    active from ``starts_at``, until ``ends_at`` or until it is told that it has ended.

    Attributes:
        order_id: Which order it is.
        kind: What it is.
        starts_at: Since when it binds.
        ends_at: Until when; none: until somebody ends it.
        breached_at: When it was last breached; none: nobody has told of a breach, or
            every one was taken back as mistaken.
    """

    order_id: Id
    kind: OrderKind
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    breached_at: AwareDatetime | None = None


class OrderRecorded(OrderEvent):
    """Somebody is bound by an order: told for the first time, or changed since.

    Attributes:
        agency: Who told of it, by code; none: whoever leads or coordinates the case.
        bound_ids: Whom it binds.
        protected_ids: Whom it protects; none: nobody is named.
        conditions: What it asks of them, by the locality's codes.
    """

    TYPE: ClassVar[str] = "order.recorded.v1"

    agency: Code | None
    bound_ids: Annotated[tuple[Id, ...], Field(max_length=20)]
    protected_ids: Annotated[tuple[Id, ...], Field(max_length=50)]
    conditions: Annotated[tuple[Code, ...], Field(max_length=30)]


class OrderBreached(OrderEvent):
    """Somebody did what an order forbids, or not what it asks.

    Attributes:
        number: Of the breaches of this order, the first one being 1.
        conditions: Which of its conditions, by the locality's codes; none: not told.
        occurred_at: When they did.
    """

    TYPE: ClassVar[str] = "order.breached.v1"

    number: Annotated[int, Field(ge=1)]
    conditions: Annotated[tuple[Code, ...], Field(max_length=30)]
    occurred_at: AwareDatetime


class OrderEnded(OrderEvent):
    """An order binds nobody any more.

    Attributes:
        reason: Why.
        ended_at: Since when.
    """

    TYPE: ClassVar[str] = "order.ended.v1"

    reason: OrderEnd
    ended_at: AwareDatetime
