"""Merging two cases that are one, and taking that back: only a person does it.

A merged case stays as it is: its referrals, people and keys. It points at its
survivor, which its next referral joins, and which claims none of its keys. So taking it
back leaves each with its own; what was referred meanwhile stays with the survivor.

Merging is one level deep: a case that others are merged into is merged into none.
"""

from datetime import datetime

from accord_contracts.problem import Refusal

from referrals.domain.case import Case, Taken
from referrals.domain.erasure import Decision, Retention
from referrals.domain.transferring import open_to_change


class MergedIntoItself(Refusal):
    """These are one and the same: name two."""

    status = 422


class AlreadyMerged(Refusal):
    """This case is merged into another: name that one, or take the merging back."""


class OthersMerged(Refusal):
    """Other cases are merged into this one: take that back, or merge the other way."""


class HeldForLaw(Refusal):
    """A legal hold stands on this case: merge the other one into it."""


def take_in(survivor: Case, other: Case, at: datetime) -> Case:
    """Note that another case is merged into one, before the other says so.

    Raises:
        AlreadyMerged: It is itself merged into another.
        ClosedToChange: One of them was transferred.
    """
    open_to_change(survivor)
    open_to_change(other)
    if survivor.merged_into:
        raise AlreadyMerged
    if other.id in survivor.taken:
        return survivor
    taken = Taken(at=at, children=other.children)
    erase_at = None
    if survivor.erase_at and other.erase_at:
        erase_at = max(survivor.erase_at, other.erase_at)
    update = {"taken": {**survivor.taken, other.id: taken}, "erase_at": erase_at}
    return survivor.model_copy(update=update)


def let_go(survivor: Case, other_id: str, retention: Retention) -> Case:
    """Note that another case is not merged into one any more."""
    if other_id not in survivor.taken:
        return survivor
    taken = {key: each for key, each in survivor.taken.items() if key != other_id}
    return survivor.model_copy(update={"taken": taken}).retain(retention)


def merge(case: Case, survivor_id: str, decision: Decision) -> Case:
    """Merge a case into another. Merging it again changes nothing.

    Raises:
        MergedIntoItself: The two are one.
        AlreadyMerged: It is merged into a third.
        OthersMerged: Others are merged into it.
        HeldForLaw: A legal hold stands: erasing the survivor would erase it.
    """
    if case.id == survivor_id:
        raise MergedIntoItself
    if case.merged_into == survivor_id:
        return case
    if case.merged_into:
        raise AlreadyMerged
    if case.taken:
        raise OthersMerged
    if case.hold:
        raise HeldForLaw
    update = {"merged_into": survivor_id, "merged": decision, "erase_at": None}
    return case.model_copy(update=update)


def unmerge(case: Case, survivor_id: str, retention: Retention) -> Case:
    """Take a merging back. What is not merged stays as it is.

    Raises:
        AlreadyMerged: It is merged into a third.
        ClosedToChange: It was transferred with its survivor.
    """
    if case.merged_into is None:
        return case
    if case.merged_into != survivor_id:
        raise AlreadyMerged
    open_to_change(case)
    update = {"merged_into": None, "merged": None}
    return case.model_copy(update=update).retain(retention)
