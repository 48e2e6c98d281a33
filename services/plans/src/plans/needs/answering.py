"""What a provider is asked to do for people, and how it answers, over HTTP.

Under its agency's own credentials: a program's, or those of somebody who works there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import settled
from accord_contracts.access import NO_CASE, Side
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security

from plans.asks import Helpers
from plans.needs import handlers
from plans.needs.need import Need, NoSuchService, Reached
from plans.needs.routes import PARTS, Helpers_, MoveService, ServiceView
from plans.needs.store import Needs
from plans.routes import Clock_, Needs_, Plans_, Policy_
from plans.store import Plans

router = APIRouter(tags=["needs"])

Provider = Annotated[Asking, Security(asking, scopes=["plans.answer"])]

LIST_SERVICES = Action("services.read_own", (Relation.OWNER,), parts=PARTS)
ANSWER_SERVICE = Action("service.answer", (Relation.OWNER,), parts=PARTS)


class AskedServiceView(ServiceView):
    """What a provider is asked to do for somebody, and how far that has come.

    Nothing of anybody else in the case, nor of who else is asked.

    Attributes:
        strand: What they need help with, by one of the locality's codes.
        asked_at: When it was asked.
    """

    case_id: Id
    person_id: Id
    strand: Code
    asked_at: datetime

    @classmethod
    def asked(cls, need: Need, service_id: str) -> "AskedServiceView":
        """Show what a provider is asked."""
        service = need.service(service_id)
        return cls(
            case_id=need.case_id,
            person_id=need.person_id,
            strand=need.strand,
            asked_at=service.steps[0].at,
            **ServiceView.of(service).model_dump(),
        )


@router.get("/services")
async def list_services(
    needs: Needs_, plans: Plans_, helpers: Helpers_, provider: Provider
) -> tuple[AskedServiceView, ...]:
    """List what one's own agency is asked to do, or does, first to last.

    Not in cases whose lists keep it from them by now; nor for anybody else where it
    meets the person using violence.
    """
    agency = provider.who.agency
    all_ = await needs.asked_of(agency) if agency else []
    # Before that is decided: what is not shown is none that the audit log permits.
    kept = await _kept_from(agency, all_, plans, helpers) if agency else set()
    found = [each for each in all_ if each.id not in kept]
    asked = [(Resource("service", e.id, e.case_id, agency=agency), e) for e in found]
    of = Resource("services", NO_CASE, agency=agency)
    may = await provider.permit_each(
        LIST_SERVICES, asked, of=of, otherwise=NoSuchService
    )
    shown = [
        AskedServiceView.asked(need, each.id)
        for need, seen in may
        for each in need.services
        if each.provider == agency and not each.over
        if _side(need) in seen
    ]
    return tuple(sorted(shown, key=lambda each: (each.asked_at, each.service_id)))


@router.post("/services/{service_id}/steps")
async def answer_service(
    service_id: Id,
    moved: MoveService,
    *,
    needs: Needs_,
    plans: Plans_,
    helpers: Helpers_,
    policy: Policy_,
    clock: Clock_,
    provider: Provider,
) -> AskedServiceView:
    """Say how far one's own agency has come with what it was asked; or why it will not.

    Saying it again changes nothing.
    """

    async def answer() -> Need:
        return await handlers.move(
            await _asked(service_id, needs, plans, helpers, provider),
            service_id,
            Reached(at=clock.now(), by=provider.who.subject, **moved.model_dump()),
            needs=needs,
            policy=policy,
        )

    return AskedServiceView.asked(await settled(answer), service_id)


async def _asked(
    service_id: str, needs: Needs, plans: Plans, helpers: Helpers, provider: Asking
) -> Need:
    """Give the need that one's own agency was asked to meet.

    Raises:
        NoSuchService: There is none, or none of theirs.
    """
    need = await needs.of_service(service_id)
    agency = need.service(service_id).provider if need else None
    case_id = need.case_id if need else None
    if need and agency and agency == provider.who.agency:
        asked = [need, *await needs.asked_of(agency)]
        if need.id in await _kept_from(agency, asked, plans, helpers):
            # None of theirs any more: so the audit log has it refused.
            agency = None
    resource = Resource("service", service_id, case_id, agency=agency)
    seen = await provider.permit(ANSWER_SERVICE, resource, otherwise=NoSuchService)
    if need is None or agency is None or _side(need) not in seen:
        raise NoSuchService
    return need


async def _kept_from(
    agency: str, asked: Sequence[Need], plans: Plans, helpers: Helpers
) -> set[str]:
    """Give those needs that a provider is asked to meet of which it sees nothing.

    Raises:
        StandingAway: It cannot be known at present whom the lists of the cases name.
    """
    cases = {each.case_id for each in asked}
    barred = await helpers.barred(agency, cases) if cases else frozenset[str]()
    his = await handlers.where_he_is_met(asked, plans)
    return {
        each.id
        for each in asked
        if each.case_id in barred
        or (each.side is Side.PERSON_HARMED and each.case_id in his)
    }


def _side(need: Need) -> str:
    return f"needs_{need.side}"
