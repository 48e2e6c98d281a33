"""The referrals service: who listens to what."""

from functools import partial
from typing import Annotated

from accord_chassis import service
from accord_chassis.keys import Keys
from accord_chassis.limits import Records
from accord_chassis.retention import class_of
from accord_chassis.settings import ChassisSettings, policy_of
from accord_chassis.vault import VaultSettings
from accord_contracts.allocation import AllocationAccepted
from accord_contracts.notify import ContactStopped
from accord_contracts.plans import (
    ActionDone,
    MeetingAsked,
    PaperReleased,
    PlanAgreed,
    PlanClosed,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    ChangePosted,
    ChangeRecognised,
    InformationDecided,
    InformationPushed,
    InformationRequested,
    PeopleRecognised,
    PersonUnmerged,
    ReferralAmended,
    ReferralPosted,
    ReferralReceived,
    ReferralWithdrawn,
    RolesDecided,
    RolesQuestioned,
    TriggerTold,
)
from accord_contracts.risk import RiskAssessed
from fastapi import FastAPI
from pydantic import Field

from referrals import amending, answering, deciding, handlers, inquiring, receiving
from referrals import erasing as erasure
from referrals import orders as binding
from referrals import triggers as ahead
from referrals.answering import Counter
from referrals.contact_store import ContactBooks
from referrals.contacting import Contacting, stop
from referrals.deciding import Office
from referrals.domain.policy import Policy
from referrals.domain.weighing import MatchingPolicy
from referrals.erasing import Shelves
from referrals.inquiring import Bureau
from referrals.keeping import Disclosures, Inquiries
from referrals.orders import Orders, Registry
from referrals.receiving import Receipts
from referrals.recognising import Known, compare_again
from referrals.register import Register
from referrals.review_store import Reviews
from referrals.reviewing import Desk, attend
from referrals.rights_store import Notices, RightsRequests
from referrals.roles import Doubts, Roles, follow, forget, give_up, hold
from referrals.routes import (
    agencies,
    amendments,
    contacts,
    erasing,
    history,
    inquiries,
    matches,
    merging,
    orders,
    quality,
    questions,
    referrals,
    rights,
    sandbox,
    screening,
    transferring,
    triggers,
)
from referrals.routes import people as people_routes
from referrals.routes import roles as role_routes
from referrals.store import (
    Agencies,
    Cases,
    People,
    Referrals,
    Requests,
    Tombstones,
)
from referrals.transferring import Handing, end_questions, enter_transfer
from referrals.triggers import Triggers
from referrals.trying import Sandbox, Trials


class Settings(VaultSettings, ChassisSettings):
    """How this locality runs its referrals service.

    Attributes:
        addresses_an_hour: Different addresses that one person may have shown within an
            hour (judgement: a day's visits).
    """

    addresses_an_hour: Annotated[int, Field(ge=1, le=1000)] = 10


def create_app(
    settings: Settings, stand_ins: service.StandIns | None = None
) -> FastAPI:
    """Make the service's application.

    Raises:
        BadConfiguration: The locality's policy is missing or wrong.
    """
    policy = policy_of(Policy, settings.locality, "referrals")
    kept = class_of("referrals.requests", settings.locality)
    tried = class_of("referrals.trials", settings.locality)
    dropped = class_of("referrals.reviews", settings.locality)
    matching = policy_of(MatchingPolicy, settings.locality, "matching")

    def wire(intake: service.Service) -> None:
        posted, people = intake.store(Referrals), intake.store(People)
        cases, reviews = intake.store(Cases), intake.store(Reviews)
        register = Register(
            intake.store(Agencies), intake.clock, region=settings.region
        )
        intake.provide(register)
        intake.provide(Keys(register.held))
        intake.provide(policy)
        most = settings.addresses_an_hour
        intake.provide(Records("referrals", people=most, machines=most))
        trials = intake.store(Trials)
        intake.provide(Sandbox(trials, posted, policy, tried))
        intake.sweep(trials, trials.remove)
        intake.on(
            ReferralPosted,
            partial(
                handlers.recognise_people,
                referrals=posted,
                people=people,
                reviews=reviews,
                rules=policy.recognition,
                matching=matching,
            ),
        )
        intake.on(
            PeopleRecognised,
            partial(
                handlers.open_or_join_case,
                referrals=posted,
                cases=cases,
                reviews=reviews,
                rules=policy.roles,
                one_incident=policy.history.same_incident,
                clock=intake.clock,
            ),
        )
        recognise_anew(
            intake, posted, Known(people, reviews, policy.recognition, matching)
        )
        intake.on(
            ChangeRecognised,
            partial(
                amending.change_case,
                referrals=posted,
                cases=cases,
                doubts=intake.store(Doubts),
                reviews=reviews,
            ),
        )
        tell_back(intake, cases, policy)
        bureau = Bureau(
            intake.store(Inquiries),
            intake.store(Disclosures),
            posted,
            cases,
            intake.store(Agencies),
            intake.store(Tombstones),
            reviews,
            policy,
            intake.clock,
            intake.guard.standings,
        )
        ask_agencies(intake, bureau)
        books = intake.store(ContactBooks)
        shelves = Shelves(
            posted,
            people,
            cases,
            bureau.tombstones,
            reviews,
            bureau.inquiries,
            bureau.disclosures,
            books,
            intake.store(RightsRequests),
            intake.store(Notices),
        )
        desk = Desk(reviews, people, cases, matching, intake.clock)
        intake.provide(desk)
        intake.sweep(reviews, partial(attend, desk=desk, kept=dropped))
        requests = intake.store(Requests)
        office = Office(requests, shelves, policy, intake.clock)
        intake.provide(office)
        intake.sweep(requests, partial(deciding.attend, office=office, kept=kept))
        intake.provide(shelves)
        intake.on(CaseErased, partial(erasure.destroy_case, shelves=shelves))
        erase = partial(erasure.erase_when_due, shelves=shelves, clock=intake.clock)
        intake.sweep(cases, erase)
        settle_roles(intake, Roles(intake.store(Doubts), posted, cases, intake.clock))
        answer_people(intake, Counter(shelves, policy, intake.clock))
        dates = keep_dates(intake, cases, policy)
        registry = Registry(intake.store(Orders), shelves, policy, intake.clock)
        keep_orders(intake, registry)
        contacting = Contacting(shelves, policy.contacts, intake.clock)
        intake.provide(contacting)
        intake.on(ContactStopped, partial(stop, contacting=contacting))
        doubts, orders = intake.store(Doubts), registry.orders
        receipts = intake.store(Receipts)
        hand_over(intake, Handing(bureau, contacting, doubts, dates, orders, receipts))

    return service.create_app(
        settings,
        "referrals",
        wire,
        # Before the referrals, whose ids stand where its path has a word.
        quality.router,
        questions.router,
        referrals.router,
        amendments.router,
        triggers.router,
        sandbox.router,
        agencies.router,
        erasing.router,
        merging.router,
        transferring.router,
        role_routes.router,
        history.router,
        matches.router,
        inquiries.router,
        contacts.router,
        orders.router,
        people_routes.router,
        rights.router,
        screening.router,
        stand_ins=stand_ins,
    )


def recognise_anew(intake: service.Service, referrals: Referrals, known: Known) -> None:
    """Have whoever was corrected recognised, and whoever is new compared once more."""
    recognise = partial(amending.recognise_change, referrals=referrals, known=known)
    intake.on(ChangePosted, recognise)
    again = partial(compare_again, referrals=referrals, known=known, clock=intake.clock)
    intake.sweep(known.people, again)


def answer_people(intake: service.Service, counter: Counter) -> None:
    """Have people answered, and told of what was collected of them, with clocks."""
    intake.provide(counter)
    overdue = partial(answering.tell_overdue, counter=counter)
    intake.sweep(counter.shelves.rights, overdue)
    begin = partial(answering.collect, counter=counter)
    intake.on(ReferralReceived, begin)
    intake.on(ReferralAmended, begin)
    intake.on(PersonUnmerged, partial(answering.part_notices, counter=counter))
    tell = partial(answering.tell_notice_due, counter=counter)
    intake.sweep(counter.shelves.notices, tell)


def keep_dates(intake: service.Service, cases: Cases, policy: Policy) -> Triggers:
    """Have what is known ahead fall due, each date by a clock of its own."""
    dates = intake.store(Triggers)
    schedule = partial(
        ahead.schedule,
        triggers=dates,
        cases=cases,
        rules=policy.triggers,
        clock=intake.clock,
    )
    intake.on(TriggerTold, schedule)
    intake.on(CaseErased, partial(ahead.forget, triggers=dates))
    intake.sweep(dates, partial(ahead.fall_due, triggers=dates, clock=intake.clock))
    return dates


def keep_orders(intake: service.Service, registry: Registry) -> None:
    """Have orders end by their time."""
    intake.provide(registry)
    orders = registry.orders
    intake.on(CaseErased, partial(binding.forget, orders=orders))
    intake.sweep(orders, partial(binding.expire, orders=orders, clock=intake.clock))


def hand_over(intake: service.Service, handing: Handing) -> None:
    """Have what is handed over to another region end here, and stand in the ledger."""
    intake.provide(handing)
    for handler in (
        partial(enter_transfer, handing=handing),
        partial(end_questions, handing=handing),
        partial(ahead.call_off, triggers=handing.triggers),
        partial(binding.call_off, orders=handing.orders),
        partial(inquiring.end_inquiries, bureau=handing.bureau),
        partial(
            receiving.await_receipt,
            receipts=handing.receipts,
            cases=handing.bureau.cases,
            rules=handing.bureau.policy.transfers,
        ),
    ):
        intake.on(CaseTransferred, handler)
    receipts, clock = handing.receipts, intake.clock
    intake.on(CaseErased, partial(receiving.forget, receipts=receipts))
    tell = partial(receiving.tell_unconfirmed, receipts=receipts, clock=clock)
    intake.sweep(receipts, tell)


def settle_roles(intake: service.Service, roles: Roles) -> None:
    """Have what turns known parts round wait for a person, with a clock."""
    intake.provide(roles)
    for event, handler in (
        (RolesQuestioned, hold),
        (RolesDecided, follow),
        (CaseErased, forget),
    ):
        intake.on(event, partial(handler, roles=roles))
    intake.sweep(roles.doubts, partial(give_up, roles=roles))


def tell_back(intake: service.Service, cases: Cases, policy: Policy) -> None:
    """Have what is heard of a response noted, for the agencies that referred."""
    told = policy.feedback
    reached = partial(handlers.note_contact, cases=cases, rules=told)
    closing = partial(
        handlers.note_closing, cases=cases, retention=policy.retention, rules=told
    )
    intake.on(RiskAssessed, partial(handlers.note_assessment, cases=cases))
    intake.on(AllocationAccepted, partial(handlers.note_acceptance, cases=cases))
    intake.on(PlanAgreed, partial(handlers.note_agreement, cases=cases))
    intake.on(ActionDone, reached)
    intake.on(PlanClosed, closing)


def ask_agencies(intake: service.Service, bureau: Bureau) -> None:
    """Have agencies asked and answered, with a clock and a ledger."""
    intake.provide(bureau)
    for event, handler in (
        (MeetingAsked, inquiring.ask_for_meeting),
        (InformationRequested, inquiring.enter_asking),
        (InformationDecided, inquiring.enter_decision),
        (InformationDecided, inquiring.push),
        (ReferralReceived, inquiring.push_referral),
        (ReferralAmended, inquiring.push_referral),
        (ReferralWithdrawn, inquiring.push_referral),
        (InformationPushed, inquiring.enter_learned),
        (PaperReleased, inquiring.enter_paper),
        (PersonUnmerged, inquiring.unlearn_parted),
        (CaseErased, inquiring.erase_inquiries),
    ):
        intake.on(event, partial(handler, bureau=bureau))
    intake.sweep(bureau.inquiries, partial(inquiring.tell_overdue, bureau=bureau))
