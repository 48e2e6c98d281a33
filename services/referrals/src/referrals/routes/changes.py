"""How an agency is shown what it changed of a referral, and what more it is asked."""

from datetime import datetime

from accord_contracts.message import Id
from accord_contracts.referrals import FieldGroup, WithdrawalReason
from pydantic import BaseModel

from referrals.domain.amendment import Change
from referrals.domain.feedback import Wanted
from referrals.domain.referral import Referral


class AmendmentView(BaseModel):
    """One amendment: which fields, when and by whom, and never what they held.

    Attributes:
        number: Of the changes of the referral, the first one being 1.
        by: The subject of the token that it was sent with.
        fields: Their names; people are counted from 0, in the order told.
    """

    number: int
    amended_at: datetime
    by: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, change: Change, number: int) -> "AmendmentView":
        """Show one change."""
        return cls(
            number=number, amended_at=change.at, by=change.by, fields=change.fields
        )

    @classmethod
    def all_of(cls, referral: Referral) -> "tuple[AmendmentView, ...]":
        """Show every amendment of a referral, in their order."""
        numbered = enumerate(referral.changes, 1)
        return tuple(
            cls.of(each, number) for number, each in numbered if not each.reason
        )


class WithdrawalView(BaseModel):
    """That a referral was taken back by its agency, when, by whom and why."""

    referral_id: Id
    withdrawn_at: datetime
    by: str
    reason: WithdrawalReason

    @classmethod
    def of(cls, referral: Referral, change: Change) -> "WithdrawalView":
        """Show the change by which a referral was taken back."""
        return cls(
            referral_id=referral.id,
            withdrawn_at=change.at,
            by=change.by,
            reason=change.reason or WithdrawalReason.OTHER,
        )


class WantedView(BaseModel):
    """What more the agency is asked for; who asks it is not told."""

    groups: tuple[FieldGroup, ...]
    asked_at: datetime

    @classmethod
    def of(cls, wanted: Wanted) -> "WantedView":
        """Show it."""
        return cls(groups=wanted.groups, asked_at=wanted.asked_at)


def etag_of(referral: Referral) -> str:
    """Tell which changes of a referral are known, as HTTP compares it (RFC 9110)."""
    return f'"{len(referral.changes)}"'
