"""The plans service: who listens to what."""

from collections.abc import Awaitable, Callable
from functools import partial

from accord_chassis import service
from accord_chassis.asking import Peer
from accord_chassis.settings import ChassisSettings, policy_of
from accord_chassis.standing import allocation_of
from accord_chassis.vault import VaultSettings
from accord_contracts.allocation import AllocationAccepted, AllocationWithdrawn
from accord_contracts.message import Event
from accord_contracts.plans import (
    ActionDone,
    ActionNotDone,
    ActionOverdue,
    MeetingDecided,
    MeetingTaskDone,
    MeetingTaskNotDone,
    PlanAgreed,
    PlanBreached,
    PlanCarried,
    PlanClosed,
    PlanDrafted,
    PlanReviewDue,
    PlanReviewed,
    ServiceMoved,
    ServiceOverdue,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseTransferred,
    CaseUnmerged,
    InformationDecided,
    InformationRequested,
    InformationWithdrawn,
    OrderBreached,
    PersonErased,
    PersonMerged,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
    RolesDecided,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import RiskAssessed
from fastapi import FastAPI

from plans import handlers, linking, merging, routes
from plans.asks import Helpers, Proofs, Screens
from plans.documents import handlers as papering
from plans.documents.handlers import Papers
from plans.documents.pack_routes import router as packs_router
from plans.documents.printing import Press
from plans.documents.routes import router as papers_router
from plans.documents.store import LookedThrough, Releases, Voices
from plans.documents.voice_routes import router as voices_router
from plans.documents.wording import Speech, Wording
from plans.domain.meeting.discussion import Discussion
from plans.domain.meeting.meeting import Meeting
from plans.domain.meeting.rules import Rules
from plans.domain.plan import Plan
from plans.domain.template import Policy
from plans.keeping.routes import router as keeping
from plans.keeping.versions import router as versions
from plans.meeting import handlers as sitting
from plans.meeting import hearing, promising
from plans.meeting.asking import router as asking
from plans.meeting.routes import router as meetings
from plans.meeting.store import Discussions, Dockets, Meetings, Table
from plans.meeting.tasks import router as tasks
from plans.needs import answering
from plans.needs import handlers as needing
from plans.needs import routes as needs_routes
from plans.needs.need import Need
from plans.needs.store import Needs
from plans.store import Plans


class Settings(VaultSettings, ChassisSettings):
    """How this locality runs its plans service.

    Attributes:
        risk_url: Where the risk service is: it proves that a response may end.
        referrals_url: Where the referrals service is: it looks through what is to
            leave for whom and where it may not tell.
    """

    risk_url: str
    referrals_url: str


def create_app(
    settings: Settings, stand_ins: service.StandIns | None = None
) -> FastAPI:
    """Make the service's application.

    Raises:
        BadConfiguration: The locality's policy is missing or wrong.
    """
    policy = policy_of(Policy, settings.locality, "plans")
    rules = policy_of(Rules, settings.locality, "meetings")
    wording = policy_of(Wording, settings.locality, "documents")
    speech = Speech(wording=wording, time_zone=rules.time_zone)
    risk = Peer.of(settings, settings.risk_url)
    referrals = Peer.of(settings, settings.referrals_url)
    allocation = allocation_of(settings)

    def wire(plans: service.Service) -> None:
        held = plans.store(Plans)
        plans.provide(policy)
        plans.at_close(risk.close)
        plans.at_close(referrals.close)
        plans.at_close(allocation.close)
        plans.provide(Proofs(risk))
        plans.provide(Helpers(allocation, plans.guard.standings))
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
        meet = partial(handlers.meet_people, plans=held, policy=policy)
        plans.on(ReferralReceived, meet)
        plans.on(ReferralAmended, meet)
        plans.on(RolesDecided, partial(handlers.note_harmed, plans=held, policy=policy))
        plans.on(PlanCarried, partial(merging.carry, plans=held, policy=policy))
        plans.on(PlanClosed, partial(merging.close_merged, plans=held))
        plans.on(CaseTransferred, partial(handlers.end_transferred, plans=held))
        plans.on(CaseErased, partial(handlers.erase, plans=held))
        one = partial(linking.note_one_person, plans=held, policy=policy)
        plans.on(PersonMerged, one)
        plans.on(PersonUnmerged, one)

        async def tell(due: Plan) -> None:
            await handlers.tell_overdue(due, at=plans.clock.now(), plans=held)

        plans.sweep(held, tell)
        wire_needs(plans, held)
        wire_meetings(plans, rules, policy)
        wire_papers(plans, speech, policy, Screens(referrals))

    return service.create_app(
        settings,
        "plans",
        wire,
        routes.router,
        keeping,
        versions,
        needs_routes.router,
        answering.router,
        meetings,
        tasks,
        asking,
        papers_router,
        packs_router,
        voices_router,
        stand_ins=stand_ins,
    )


def wire_needs(plans: service.Service, held: Plans) -> None:
    """Say what ends the wait for providers, and tell of those who let it pass."""
    needs, dockets = plans.store(Needs), plans.store(Dockets)
    plans.on(CaseErased, partial(needing.erase, needs=needs))
    plans.on(RolesDecided, partial(needing.close_sides, needs=needs))
    plans.on(CaseTransferred, partial(needing.end_transferred, needs=needs))
    ends = partial(needing.end_closed, needs=needs, plans=held, dockets=dockets)
    plans.on(PlanClosed, ends)
    plans.on(CaseMerged, partial(needing.end_merged, needs=needs, plans=held))
    plans.on(PlanDrafted, partial(needing.take_up, needs=needs, plans=held))

    async def tell(due: Need) -> None:
        await needing.tell_due(due, at=plans.clock.now(), needs=needs, plans=held)

    plans.sweep(needs, tell)


def wire_meetings(plans: service.Service, rules: Rules, policy: Policy) -> None:
    """Say what dockets hear, and close by the clock what nobody closes."""
    dockets, held = plans.store(Dockets), plans.store(Meetings)
    discussions = plans.store(Discussions)
    table = Table(dockets, held, discussions, rules, policy, plans.clock)
    plans.provide(table)
    heard: dict[type[Event], Callable[..., Awaitable[None]]] = {
        RiskAssessed: hearing.note_assessment,
        ReferralReceived: hearing.note_referral,
        TriggerScheduled: hearing.note_date,
        TriggerCancelled: hearing.note_date,
        TriggerFellDue: hearing.note_date,
        ActionOverdue: hearing.note_action,
        ActionDone: hearing.note_action,
        ActionNotDone: hearing.note_action,
        InformationRequested: hearing.note_inquiry,
        InformationDecided: hearing.note_inquiry,
        InformationWithdrawn: hearing.note_inquiry,
        MeetingDecided: hearing.note_decision,
        MeetingTaskDone: hearing.note_decision,
        MeetingTaskNotDone: hearing.note_decision,
        ServiceOverdue: hearing.note_service,
        ServiceMoved: hearing.note_service,
        PlanReviewDue: hearing.note_looking,
        PlanReviewed: hearing.note_looking,
        PlanAgreed: hearing.note_looking,
        PlanBreached: hearing.note_breach,
        OrderBreached: hearing.note_breach,
        PlanClosed: hearing.note_end,
        CaseTransferred: hearing.note_transfer,
        CaseMerged: hearing.note_merging,
        CaseUnmerged: hearing.note_merging,
    }
    for event, note in heard.items():
        plans.on(event, partial(note, table=table))
    plans.on(CaseErased, partial(hearing.forget, table=table))
    plans.on(CaseErased, partial(hearing.forget_discussions, table=table))
    plans.on(RolesDecided, partial(hearing.close_tasks, table=table))
    for ending in (PlanClosed, CaseTransferred):
        plans.on(ending, partial(hearing.end_tasks, table=table))

    async def close(due: Meeting) -> None:
        await sitting.close_by_clock(due, table=table)

    async def tell(due: Discussion) -> None:
        await promising.tell_due(due, at=plans.clock.now(), table=table)

    plans.sweep(held, close)
    plans.sweep(discussions, tell)


def wire_papers(
    plans: service.Service, speech: Speech, policy: Policy, screens: Screens
) -> None:
    """Say what papers are made with, and what ends what was let go."""
    voices, releases = plans.store(Voices), plans.store(Releases)
    looks = plans.store(LookedThrough)
    papers = Papers(
        plans=plans.store(Plans),
        needs=plans.store(Needs),
        discussions=plans.store(Discussions),
        voices=voices,
        releases=releases,
        looks=looks,
        policy=policy,
        speech=speech,
        press=Press(),
        screens=screens,
        clock=plans.clock,
    )
    plans.provide(papers)
    decide = partial(papering.decide_roles, voices=voices, plans=papers.plans)
    plans.on(RolesDecided, decide)
    end = partial(papering.end_releases, releases=releases, plans=papers.plans)
    for ending in (RolesDecided, CaseTransferred, PlanClosed, PersonErased):
        plans.on(ending, end)
    plans.on(CaseErased, partial(papering.erase_voices, voices=voices))
    forget = partial(papering.erase_person, voices=voices, needs=papers.needs)
    plans.on(PersonErased, forget)
    erase = partial(papering.erase_releases, releases=releases, looks=looks)
    plans.on(CaseErased, erase)
