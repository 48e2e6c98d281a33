"""Finding out who somebody is who is told of, and keeping what is learned of them."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from accord_chassis.clock import Clock
from accord_chassis.store import Conflict

from referrals.domain.likeness import Likeness
from referrals.domain.matching import finding
from referrals.domain.recognition import (
    Person,
    Recognised,
    RecognitionRules,
    Sighting,
    Weighed,
    recognise,
    strangers,
)
from referrals.domain.referral import Referral
from referrals.domain.review import reviews_of
from referrals.domain.weighing import MatchingPolicy, resembling, weigh
from referrals.review_store import Reviews
from referrals.store import People, Referrals

RECOGNISED_WITHIN = timedelta(days=1)
"""After how long nobody waits any more for the referral in which somebody was met: it
tells of somebody else by now."""

log = structlog.get_logger()


class Known(NamedTuple):
    """Those who are known, what is asked about them, and what tells who is who."""

    people: People
    reviews: Reviews
    rules: RecognitionRules
    matching: MatchingPolicy


async def meet(
    seen: Sequence[Sighting],
    referral: Referral,
    known: Known,
    taken: Collection[str] = (),
    at: datetime | None = None,
) -> tuple[str, ...]:
    """Give who some people of a referral are, and keep what is learned of them.

    People are saved first, each once however often this is done, then what is asked
    about them.

    Args:
        seen: As they are described.
        referral: Which.
        known: Who is known.
        taken: Who its other people are.
        at: When a change of it named them; none: it named them from the first.
    """
    if not seen:
        return ()
    holders = await known.people.known_by(key for each in seen for key in each.keys)
    found = await tell_apart(seen, holders, referral, known, taken=taken, at=at)
    told = dict(zip(found.ids, seen, strict=True))
    kept = (keep(each, told[each.id], known.people) for each in found.changed)
    await asyncio.gather(*kept)
    await ask(found.asked, referral, known)
    return found.ids


async def tell_apart(
    seen: Sequence[Sighting],
    holders: Mapping[str, Person],
    referral: Referral,
    known: Known,
    *,
    taken: Collection[str] = (),
    instead: Person | None = None,
    at: datetime | None = None,
) -> Recognised:
    """Tell who is who, by keys and by weighing whom no key tells.

    Args:
        seen: As they are described.
        holders: Everybody who has one of their keys, by key.
        referral: Which describes them.
        known: Who is known.
        taken: Who its other people are.
        instead: Somebody as they are to be weighed, whatever is kept of them.
        at: When it described them so; none: from the first.
    """
    weighed = await weigh_all(strangers(seen, holders), known, instead)
    return recognise(seen, holders, at or referral.received_at, weighed, taken)


async def weigh_all(
    seen: Iterable[Sighting], known: Known, instead: Person | None = None
) -> Mapping[str, Weighed]:
    """Weigh whom those resemble whom no key tells; whoever is nameless, nobody.

    Args:
        seen: They.
        known: Who is known.
        instead: Somebody as they are to be weighed, whatever is kept of them.
    """
    compared = [each for each in seen if each.asks]
    near = await asyncio.gather(*(known.people.near(each.asks) for each in compared))
    for each in near:
        for kind in each.crowded:
            log.warning("matching.crowded", reason=kind)
    weights = known.matching.weights
    return {
        each.id: weigh(each, _with(found.people, instead), weights, found.crowded)
        for each, found in zip(compared, near, strict=True)
    }


def _with(people: Iterable[Person], instead: Person | None) -> list[Person]:
    return [instead if instead and e.id == instead.id else e for e in people]


async def keep(learned: Person, seen: Sighting, people: People) -> None:
    """Save somebody who is new, or what was learned of somebody who is not."""
    if not learned.version:
        await people.save(learned)
        return
    held = await people.get(learned.id)
    if held is None:
        raise Conflict("Somebody was erased meanwhile.")
    new = (key for key in learned.keys if key not in held.keys)
    await people.save(held.learn(new).remember(seen))


async def ask(
    about: Iterable[tuple[str, Weighed]], referral: Referral, known: Known
) -> None:
    """Have a person decide whether those who are new are whom they resemble."""
    met_in = (referral.id, referral.received_at)
    await asyncio.gather(*(_ask(*each, *met_in, known) for each in about))


async def _ask(
    person_id: str, resembles: Weighed, referral_id: str, at: datetime, known: Known
) -> None:
    asked = reviews_of(
        person_id,
        resembles,
        referral_id=referral_id,
        at=at,
        policy=known.matching.version,
        most=known.matching.ask_about,
    )
    await asyncio.gather(*map(known.reviews.ask, asked))


async def compare_again(
    due: Person, *, referrals: Referrals, known: Known, clock: Clock
) -> None:
    """Have a person decide of whoever was met at the same moment in another spelling.

    Nobody is linked by it: their referrals have their cases by now. Those whom one
    referral tells of are apart, and who was asked about already is not asked again.
    """
    person = await known.people.get(due.id)
    if person is None or person.compare_at is None:
        return
    referral_id, beside = await referrals.named_with(person.id)
    if referral_id is None and clock.now() < person.met_at + RECOGNISED_WITHIN:
        raise Conflict("The referral that tells of them is not recognised yet.")
    if person.likeness and referral_id:
        found = await known.people.near(asks_of(person.likeness, known.people))
        apart = {*beside, *person.apart}
        others = (each for each in found.people if each.id not in apart)
        _, likely = resembling(person.likeness, others, known.matching.weights)
        resembles = Weighed(likely=likely, crowded=found.crowded)
        await _ask(person.id, resembles, referral_id, clock.now(), known)
    await known.people.save(person.model_copy(update={"compare_at": None}))


def asks_of(one: Likeness, people: People) -> set[str]:
    """Give what whoever may be somebody is found by, under each of their names."""
    plain = {key for each in one.records for key in finding.asked(each)}
    return {people.vault.blind(each) for each in plain}
