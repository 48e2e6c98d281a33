"""What the other region gets of a case: referrals that it can post as they are.

It is put together when it is asked for, from what is held then, and kept nowhere. What
is told of somebody is what is known now: parts as a person has put them right, and ways
to reach them as they may be used, so that what is out of date here is not believed
afresh there. Whoever is erased is in none of it, and what was taken back is left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from accord_contracts.access import Purpose as AccessPurpose
from accord_contracts.referrals import PersonRole
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.contact import ContactRules, Point
from referrals.domain.contradictions import contradictions
from referrals.domain.erasure import ERASED_NAME
from referrals.domain.handover import HandoverTerms
from referrals.domain.household import role_of
from referrals.domain.order import Order, OrderTerms
from referrals.domain.recognition import RecognitionRules
from referrals.domain.referral import Referral
from referrals.domain.safe_contact import Permitted, Refused, RefusedFor, may_use
from referrals.domain.telling import (
    AskedBy,
    ContactPoint,
    DescribedPerson,
    Purpose,
    Safety,
    Sharing,
    Telling,
)
from referrals.domain.trigger import MOST, ToldTrigger, Trigger
from referrals.domain.window import Windows

MOST_POINTS = 10
"""Ways to reach one person that a referral may tell."""

FIRST = (Safety.SAFE, Safety.UNSAFE, Safety.UNKNOWN)
"""What is told first of more than may be told."""

WARNED = frozenset(
    {
        RefusedFor.SUSPENDED,
        RefusedFor.UNSAFE,
        RefusedFor.READ_BY_OTHERS,
        RefusedFor.MOVED,
    }
)
"""Why a point is told as unsafe, and not as one of which nothing is known."""

Places = Annotated[tuple[int, ...], Field(max_length=30)]


class OrderBody(OrderTerms):
    """An order as it is told with a referral: people by their places in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bound: Places
    protected: Places = ()


class Packed(BaseModel):
    """A referral to post in the other region, and the orders to post with it.

    Attributes:
        referral: The body of ``POST /v1/referrals``, or a line of a batch.
        orders: Bodies of ``POST /v1/referrals/{id}/orders``.
        people: Whom it names, by id, in their order.
    """

    model_config = ConfigDict(frozen=True)

    referral: Telling
    orders: tuple[OrderBody, ...] = ()
    people: tuple[str, ...]


class Known(BaseModel):
    """What is known of a case beside its referrals.

    Attributes:
        gone: Who is erased.
        reached: How each person may be reached now, by id.
        dates: What is known to come, in all of its referrals.
        orders: Those that bind somebody, in all of its referrals.
    """

    model_config = ConfigDict(frozen=True)

    gone: frozenset[str] = frozenset()
    reached: Mapping[str, tuple[ContactPoint, ...]] = {}
    dates: tuple[Trigger, ...] = ()
    orders: tuple[Order, ...] = ()


def packed(
    referrals: Iterable[Referral],
    terms: HandoverTerms,
    known: Known,
    *,
    at: datetime,
    rules: RecognitionRules,
) -> tuple[Packed, ...]:
    """Put together what the other region gets, the latest referral last.

    Args:
        referrals: Of the case, and of what is merged into it.
        terms: On what grounds it is handed over.
        known: What is known beside them.
        at: The present time.
        rules: By what this locality recognises people.
    """
    by_time = sorted(referrals, key=lambda each: (each.received_at, each.id))
    found = [_packed(each, terms, known, at, rules) for each in by_time]
    bodies = [each for each in found if each]
    left = [e for e in known.orders if e.ended is None and not _over(e, at)]
    last_first = []
    for body in reversed(bodies):
        here = [each for each in left if {*each.people.bound} <= {*body.people}]
        left = [each for each in left if each not in here]
        orders = tuple(_order(each, body.people) for each in here)
        last_first.append(body.model_copy(update={"orders": orders}))
    return tuple(reversed(last_first))


def _packed(
    held: Referral,
    terms: HandoverTerms,
    known: Known,
    at: datetime,
    rules: RecognitionRules,
) -> Packed | None:
    """Give what is told of one referral; none if nothing of it can be."""
    described = zip(held.person_ids, held.told.people, strict=False)
    told = {
        place: (who, _described(who, each, held, known))
        for place, (who, each) in enumerate(described)
        if who not in known.gone and each.given_name != ERASED_NAME
    }
    people = tuple(each for _, each in told.values())
    if held.withdrawn or not any(e.role is PersonRole.PERSON_HARMED for e in people):
        return None
    places = {was: now for now, was in enumerate(told)}
    narrative, ids = held.told.narrative, tuple(who for who, _ in told.values())
    body = held.told.model_copy(
        update={
            "reference": f"transfer-{held.id}",
            "people": people,
            "narrative": None if narrative == ERASED_NAME else narrative,
            "sharing": Sharing(
                purpose=Purpose(terms.told_for.value),
                consulted=terms.consulted,
                why_not_safe=terms.why_not_safe and terms.why_not_safe.value,
            ),
            "triggers": tuple(
                _dates(held, known.dates, [e[0] for e in told.values()], at)
            ),
            "asked_by": _asked(held.told.asked_by, people, places),
        }
    )
    if any(contradictions(body, rules)):
        # Who asked cannot be told on these grounds: that they were referred can.
        body = body.model_copy(update={"asked_by": None})
    return Packed(referral=body, people=ids)


def _described(
    who: str, told: DescribedPerson, held: Referral, known: Known
) -> DescribedPerson:
    role = role_of(who, told.role, held.put_right)
    points = known.reached.get(who, ())
    return told.model_copy(update={"role": role, "contact_points": points})


def _dates(
    held: Referral, dates: Iterable[Trigger], people: Sequence[str], at: datetime
) -> Iterator[ToldTrigger]:
    """Give what is still to come of what a referral told, when it is known for now."""
    ahead = [e for e in dates if e.referral_id == held.id and e.ahead_at(at)]
    for each in ahead[:MOST]:
        about = tuple(p for p, who in enumerate(people) if who in each.person_ids)
        if about or not each.person_ids:
            yield ToldTrigger(
                kind=each.kind,
                at=each.happens_at,
                about=about,
                reference=each.reference,
            )


def _asked(
    asked: AskedBy | None, people: Sequence[DescribedPerson], places: Mapping[int, int]
) -> AskedBy | None:
    if asked is None or asked.person is None:
        return asked
    if asked.person not in places:
        return None
    place = places[asked.person]
    safe = any(each.safety is Safety.SAFE for each in people[place].contact_points)
    return asked.model_copy(update={"person": place, "no_safe_contact": not safe})


def _over(order: Order, at: datetime) -> bool:
    return order.terms.ends_at is not None and order.terms.ends_at <= at


def _order(held: Order, people: Sequence[str]) -> OrderBody:
    place = {who: at for at, who in enumerate(people)}
    protected = (place[each] for each in held.people.protected if each in place)
    return OrderBody(
        **held.terms.model_dump(),
        bound=tuple(place[each] for each in held.people.bound),
        protected=tuple(protected),
    )


def reached(
    points: Iterable[Point], told_in: frozenset[str], at: datetime, rules: ContactRules
) -> tuple[ContactPoint, ...]:
    """Give how somebody may be reached by all that is known, as a referral tells it.

    Only by what the case's own referrals told: another case of theirs is not handed
    over. What was closed is not told at all.

    Args:
        points: All that is known of each.
        told_in: The case's referrals.
        at: The present time.
        rules: The locality's.
    """
    own = (_without_others(each, told_in) for each in points)
    told = (
        each
        for point in own
        if point.decided.closed_at is None
        for each in _channels(point, told_in, at, rules)
    )
    return tuple(sorted(told, key=lambda each: FIRST.index(each.safety)))[:MOST_POINTS]


def _without_others(point: Point, told_in: frozenset[str]) -> Point:
    """Leave out what other cases told of a point, but for what warns of it."""
    heard = (e for e in point.heard if e.warns or e.referral_id in told_in)
    return replace(point, heard=tuple(heard))


def _channels(
    point: Point, told_in: frozenset[str], at: datetime, rules: ContactRules
) -> Iterator[ContactPoint]:
    held = point.confirmation.held if point.confirmation else None
    named = {each.channel for each in point.heard if each.referral_id in told_in}
    hours = _hours(point)
    # Of two who named other hours neither is believed: there is no hour for both.
    told_alike = len(hours) < 2 and all(hours)  # noqa: PLR2004 - Two differ.
    windows = hours[0] if told_alike and hours else None
    for channel in (each for each in point.channels if each in named):
        said = [each for each in point.heard if each.channel is channel]
        use = may_use(_at_any_hour(point), channel, at, AccessPurpose.PLAN, rules)
        if isinstance(use, Permitted) and told_alike:
            yield ContactPoint(
                channel=channel,
                value=use.value,
                safety=Safety.SAFE,
                windows=windows,
                code_word=use.code_word,
                duress_word=use.duress_word,
                leave_message=use.leave_message,
                say_who=use.say_who,
            )
        else:
            warned = isinstance(use, Refused) and use.code in WARNED
            safety = Safety.UNSAFE if warned else Safety.UNKNOWN
            value = held.value if held else said[-1].value
            yield ContactPoint(
                channel=channel, value=value, safety=safety, windows=windows
            )


def _at_any_hour(point: Point) -> Point:
    """Give a point without its hours: they go with it, whenever that is."""
    point = replace(point, heard=tuple(replace(e, windows=None) for e in point.heard))
    told = point.confirmation
    if point.kept is None or told is None or told.held is None:
        return point
    held = told.held.model_copy(update={"hours": None})
    confirmation = told.model_copy(update={"held": held})
    kept = point.kept.model_copy(update={"confirmation": confirmation})
    return replace(point, kept=kept)


def _hours(point: Point) -> tuple[Windows, ...]:
    """Give the hours that the person named, else those that any agency was told."""
    told = point.confirmation
    if told is not None:
        said = told.held.hours if told.held else None
        return () if said is None else (said,)
    heard = (each.windows for each in point.heard if each.windows is not None)
    return tuple(dict.fromkeys(heard))
