"""The plans service: who listens to what."""

from functools import partial

from accord_chassis import service
from accord_chassis.settings import ChassisSettings, policy_of
from accord_contracts.allocation import AllocationAccepted, AllocationWithdrawn
from accord_contracts.referrals import (
    CaseErased,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import RiskAssessed
from fastapi import FastAPI

from plans import handlers, routes
from plans.domain.plan import Plan
from plans.domain.template import Policy
from plans.store import Plans


class Settings(ChassisSettings):
    """How this locality runs its plans service."""


def create_app(
    settings: Settings, stand_ins: service.StandIns | None = None
) -> FastAPI:
    """Make the service's application.

    Raises:
        BadConfiguration: The locality's policy is missing or wrong.
    """
    policy = policy_of(Policy, settings.locality, "plans")

    def wire(plans: service.Service) -> None:
        held = plans.store(Plans)
        plans.provide(policy)
        plans.on(
            RiskAssessed,
            partial(handlers.draft_plan, plans=held, policy=policy, clock=plans.clock),
        )
        plans.on(AllocationAccepted, partial(handlers.assign_actions, plans=held))
        plans.on(AllocationWithdrawn, partial(handlers.release_actions, plans=held))
        foresee = partial(handlers.foresee, plans=held, policy=policy)
        plans.on(TriggerScheduled, foresee)
        plans.on(TriggerCancelled, foresee)
        plans.on(TriggerFellDue, partial(handlers.pass_date, plans=held))
        plans.on(CaseErased, partial(handlers.erase, plans=held))

        async def tell(due: Plan) -> None:
            await handlers.tell_overdue(due, at=plans.clock.now(), plans=held)

        plans.sweep(held, tell)

    return service.create_app(
        settings, "plans", wire, routes.router, stand_ins=stand_ins
    )
