"""The allocation service: who listens to what."""

from functools import partial

from accord_chassis import service
from accord_chassis.retention import class_of
from accord_chassis.settings import ChassisSettings, policy_of
from accord_chassis.vault import VaultSettings
from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationDeclined,
    AllocationHandedOver,
    AllocationOffered,
    RoleWanted,
    StaffingCarried,
)
from accord_contracts.notify import NotificationDeclined
from accord_contracts.plans import (
    MeetingDecided,
    PlanAgreed,
    PlanClosed,
    PlanReviewed,
    PlanStale,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseTransferred,
    CaseUnmerged,
    PersonMerged,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
    RolesDecided,
    RolesQuestioned,
)
from accord_contracts.risk import RiskAssessed
from fastapi import FastAPI

from allocation.domain.policy import Policy
from allocation.handlers import access as standing
from allocation.handlers import (
    answering,
    handing,
    leaving,
    meeting,
    merging,
    parts,
    people,
    placing,
    rota,
    staffing,
    wishing,
)
from allocation.handlers import together as joint
from allocation.handlers.access import Door
from allocation.handlers.placing import Desk
from allocation.handlers.rota import Calls
from allocation.routes import (
    access,
    directory,
    equity,
    exchange,
    lookups,
    offers,
    rotas,
    together,
)
from allocation.store.directory import Directory
from allocation.store.kept import (
    Allocations,
    Glasses,
    Mornings,
    Providers,
    Rotas,
    Staffings,
    Workers,
)


class Settings(VaultSettings, ChassisSettings):
    """How this locality runs its allocation service."""


def create_app(
    settings: Settings, stand_ins: service.StandIns | None = None
) -> FastAPI:
    """Make the service's application.

    Raises:
        BadConfiguration: The locality's policy is missing or wrong.
    """
    policy = policy_of(Policy, settings.locality, "allocation")
    leavers = class_of("allocation.workers", settings.locality)

    def wire(allocation: service.Service) -> None:
        staffings = allocation.store(Staffings)
        allocations = allocation.store(Allocations)
        kept = allocation.store(Workers)
        workers = Directory(kept)
        turns = allocation.store(Rotas)
        calls = Calls(turns, kept, allocation.clock, policy.zone)
        allocation.provide(calls)
        desk = Desk(staffings, allocations, workers, turns, policy, allocation.clock)
        allocation.provide(workers)
        allocation.provide(allocation.store(Providers))
        allocation.provide(desk)
        glasses = allocation.store(Glasses)
        door = Door(staffings, allocations, kept, glasses, allocation.clock)
        allocation.provide(door)
        allocation.standings = door

        listen_for_wishes(allocation, desk)
        allocation.on(RiskAssessed, partial(staffing.want_roles, desk=desk))
        allocation.on(RoleWanted, partial(placing.place_role, desk=desk))
        allocation.on(AllocationAccepted, partial(staffing.join_team, desk=desk))
        allocation.on(AllocationAccepted, partial(staffing.settle_place, desk=desk))
        allocation.on(
            AllocationHandedOver, partial(handing.free_handed_over, desk=desk)
        )
        allocation.on(MeetingDecided, partial(meeting.heed_meeting, desk=desk))
        allocation.on(MeetingDecided, partial(meeting.end_unwanted, desk=desk))
        end_with_case(allocation, desk)
        for each in (PlanAgreed, PlanReviewed, PlanStale):
            allocation.on(each, partial(staffing.note_stage, desk=desk))

        listen_for_people(allocation, desk)

        allocation.on(CaseMerged, partial(merging.note_merging, desk=desk))
        allocation.on(CaseUnmerged, partial(merging.note_merging, desk=desk))
        allocation.on(CaseMerged, partial(merging.end_surplus, desk=desk))
        allocation.on(StaffingCarried, partial(merging.carry, desk=desk))
        allocation.on(StaffingCarried, partial(merging.end_surplus, desk=desk))
        allocation.on(StaffingCarried, partial(wishing.look_again, desk=desk))
        allocation.on(StaffingCarried, partial(people.leave_to_others, desk=desk))

        allocation.on(NotificationDeclined, partial(answering.heed_refusal, desk=desk))
        allocation.on(AllocationDeclined, partial(standing.note_conflict, door=door))
        allocation.on(NotificationDeclined, partial(standing.note_conflict, door=door))

        take_back = partial(leaving.take_back, desk=desk, glasses=glasses, kept=leavers)
        allocation.sweep(kept, take_back)
        mornings = allocation.store(Mornings)
        morning = partial(joint.place_in_the_morning, desk=desk, mornings=mornings)
        allocation.sweep(mornings, morning)
        allocation.sweep(glasses, partial(standing.tell_not_reviewed, door=door))
        allocation.sweep(turns, partial(rota.look_over, calls=calls))
        allocation.sweep(allocations, partial(placing.attend, desk=desk))
        allocation.sweep(staffings, partial(staffing.go_on_without_wishes, desk=desk))

    return service.create_app(
        settings,
        "allocation",
        wire,
        access.router,
        directory.router,
        equity.router,
        exchange.router,
        lookups.router,
        offers.router,
        rotas.router,
        together.router,
        knows_standings=True,
        stand_ins=stand_ins,
    )


def listen_for_wishes(allocation: service.Service, desk: Desk) -> None:
    """Note what the person harmed wishes, and look anew at whom it was not asked of."""
    for each in (ReferralReceived, ReferralAmended):
        allocation.on(each, partial(staffing.note_wishes, desk=desk))
        allocation.on(each, partial(wishing.look_again, desk=desk))
        allocation.on(each, partial(people.leave_to_others, desk=desk))
    allocation.on(AllocationOffered, partial(wishing.look_at_offered, desk=desk))


def listen_for_people(allocation: service.Service, desk: Desk) -> None:
    """Note who of a case is one with whom, and who harmed whom."""
    one = partial(people.note_one_person, desk=desk)
    allocation.on(PersonMerged, one)
    allocation.on(PersonMerged, partial(people.leave_to_others, desk=desk))
    allocation.on(PersonUnmerged, one)
    allocation.on(RolesQuestioned, partial(parts.doubt_parts, desk=desk))
    allocation.on(RolesDecided, partial(parts.settle_parts, desk=desk))
    allocation.on(RolesDecided, partial(people.leave_to_others, desk=desk))
    allocation.on(AllocationOffered, partial(people.look_at_offered, desk=desk))


def end_with_case(allocation: service.Service, desk: Desk) -> None:
    """End what is held of a case that is closed, handed over or erased."""
    allocation.on(PlanClosed, partial(staffing.dissolve_team, desk=desk))
    allocation.on(PlanClosed, partial(staffing.end_allocations, desk=desk))
    allocation.on(CaseTransferred, partial(staffing.leave_case, desk=desk))
    allocation.on(CaseTransferred, partial(staffing.end_allocations, desk=desk))
    allocation.on(CaseErased, partial(staffing.erase_staffing, desk=desk))
    allocation.on(CaseErased, partial(staffing.erase_allocations, desk=desk))
