"""Referrals and policies for risk's tests."""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from accord_chassis.settings import policy_of
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.message import Message
from accord_contracts.plans import PlanClosed
from accord_contracts.referrals import (
    AgencyKind,
    Answer,
    CaseErased,
    FieldGroup,
    IncidentKind,
    Party,
    PersonMerged,
    PersonRole,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
    RolesDecided,
    Wishes,
)
from risk.domain.policy import Policy

LOCALITIES = Path(__file__).parents[3] / "localities"
POLICY = policy_of(Policy, LOCALITIES / "canterbury", "risk")

ALL_NO = dict.fromkeys(POLICY.questions, Answer.NO)
"""Every question answered, and every answer no."""

POINTS = {
    each.level: each.at_least for each in POLICY.used["triage"].sums["points"].bands
}
"""From how many points of the general triage a level is reached."""


def policy(**changes: Any) -> Policy:
    """The locality's policy, but for these fields."""
    return Policy.model_validate({**POLICY.model_dump(mode="json"), **changes})


def one_point(points: int = 1) -> Policy:
    """A policy in which a repeat weighs so much in the general triage."""
    return policy(instruments={"triage": {"weights": {"repeat": points}}})


def answers(*yes: str, **given: Answer) -> dict[str, Answer]:
    """Every question answered no, but for these."""
    return {**ALL_NO, **dict.fromkeys(yes, Answer.YES), **given}


def referral(
    *yes: str,
    case_id: str | None = None,
    incident: IncidentKind = IncidentKind.VERBAL_ABUSE,
    **told: Any,
) -> Message[ReferralReceived]:
    """A referral of verbal abuse in which these questions were answered with yes."""
    envelope = {name: told.pop(name) for name in ("at", "lane") if name in told}
    fields: dict[str, Any] = {
        "referral_id": new_id(),
        "agency_kind": AgencyKind.POLICE,
        "incidents": (incident,),
        "answers": answers(*yes),
        "parties": (Party(person_id=new_id(), role=PersonRole.PERSON_HARMED),),
        "wishes": Wishes(),
        "repeat": False,
        "occurred_at": NOON,
        "first_referred_at": NOON,
        **told,
    }
    return message_of(
        ReferralReceived(case_id=case_id or new_id(), **fields), **envelope
    )


def amended(
    case_id: str,
    *yes: str,
    groups: tuple[FieldGroup, ...] = (FieldGroup.ANSWERS,),
    **told: Any,
) -> Message[ReferralAmended]:
    """An agency says now that these questions are answered with yes."""
    fields: dict[str, Any] = {
        "referral_id": new_id(),
        "number": 1,
        "groups": groups,
        "incidents": (IncidentKind.VERBAL_ABUSE,),
        "answers": answers(*yes),
        "parties": (Party(person_id=new_id(), role=PersonRole.PERSON_HARMED),),
        "occurred_at": NOON,
        "amended_at": NOON,
        **told,
    }
    return message_of(ReferralAmended(case_id=case_id, **fields))


def closed(
    case_id: str, *, revision: int = 1, reason: str = "safety_goals_met"
) -> Message[PlanClosed]:
    """The response has ended, by a plan that rested on this assessment."""
    told = PlanClosed(
        case_id=case_id,
        plan_version=revision,
        reason=reason,
        assessment_revision=revision,
        closed_at=NOON,
    )
    return message_of(told)


def roles_decided(
    case_id: str, harmed: str, using: str, *, corrected: bool, at: datetime = NOON
) -> Message[RolesDecided]:
    """A coordinator has decided who of the two harmed whom."""
    told = RolesDecided(
        case_id=case_id,
        harmed=harmed,
        using_violence=using,
        corrected=corrected,
        decided_at=at,
    )
    return message_of(told)


def erased(case_id: str) -> Message[CaseErased]:
    """Tell that a case is erased."""
    return message_of(CaseErased(case_id=case_id, reason="court_order", erased_at=NOON))


def one_person(
    case_id: str, one: str, other: str
) -> tuple[Message[PersonMerged], Message[PersonUnmerged]]:
    """A coordinator has decided that two are one, and has taken that back."""
    match_id = str(uuid5(UUID(one), other))
    told = {
        "case_id": case_id, "match_id": match_id, "person_id": one, "other_id": other
    }  # fmt: skip
    merged = PersonMerged(**told, merged_at=NOON)
    parted = PersonUnmerged(**told, unmerged_at=NOON)
    return message_of(merged, version=2), message_of(parted, version=3)
