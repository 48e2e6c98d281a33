"""Asking agencies what they know, taking their decisions, and the disclosure ledger.

Who may ask and decide is decided by the routes. What is disclosed is entered in the
ledger by what the service tells itself: no inquiry or decision can be kept without it.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol

from accord_chassis.clock import Clock
from accord_chassis.guard import StandingAway, Standings
from accord_chassis.service import settled
from accord_chassis.store import Conflict
from accord_contracts.access import AGENCIES, listed_id
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import MeetingAsked, PaperReleased
from accord_contracts.referrals import (
    Answer,
    CaseErased,
    CaseTransferred,
    InformationDecided,
    InformationOverdue,
    InformationPushed,
    InformationRequested,
    InformationWithdrawn,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
    ReferralWithdrawn,
)

from referrals.domain.agency import Agency, agency_id
from referrals.domain.case import Case
from referrals.domain.erasure import ERASED_NAME, Decision
from referrals.domain.inquiry import (
    MOST_PEOPLE,
    Inquiry,
    Learned,
    NoSuchInquiry,
    Said,
    Terms,
)
from referrals.domain.ledger import (
    Disclosure,
    Left,
    of_asking,
    of_decision,
    of_learned,
    of_paper,
)
from referrals.domain.policy import Policy
from referrals.domain.referral import Referral
from referrals.domain.registration import registered_under_s19
from referrals.domain.telling import DescribedPerson
from referrals.keeping import Disclosures, Inquiries
from referrals.review_store import Reviews
from referrals.store import Agencies, Cases, Referrals, Tombstones

DESCRIBED_BY = 20
"""The latest referrals of somebody whose descriptions an agency is shown."""


class Bureau(NamedTuple):
    """What is needed to ask, to be answered and to keep the ledger."""

    inquiries: Inquiries
    disclosures: Disclosures
    referrals: Referrals
    cases: Cases
    agencies: Agencies
    tombstones: Tombstones
    reviews: Reviews
    policy: Policy
    clock: Clock
    standings: Standings


class ListsAway(ConnectionError):
    """Whether an agency is named on a case's lists cannot be asked at present."""


async def ask(
    case: Case,
    agency: str,
    terms: Terms,
    by: str,
    bureau: Bureau,
    *,
    before: MeetingAsked | None = None,
) -> Inquiry:
    """Ask an agency; while the inquiry stands, once is as good as twice.

    Before a meeting the command is the occasion: told twice it asks once, whoever has
    come into the case meanwhile, and the next one, about something new, asks anew.
    """
    at = bureau.clock.now()
    rules = bureau.policy.inquiries
    occasion = None
    if before is not None:
        occasion = f"{before.meeting_id}/{before.asked_at.isoformat()}"

    async def keep() -> Inquiry:
        new = Inquiry.ask(
            case.id,
            agency,
            terms,
            by=by,
            at=at,
            rules=rules,
            alarm=before is None,
            occasion=occasion,
        )
        while held := await bureau.inquiries.get(new.id):
            if held.stands(at):
                return held
            new = new.again()
        requested = InformationRequested(
            case_id=case.id,
            inquiry_id=new.id,
            agency=agency,
            requested_at=new.asked_at,
            needed_by=new.needed_by,
        )
        lane = Lane.URGENT if case.level and case.level.urgent else None
        return await bureau.inquiries.save(new, requested, lane=lane)

    return await settled(keep)


async def ask_for_meeting(message: Message[MeetingAsked], *, bureau: Bureau) -> None:
    """Ask the agencies that are invited to a meeting about everybody in a case.

    Whoever may not be told is left out: who is not in the register now, whom s 19 does
    not name, and of whom the person harmed wishes that they are not told. Whoever leads
    the case asks such an agency by name, on a ground of its own. Who is silent is seen
    on the agenda: an alarm for each, all in one minute, would hide those that matter.
    """
    told = message.data
    if told.needed_by <= bureau.clock.now():
        # It comes late: answers would serve no meeting.
        return
    case = await bureau.cases.get(told.case_id)
    if case is None or case.erased or case.transferred or case.merged_into:
        return
    people = await people_of(case, bureau)
    if not people:
        return
    terms = Terms(
        # Of a larger household whoever was met last: nobody is asked about more.
        people=people[:MOST_PEOPLE],
        purpose=told.purpose,
        belief=told.belief,
        consulted=told.consulted,
        why_not_safe=told.why_not_safe,
        needed_by=told.needed_by,
    )
    wished = await not_to_be_told(case, bureau)
    for code in told.agencies:
        try:
            wrong = await why_not(code, case.id, terms, wished, bureau)
        except StandingAway:
            # It is tried again, as what is published is; nobody waits for it.
            raise ListsAway(StandingAway.__name__) from None
        if wrong is None:
            await ask(case, code, terms, told.asked_by, bureau, before=told)


async def why_not(
    code: str, case_id: str, terms: Terms, wished: frozenset[str], bureau: Bureau
) -> str | None:
    """Say by which rule an agency may not be told whom a case is about, if it may not.

    Args:
        code: The agency's.
        case_id: The case.
        terms: What it would be asked, and on what grounds.
        wished: Of whom the person harmed wishes that they are not told.
        bureau: What is needed to know.

    Raises:
        StandingAway: The case's lists cannot be asked for at present.
    """
    at = bureau.clock.now()
    agency = await agency_of(code, bureau)
    if agency is None or not agency.may_refer(at):
        return "not_in_the_register"
    if terms.ipp11 is None and not registered_under_s19(agency, at):
        return "not_registered_under_s19"
    if code in wished and not terms.against_wish:
        return "wished_not_to_be_told"
    if await never_asked(code, [case_id], bureau):
        return "never_to_be_asked"
    return None


async def never_asked(
    code: str, case_ids: Collection[str], bureau: Bureau
) -> frozenset[str]:
    """Give those of some cases whose lists name an agency as never to be asked.

    Raises:
        StandingAway: They cannot be asked for at present.
    """
    if not case_ids:
        return frozenset()
    known = await bureau.standings.of(listed_id(AGENCIES, code), sorted({*case_ids}))
    # Of which nothing is known, nobody is told.
    return frozenset(e for e in case_ids if e not in known or known[e].excluded)


async def decide(
    inquiry_id: str, said: Said, *, replaces: int, by: str, bureau: Bureau
) -> Inquiry:
    """Record what the agency that is asked decides, and tell of it.

    Raises:
        NoSuchInquiry: There is none.
        DecidedBefore: Another decision counts.
        InquiryOver: It does not stand any more, or was decided on too often.
    """
    at = bureau.clock.now()

    async def keep() -> Inquiry:
        held = await bureau.inquiries.get(inquiry_id)
        if held is None:
            raise NoSuchInquiry
        decided = held.decide(said, replaces=replaces, by=by, at=at)
        if decided is held:
            return held
        told = InformationDecided(
            case_id=held.case_id,
            inquiry_id=held.id,
            agency=held.agency,
            number=len(decided.decisions),
            decision=said.decision,
            reason=said.reason,
            answers=said.answers,
            decided_at=at,
        )
        yes = {each for each, answer in said.answers.items() if answer is Answer.YES}
        urgent = yes & bureau.policy.urgent_answers
        lane = Lane.URGENT if urgent else None
        return await bureau.inquiries.save(decided, told, lane=lane)

    return await settled(keep)


async def withdraw(
    inquiry_id: str, case_id: str, decision: Decision, bureau: Bureau
) -> None:
    """Ask an agency no more, and tell its system; once is as good as twice.

    The ledger keeps that it was told whom it was asked about.

    Raises:
        NoSuchInquiry: There is none in this case.
        InquiryOver: It does not stand any more.
    """

    async def note() -> None:
        held = await bureau.inquiries.get(inquiry_id)
        if held is None or held.case_id != case_id:
            raise NoSuchInquiry
        new = held.withdraw(decision)
        if new is held:
            return
        told = InformationWithdrawn(
            case_id=case_id,
            inquiry_id=held.id,
            agency=held.agency,
            withdrawn_at=decision.at,
        )
        await bureau.inquiries.save(new, told)

    await settled(note)


async def tell_overdue(due: Inquiry, *, bureau: Bureau) -> None:
    """Say once that an agency has not decided in time.

    Of one that the case's lists name meanwhile nothing is said: it may not decide.

    Raises:
        StandingAway: They cannot be asked for at present. It is tried again.
    """
    if due.due_at is None:
        return
    if await never_asked(due.agency, [due.case_id], bureau):
        await bureau.inquiries.save(due.fall_due())
        return
    overdue = InformationOverdue(
        case_id=due.case_id,
        inquiry_id=due.id,
        agency=due.agency,
        due_at=due.due_at,
        late_by=(bureau.clock.now() - due.due_at).total_seconds(),
    )
    await bureau.inquiries.save(due.fall_due(), overdue)


async def enter_asking(
    message: Message[InformationRequested], *, bureau: Bureau
) -> None:
    """Enter in the ledger what an inquiry tells the agency that is asked."""
    held = await bureau.inquiries.get(message.data.inquiry_id)
    if held is not None:
        await enter(of_asking(held), bureau)


async def enter_decision(
    message: Message[InformationDecided], *, bureau: Bureau
) -> None:
    """Enter in the ledger what an agency's decision tells whoever works on the case."""
    held, number = (
        await bureau.inquiries.get(message.data.inquiry_id),
        message.data.number,
    )
    if held is not None and number <= len(held.decisions):
        await enter(of_decision(held, number), bureau)


async def push(message: Message[InformationDecided], *, bureau: Bureau) -> None:
    """Tell other cases that asked about the same people for the same purpose.

    By whichever of their ids a case knows them. Only the decision that counts, in place
    of what an earlier one told them: answers that are taken back stand nowhere.
    """
    held = await bureau.inquiries.get(message.data.inquiry_id)
    if held is None:
        return
    terms = held.terms
    same = await bureau.reviews.one_with(terms.people)
    ids = {*terms.people, *same}
    for each in await bureau.inquiries.about_any(ids, terms.purpose):
        if each.case_id != held.case_id:
            await settled(partial(_learn, each.id, message, same, bureau))
    # Looked at last: whoever erases it marks it first, so that one of the two forgets.
    held = await bureau.inquiries.get(held.id)
    if held and held.erased:
        await unlearn([held], terms.people, bureau.inquiries)


async def _learn(
    inquiry_id: str,
    message: Message[InformationDecided],
    same: Mapping[str, str],
    bureau: Bureau,
) -> None:
    number = message.data.number
    held = await bureau.inquiries.get(inquiry_id)
    other = await bureau.inquiries.get(message.data.inquiry_id)
    if held is None or other is None or number != len(other.decisions):
        return
    at = _told_at(message, bureau)
    new = held.concerns(other, number, at, same)
    await _note_learned(held, new, other, message, bureau)


async def push_referral(
    message: Message[ReferralReceived]
    | Message[ReferralAmended]
    | Message[ReferralWithdrawn],
    *,
    bureau: Bureau,
) -> None:
    """Tell other cases that asked about the same people for the same purpose.

    What the referral tells now, whichever of its changes is heard of; nothing of it
    stands any more where it was taken back, or is about somebody else or for another
    purpose since.
    """
    told = message.data
    everybody = await bureau.referrals.named_in(told.referral_id)
    same = await bureau.reviews.one_with(everybody)
    asked = await bureau.inquiries.about_any({*everybody, *same})
    others = [each for each in asked if each.case_id != told.case_id]
    for each in others:
        learn = partial(
            _learn_referral, each.id, told.referral_id, message, same, bureau
        )
        await settled(learn)
    # As above; where nobody asks, nobody has learned of it.
    referral = await bureau.referrals.get(told.referral_id) if others else None
    if referral and referral.erased:
        await unlearn([referral], referral.everybody, bureau.inquiries)


async def _learn_referral(
    inquiry_id: str,
    referral_id: str,
    message: Message[Event],
    same: Mapping[str, str],
    bureau: Bureau,
) -> None:
    held = await bureau.inquiries.get(inquiry_id)
    referral = await bureau.referrals.get(referral_id)
    if held is None or referral is None:
        return
    at = _told_at(message, bureau)
    new = held.concerns_referral(referral, at, same)
    await _note_learned(held, new, referral, message, bureau)


async def _note_learned(
    held: Inquiry,
    new: Learned | None,
    other: Inquiry | Referral,
    message: Message[Event],
    bureau: Bureau,
) -> None:
    """Note what was learned elsewhere and tell it, or forget what was learned there.

    Of what is left of it where nothing new may be told, nobody is told.
    """
    if new is None:
        if (without := held.without_learned_from(other)) is not held:
            await bureau.inquiries.save(without)
        return
    if (learned := held.learn(new)) is held:
        return
    if not held.stands(_told_at(message, bureau)):
        await bureau.inquiries.save(learned)
        return
    pushed = InformationPushed(
        case_id=held.case_id,
        inquiry_id=held.id,
        agency=new.agency,
        person_ids=new.about,
        answers=new.answers,
        learned_at=new.at,
    )
    await bureau.inquiries.save(learned, pushed, lane=message.lane)


def _told_at(message: Message[Event], bureau: Bureau) -> datetime:
    """Give when something is told on: what waited is told late, if at all."""
    return max(message.time, bureau.clock.now())


async def unlearn_parted(message: Message[PersonUnmerged], *, bureau: Bureau) -> None:
    """Have inquiries forget what they learned of somebody by another's id.

    Of which it is known only now that it is another's. By whom is one now: what was
    decided once more since stays.
    """
    two = (message.data.person_id, message.data.other_id)
    parted = frozenset({*two, *await bureau.reviews.one_with(two)})

    async def forget(inquiry_id: str) -> None:
        held = await bureau.inquiries.get(inquiry_id)
        if held is None:
            return
        ids = {one for e in held.learned for one in (*e.about, *e.through)}
        same = await bureau.reviews.one_with(sorted(ids))
        without = held.without_learned_of_another(parted, same)
        if without is not held:
            await bureau.inquiries.save(without)

    for each in await bureau.inquiries.about_any(parted):
        if any(e.through for e in each.learned):
            await settled(partial(forget, each.id))


async def enter_learned(message: Message[InformationPushed], *, bureau: Bureau) -> None:
    """Enter in the ledger what was told to another case.

    As it was told: what the case still knows of it may be less by now.
    """
    told = message.data
    held = await bureau.inquiries.get(told.inquiry_id)
    if held is None or not told.answers:
        return
    about, at = told.person_ids, told.learned_at
    await enter(of_learned(held, message.id, told.agency, about, at), bureau)


async def enter_paper(message: Message[PaperReleased], *, bureau: Bureau) -> None:
    """Enter in the ledger what a paper told that has left, of everybody it is about."""
    told = message.data
    case = await bureau.cases.get(told.case_id)
    if case is None or case.erased:
        return
    left = Left(
        release_id=told.release_id,
        case_id=case.id,
        at=told.released_at,
        agency=told.agency,
        worker=told.worker_id,
        own=told.person_id is not None,
        told=told.told,
    )
    family = await bureau.cases.family_of(case)
    members = [member for each in family for member in each.people]
    await enter(of_paper(left, members), bureau)


class Ledger(Protocol):
    """Where is kept what was told of whom, and who is erased."""

    @property
    def disclosures(self) -> Disclosures:
        """What was told."""
        ...

    @property
    def tombstones(self) -> Tombstones:
        """Who is erased."""
        ...


async def enter(entries: Iterable[Disclosure], ledger: Ledger) -> None:
    """Enter what was told in the ledger, once; of who is erased, only that it was."""
    for each in entries:
        gone = await ledger.tombstones.get(each.person_id)
        entry = each.tombstone(gone.decision) if gone else each
        # It was entered before, when this message came the first time.
        with suppress(Conflict):
            await ledger.disclosures.save(entry)
        # Looked at last: whoever erases them leaves a tombstone first, so that one of
        # the two bares what is entered meanwhile.
        gone = await ledger.tombstones.get(each.person_id)
        if gone:
            await settled(partial(_bare, entry.id, gone.decision, ledger.disclosures))


def may_have(inquiry: Inquiry, agency: Agency | None, bureau: Bureau) -> bool:
    """Tell whether the agency that is asked may be told whom it is about, now.

    Its entry in the register may have ended since it was asked, the inquiry have been
    withdrawn, or the case be erased.
    """
    at = bureau.clock.now()
    ended = inquiry.erased or inquiry.withdrawn
    if ended or agency is None or not agency.may_refer(at):
        return False
    return inquiry.terms.ipp11 is not None or registered_under_s19(agency, at)


async def agency_of(code: str | None, bureau: Bureau) -> Agency | None:
    """Give an agency of the register, if there is one."""
    return await bureau.agencies.get(agency_id(code)) if code else None


async def not_to_be_told(case: Case, bureau: Bureau) -> frozenset[str]:
    """Give the agencies of which the person harmed wishes that they are not told.

    Also what was told in the cases that are merged into this one.
    """
    family = await bureau.cases.family_of(case)
    found = await asyncio.gather(*map(bureau.referrals.of_case, family))
    return frozenset(
        code
        for each in chain.from_iterable(found)
        if not each.withdrawn
        for code in each.told.wishes.not_told
    )


async def people_of(case: Case, bureau: Bureau) -> tuple[str, ...]:
    """Give who is in a case or in one that is merged into it, and not erased.

    The case's own first, of each case whoever was met last first.
    """
    family = await bureau.cases.family_of(case)
    met = (each.person_id for one in family for each in reversed(one.people))
    members = tuple(dict.fromkeys(met))
    gone = await erased_of(members, bureau)
    return tuple(each for each in members if each not in gone)


async def erased_of(ids: Sequence[str], bureau: Bureau) -> frozenset[str]:
    """Give those of some people who are erased."""
    found = await asyncio.gather(*map(bureau.tombstones.get, ids))
    return frozenset(each.id for each in found if each is not None)


async def descriptions_of(
    person_id: str, bureau: Bureau
) -> tuple[DescribedPerson, ...]:
    """Give how somebody was described in the latest referrals, each way once.

    Only by that by which an agency finds them in its own register: names, birthday and
    gender. No other agency's number for them (IPP 13), no address, not their part; and
    not as whoever took it back has described them.
    """
    found = await bureau.referrals.latest_of_person(person_id, DESCRIBED_BY)
    told = (
        described
        for referral in found
        if not referral.withdrawn
        # Whoever an amendment has added has no id for a moment.
        for id_, described in zip(
            referral.person_ids, referral.told.people, strict=False
        )
        if id_ == person_id and described.given_name != ERASED_NAME
    )
    ways = {(e.given_name, e.family_name, e.date_of_birth, e.gender): e for e in told}
    return tuple(ways.values())


async def end_inquiries(message: Message[CaseTransferred], *, bureau: Bureau) -> None:
    """Have no agency be asked any more about a case that was transferred."""
    told, inquiries, after = message.data, bureau.inquiries, ""
    while page := await inquiries.of_case(told.case_id, after):
        for each in page:
            await settled(partial(_end, each.id, told.transferred_at, inquiries))
        after = page[-1].id


async def _end(inquiry_id: str, at: datetime, inquiries: Inquiries) -> None:
    held = await inquiries.get(inquiry_id)
    if held is not None and held.stands(at):
        await inquiries.save(held.over(at))


async def erase_inquiries(message: Message[CaseErased], *, bureau: Bureau) -> None:
    """Destroy the keys of what was shared about a case that is erased."""
    told, inquiries = message.data, bureau.inquiries
    decision = Decision(reason=told.reason, by=None, at=told.erased_at)
    after = ""
    while page := await inquiries.of_case(told.case_id, after):
        for each in page:
            await inquiries.vault.shred(inquiries.record(each.id))
            await settled(partial(_erase, each.id, decision, inquiries))
        about = {person_id for each in page for person_id in each.terms.people}
        await unlearn(page, about, inquiries)
        after = page[-1].id


async def _erase(inquiry_id: str, decision: Decision, inquiries: Inquiries) -> None:
    held = await inquiries.get(inquiry_id)
    if held is not None and held.erased is None:
        await inquiries.save(held.erase(decision))


async def unlearn(
    gone: Sequence[Inquiry | Referral], about: Iterable[str], inquiries: Inquiries
) -> None:
    """Have other cases forget what they were told of what is erased.

    Args:
        gone: What is erased.
        about: Everybody whom it was about.
        inquiries: Where what cases were told is kept.
    """

    async def forget(inquiry_id: str) -> None:
        held = await inquiries.get(inquiry_id)
        without = held and held.without_learned_from(*gone)
        if without and without is not held:
            await inquiries.save(without)

    for each in await inquiries.about_any(about):
        if each.learned:
            await settled(partial(forget, each.id))


async def forget_about(
    person_id: str,
    decision: Decision,
    inquiries: Inquiries,
    disclosures: Disclosures,
) -> None:
    """Destroy every piece in which somebody may be named, and leave a bare ledger."""
    for each in await inquiries.about_any([person_id]):
        parts = each.parts_about(person_id)
        if parts:
            await inquiries.vault.shred(inquiries.record(each.id), parts)
        if parts or each.learned:
            await settled(partial(_write_down_anew, each.id, person_id, inquiries))
    for entry in await disclosures.about(person_id):
        if entry.erased is None:
            await settled(partial(_bare, entry.id, decision, disclosures))


async def _bare(entry_id: str, decision: Decision, disclosures: Disclosures) -> None:
    held = await disclosures.get(entry_id)
    if held is not None and held.erased is None:
        await disclosures.save(held.tombstone(decision))


async def _write_down_anew(
    inquiry_id: str, person_id: str, inquiries: Inquiries
) -> None:
    # Loaded anew: what cannot be read any more is not in it.
    held = await inquiries.get(inquiry_id)
    if held is not None:
        anew = held.without_unreadable().without_learned_about(person_id)
        await inquiries.save(anew)
