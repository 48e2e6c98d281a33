"""Handing a case over to another region: it is recorded, and this copy is closed.

The copy stays as it is, for as long as the locality keeps cases, and is read as before.
It gives up its family: whoever is referred anew has a new case.
"""

from accord_contracts.access import ClosedToChange
from accord_contracts.problem import Refusal

from referrals.domain.case import Case
from referrals.domain.erasure import NoSuchCase, Retention
from referrals.domain.handover import Handover


class TransferredElsewhere(Refusal):
    """This case was transferred to another region before."""


class NotTransferred(Refusal):
    """This case was not transferred."""

    status = 404


class PartsInDoubt(Refusal):
    """A referral of this case waits for who harmed whom: decide that before."""


def transfer(case: Case, handover: Handover, retention: Retention) -> Case:
    """Close a case because it was handed over. Once is as good as twice.

    Raises:
        NoSuchCase: It is erased.
        TransferredElsewhere: It was handed over to another.
    """
    if case.erased:
        raise NoSuchCase
    if case.transferred:
        if case.transferred.terms.to != handover.terms.to:
            raise TransferredElsewhere
        return case
    held = case.model_copy(update={"transferred": handover})
    return held.close(handover.decision.at).retain(retention)


def open_to_change(case: Case) -> None:
    """See that a case is still this region's.

    Raises:
        ClosedToChange: It was transferred.
    """
    if case.transferred:
        raise ClosedToChange
