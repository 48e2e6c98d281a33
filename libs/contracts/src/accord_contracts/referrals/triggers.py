"""Dates that are known ahead."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.message import Code, Event, Id


class TriggerKind(StrEnum):
    """What is known to come, and can change how safe somebody is."""

    PRISON_RELEASE = "prison_release"
    TEMPORARY_RELEASE = "temporary_release"
    PAROLE_CHANGE = "parole_change"
    BAIL_CHANGE = "bail_change"
    ORDER_ENDS = "order_ends"
    HEARING = "hearing"


class TriggerEvent(Event):
    """What every event about a date that is known ahead says.

    All of one trigger come from one document, so that of two the one with the higher
    ``aggregate_version`` is the later, in whatever order they are heard.

    Attributes:
        trigger_id: Which date it is.
        kind: What happens then.
        due_at: When; of a day without a time, when that day begins in the region.
    """

    trigger_id: Id
    kind: TriggerKind
    due_at: AwareDatetime


class TriggerTold(TriggerEvent):
    """A referral that has found its case tells of a date. Referrals tells itself.

    Attributes:
        referral_id: The referral.
        number: Which of the referral's dates, from 0.
        agency: Who told of it, by code: they alone may move it.
        person_ids: Whom of the referral's people it is about; none: all of them.
        reference: The agency's own code for what it rests on.
    """

    TYPE: ClassVar[str] = "trigger.told.v1"

    referral_id: Id
    number: Annotated[int, Field(ge=0, lt=100)]
    agency: Code
    person_ids: Annotated[tuple[Id, ...], Field(max_length=50)]
    reference: Code | None


class TriggerScheduled(TriggerEvent):
    """Something is known to come, at this time: for the first time, or anew.

    A date that was moved is told in the same way as a new one: whoever has heard of it
    takes the later time, whoever has not misses nothing.
    """

    TYPE: ClassVar[str] = "trigger.scheduled.v1"


class TriggerCancelled(TriggerEvent):
    """What was known to come does not."""

    TYPE: ClassVar[str] = "trigger.cancelled.v1"


class TriggerFellDue(TriggerEvent):
    """What was known to come is there: told once for each time that it has.

    Attributes:
        late_by: Seconds between when it fell due and when that was noticed.
    """

    TYPE: ClassVar[str] = "trigger.fell_due.v1"
    late_by: Annotated[float, Field(ge=0)]
