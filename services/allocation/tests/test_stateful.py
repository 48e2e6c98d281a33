"""Whatever happens to roles and workers of single cases, in any order: what holds.

Of what happens there is: levels that rise, yes, no and silence, handing over, being
chosen, barred, leaving, closing, and messages that come late. There are no wishes, no
agencies, no meetings, no merging, no transfer, nothing placed together, and one process
over a store in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Conflict
from accord_chassis.testing import NOON, message_of
from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationDeclined,
    AllocationHandedOver,
    DeclineReason,
    HandOverReason,
    RoleWanted,
)
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import PlanAgreed, PlanReviewed
from accord_contracts.problem import Refusal
from accord_contracts.referrals import Party, PersonRole
from accord_contracts.risk import RiskLevel
from allocation.domain.directory import NoSuchWorker, Worker
from allocation.domain.lists import Lists
from allocation.domain.offer import Status
from allocation.domain.offering import Allocation
from allocation.domain.staffing import Staffing
from allocation.handlers.access import note_conflict, put_lists
from allocation.handlers.answering import accept, decline
from allocation.handlers.handing import free_handed_over, hand_over, offer_to
from allocation.handlers.leaving import take_back
from allocation.handlers.placing import Desk, attend, place_role
from allocation.handlers.staffing import (
    dissolve_team,
    end_allocations,
    join_team,
    note_stage,
    settle_place,
    want_roles,
)
from allocation_builders import (
    COORDINATOR,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    assessed,
    closed,
    worker,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

CASES = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(2)]
SOMEBODY = "00000000-0000-4000-8000-0000000000ff"
NAMES = [f"00000000-0000-4000-8000-0000000000a{n}" for n in range(8)]
CREW = [
    worker(WHANAU, SPECIALIST, id=NAMES[0], capacity=9, team="north", compartment="a"),
    worker(WHANAU, SPECIALIST, id=NAMES[1], capacity=4, team="south"),
    worker(SPECIALIST, COORDINATOR, id=NAMES[2], capacity=12),
    worker(COORDINATOR, WHANAU, id=NAMES[3], capacity=6, team="north", compartment="a"),
    worker(OUTREACH, id=NAMES[4], capacity=9, team="north", compartment="b"),
    worker(OUTREACH, id=NAMES[5], capacity=3, team="south"),
    worker(OUTREACH, id=NAMES[6], capacity=20, team="north", compartment="a"),
    worker(OUTREACH, COORDINATOR, id=NAMES[7], capacity=20),
]
HE, *THEY = (f"00000000-0000-4000-8000-0000000000b{n}" for n in range(3))
"""He harms somebody in each case."""
IDS = st.sampled_from(NAMES)
CASE = st.sampled_from(CASES)


@dataclass
class Shelf:
    """What is kept, by id, and what was told with it: a store without a database."""

    told: list[tuple[Event, Lane | None]]
    held: dict[str, Any] = field(default_factory=dict)

    async def get(self, key: str, **_: object) -> Any:
        return self.held.get(key)

    async def save(
        self, entity: Any, *events: Event, lane: Lane | None = None, **_: object
    ) -> Any:
        known = self.held.get(entity.id)
        if entity.version != (known.version if known else 0):
            raise Conflict
        saved = entity.model_copy(update={"version": entity.version + 1})
        self.held[entity.id] = saved
        self.told += [(each, lane) for each in events]
        return saved

    async def of_case(self, case_id: str) -> list[Any]:
        return [each for each in self.held.values() if each.case_id == case_id]

    async def with_people(self, ids: Collection[str]) -> list[Any]:
        return [e for e in self.held.values() if not e.people.ids.isdisjoint(ids)]

    async def page(self) -> list[Any]:
        return []


@dataclass
class People:
    """The directory, without a database."""

    held: dict[str, Worker]

    def least_loaded(self, role: Any) -> Iterable[Worker]:
        found = (each for each in self.held.values() if role in each.roles)
        return sorted(found, key=lambda each: (each.fullness, each.id))

    async def read(self, worker_id: str) -> Worker | None:
        return self.held.get(worker_id)

    async def refresh(self) -> None:
        """Nothing is known late here."""

    async def change(
        self, worker_id: str, change: Callable[[Worker], Worker], *_: object
    ) -> Worker:
        if worker_id not in self.held:
            raise NoSuchWorker
        self.held[worker_id] = change(self.held[worker_id])
        return self.held[worker_id]

    async def coordinators(self) -> set[str]:
        return set()

    async def of_agencies(self, _: object) -> frozenset[str]:
        return frozenset()


async def nothing_open(*_: object) -> list[Any]:
    return []


class Response(RuleBasedStateMachine):
    """Two cases of one man, eight workers, and whatever happens.

    Messages come when they come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Event, Lane | None]] = []
        self.clock = SimulatedClock(NOON)
        self.people = People({each.id: each for each in CREW})
        self.staffings, self.roles = Shelf(self.told), Shelf(self.told)
        for case, she in zip(CASES, THEY, strict=True):
            him = Party(person_id=HE, role=PersonRole.PERSON_USING_VIOLENCE)
            her = Party(person_id=she, role=PersonRole.PERSON_HARMED)
            self.staffings.held[case] = Staffing(id=case).meet((him, her))
        parts: Any = (self.staffings, self.roles, self.people, Shelf([]))
        self.desk = Desk(*parts, POLICY, self.clock)
        self.door: Any = SimpleNamespace(
            staffings=self.staffings, workers=self.people, clock=self.clock
        )
        self.revision = 1
        self.risen = set[str]()
        self.loop = asyncio.new_event_loop()

    def teardown(self) -> None:
        """Whatever is still under way comes to its end, and then all of it holds."""
        try:
            self.settles()
            self.holds_what_was_decided()
        finally:
            self.loop.close()

    def does(self, what: Awaitable[Any]) -> None:
        """Do something; a refusal is an answer like any other."""

        async def doing() -> None:
            with suppress(Refusal):
                await what

        before = {each.id: each.points for each in self.allocations}
        self.loop.run_until_complete(doing())
        self.risen |= {e.id for e in self.allocations if before.get(e.id) != e.points}

    def deliver(self, most: int = 10_000) -> None:
        """Deliver what the service has told itself, the first first."""
        while self.told and most:
            most -= 1
            told, lane = self.told.pop(0)
            message: Any = message_of(told, at=self.clock.now(), lane=lane)
            match told:
                case RoleWanted():
                    self.does(place_role(message, desk=self.desk))
                case AllocationAccepted():
                    self.does(join_team(message, desk=self.desk))
                    self.does(settle_place(message, desk=self.desk))
                case AllocationHandedOver():
                    self.does(free_handed_over(message, desk=self.desk))
                case AllocationDeclined():
                    self.does(note_conflict(message, door=self.door))

    @property
    def allocations(self) -> list[Allocation]:
        return list(self.roles.held.values())

    def one_of(self, data: st.DataObject, *which: Status) -> Allocation | None:
        found = [each for each in self.allocations if each.status in which]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(case=CASE, level=st.sampled_from(RiskLevel))
    def is_weighed(self, case: str, level: RiskLevel) -> None:
        self.revision += 1
        told = assessed(case, level, revision=self.revision, at=self.clock.now())
        self.does(want_roles(told, desk=self.desk))

    @rule(case=CASE, reviewed=st.booleans())
    def is_planned(self, case: str, *, reviewed: bool) -> None:
        self.revision += 1
        plan: dict[str, Any] = {"case_id": case, "plan_version": 1}
        told: Message[Any] = message_of(
            PlanReviewed(**plan, reviewed_at=NOON)
            if reviewed
            else PlanAgreed(**plan, agreed_at=NOON),
            version=self.revision,
        )
        self.does(note_stage(told, desk=self.desk))

    @rule(data=st.data())
    def says_yes(self, data: st.DataObject) -> None:
        if held := self.one_of(data, Status.OFFERED, Status.UNFILLED):
            who = held.worker_id or (held.offers and held.offer.worker_id)
            if who:
                self.does(accept(held.id, who, desk=self.desk))

    @rule(data=st.data(), reason=st.sampled_from(DeclineReason))
    def says_no(self, data: st.DataObject, reason: DeclineReason) -> None:
        if (held := self.one_of(data, Status.OFFERED)) and held.worker_id:
            self.does(decline(held.id, held.worker_id, reason, desk=self.desk))

    @rule(data=st.data())
    def hands_over(self, data: st.DataObject) -> None:
        if (held := self.one_of(data, Status.ACCEPTED)) and held.worker_id:
            why = HandOverReason.LEAVING
            self.does(hand_over(held.id, held.worker_id, why, desk=self.desk))

    @rule(data=st.data(), who=IDS, beyond=st.booleans())
    def is_chosen(self, data: st.DataObject, who: str, *, beyond: bool) -> None:
        open_ = (Status.OFFERED, Status.UNFILLED, Status.WANTED)
        if held := self.one_of(data, *open_):
            self.does(offer_to(held.id, who, SOMEBODY, beyond=beyond, desk=self.desk))

    @rule(minutes=st.sampled_from([10, 60, 600]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))
        for each in self.allocations:
            if each.due_at and each.due_at <= self.clock.now():
                self.does(attend(each, desk=self.desk))

    @rule(case=CASE, who=IDS)
    def is_barred(self, case: str, who: str) -> None:
        held = self.staffings.held.get(case)
        if held is not None:
            lists = held.lists
            new = Lists(excluded=lists.excluded | {who}, conflicts=lists.conflicts)
            told = put_lists(case, new, SOMEBODY, seen=lists.mark, door=self.door)
            self.does(told)

    @rule(who=IDS)
    def leaves_or_comes_back(self, who: str) -> None:
        known, at = self.people.held[who], self.clock.now()
        entry = known.model_copy(update={"active": not known.active})
        self.people.held[who] = known.replaced_by(entry, at)
        self.is_taken_back(who)

    def is_taken_back(self, who: str) -> None:
        glasses: Any = SimpleNamespace(open_of=nothing_open)
        kept: Any = SimpleNamespace(over=lambda _: None)
        due = self.people.held[who]
        self.does(take_back(due, desk=self.desk, glasses=glasses, kept=kept))

    @rule(case=CASE)
    def is_closed(self, case: str) -> None:
        told = closed(case, at=self.clock.now(), revision=self.revision)
        self.does(dissolve_team(told, desk=self.desk))
        self.does(end_allocations(told, desk=self.desk))

    @rule(most=st.integers(1, 4))
    def messages_come(self, most: int) -> None:
        self.deliver(most)

    @rule()
    def all_messages_come(self) -> None:
        self.settles()

    def settles(self) -> None:
        """Have everything come, and every clock look until nothing is left to do."""
        for _ in range(10):
            self.deliver()
            for each in self.people.held.values():
                if each.leaving:
                    self.is_taken_back(each.id)
        self.deliver()

    @precondition(lambda self: not self.told)
    @invariant()
    def holds_what_was_decided(self) -> None:
        """What holds whenever nothing is under way."""
        if any(each.leaving for each in self.people.held.values()):
            return
        at = self.clock.now()
        for who in self.people.held.values():
            places = {key for key, each in who.holds.items() if not each.lapsed(at)}
            has = {e.id for e in self.allocations if who.id in {e.holder, e.kept_by}}
            assert places == has, who.id
            own = [self.roles.held[each] for each in places]
            grown = any(e.id in self.risen or e.offer.beyond_by for e in own)
            assert who.load <= who.capacity or grown, who.id
            assert who.load == sum(each.points for each in own)
        for each in self.allocations:
            assert each.points == POLICY.points[each.level][each.stage]
            assert (each.unowned_at is None) == (bool(each.working) or not each.open)
            for who_ in filter(None, {each.holder, each.kept_by}):
                place = self.people.held[who_].holds[each.id]
                assert (place.points, place.urgent) == (each.points, each.level.urgent)
                assert not self.staffings.held[each.case_id].in_force.bar(who_)
        for case, staffing in self.staffings.held.items():
            wanted = {e.allocation_id for e in staffing.roles.values()}
            live = [e for e in self.allocations if e.case_id == case and e.holder]
            assert {e.id for e in live} <= wanted
            sides: dict[bool, set[str]] = {True: set(), False: set()}
            for each in live:
                serves_him = SIDES[each.role] is Side.PERSON_USING_VIOLENCE
                for who_ in filter(None, {each.holder, each.kept_by}):
                    wall = self.people.held[who_].wall
                    sides[serves_him] |= {who_, *([wall] if wall else [])}
            assert not sides[True] & sides[False]
        everywhere: dict[bool, set[str]] = {True: set(), False: set()}
        for each in self.allocations:
            for who_ in filter(None, {each.holder, each.kept_by}):
                serves_him = SIDES[each.role] is Side.PERSON_USING_VIOLENCE
                everywhere[serves_him].add(who_)
        assert not everywhere[True] & everywhere[False]


Response.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestResponse = Response.TestCase
