"""The risk service: who listens to what."""

from functools import partial
from pathlib import Path

from accord_chassis import service
from accord_chassis.settings import BadConfiguration, ChassisSettings, policy_of
from accord_contracts.plans import (
    ActionDone,
    MeetingDecided,
    PlanBreached,
    PlanClosed,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseTransferred,
    CaseUnmerged,
    InformationDecided,
    InformationPushed,
    OrderBreached,
    OrderEnded,
    OrderRecorded,
    PersonMerged,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
    RolesDecided,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import AssessmentCarried
from fastapi import FastAPI

from risk import handlers, judging, linking, merging
from risk.domain.assessment import Assessment
from risk.domain.policy import Policy
from risk.routes import (
    assessments,
    groups,
    instruments,
    judged,
    judgement,
    past,
    proofs,
    shadow,
    validity,
)
from risk.store import Assessments, Book, Outdated


class Settings(ChassisSettings):
    """How this locality runs its risk service."""


def policies_of(locality: Path) -> Policy:
    """Read the policy in force, with the version that is weighed by beside it, if any.

    Raises:
        BadConfiguration: One of them is missing or wrong.
    """
    policy = policy_of(Policy, locality, "risk")
    if policy.shadow is None:
        return policy
    try:
        return policy.beside(policy_of(Policy, locality, policy.shadow))
    except ValueError as wrong:
        raise BadConfiguration(
            f"Correct shadow in risk.yaml, or the file that it names: {wrong}."
        ) from None


def create_app(
    settings: Settings, stand_ins: service.StandIns | None = None
) -> FastAPI:
    """Make the service's application.

    Raises:
        BadConfiguration: The locality's policy is missing or wrong.
    """
    policy = policies_of(settings.locality)

    def wire(risk: service.Service) -> None:
        held = risk.store(Assessments)
        book = risk.store(Book)
        book.keep(policy)
        risk.provide(policy)
        risk.on(
            ReferralReceived,
            partial(handlers.assess_referral, assessments=held, policy=policy),
        )
        risk.on(
            ReferralAmended,
            partial(handlers.assess_amendment, assessments=held, policy=policy),
        )
        risk.on(
            RolesDecided,
            partial(handlers.assess_corrected, assessments=held, policy=policy),
        )
        one = partial(linking.note_one_person, assessments=held, policy=policy)
        risk.on(PersonMerged, one)
        risk.on(PersonUnmerged, one)
        foresee = partial(handlers.foresee, assessments=held, policy=policy)
        risk.on(TriggerScheduled, foresee)
        risk.on(TriggerCancelled, foresee)
        weigh = partial(handlers.weigh_what_is_there, assessments=held, policy=policy)
        risk.on(TriggerFellDue, weigh)
        learn = partial(handlers.assess_information, assessments=held, policy=policy)
        risk.on(InformationDecided, learn)
        risk.on(InformationPushed, learn)
        risk.on(PlanClosed, partial(handlers.stop_clock, assessments=held))
        merge = partial(merging.note_merging, assessments=held, policy=policy)
        risk.on(CaseMerged, merge)
        risk.on(CaseUnmerged, merge)
        risk.on(
            AssessmentCarried,
            partial(merging.carry, assessments=held, policy=policy, clock=risk.clock),
        )
        heed = partial(judging.heed_order, assessments=held, policy=policy)
        risk.on(OrderRecorded, heed)
        risk.on(OrderBreached, heed)
        risk.on(OrderEnded, heed)
        risk.on(
            ActionDone, partial(judging.note_meeting, assessments=held, policy=policy)
        )
        risk.on(PlanBreached, partial(judging.heed_breach, assessments=held))
        risk.on(CaseTransferred, partial(handlers.leave, assessments=held))
        risk.on(
            MeetingDecided, partial(judging.heed_table, assessments=held, policy=policy)
        )
        risk.on(CaseErased, partial(handlers.erase, assessments=held))

        async def call(due: Assessment) -> None:
            await handlers.attend(
                due, at=risk.clock.now(), assessments=held, policy=policy
            )

        risk.sweep(held, call)

        async def look_over(old: Assessment) -> None:
            await handlers.look_over(
                old, at=risk.clock.now(), assessments=held, policy=policy
            )

        risk.sweep(Outdated(risk.database, book, policy), look_over)

    return service.create_app(
        settings,
        "risk",
        wire,
        assessments.router,
        judgement.router,
        judged.router,
        past.router,
        groups.router,
        validity.router,
        proofs.router,
        shadow.router,
        past.policies,
        instruments.router,
        stand_ins=stand_ins,
    )
