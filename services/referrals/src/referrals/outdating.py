"""What another region was told of a case is not all any more.

Nobody works here any more on a case that was handed over, who could pass on what an
agency tells of it later.
"""

from datetime import datetime

from accord_contracts.message import Event
from accord_contracts.referrals import TransferOutdated

from referrals.domain.case import Case


def outdated(
    case: Case | None, referral_id: str | None, at: datetime, number: int | None = None
) -> list[Event]:
    """Tell whoever handed a case over that more is known; nothing if it is here.

    Args:
        case: Which.
        referral_id: With which its agency tells more; none: no agency does, and all
            others are refused to change anything of such a case.
        at: When that was told.
        number: Of the change of this referral; none: a date or an order was told of.
    """
    if case is None or case.transferred is None or referral_id is None:
        return []
    return [
        TransferOutdated(
            case_id=case.id,
            referral_id=referral_id,
            number=number,
            worker_id=case.transferred.worker,
            amended_at=at,
        )
    ]
