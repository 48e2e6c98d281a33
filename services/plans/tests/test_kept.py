"""Whatever people do with a plan, in whatever order: nothing that was promised is lost,
nothing is settled alone where it may not be, and nothing agreed to is changed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal
from accord_contracts.referrals import TRANSFERRED
from accord_contracts.risk import RiskLevel
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from plans.domain.action import Action, Evidence, Said
from plans.domain.closing import ask_to_close, close, confirm_closing
from plans.domain.hours import Within
from plans.domain.keeping import leave_undone
from plans.domain.merging import carry, share_of
from plans.domain.outcome import Outcome
from plans.domain.plan import Plan
from plans.domain.revising import Wanted, revise
from plans.domain.stage import ActionStage, Breach, Stage, Status
from plans.domain.staleness import (
    Read,
    note_breach,
    review,
    stale_by_dates,
    stale_by_draft,
    stale_by_leaving,
)
from plans.domain.version import PlanVersion
from plans_builders import (
    IVS,
    OUTCOMES,
    OUTREACH,
    SHOWN,
    WHANAU,
    assessment,
    confirms,
    left_of,
    owner,
    parted_policy,
    says_done,
)

POLICY = parted_policy()
CASE = "3f0b5a5e-0000-4000-8000-000000000001"
CHILDREN = tuple(f"3f0b5a5e-0000-4000-8000-00000000001{n}" for n in range(3))

workers = st.sampled_from("abc")
ADULTS = tuple(f"3f0b5a5e-0000-4000-8000-00000000002{n}" for n in range(2))
OTHER = "3f0b5a5e-0000-4000-8000-000000000002"
SELDOM = 9

places = st.integers(0, 7)
roles = st.sampled_from([IVS, OUTREACH, WHANAU])


class Kept(RuleBasedStateMachine):
    """One plan, those who work on it, and what was true of it before each step."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Plan(id=CASE)
        self.at = NOON
        self.revision = 0
        self.agreed: dict[int, PlanVersion] = {}
        self.first: dict[Stage, datetime] = {}
        self.reached: dict[str, dict[ActionStage, datetime]] = {}

    def step(self, do: Callable[[Plan], Plan]) -> None:
        """Do something, unless a rule refuses it, and see what it may not have done."""
        before = self.held
        try:
            new = do(before)
        except Refusal:
            return
        nothing_is_lost(before, new)
        nothing_is_settled_alone(before, new)
        assert Plan.model_validate(new.model_dump()) == new
        # As it is saved, each time.
        self.held = new.model_copy(update={"version": before.version + 1})

    def action(self, place: int) -> str:
        actions = self.held.actions
        return actions[place].id if place < len(actions) else new_id()

    @rule(pause=st.sampled_from([timedelta(minutes=1), timedelta(hours=30)]))
    def time_passes(self, pause: timedelta) -> None:
        self.at += pause
        self.step(
            lambda held: stale_by_dates(
                held.fall_due(self.at).remind(self.at).raise_alarms(self.at), self.at
            )
        )

    @rule(level=st.sampled_from(list(RiskLevel)), again=st.booleans())
    def is_assessed(self, level: RiskLevel, *, again: bool) -> None:
        self.at += timedelta(minutes=1)
        self.revision += 1
        referred = self.at if again else NOON
        drawn = assessment(level, revision=self.revision, at=self.at, referred=referred)
        self.step(
            lambda held: stale_by_draft(
                held.draft(drawn, POLICY, self.at), held, self.at
            )
        )

    @rule(children=st.sets(st.sampled_from(CHILDREN), min_size=1))
    def children_are_known(self, children: set[str]) -> None:
        self.step(lambda held: held.meet(sorted(children), POLICY, self.at))

    @rule(role=roles, worker=st.sampled_from(["a", "b", "c", None]))
    def a_role_is_taken_or_left(self, role: Role, worker: str | None) -> None:
        self.at += timedelta(minutes=1)
        self.revision += 1
        told = owner(worker, self.at, allocation_id="x", revision=self.revision)
        if worker:
            self.step(lambda held: held.take_role(role, told))
        else:
            self.step(
                lambda held: stale_by_leaving(
                    held.leave_role(role, told), held, role, self.at
                )
            )

    @rule(place=places, worker=workers, back=st.booleans())
    def an_action_is_taken_or_handed_back(
        self, place: int, worker: str, *, back: bool
    ) -> None:
        do = Plan.hand_back if back else Plan.accept
        self.step(lambda held: do(held, self.action(place), worker, self.at))

    @rule(place=places, worker=workers, shown=st.sampled_from([SHOWN, None]))
    def something_is_done(
        self, place: int, worker: str, shown: Evidence | None
    ) -> None:
        self.step(
            lambda held: says_done(
                held,
                self.action(place),
                worker,
                self.at,
                policy=POLICY,
                evidence=shown,
            )
        )

    @rule(place=places, worker=workers)
    def something_is_left_undone(self, place: int, worker: str) -> None:
        said = Said(at=self.at, by=worker, reason="does_not_apply")
        self.step(lambda held: leave_undone(held, self.action(place), said, POLICY))

    @rule(place=places, worker=workers, agrees=st.booleans())
    def somebody_confirms(self, place: int, worker: str, *, agrees: bool) -> None:
        self.step(
            lambda held: confirms(
                held, self.action(place), worker, agrees=agrees, now=self.at
            )
        )

    @rule()
    def is_agreed_to(self) -> None:
        self.step(
            lambda held: held.agree(held.current.number, self.at, "a", stale=held.stale)
        )

    @rule()
    def is_reviewed(self) -> None:
        self.step(lambda held: review(held, self.read(held), POLICY, self.at, "a"))

    @staticmethod
    def read(held: Plan) -> Read:
        current = held.current
        return Read(current.number, current.review_by, held.stale)

    @rule(code=st.sampled_from(["safety_advice", "advice_checked", "safe_contact"]))
    def is_revised(self, code: str) -> None:
        within = Within(within_hours=10)
        wanted = Wanted(code=code, role=IVS, person_id=None, within=within)
        self.step(
            lambda held: revise(held, held.current.number, [wanted], POLICY, self.at)
        )

    @rule()
    def is_broken(self) -> None:
        broken = Breach(
            kind="came_near", happened_at=self.at, noted_at=self.at, noted_by="a"
        )
        self.step(lambda held: note_breach(held, broken, POLICY))

    @rule(told=st.sampled_from([OUTCOMES, OUTCOMES[:2], ()]))
    def is_closed(self, told: tuple[Outcome, ...]) -> None:
        self.step(
            lambda held: close(
                held, "safety_goals_met", told, POLICY, self.at, left=left_of(held)
            )
        )

    @rule(person=st.sampled_from(ADULTS))
    def somebody_is_to_be_protected(self, person: str) -> None:
        self.step(
            lambda held: held.protects([person]).asks_for_each(held, POLICY, self.at)
        )

    @rule(pair=st.permutations(ADULTS))
    def it_is_decided_who_harmed_whom(self, pair: list[str]) -> None:
        self.at += timedelta(minutes=1)
        self.step(
            lambda held: held.decide_roles(pair[0], pair[1], self.at).asks_for_each(
                held, POLICY, self.at
            )
        )

    @rule(worker=st.sampled_from(["a", "d", None]), child=st.sampled_from(CHILDREN))
    def another_case_is_merged_into_it(self, worker: str | None, child: str) -> None:
        self.at += timedelta(minutes=1)
        other = Plan(id=OTHER).meet([child], POLICY, self.at)
        other = other.draft(assessment(at=self.at), POLICY, self.at)
        if worker:
            other = other.take_role(IVS, owner(worker, self.at))
        share = share_of(other)
        self.step(lambda held: carry(held, OTHER, share, {}, policy=POLICY, at=self.at))

    @rule()
    def they_are_taken_apart(self) -> None:
        self.step(lambda held: carry(held, OTHER, None, {}, policy=POLICY, at=self.at))

    @rule(worker=workers)
    def somebody_says_that_it_should_end(self, worker: str) -> None:
        told: dict[str, Any] = {"by": worker, "policy": POLICY, "at": self.at}
        self.step(
            lambda held: ask_to_close(
                held, "died", OUTCOMES, left=left_of(held), **told
            )
        )

    @rule(worker=workers)
    def somebody_confirms_that_it_ends(self, worker: str) -> None:
        ending = self.held.versions[-1].ending if self.held.versions else None
        said_at = ending.at if ending else self.at
        told: dict[str, Any] = {"by": worker, "policy": POLICY, "at": self.at}
        self.step(lambda held: confirm_closing(held, said_at, **told))

    @rule(chance=st.integers(0, SELDOM))
    def it_is_handed_over(self, chance: int) -> None:
        if chance == SELDOM:
            self.step(lambda held: held.transfer(self.at))

    @invariant()
    def nothing_is_without_an_owner_whose_role_somebody_has(self) -> None:
        for each in self.held.open_actions:
            has = self.held.owner_of(each.role)
            assert each.worker_id or has is None

    @invariant()
    def what_is_owned_is_owned_once(self) -> None:
        open_ = self.held.open_actions
        assert len({each.id for each in open_}) == len(open_)
        owned = {each.worker_id for each in open_ if each.worker_id}
        assert set(self.held.owed_by) == owned

    @invariant()
    def what_was_agreed_to_stays(self) -> None:
        for each in self.held.versions:
            if each.agreed_at:
                known = self.agreed.setdefault(each.number, each)
                assert each.intact
                assert (each.digest, each.promises) == (known.digest, known.promises)
        assert self.agreed.keys() <= {each.number for each in self.held.versions}

    @invariant()
    def first_times_stay(self) -> None:
        assert self.first.items() <= self.held.first.items()
        self.first = self.held.first

    @invariant()
    def first_times_of_each_action_stay_and_say_how_far_it_is(self) -> None:
        actions = self.held.actions
        for each in actions:
            # Of whatever bears that id: what is asked anew bears another.
            assert self.reached.get(each.id, {}).items() <= each.first.items()
            self.reached[each.id] = each.first
            has = each.first.keys()
            assert ActionStage.ASKED in has
            assert (ActionStage.SETTLED in has) is not each.open
            assert not each.said or ActionStage.SAID in has
            assert not each.overdue_at or ActionStage.OVERDUE in has
            assert not each.worker_id or ActionStage.ACCEPTED in has
            assert not each.confirmed_by or ActionStage.CONFIRMED in has
            asked, settled_ = each.first[ActionStage.ASKED], ActionStage.SETTLED
            assert asked <= each.first.get(settled_, self.at) <= self.at
            for past in each.past:
                assert self.reached[past.action_id] == past.first

    @invariant()
    def a_closed_plan_has_its_proof(self) -> None:
        if self.held.status is not Status.CLOSED:
            return
        current = self.held.current
        assert not self.held.open_actions
        assert self.held.due_at is None
        # Another region goes on with whatever is open.
        if current.closed_for == TRANSFERRED:
            assert self.held.transferred_at
            return
        if current.closed_for == "died":
            assert current.ending
            assert current.ending.confirmed_by not in {None, current.ending.by}
        assert len(current.outcomes) == len(OUTCOMES)
        # Nothing that was open went with it unsaid.
        own = {each.id for each in self.held.actions if each.open}
        assert own <= {each.id for each in current.left}
        assert not any(e.open and e.mandatory for e in self.held.actions)
        assert not self.held.stale


def nothing_is_lost(before: Plan, new: Plan) -> None:
    now = {each.id: each for each in new.actions}
    keys = [(each.code, each.person_id) for each in new.actions]
    assert len(set(keys)) == len(keys) == len(now)
    gone = {*before.all_children, *before.all_harmed}
    gone -= {*new.all_children, *new.all_harmed}
    for each in before.open_actions:
        # What is for one who is of the household no longer goes with them.
        if each.person_id in gone:
            continue
        # What was said of it was said of whoever uses violence: it is asked anew.
        if each.said and new.decided != before.decided:
            continue
        after = now[each.id]
        assert after.mandatory >= each.mandatory
        if not each.within:
            assert after.due_at <= each.due_at
    for each in before.actions:
        if not each.open and each.id in now:
            # Whose it was may be put right, and nothing else.
            whose = {"person_id": now[each.id].person_id}
            assert now[each.id] == each.model_copy(update=whose)


def nothing_is_settled_alone(before: Plan, new: Plan) -> None:
    known = {each.id: each for each in before.actions}
    for each in new.actions:
        if each.open or not known[each.id].open:
            continue
        said = each.said
        assert said
        assert bool(each.done_at) != bool(said.reason)
        if known[each.id].said is None:
            # By one word: then the risk was low, and it was the owner's if it was done.
            assert not before.urgent
            assert said.by == each.worker_id
        else:
            alone = said.by == each.worker_id and not before.urgent
            assert alone or each.confirmed_by not in {None, said.by, each.worker_id}
        if each.done_at:
            assert each.worker_id == said.by
            assert not was_waiting(each, before)


def was_waiting(action: Action, before: Plan) -> bool:
    if before.urgent:
        # It was said when nothing was waited for; a later version may say otherwise.
        return False
    return any(
        each.open
        and each.code in action.after
        and None in {each.person_id, action.person_id}
        for each in before.actions
    )


TestKept = Kept.TestCase
TestKept.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
