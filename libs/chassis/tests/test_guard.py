"""Who may do what with which record: the rules of RELIABILITY (c), and their order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any, cast

import pytest
from accord_chassis.access import Caller
from accord_chassis.audit import AuditLog, Entry
from accord_chassis.clock import SimulatedClock
from accord_chassis.decision import (
    ANYBODY,
    LEADS,
    NOT_OUTREACH,
    Action,
    Denial,
    Permit,
    Purposeless,
    Relation,
    Resource,
    decide,
)
from accord_chassis.guard import Asking, Guard, NoSuchRecord
from accord_chassis.testing import NOON, new_id
from accord_contracts.access import (
    NO_CASE,
    ClosedToChange,
    OpenGlass,
    Purpose,
    Side,
    Standing,
)
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

HARMED, USING, WHOLE = Side
CASE, WORKER = new_id(), new_id()

READ = Action(
    "plan.read",
    (Relation.OWNER, Relation.TEAM, Relation.COORDINATOR, Relation.GLASS),
    parts={"level": ANYBODY, "safety": NOT_OUTREACH, "closing": LEADS},
    glass=frozenset({"safety"}),
)
ALL = frozenset({"level", "safety", "closing"})
PLAN = Resource("plan", CASE, CASE)


def caller(worker: str | None = WORKER, agency: str | None = None) -> Caller:
    return Caller("issuer", "subject", "test", frozenset(), agency, None, worker)


def machine(agency: str | None = None) -> Caller:
    """Give a program that asks for itself."""
    return replace(caller(None, agency), client="subject")


def standing(**said: Any) -> Standing:
    return Standing(**{"case_id": CASE, "worker_id": WORKER, "active": True, **said})


def glass(minutes: int = 15) -> OpenGlass:
    return OpenGlass(id=new_id(), until=NOON + timedelta(minutes=minutes))


def decided(
    stands: Standing | None,
    *,
    action: Action = READ,
    resource: Resource = PLAN,
    purpose: Purpose = Purpose.PLAN,
    who: Caller | None = None,
) -> Permit | Denial:
    return decide(who or caller(), action, resource, purpose, standing=stands, at=NOON)


SEES = {
    "the person harmed's worker": (standing(sides={HARMED}), {"level", "safety"}),
    "who meets the person using violence": (standing(sides={USING}), {"level"}),
    "the lead": (standing(sides={WHOLE}), {"safety", "level", "closing"}),
    "the coordinator": (standing(coordinator=True), ALL),
    "a coordinator who once met the person using violence": (
        standing(coordinator=True, served={USING}),
        {"level"},
    ),
    "whoever broke the glass": (standing(glass=glass()), {"safety"}),
}


@pytest.mark.parametrize("who", SEES)
def test_each_side_sees_its_own_parts(who: str) -> None:
    stands, parts = SEES[who]

    found = decided(stands)

    assert isinstance(found, Permit)
    assert found.parts == parts


DENIED = {
    "nobody to do with the case": (standing(), "no_relation"),
    "one on no case, whose standing is not known": (None, "standing_unknown"),
    "one who is at work no more": (
        standing(active=False, sides={HARMED}),
        "inactive",
    ),
    "a relative": (standing(conflict=True, sides={HARMED}), "conflict"),
    "one who is excluded": (standing(excluded=True, coordinator=True), "excluded"),
    "one who is not on the list": (
        standing(unlisted=True, sides={WHOLE}),
        "restricted",
    ),
    "whose glass has closed": (standing(glass=glass(0)), "no_relation"),
    "outreach through broken glass": (
        standing(glass=glass(), own_side=USING),
        "compartment",
    ),
}


@pytest.mark.parametrize("who", DENIED)
def test_others_see_nothing(who: str) -> None:
    stands, rule = DENIED[who]

    assert decided(stands) == Denial(rule)


def test_whoever_has_left_does_nothing_that_a_scope_alone_allows() -> None:
    put = Action("worker.put", (Relation.SCOPE,))
    resource = Resource("worker", new_id())

    def of(stands: Standing | None, who: Caller | None = None) -> Permit | Denial:
        return decided(stands, action=put, resource=resource, who=who)

    at_work = Standing(case_id=NO_CASE, worker_id=WORKER, active=True)
    left = at_work.model_copy(update={"active": False})
    assert isinstance(of(at_work), Permit)
    assert of(left) == Denial("inactive")
    assert of(None) == Denial("standing_unknown")
    assert of(standing(coordinator=True)) == Denial("standing_unknown")
    assert isinstance(of(None, caller(None)), Permit)
    assert isinstance(of(None, machine()), Permit)


def test_the_standing_to_another_case_is_none_to_this_one() -> None:
    other = standing(sides={HARMED}).model_copy(update={"case_id": new_id()})

    assert decided(other) == Denial("standing_unknown")


def test_what_is_not_for_a_purpose_is_denied_openly() -> None:
    found = decided(standing(sides={HARMED}), purpose=Purpose.OPERATION)

    assert found == Denial("purpose", told=Purposeless)


def test_a_transferred_case_is_read_and_changed_by_the_law_alone() -> None:
    held = standing(sides={HARMED}, transferred=True)
    agree = Action("plan.agree", (Relation.TEAM,))
    erase = Action("case.erase", (Relation.SCOPE,), outlasts=True)

    def of(action: Action, stands: Standing, *, changes: bool) -> Permit | Denial:
        return decide(
            caller(),
            action,
            PLAN,
            Purpose.PLAN,
            standing=stands,
            at=NOON,
            changes=changes,
        )

    assert of(agree, held, changes=True) == Denial("transferred", told=ClosedToChange)
    assert isinstance(of(agree, held, changes=False), Permit)
    assert isinstance(of(erase, held, changes=True), Permit)
    stranger = held.model_copy(update={"sides": frozenset()})
    assert of(agree, stranger, changes=True) == Denial("no_relation")


def test_a_record_is_its_owners() -> None:
    own = Action("offer.read", (Relation.OWNER,))
    offer = Resource("offer", new_id(), CASE, workers=frozenset({WORKER}))
    anothers = Resource("offer", new_id(), CASE, workers=frozenset({new_id()}))

    assert isinstance(decided(standing(), action=own, resource=offer), Permit)
    assert decided(standing(), action=own, resource=anothers) == Denial("no_relation")


def test_an_owner_in_conflict_sees_not_even_their_own() -> None:
    own = Action("offer.read", (Relation.OWNER,))
    offer = Resource("offer", new_id(), CASE, workers=frozenset({WORKER}))

    found = decided(standing(conflict=True), action=own, resource=offer)

    assert found == Denial("conflict")


def test_an_agency_sees_what_is_its_own() -> None:
    own = Action("referral.read", (Relation.OWNER,))
    police = machine("police")
    nobody = machine()
    theirs = Resource("referral", new_id(), agency="police")
    others = Resource("referral", new_id(), agency="refuge")
    nobodys = Resource("referral", new_id())

    assert isinstance(decided(None, action=own, resource=theirs, who=police), Permit)
    for resource, who in product((others, nobodys), (police, nobody)):
        found = decided(None, action=own, resource=resource, who=who)
        assert found == Denial("no_relation")


def test_who_is_in_no_directory_is_barred_by_the_lists_alone() -> None:
    own = Action("referral.read", (Relation.OWNER,))
    theirs = Resource("referral", new_id(), CASE, agency="police")
    clerk = caller(worker=None, agency="police")
    unknown = standing(active=False)
    named = standing(active=False, excluded=True)

    def found(stands: Standing | None, who: Caller) -> Permit | Denial:
        return decided(stands, action=own, resource=theirs, who=who)

    assert isinstance(found(unknown, clerk), Permit)
    assert found(named, clerk) == Denial("excluded")
    assert found(None, clerk) == Denial("standing_unknown")
    assert isinstance(found(None, machine("police")), Permit)
    coordinates = standing(coordinator=True, sides={HARMED})
    assert decided(coordinates, who=caller(worker=None)) == Denial("no_relation")


SIDES = st.frozensets(st.sampled_from(list(Side)))
STANDINGS = st.builds(
    Standing,
    case_id=st.just(CASE),
    worker_id=st.just(WORKER),
    active=st.booleans(),
    coordinator=st.booleans(),
    sides=SIDES,
    served=SIDES,
    own_side=st.none() | st.sampled_from(list(Side)),
    conflict=st.booleans(),
    excluded=st.booleans(),
    unlisted=st.booleans(),
    glass=st.none() | st.builds(glass, st.integers(-60, 60)),
)


@given(STANDINGS, st.sampled_from(list(Purpose)), st.sampled_from([(), (WORKER,)]))
def test_no_relation_ever_beats_a_hard_denial(
    stands: Standing, purpose: Purpose, owners: tuple[str, ...]
) -> None:
    resource = Resource("plan", CASE, CASE, workers=frozenset(owners))

    found = decided(stands, purpose=purpose, resource=resource)

    barred = stands.conflict or stands.excluded or stands.unlisted or not stands.active
    if barred:
        assert isinstance(found, Denial)


@given(STANDINGS)
def test_whoever_meets_the_person_using_violence_sees_no_safety_part(
    stands: Standing,
) -> None:
    found = decided(stands)

    outreach = USING in stands.sides | stands.served or stands.own_side is USING
    if outreach and isinstance(found, Permit):
        assert found.parts <= {"level"}


@given(STANDINGS)
def test_without_a_relation_nothing_is_seen(stands: Standing) -> None:
    open_glass = stands.glass is not None and stands.glass.until > NOON
    related = stands.sides or stands.coordinator or open_glass

    if not related:
        assert isinstance(decided(stands), Denial)


@pytest.mark.parametrize("order", [1, -1])
async def test_of_several_denials_a_bar_is_the_one_that_is_written_down(
    order: int,
) -> None:
    """It is the one that wakes a privacy officer, whatever else is in the way."""
    stands = {
        one.case_id: one
        for one in (
            standing(case_id=new_id(), sides={USING}),
            standing(case_id=new_id(), conflict=True),
        )
    }
    written: list[str] = []

    class Known:
        async def of(self, _: str, cases: Sequence[str]) -> dict[str, Standing]:
            return {each: stands[each] for each in cases}

    class Written:
        async def write(self, entry: Entry) -> None:
            written.append(entry.rule)

    guard = Guard(Known(), cast("AuditLog", Written()), SimulatedClock(NOON))
    request = Request({"type": "http", "method": "GET"})
    inner = replace(READ, parts={"safety": NOT_OUTREACH})
    asked = [(inner, Resource("plan", CASE, each)) for each in stands][::order]

    with pytest.raises(NoSuchRecord):
        await Asking(caller(), None, guard, request).permit_all(asked)

    assert written == ["conflict"]
