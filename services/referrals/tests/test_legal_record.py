"""Whatever is asked, decided, confirmed and taken back, in any order: the legal record.

Each request of a person (Privacy Act 2020) and each inquiry to an agency (Family
Violence Act 2018, ss 20 to 24) has its outcome, its purpose and its basis, who decided
and when, for as long as it is there; that nobody is confirmed or denied to be known
rests on the grounds of section 47 alone. What is checked against is written here from
the Acts, and not taken from the code.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accord_chassis.testing import NOON
from accord_contracts.grounds import Belief, S20Purpose, WhyNotSafe
from accord_contracts.problem import Refusal
from accord_contracts.referrals import SharingDecision, SharingReason
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import ValidationError
from referrals.domain.erasure import Decision
from referrals.domain.inquiry import Decided as Shared
from referrals.domain.inquiry import Inquiry, Said, Terms, WithdrawnFor
from referrals.domain.request import Identity
from referrals.domain.rights import (
    Answer,
    AskRight,
    Decided,
    ExtendedFor,
    Ground,
    Outcome,
    Part,
    Right,
    RightsRequest,
    misfits_of_answer,
)
from referrals_builders import POLICY

SECTION_47 = {"s49_1_a_i", "s49_1_d", "s51", "s52", "s53_c"}
"""Where neither confirming nor denying is allowed: sections 49(1)(a)(i) and (d), 51, 52
and 53(c) of the Privacy Act 2020."""

HER, HIM, CASE = (str(UUID(int=number)) for number in range(1, 4))
OFFICERS = [
    Identity(issuer="one", subject="a", worker="w-a"),
    Identity(issuer="two", subject="a", worker="w-a"),
    Identity(issuer="one", subject="b"),
    Identity(issuer="one", subject="c", worker="w-c"),
]
MOST = 3
"""Requests at most, so that much happens to each."""

OFFICER = st.sampled_from(OFFICERS)

PLAIN = st.sampled_from(
    [
        {"outcome": Outcome.NOTHING_HELD},
        {"outcome": Outcome.REFUSED, "grounds": [Ground.EVALUATIVE]},
        {"outcome": Outcome.NEITHER, "grounds": [Ground.SECURITY]},
        {"outcome": Outcome.NEITHER, "grounds": [Ground.DISTRESS]},
    ]
)
"""What is tried of anything, or little would ever be decided; the last is no ground."""

ANY = st.fixed_dictionaries(
    {
        "outcome": st.sampled_from([*Outcome]),
        # Mostly what goes with some outcome: the rest is refused, and shows nothing.
        "release": st.just([]) | st.frozensets(st.sampled_from([*Part])),
        "grounds": st.lists(st.sampled_from([*Ground]), unique=True, max_size=2),
        "corrected_in": st.none() | st.just({"case_id": CASE}),
    }
)
ANSWERS = PLAIN | ANY

USUAL = st.sampled_from(
    [
        {
            "decision": "shared",
            "reason": "will_or_may_help",
            "answers": {"stalking": "yes"},
            "belief": "will_help",
            "consulted": True,
        },
        {
            "decision": "declined",
            "reason": "not_relevant",
            "belief": "no_reasonable_grounds",
            "consulted": True,
        },
        {
            "decision": "shared",
            "reason": "will_or_may_help",
            "answers": {"stalking": "yes"},
            "belief": "no_reasonable_grounds",
            "consulted": True,
        },
    ]
)
"""What is tried of any inquiry; the last may not be."""

SAID = USUAL | st.fixed_dictionaries(
    {
        "decision": st.sampled_from([*SharingDecision]),
        "reason": st.sampled_from([*SharingReason]),
        "answers": st.just({}) | st.just({"stalking": "yes"}),
        "belief": st.sampled_from([*Belief]),
        "consulted": st.booleans(),
        "why_not_safe": st.none() | st.sampled_from([*WhyNotSafe]),
    }
)
WITHHELD = {Outcome.PARTLY, Outcome.REFUSED, Outcome.NEITHER}


class LegalRecord(RuleBasedStateMachine):
    """Requests of two people, and inquiries about them, over a month or so."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOON
        self.requests: dict[str, RightsRequest] = {}
        self.inquiries: dict[str, Inquiry] = {}
        self.confirmed: dict[str, Decided] = {}
        self.shared: dict[str, tuple[Shared, ...]] = {}

    @rule(hours=st.integers(1, 24 * 9))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: len(self.requests) < MOST)
    @rule(
        right=st.sampled_from([*Right]),
        who=st.sampled_from([HER, HIM, None]),
        by=OFFICER,
    )
    def somebody_asks(self, right: Right, who: str | None, by: Identity) -> None:
        asked = AskRight.model_validate(
            {
                "right": right,
                "person_id": who,
                "proof": "document",
                "reference": f"file_{len(self.requests)}",
                "statement": "It was not so." if right is Right.CORRECTION else None,
            }
        )
        made = RightsRequest(
            id=str(UUID(int=100 + len(self.requests))),
            asked=asked,
            asked_at=self.now,
            answer_by=self.now + timedelta(days=20),
            taken_by=by,
        )
        self.requests[made.id] = made

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), told=ANSWERS, by=OFFICER)
    def an_officer_decides(
        self, data: st.DataObject, told: dict[str, Any], by: Identity
    ) -> None:
        held = self._one(data)
        answer = Answer.model_validate(told)
        violent = held.asked.person_id == HIM
        if [*misfits_of_answer(answer, held.asked, used_violence=violent)]:
            return
        with suppress(Refusal):
            self.requests[held.id] = held.decide(answer, by, self.now)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), by=OFFICER)
    def another_confirms(self, data: st.DataObject, by: Identity) -> None:
        held = self._one(data)
        meant = held.decided.at if held.decided else self.now
        with suppress(Refusal):
            done = held.confirm(meant, by, self.now)
            self.requests[held.id] = done
            assert done.decided
            self.confirmed.setdefault(held.id, done.decided)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), days=st.integers(1, 20), by=OFFICER)
    def more_time_is_taken(self, data: st.DataObject, days: int, by: Identity) -> None:
        held = self._one(data)
        with suppress(Refusal):
            self.requests[held.id] = held.extend(
                days, ExtendedFor.CONSULTATIONS, by, self.now
            )

    @rule(
        purpose=st.sampled_from([*S20Purpose]),
        belief=st.sampled_from([*Belief]),
        consulted=st.booleans(),
        why=st.none() | st.sampled_from([*WhyNotSafe]),
    )
    def an_agency_is_asked(
        self,
        purpose: S20Purpose,
        belief: Belief,
        why: WhyNotSafe | None,
        *,
        consulted: bool,
    ) -> None:
        with suppress(ValidationError):
            terms = Terms(
                people=(HER, HIM),
                purpose=purpose,
                belief=belief,
                consulted=consulted,
                why_not_safe=why,
            )
            made = Inquiry.ask(
                CASE, "police", terms, by="a", at=self.now, rules=POLICY.inquiries
            )
            self.inquiries.setdefault(made.id, made)

    @precondition(lambda self: self.inquiries)
    @rule(data=st.data(), told=SAID)
    def the_agency_decides(self, data: st.DataObject, told: dict[str, Any]) -> None:
        held = self._inquiry(data)
        count = len(held.decisions)
        replaces = data.draw(st.sampled_from([count, count, 0, count + 1]))
        with suppress(Refusal, ValidationError):
            said = Said.model_validate(told)
            done = held.decide(said, replaces=replaces, by="officer", at=self.now)
            self.inquiries[held.id] = done

    @precondition(lambda self: self.inquiries)
    @rule(data=st.data(), why=st.sampled_from([*WithdrawnFor]), by=OFFICER)
    def it_is_asked_no_more(
        self, data: st.DataObject, why: WithdrawnFor, by: Identity
    ) -> None:
        held = self._inquiry(data)
        decision = Decision(reason=why.value, by=by.subject, at=self.now)
        with suppress(Refusal):
            self.inquiries[held.id] = held.withdraw(decision)

    @invariant()
    def each_answer_has_its_outcome_and_its_basis(self) -> None:
        for each in self.requests.values():
            if (held := each.decided) is None:
                continue
            answer, who = held.answer, each.asked.person_id
            assert bool(answer.grounds) is (answer.outcome in WITHHELD)
            if answer.outcome is Outcome.NEITHER:
                assert {ground.value for ground in answer.grounds} <= SECTION_47
            if who is None:
                assert not answer.release
            if who == HIM:
                assert answer.release <= {Part.IDENTITY}

    @invariant()
    def nobody_answers_alone_and_no_answer_is_changed(self) -> None:
        for each in self.requests.values():
            held = each.decided
            if held and held.confirmed_at:
                assert held.confirmed_by
                assert not held.confirmed_by.is_same(held.by)
                assert held.at <= held.confirmed_at
                assert held == self.confirmed[each.id]
            else:
                assert each.id not in self.confirmed
                assert each.open_until is not None

    @invariant()
    def each_inquiry_has_its_purpose_its_grounds_and_all_that_was_decided(self) -> None:
        for each in self.inquiries.values():
            terms = each.terms
            assert terms.purpose.value in {"fva20_a", "fva20_b", "fva20_c"}
            assert terms.belief is not Belief.NONE
            assert terms.consulted or terms.why_not_safe
            before = self.shared.get(each.id, ())
            assert each.decisions[: len(before)] == before
            self.shared[each.id] = each.decisions
            for decided in each.decisions:
                said = decided.said
                assert said.reason
                assert decided.by
                assert said.consulted or said.why_not_safe
                shares = said.decision is not SharingDecision.DECLINED
                assert bool(said.answers or said.pieces) is shares
                assert not shares or said.belief is not Belief.NONE
                assert decided.at <= each.stands_until

    def _one(self, data: st.DataObject) -> RightsRequest:
        return self.requests[data.draw(st.sampled_from(sorted(self.requests)))]

    def _inquiry(self, data: st.DataObject) -> Inquiry:
        return self.inquiries[data.draw(st.sampled_from(sorted(self.inquiries)))]


def test_the_legal_record_is_whole_whatever_happens() -> None:
    run_state_machine_as_test(
        LegalRecord,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
