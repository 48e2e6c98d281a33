"""Needs, and the services asked to meet them, over HTTP."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from accord_chassis.decision import ANYBODY, NOT_OUTREACH, Action, Relation
from accord_chassis.guard import Asking
from accord_chassis.service import part, settled
from accord_contracts.access import Side
from accord_contracts.allocation import OfferOfHelp
from accord_contracts.message import Code, Id
from accord_contracts.plans import NeedLevel, ServiceStep
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from plans.asks import Helpers
from plans.documents.store import Voices
from plans.domain.held import NoPlan
from plans.needs import handlers
from plans.needs.need import Need, NoSuchNeed, Reached, Service, Voice, need_id
from plans.needs.store import Needs
from plans.routes import Clock_, Needs_, Plans_, Policy_, Reader, Worker, plan_of

router = APIRouter(tags=["needs"])

Helpers_ = Annotated[Helpers, part(Helpers)]
Voices_ = Annotated[Voices, part(Voices)]

CASE_TEAM = (Relation.TEAM, Relation.COORDINATOR)
PARTS = {
    f"needs_{Side.PERSON_HARMED}": NOT_OUTREACH,
    f"needs_{Side.PERSON_USING_VIOLENCE}": ANYBODY,
}
"""Where somebody harmed goes for help tells where they are."""

READ_NEEDS = Action("needs.read", CASE_TEAM, parts=PARTS)
WORK_ON_NEEDS = Action("needs.work", CASE_TEAM, parts=PARTS)


class AssessNeed(BaseModel):
    """What somebody needs in one strand of their life, and what they said to help.

    Attributes:
        person_id: Whose need it is.
        side: Theirs, or that of the person using violence. A child's is theirs.
    """

    model_config = ConfigDict(extra="forbid")

    person_id: Id
    side: Literal[Side.PERSON_HARMED, Side.PERSON_USING_VIOLENCE]
    strand: Code
    level: NeedLevel
    voice: Voice


class AskService(BaseModel):
    """Which provider of the directory is asked."""

    model_config = ConfigDict(extra="forbid")

    provider: Code


class MoveService(BaseModel):
    """How far a service has come; why, if it was refused or has ended."""

    model_config = ConfigDict(extra="forbid")

    step: ServiceStep
    reason: Code | None = None


class StepView(BaseModel):
    """A step that a service has come to, and when first."""

    step: ServiceStep
    at: datetime
    reason: Code | None


class ServiceView(BaseModel):
    """A provider that is asked to meet a need, and how far that has come."""

    service_id: Id
    provider: Code
    step: ServiceStep
    steps: tuple[StepView, ...]
    answer_by: datetime
    start_by: datetime | None
    overdue_at: datetime | None

    @classmethod
    def of(cls, held: Service) -> "ServiceView":
        """Show a service."""
        return cls(
            service_id=held.id,
            provider=held.provider,
            step=held.step,
            steps=tuple(
                StepView(**each.model_dump(exclude={"by"})) for each in held.steps
            ),
            answer_by=held.answer_by,
            start_by=held.start_by,
            overdue_at=held.overdue_at,
        )


class FoundView(BaseModel):
    """What was found before of a need, and when."""

    level: NeedLevel
    voice: Voice
    at: datetime


class NeedView(BaseModel):
    """What one person needs in one strand, and what is done about it.

    Attributes:
        first_assessed_at: When it was first known; it is never changed.
        history: What was found before, first to last.
    """

    need_id: Id
    person_id: Id
    side: Side
    strand: Code
    level: NeedLevel
    voice: Voice
    assessed_at: datetime
    first_assessed_at: datetime
    history: tuple[FoundView, ...]
    services: tuple[ServiceView, ...]

    @classmethod
    def of(cls, held: Need) -> "NeedView":
        """Show a need."""
        own = {"person_id", "side", "strand", "level", "voice", "assessed_at"}
        return cls(
            need_id=held.id,
            first_assessed_at=held.first_assessed_at,
            history=tuple(
                FoundView(**each.model_dump(exclude={"by"})) for each in held.history
            ),
            services=tuple(map(ServiceView.of, held.services)),
            **held.model_dump(include=own),
        )


@router.get("/plans/{case_id}/needs")
async def read_needs(
    case_id: Id, needs: Needs_, plans: Plans_, reader: Reader
) -> tuple[NeedView, ...]:
    """Read what the people of a case need, as far as it is the reader's to see."""
    seen = await reader.permit(READ_NEEDS, plan_of(case_id), otherwise=NoPlan)
    if await plans.get(case_id) is None:
        raise NoPlan
    held = await needs.of_cases([case_id])
    shown = [NeedView.of(each) for each in held if f"needs_{each.side}" in seen]
    return tuple(sorted(shown, key=lambda each: (each.person_id, each.strand)))


@router.post("/plans/{case_id}/needs", status_code=201)
async def assess_need(
    case_id: Id,
    told: AssessNeed,
    *,
    needs: Needs_,
    plans: Plans_,
    voices: Voices_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> NeedView:
    """Record what somebody needs in one strand; again, how far it is met by now."""
    seen = await worker.permit(WORK_ON_NEEDS, plan_of(case_id), otherwise=NoPlan)
    if f"needs_{told.side}" not in seen:
        raise NoPlan
    new = Need(
        id=need_id(case_id, told.side, told.person_id, told.strand),
        case_id=case_id,
        assessed_at=clock.now(),
        by=worker.who.subject,
        **told.model_dump(),
    )
    assess = partial(
        handlers.assess, new, needs=needs, plans=plans, voices=voices, policy=policy
    )
    return NeedView.of(await settled(assess))


@router.get("/plans/{case_id}/needs/{need_id}/providers")
async def list_providers(
    case_id: Id,
    need_id: Id,
    *,
    needs: Needs_,
    plans: Plans_,
    helpers: Helpers_,
    worker: Worker,
) -> tuple[OfferOfHelp, ...]:
    """List the providers that may be asked to meet a need, by their codes."""
    held = await _need(case_id, need_id, needs, worker)
    return await handlers.who_may_meet(held, needs=needs, plans=plans, helpers=helpers)


@router.post("/plans/{case_id}/needs/{need_id}/services", status_code=201)
async def ask_service(
    case_id: Id,
    need_id: Id,
    asked: AskService,
    *,
    needs: Needs_,
    plans: Plans_,
    helpers: Helpers_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> NeedView:
    """Ask a provider to meet a need that somebody agreed to have met."""

    async def ask() -> Need:
        return await handlers.ask(
            await _need(case_id, need_id, needs, worker),
            asked.provider,
            at=clock.now(),
            by=worker.who.subject,
            needs=needs,
            plans=plans,
            policy=policy,
            helpers=helpers,
        )

    return NeedView.of(await settled(ask))


@router.post("/plans/{case_id}/needs/{need_id}/services/{service_id}/steps")
async def move_service(
    case_id: Id,
    need_id: Id,
    service_id: Id,
    moved: MoveService,
    *,
    needs: Needs_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> NeedView:
    """Note how far a service has come; the first time of each step is kept."""

    async def move() -> Need:
        return await handlers.move(
            await _need(case_id, need_id, needs, worker),
            service_id,
            Reached(at=clock.now(), by=worker.who.subject, **moved.model_dump()),
            needs=needs,
            policy=policy,
        )

    return NeedView.of(await settled(move))


async def _need(case_id: str, need_id: str, needs: Needs, worker: Asking) -> Need:
    """Give a need that somebody may work on.

    Raises:
        NoSuchNeed: There is none, or it is not theirs to see.
    """
    seen = await worker.permit(WORK_ON_NEEDS, plan_of(case_id), otherwise=NoSuchNeed)
    held = await handlers.need_of(case_id, need_id, needs)
    if f"needs_{held.side}" not in seen:
        raise NoSuchNeed
    return held
