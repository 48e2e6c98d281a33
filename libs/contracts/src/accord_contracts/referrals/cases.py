"""A case from when it is opened until it is erased or handed over."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.message import Code, Event, Id


class CaseOpened(Event):
    """A family or household is met for the first time."""

    TYPE: ClassVar[str] = "case.opened.v1"

    opened_at: AwareDatetime


class CaseMerged(Event):
    """A case is merged into another: the two are one household.

    What comes of it later is referred to the survivor. Whoever holds anything of the
    case keeps it, and has the survivor go by it too, until ``case.unmerged``.

    Attributes:
        case_id: The case that is merged; its document says what is later.
        survivor_id: The case that it is merged into.
        merged_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.merged.v1"

    survivor_id: Id
    merged_at: AwareDatetime


class CaseUnmerged(Event):
    """A case is on its own again: it should not have been merged.

    Attributes:
        case_id: The case that was merged; its document says what is later.
        survivor_id: The case that it was merged into.
        unmerged_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.unmerged.v1"

    survivor_id: Id
    unmerged_at: AwareDatetime


class CaseErased(Event):
    """A case is erased: whoever holds anything of it leaves a tombstone.

    Attributes:
        reason: Why, as a code of the locality's.
        erased_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.erased.v1"

    reason: Code
    erased_at: AwareDatetime


TRANSFERRED = "transferred"
"""Why the plan of a case is closed that was transferred to another region."""


class CaseTransferred(Event):
    """A case was handed over to another region. Here the response to it has ended.

    Nothing of it is changed any more; a new referral of the family opens another case.
    To which region is not told: it says where to look for her.

    Attributes:
        transferred_at: When that was decided.
    """

    TYPE: ClassVar[str] = "case.transferred.v1"

    transferred_at: AwareDatetime


class TransferEvent(Event):
    """What every event about the receipt of a hand-over says.

    Attributes:
        transfer_id: Which hand-over.
    """

    transfer_id: Id


class TransferUnconfirmed(TransferEvent):
    """Nobody has confirmed in time that another region has received a case.

    It may lie in nobody's hands: neither region works on it. Told once.

    Attributes:
        worker_id: Who handed it over; none: it is not known, or no worker.
        due_at: By when it was to be confirmed.
        late_by: Seconds between that and when it was noticed.
    """

    TYPE: ClassVar[str] = "transfer.unconfirmed.v1"

    worker_id: Id | None
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class TransferConfirmed(TransferEvent):
    """The other region has received a case. To which region is not told."""

    TYPE: ClassVar[str] = "transfer.confirmed.v1"

    confirmed_at: AwareDatetime


class ConfirmationAsked(Event):
    """Somebody asks for what needs another's word too: an erasure, or a hold's end.

    Attributes:
        case_id: The case, or one of those that the person is in; theirs, if in none.
        request_id: What is asked for, as referrals answers ``/v1/requests/{id}``.
        asked_by: The worker who asks, who cannot confirm it; none: no worker does.
        until: When it lapses if nobody has confirmed it.
    """

    TYPE: ClassVar[str] = "confirmation.asked.v1"

    request_id: Id
    asked_by: Id | None
    asked_at: AwareDatetime
    until: AwareDatetime


class ConfirmationLapsed(Event):
    """Nobody has confirmed in time what somebody asks for: it was not done.

    Attributes:
        case_id: As it was asked.
        request_id: What was asked for.
        worker_id: Who asked; none: no worker did.
        lapsed_at: When that was noticed.
        late_by: Seconds between the end of its time and then.
    """

    TYPE: ClassVar[str] = "confirmation.lapsed.v1"

    request_id: Id
    worker_id: Id | None
    lapsed_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class TransferOutdated(Event):
    """More was told since of a case that was handed over to another region.

    A referral was amended, a date moved or called off, an order told, changed or ended.
    What that region was told is not all any more: whoever handed the case over reads
    the package anew, and sends it.

    Attributes:
        referral_id: With which its agency told that.
        number: Of the changes of this referral, the first one being 1; none: it was not
            amended, but a date or an order told of anew.
        worker_id: Who handed the case over; none: no worker did, as far as is known.
    """

    TYPE: ClassVar[str] = "transfer.outdated.v1"

    referral_id: Id
    number: Annotated[int, Field(ge=1)] | None = None
    worker_id: Id | None
    amended_at: AwareDatetime
