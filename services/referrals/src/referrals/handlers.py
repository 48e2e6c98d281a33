"""What the referrals service does when something happens."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.store import Conflict
from accord_contracts.allocation import AllocationAccepted
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import (
    ActionDone,
    ActionOutcome,
    PlanAgreed,
    PlanClosed,
)
from accord_contracts.referrals import (
    CaseOpened,
    FilledIn,
    Party,
    PeopleRecognised,
    ReferralPosted,
    ReferralReceived,
    RolesQuestioned,
    Wishes,
)
from accord_contracts.risk import RiskAssessed

from referrals.domain.agency import (
    Agency,
    Key,
    NoSuchAgency,
    Registration,
    agency_id,
)
from referrals.domain.case import Case, Episode, Stage, find_case, is_repeat
from referrals.domain.erasure import Retention
from referrals.domain.feedback import FeedbackRules
from referrals.domain.household import Member, Pair, harmed_of
from referrals.domain.policy import Policy
from referrals.domain.recognition import RecognitionRules
from referrals.domain.referral import KeyUsedBefore, NotReferred, Referral, Sender
from referrals.domain.roles import RoleRules, turned_round
from referrals.domain.telling import Telling
from referrals.domain.weighing import MatchingPolicy
from referrals.recognising import Known, meet
from referrals.review_store import Reviews
from referrals.store import Agencies, Cases, People, Referrals
from referrals.triggers import told_of


class Posted(NamedTuple):
    """A referral that is stored, and whether it was before."""

    referral: Referral
    repeated: bool


async def post_referral(
    told: Telling,
    sender: Sender,
    *,
    key: str | None,
    at: datetime,
    referrals: Referrals,
    policy: Policy,
) -> Posted:
    """Store a referral once, however often it is posted.

    Raises:
        NoKey: Nothing would tell whether it was posted before.
        KeyUsedBefore: The key or reference belongs to another referral.
    """
    posted = Referral.post(
        told,
        sender,
        id=referrals.id_of(sender, key, told),
        fingerprint=referrals.fingerprint(told),
        at=at,
        by=policy,
    )
    event = ReferralPosted(referral_id=posted.id)
    try:
        saved = await referrals.save(posted, event, lane=posted.lane)
    except Conflict:
        earlier = await referrals.get(posted.id)
    else:
        return Posted(saved, repeated=False)
    if earlier is None:
        raise Conflict("The referral is neither new nor stored.")
    if earlier.fingerprint != posted.fingerprint:
        raise KeyUsedBefore
    return Posted(earlier, repeated=True)


async def recognise_people(
    message: Message[ReferralPosted],
    *,
    referrals: Referrals,
    people: People,
    reviews: Reviews,
    rules: RecognitionRules,
    matching: MatchingPolicy,
) -> None:
    """Find out who the people of a referral are.

    People are saved first, each once however often this is done, then what is asked
    about them; the referral, which says that it has been done, comes last.
    """
    referral = await referrals.get(message.data.referral_id, cause=message)
    if referral is None:
        return
    described = referral.told.people
    seen = referrals.sightings(referral.id, described, rules)
    ids = await meet(seen, referral, Known(people, reviews, rules, matching))
    recognised = referral.recognised(ids)
    told = PeopleRecognised(referral_id=referral.id, parties=recognised.parties)
    await referrals.save(recognised, told, cause=message)


async def open_or_join_case(
    message: Message[PeopleRecognised],
    *,
    referrals: Referrals,
    cases: Cases,
    reviews: Reviews,
    rules: RoleRules,
    one_incident: timedelta,
    clock: Clock,
) -> None:
    """Add a referral to the case of its people, or open one.

    One that turns round who harmed whom begins no response before a person has decided.

    Whoever is one with somebody of them has their own case still: whether the two cases
    are one, a person decides. That it is a repeat, both together say.
    """
    told = message.data
    members = tuple(Member(person_id=e.person_id, role=e.role) for e in told.parties)
    referral, near, same = await asyncio.gather(
        referrals.get(told.referral_id, cause=message),
        cases.with_people(harmed_of(members), cause=message),
        reviews.one_with(each.person_id for each in members),
    )
    # A case remembers its referrals for longer than the messages that told of them.
    if referral is None or any(each.episode(referral.id) for each in near):
        return
    household = referral.household(members)
    found = find_case(near, household)
    if found and found.merged_into:
        found = await cases.get(found.merged_into, cause=message)
        if found and (found.erased or found.episode(referral.id)):
            return
    case = found or opened(referral, referrals.case_id_of(referral.id))
    joined, left = case.join(
        referral.id, household, (each for each in near if each.id != case.id)
    )
    if left:
        await keep_where_it_stood(left, case.id, referrals=referrals)
    known = [*near, *(await cases.of_people(same) if same else ())]
    repeat = is_repeat(known, household, same, one_incident)
    tale = received(referral, case, told.parties, repeat=repeat)
    doubted = turned_round(household, known, same)
    if doubted:
        at = clock.now()
        question = RolesQuestioned(
            case_id=case.id,
            referral_id=referral.id,
            harmed=doubted.harmed,
            using_violence=doubted.using_violence,
            repeat=repeat,
            questioned_at=at,
            decide_by=rules.decide_by(referral.lane, at),
        )
        opening = (each for each in tale if isinstance(each, CaseOpened))
        await cases.save(joined, *opening, question, cause=message, lane=Lane.URGENT)
        return
    lane = Lane.URGENT if case.level and case.level.urgent else None
    await cases.save(joined, *tale, cause=message, lane=lane)


def questioned(
    pair: Pair, case_id: str, referral_id: str, at: datetime
) -> RolesQuestioned:
    """Ask who harmed whom of two whom a referral that has gone out tells both ways."""
    return RolesQuestioned(
        case_id=case_id,
        referral_id=referral_id,
        harmed=pair.harmed,
        using_violence=pair.using_violence,
        repeat=False,
        questioned_at=at,
        decide_by=at,
        sent=True,
    )


def opened(referral: Referral, case_id: str) -> Case:
    """Open a case for a referral whose people have none."""
    return Case(id=case_id, opened_at=referral.received_at)


def received(
    referral: Referral, case: Case, parties: tuple[Party, ...], *, repeat: bool
) -> list[Event]:
    """Tell that a referral has found its case, and that the case is new, if it is."""
    told = referral.told
    events: list[Event] = [
        ReferralReceived(
            case_id=case.id,
            referral_id=referral.id,
            agency_kind=referral.sender.agency_kind,
            incidents=told.incidents,
            answers=told.answers,
            parties=parties,
            wishes=wished(told),
            repeat=repeat,
            occurred_at=told.occurred_at,
            first_referred_at=referral.received_at,
            instruments=filled_in(told),
            place_area=told.place.area,
            agency=referral.sender.agency,
        )
    ]
    if not case.version:
        events.insert(0, CaseOpened(case_id=case.id, opened_at=case.opened_at))
    return [*events, *told_of(referral, case.id)]


def wished(told: Telling) -> Wishes:
    """Give what a referral tells of wishes, as allocation is told it."""
    return Wishes(**dict(told.wishes))


def filled_in(told: Telling) -> tuple[FilledIn, ...]:
    """Give what a referral tells of instruments, as risk is told it."""
    return tuple(FilledIn(**dict(each)) for each in told.instruments)


async def keep_where_it_stood(
    left: Episode, case_id: str, *, referrals: Referrals
) -> None:
    """Give a referral its episode, when its case has grown too long to keep it."""
    referral = await referrals.get(left.referral_id)
    if referral is not None and referral.left_case != left:
        await referrals.save(referral.leave_case(left, case_id))


async def note_assessment(message: Message[RiskAssessed], *, cases: Cases) -> None:
    """Note that a referral was weighed, and how high the risk is."""
    told = message.data
    await _note(
        message,
        lambda case: case.assess(
            told.referral_id,
            told.level,
            told.assessed_at,
            revision=message.aggregate_version,
        ),
        cases=cases,
    )


async def note_acceptance(
    message: Message[AllocationAccepted], *, cases: Cases
) -> None:
    """Note that a worker has taken a role, for what is merged into the case too."""
    told = message.data
    at = told.accepted_at
    await _note_merged(
        told.case_id, lambda case: case.reach(Stage.ALLOCATED, at), cases=cases
    )
    await _note(message, lambda case: case.staff(at), cases=cases)


async def note_contact(
    message: Message[ActionDone], *, cases: Cases, rules: FeedbackRules
) -> None:
    """Note that the person harmed was reached, for what is merged into the case too."""
    told = message.data
    reached = told.outcome is not ActionOutcome.NOT_REACHED
    if told.action not in rules.contact_actions or not reached:
        return
    at = told.done_at
    await _note_merged(told.case_id, lambda case: case.contact(at), cases=cases)
    await _note(message, lambda case: case.contact(at), cases=cases)


async def note_agreement(message: Message[PlanAgreed], *, cases: Cases) -> None:
    """Note that a plan is agreed, so that the family's case is acted on."""
    at = message.data.agreed_at
    await _note(message, lambda case: case.agree(at), cases=cases)


async def note_closing(
    message: Message[PlanClosed],
    *,
    cases: Cases,
    retention: Retention,
    rules: FeedbackRules,
) -> None:
    """Note that the response has ended, and so when the case is to be erased."""
    at, told = message.data.closed_at, rules.closing(message.data.reason)
    await _note(
        message, lambda case: case.close(at, told).retain(retention), cases=cases
    )


async def _note_merged(
    case_id: str, change: Callable[[Case], Case], *, cases: Cases
) -> None:
    """Change what is merged into a case by what was told of it.

    The first time counts, so that doing this again changes nothing.
    """
    case = await cases.get(case_id)
    for each in case.taken if case else ():
        merged = await cases.get(each)
        if merged and merged.merged_into == case_id and not merged.erased:
            changed = change(merged)
            if changed is not merged:
                await cases.save(changed)


async def _note(
    message: Message[Event], change: Callable[[Case], Case], *, cases: Cases
) -> None:
    """Change a case by what was told; what tells nothing new is not written."""
    case = await cases.get(message.data.case_id, cause=message)
    if case is None or case.erased:
        return
    changed = change(case)
    if changed is not case:
        await cases.save(changed, cause=message)


async def where_it_stands(
    referral_id: str, agency: str | None, *, referrals: Referrals, cases: Cases
) -> tuple[Referral, Episode]:
    """Tell an agency how far the response to its referral has come.

    Raises:
        NotReferred: There is none, or it is another agency's.
    """
    referral, case = await asyncio.gather(
        referrals.get(referral_id), cases.of_referral(referral_id)
    )
    if referral is None or referral.sender.agency != agency:
        raise NotReferred
    kept = case.episode(referral_id) if case else referral.left_case
    return referral, kept or referral.begun


async def register_agency(
    code: str, told: Registration, *, agencies: Agencies
) -> Agency:
    """Take an agency into the register, or replace what the register says of it."""
    held = await agencies.get(agency_id(code))
    new = held.registered(told) if held else Agency.named(code, told)
    return await agencies.save(new)


async def add_key(code: str, key: Key, *, agencies: Agencies) -> None:
    """Give an agency's machine a key.

    Raises:
        NoSuchAgency: It is not in the register.
        TwoKeys: It has two already.
    """
    held = await registered_agency(code, agencies=agencies)
    await agencies.save(held.with_key(key))


async def withdraw_key(code: str, key_id: str, *, agencies: Agencies) -> None:
    """Withdraw a key.

    Raises:
        NoSuchAgency: The agency is not in the register.
        NoSuchKey: It has no such key.
    """
    held = await registered_agency(code, agencies=agencies)
    await agencies.save(held.without_key(key_id))


async def registered_agency(code: str, *, agencies: Agencies) -> Agency:
    """Give an agency of the register.

    Raises:
        NoSuchAgency: There is none of this code.
    """
    held = await agencies.get(agency_id(code))
    if held is None:
        raise NoSuchAgency
    return held
