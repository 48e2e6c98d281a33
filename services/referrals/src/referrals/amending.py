"""Changing a referral that was sent: by the agency, then for its people and its case.

A change is one write of the referral, and answered. What follows are steps that the
service delivers to itself, like those of a new referral.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid5

from accord_chassis.service import settled
from accord_chassis.store import Conflict
from accord_contracts.message import Event, Lane, Message
from accord_contracts.referrals import (
    ChangePosted,
    ChangeRecognised,
    ReferralAmended,
    ReferralWithdrawn,
    WithdrawalReason,
)

from referrals.domain.amendment import Amending, Change, ChangedMeanwhile, change_id
from referrals.domain.case import Case
from referrals.domain.feedback import Wanted
from referrals.domain.household import Member, harmed_of
from referrals.domain.policy import Misfit, Policy
from referrals.domain.recognition import (
    Person,
    RecognitionRules,
    Sighting,
)
from referrals.domain.referral import KeyUsedBefore, NotReferred, Referral
from referrals.domain.roles import Standing, doubt_id, turned_round
from referrals.domain.telling import DescribedPerson, Telling
from referrals.handlers import filled_in, questioned, wished
from referrals.outdating import outdated
from referrals.recognising import Known, ask, keep, meet, tell_apart
from referrals.review_store import Reviews
from referrals.roles import Doubts
from referrals.store import Cases, People, Referrals


class Misfits(Exception):
    """What a referral would tell cannot be taken; never holds a value."""

    def __init__(self, found: Sequence[Misfit]) -> None:
        super().__init__()
        self.found = found


class Request(NamedTuple):
    """Who asks for a change, and when.

    Attributes:
        key: Tells the same change, sent again, from another one.
        subject: Who, by the subject of their token.
    """

    key: str
    subject: str
    at: datetime

    def change(self, referral_id: str, fingerprint: str) -> Change:
        """Give the change that is asked for, as far as the request says it."""
        made = change_id(referral_id, self.key)
        return Change(id=made, fingerprint=fingerprint, at=self.at, by=self.subject)


async def amend(
    referral_id: str,
    wanted: Amending,
    request: Request,
    *,
    seen: int | None,
    referrals: Referrals,
    policy: Policy,
) -> Referral:
    """Have a referral tell something else, once, however often that is sent.

    Args:
        referral_id: Of one that the agency sent.
        wanted: What it corrects or adds.
        request: Who asks.
        seen: How many changes they know of; none if they care for none.
        referrals: Where referrals are kept.
        policy: What this locality can take.

    Raises:
        NotReferred: There is none.
        KeyUsedBefore: The key belongs to another change.
        ChangedMeanwhile: There are changes that they do not know of.
        Misfits: It cannot be told so.
    """
    decide = partial(
        amended, wanted=wanted, seen=seen, policy=policy, misfits=policy.misfits
    )
    return await _change(
        referral_id, f"amended {wanted.canonical}", request, decide, referrals=referrals
    )


def amended(
    held: Referral,
    change: Change,
    *,
    wanted: Amending,
    seen: int | None,
    policy: Policy,
    misfits: Callable[[Telling, datetime], Iterable[Misfit]],
) -> Referral:
    """Give a referral as it is amended.

    Args:
        held: As it is.
        change: Who asks, and when.
        wanted: What they correct or add.
        seen: How many changes they know of; none if they care for none.
        policy: Decides how urgent it is.
        misfits: Finds what cannot be taken.

    Raises:
        ChangedMeanwhile: There are changes that they do not know of.
        Misfits: It cannot be told so.
    """
    if seen is not None and seen != len(held.changes):
        raise ChangedMeanwhile
    strangers = [*wanted.strangers(len(held.told.people))]
    if strangers:
        raise Misfits([Misfit(each, "no_such_person") for each in strangers])
    told = wanted.applied(held.told)
    # What could be told before the rule against it can still be told.
    before = {*misfits(held.told, change.at)}
    if wrong := [each for each in misfits(told, change.at) if each not in before]:
        raise Misfits(wrong)
    return held.amended(told, change, by=policy)


async def withdraw(
    referral_id: str,
    reason: WithdrawalReason,
    request: Request,
    *,
    referrals: Referrals,
) -> Referral:
    """Take a referral back, once, however often that is sent.

    Raises:
        NotReferred: There is none.
        KeyUsedBefore: The key belongs to another change.
        Withdrawn: It was withdrawn already.
    """
    return await _change(
        referral_id,
        f"withdrawn {reason}",
        request,
        lambda held, change: held.withdraw(change, reason),
        referrals=referrals,
    )


async def ask_more(
    referral_id: str, wanted: Wanted | None, *, referrals: Referrals
) -> None:
    """Ask the agency for more about its referral, or for nothing any more.

    Raises:
        NotReferred: There is none.
        Withdrawn: It was withdrawn.
        PartlyErased: It is erased, or a part of it.
    """

    async def once() -> None:
        held = await referrals.get(referral_id)
        if held is None:
            raise NotReferred
        await referrals.save(held.asked_for(wanted))

    await settled(once)


async def _change(
    referral_id: str,
    said: str,
    request: Request,
    decide: Callable[[Referral, Change], Referral],
    *,
    referrals: Referrals,
) -> Referral:
    """Change a referral, unless this change was made; give it as it then was."""
    fingerprint = referrals.vault.digest("change", said)

    async def once() -> Referral:
        held = await referrals.get(referral_id)
        if held is None:
            raise NotReferred
        change = request.change(referral_id, fingerprint)
        if earlier := as_changed_before(held, change):
            return earlier
        held.may_be_changed()
        changed = decide(held, change)
        told = ChangePosted(referral_id=held.id, number=len(changed.changes))
        return await referrals.save(changed, told, lane=changed.lane)

    return await settled(once)


def as_changed_before(held: Referral, change: Change) -> Referral | None:
    """Give a referral as it was once a change was made; none: it was not made yet.

    Raises:
        KeyUsedBefore: The key belongs to another change.
    """
    earlier = held.change(change.id)
    if earlier is None:
        return None
    if earlier.fingerprint != change.fingerprint:
        raise KeyUsedBefore
    number = held.changes.index(earlier) + 1
    return held.model_copy(update={"changes": held.changes[:number]})


async def recognise_change(
    message: Message[ChangePosted], *, referrals: Referrals, known: Known
) -> None:
    """Find out who those people are who were added, or by whom others were mistaken."""
    referral = await referrals.get(message.data.referral_id, cause=message)
    if referral is None or referral.erased:
        return
    number = message.data.number
    recognised = ChangeRecognised(referral_id=referral.id, number=number)
    changed = referral
    # While nobody is recognised yet, whoever does so finds what is told now.
    if referral.person_ids:
        ids = await _recognise(referral, number, referrals, known)
        if ids != referral.person_ids:
            changed = referral.recognised_anew(ids)
    await referrals.save(changed, recognised, cause=message)


async def _recognise(
    referral: Referral, number: int, referrals: Referrals, known: Known
) -> tuple[str, ...]:
    """Give who the people of a referral are, and have that be known of them."""
    change = referral.changes[number - 1]
    now = referrals.sightings(referral.id, referral.told.people, known.rules)
    stood = people_before(referral, number)
    before = referrals.sightings(referral.id, stood, known.rules)
    ids = [*referral.person_ids]
    for place in sorted({*change.identity, *change.reached}):
        if place >= len(ids):
            continue
        elsewhere = await _elsewhere(
            ids[place], referral, place, referrals=referrals, rules=known.rules
        )
        corrected = Correction(
            ids[place], now[place], frozenset(before[place].keys), elsewhere
        )
        if place in change.identity:
            new = str(uuid5(UUID(ids[place]), f"{referral.id}/{place}/{number}"))
            others = [*ids[:place], *ids[place + 1 :]]
            ids[place] = await _correct(corrected, new, others, referral, known)
        else:
            await _compare_anew(corrected, known.people)
    more = await meet(now[len(ids) :], referral, known, ids, at=change.at)
    return (*ids, *more)


class Correction(NamedTuple):
    """What is told of somebody now, in a referral that told otherwise.

    Attributes:
        was_id: Whom they were taken for.
        sighting: As they are told of now.
        before: By what they were recognised.
        elsewhere: What other tellings say of whom they were taken for, the first one
            first; none if no other names them.
    """

    was_id: str
    sighting: Sighting
    before: frozenset[str]
    elsewhere: tuple[Sighting, ...]

    @property
    def keys_elsewhere(self) -> tuple[str, ...]:
        """By what others tell of whom they were taken for."""
        return tuple(dict.fromkeys(key for each in self.elsewhere for key in each.keys))

    def left_of(self, was: Person) -> Person:
        """Give whom they were taken for, as others tell of them alone.

        Also without what is still told here: it may have been learned here only.
        """
        here = {*self.before, *self.sighting.keys, self.sighting.alone}
        only_here = here.difference(self.keys_elsewhere)
        keys = tuple(each for each in was.keys if each not in only_here)
        if not keys:
            # Somebody else has every key of theirs.
            keys = tuple(each.alone for each in self.elsewhere[:1])
        left = was.model_copy(update={"keys": keys, "blocks": (), "likeness": None})
        for each in self.elsewhere:
            left = left.remember(each)
        return left


async def _correct(
    told: Correction, new: str, others: list[str], referral: Referral, known: Known
) -> str:
    """Give who somebody is, and have nobody be recognised by what was wrong.

    Else the next referral of a stranger might join this family's case. Whoever is named
    nowhere else, and is nobody who is known, keeps their id.

    Args:
        told: Whom they were taken for, and what is told of them now.
        new: Their id, if they are somebody new.
        others: The other people of the referral.
        referral: Which.
        known: Who is known.
    """
    was = await _taken_for(told, referral, known)
    left = told.left_of(was)
    seen = replace(told.sighting, id=new)
    holders = await known.people.known_by(seen.keys)
    holders = {key: each for key, each in holders.items() if each.id != was.id}
    holders |= {key: left for key in seen.keys if key in left.keys}
    at = referral.changes[-1].at
    found = await tell_apart(
        (seen,), holders, referral, known, taken=others, instead=left, at=at
    )
    (person_id,), asked = found.ids, found.asked
    if not told.elsewhere:
        await known.reviews.take_back(was.id, referral.id, at)
        await known.reviews.part(was.id, at)
    if not told.elsewhere and person_id == new:
        person_id = was.id
        asked = tuple((was.id, weighed) for _, weighed in asked)
    learned = [each for each in found.changed if person_id != was.id]
    if person_id == was.id:
        keys = dict.fromkeys(key for each in found.changed for key in each.keys)
        more = [key for key in keys if key not in left.keys]
        await _put(left.learn(more).remember(seen), was, known.people)
    elif told.elsewhere:
        await _put(left, was, known.people)
    else:
        # They are somebody who is known, and nobody else ever was whom they were not.
        await known.people.remove(was.id)
        await known.reviews.forget(was.id, at)
    for each in learned:
        await keep(each, seen, known.people)
    await ask(asked, referral, known)
    return person_id


async def _taken_for(told: Correction, referral: Referral, known: Known) -> Person:
    """Give whom somebody was taken for, also if correcting that was broken off."""
    was = await known.people.get(told.was_id)
    if was is not None:
        return was
    taken = await known.people.known_by(told.keys_elsewhere)
    return Person(
        id=told.was_id,
        met_at=referral.received_at,
        keys=tuple(each for each in told.keys_elsewhere if each not in taken),
        apart=await known.reviews.apart_from(told.was_id),
    )


async def _put(person: Person, was: Person, people: People) -> None:
    """Keep somebody as they are known now, if that is another than before."""
    if not {*was.keys} <= {*person.keys} or not was.version:
        await people.rekey(person)
    elif person != was:
        await people.save(person)


async def _compare_anew(told: Correction, people: People) -> None:
    """Have somebody be compared by the ways to reach them that are told now."""
    was = await people.get(told.was_id)
    if was is not None:
        left = told.left_of(was).model_copy(update={"keys": was.keys})
        await _put(left.remember(told.sighting), was, people)


def people_before(referral: Referral, number: int) -> list[DescribedPerson]:
    """Describe the people whom a referral named until a change, as they were then."""
    described = []
    for place, person in enumerate(referral.told.people):
        fields = person.model_dump()
        for change in reversed(referral.changes[number - 1 :]):
            fields |= change.before(place)
        described.append(DescribedPerson.model_validate(fields))
    return described


async def _elsewhere(
    person_id: str,
    referral: Referral,
    place: int,
    *,
    referrals: Referrals,
    rules: RecognitionRules,
) -> tuple[Sighting, ...]:
    """Give what other tellings say of somebody, the first one first."""
    found = []
    told = await referrals.of_person(person_id)
    for each in sorted(told, key=lambda one: (one.received_at, one.id)):
        seen = referrals.sightings(each.id, each.told.people, rules)
        for where, (id_, sighting) in enumerate(
            zip(each.person_ids, seen, strict=False)
        ):
            if id_ == person_id and (each.id, where) != (referral.id, place):
                found.append(sighting)
    return tuple(found)


async def change_case(
    message: Message[ChangeRecognised],
    *,
    referrals: Referrals,
    cases: Cases,
    doubts: Doubts,
    reviews: Reviews,
) -> None:
    """Take a change of a referral over into its case, and tell of it.

    A referral that waits for a person goes out as it was amended by then: nothing of
    an amendment is told before. That it was withdrawn is told at once.
    """
    told = message.data
    referral, found = await asyncio.gather(
        referrals.get(told.referral_id), cases.of_referral(told.referral_id)
    )
    if referral is None or referral.erased:
        return
    case_id = found.id if found else referral.left_case_id
    case = await cases.get(case_id, cause=message) if case_id else None
    if case is None:
        # Its case is being opened at this moment.
        raise Conflict("The referral has no case yet.")
    if case.erased:
        return
    change = referral.changes[told.number - 1]
    named = case
    # A copy of what another region has stays as it is.
    if not case.transferred:
        named = await _renamed(referral, case, referrals=referrals, cases=cases)
    lane = Lane.URGENT if case.level and case.level.urgent else None
    events = [told_of(referral, change, told.number, case.id)]
    # That it is withdrawn a coordinator is told in any case.
    if not change.reason:
        events += outdated(case, referral.id, change.at, told.number)
    doubt = await doubts.get(doubt_id(referral.id))
    if doubt and doubt.standing is Standing.WAITING and not change.reason:
        # Whoever has read the referral before it was amended does not send it now.
        await doubts.save(doubt)
        events = []
    elif not change.reason and not case.transferred:
        beside = await _beside(referral, named, cases=cases, reviews=reviews)
        doubted = turned_round(referral.household(referral.members), *beside)
        asked = {e.two for e in await doubts.of_case(case.id) if e.open}
        if doubted and doubted.two not in asked:
            question = questioned(doubted, case.id, referral.id, change.at)
            events, lane = [question, *events], Lane.URGENT
    await cases.save(named, *events, cause=message, lane=lane)


async def _renamed(
    referral: Referral, case: Case, *, referrals: Referrals, cases: Cases
) -> Case:
    """Give a case with its people as its referrals name them now."""
    members = referral.members
    touched = referral.everybody
    gone = {e for e in case.people if e.person_id in touched} - {*members}
    household = referral.household(members)
    if not gone and {*members} <= {*case.people} and case.knows(household):
        return case
    for person_id in {each.person_id for each in gone}:
        for other in await referrals.of_person(person_id):
            if other.id != referral.id and of_case(other, case):
                gone.difference_update(other.members)
    near = await cases.of_people(harmed_of(members))
    others = (each for each in near if each.id != case.id)
    return case.rename(household, frozenset[Member](gone), others)


async def _beside(
    referral: Referral, case: Case, *, cases: Cases, reviews: Reviews
) -> tuple[list[Case], dict[str, str]]:
    """Give what others tell of the people of a referral, and who is one with whom.

    Of its own case that is without what it tells alone.
    """
    members = referral.members
    near, same = await asyncio.gather(
        cases.of_people(harmed_of(members)),
        reviews.one_with(each.person_id for each in members),
    )
    near += await cases.of_people(same) if same else []
    told = (e for e in case.pairs if any(t.referral_id != referral.id for t in e.told))
    without = case.model_copy(update={"pairs": tuple(told)})
    return [without, *(each for each in near if each.id != case.id)], same


def of_case(referral: Referral, case: Case) -> bool:
    """Tell whether a referral is a case's."""
    return bool(case.episode(referral.id)) or referral.left_case_id == case.id


def told_of(referral: Referral, change: Change, number: int, case_id: str) -> Event:
    """Tell of a change: what it is about, and what the agency says now as codes."""
    if change.reason:
        return ReferralWithdrawn(
            case_id=case_id,
            referral_id=referral.id,
            reason=change.reason,
            withdrawn_at=change.at,
        )
    return ReferralAmended(
        case_id=case_id,
        referral_id=referral.id,
        number=number,
        groups=change.groups,
        incidents=referral.told.incidents,
        answers=referral.told.answers,
        parties=referral.parties,
        occurred_at=referral.told.occurred_at,
        amended_at=change.at,
        instruments=filled_in(referral.told),
        wishes=wished(referral.told),
        place_area=referral.told.place.area,
        agency=referral.sender.agency,
    )
