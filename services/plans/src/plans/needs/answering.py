"""What a provider is asked to do for people, and how it answers, over HTTP.

Under its agency's own credentials: a program's, or those of somebody who works there.
"""

from datetime import datetime
from typing import Annotated

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import settled
from accord_contracts.access import NO_CASE
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security

from plans.needs import handlers
from plans.needs.need import Need, NoSuchService, Reached
from plans.needs.routes import PARTS, Helpers_, MoveService, ServiceView
from plans.needs.store import Needs
from plans.routes import Clock_, Needs_, Policy_

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
    needs: Needs_, helpers: Helpers_, provider: Provider
) -> tuple[AskedServiceView, ...]:
    """List what one's own agency is asked to do, or does, first to last.

    Not in cases whose lists keep it from them by now.
    """
    agency = provider.who.agency
    found = await needs.asked_of(agency) if agency else []
    asked = [(Resource("service", e.id, e.case_id, agency=agency), e) for e in found]
    of = Resource("services", NO_CASE, agency=agency)
    may = await provider.permit_each(
        LIST_SERVICES, asked, of=of, otherwise=NoSuchService
    )
    cases = {each.case_id for each, _ in may}
    barred = await helpers.barred(agency, cases) if agency and cases else frozenset()
    shown = [
        AskedServiceView.asked(need, each.id)
        for need, seen in may
        for each in need.services
        if each.provider == agency and not each.over
        if _side(need) in seen and need.case_id not in barred
    ]
    return tuple(sorted(shown, key=lambda each: (each.asked_at, each.service_id)))


@router.post("/services/{service_id}/steps")
async def answer_service(
    service_id: Id,
    moved: MoveService,
    *,
    needs: Needs_,
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
            await _asked(service_id, needs, helpers, provider),
            service_id,
            Reached(at=clock.now(), by=provider.who.subject, **moved.model_dump()),
            needs=needs,
            policy=policy,
        )

    return AskedServiceView.asked(await settled(answer), service_id)


async def _asked(
    service_id: str, needs: Needs, helpers: Helpers_, provider: Asking
) -> Need:
    """Give the need that one's own agency was asked to meet.

    Raises:
        NoSuchService: There is none, or none of theirs.
    """
    need = await needs.of_service(service_id)
    agency = need.service(service_id).provider if need else None
    case_id = need.case_id if need else None
    resource = Resource("service", service_id, case_id, agency=agency)
    seen = await provider.permit(ANSWER_SERVICE, resource, otherwise=NoSuchService)
    if need is None or agency is None or _side(need) not in seen:
        raise NoSuchService
    if await helpers.barred(agency, [need.case_id]):
        raise NoSuchService
    return need


def _side(need: Need) -> str:
    return f"needs_{need.side}"
