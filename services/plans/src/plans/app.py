"""The plans service: who listens to what."""

from functools import partial

from accord_chassis import service
from accord_chassis.settings import ChassisSettings, policy_of
from accord_contracts.allocation import AllocationAccepted, AllocationWithdrawn
from accord_contracts.plans import PlanCarried, PlanClosed
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseUnmerged,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import RiskAssessed
from fastapi import FastAPI

from plans import handlers, merging, routes
from plans.domain.plan import Plan
from plans.domain.template import Policy
from plans.needs import handlers as needing
from plans.needs import routes as needs_routes
from plans.needs.need import Need
from plans.needs.store import Needs
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
        merge = partial(merging.note_merging, plans=held, policy=policy)
        plans.on(CaseMerged, merge)
        plans.on(CaseUnmerged, merge)
        plans.on(PlanCarried, partial(merging.carry, plans=held, policy=policy))
        plans.on(PlanClosed, partial(merging.close_merged, plans=held))
        plans.on(CaseErased, partial(handlers.erase, plans=held))
        needs = plans.store(Needs)
        plans.on(CaseErased, partial(needing.erase, needs=needs))

        async def tell(due: Plan) -> None:
            await handlers.tell_overdue(due, at=plans.clock.now(), plans=held)

        async def tell_unanswered(due: Need) -> None:
            await needing.tell_overdue(due, at=plans.clock.now(), needs=needs)

        plans.sweep(held, tell)
        plans.sweep(needs, tell_unanswered)

    return service.create_app(
        settings,
        "plans",
        wire,
        routes.router,
        needs_routes.router,
        stand_ins=stand_ins,
    )
