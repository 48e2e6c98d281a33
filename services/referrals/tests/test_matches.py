"""Deciding over HTTP whether two people are one."""

from functools import partial
from typing import Any

import httpx2
import pytest
from accord_chassis.binding import unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.testing import COORDINATOR, NOON, alive, audited, eventually, new_id
from accord_chassis.topology import queue_of
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane
from accord_contracts.referrals import MatchAsked, MatchOverdue
from accord_contracts.risk import RiskLevel
from referrals.app import Settings, create_app
from referrals.domain.erasure import Decision
from referrals.domain.review import SETTLING, Review
from referrals.merging import merge_cases
from referrals.review_store import Reviews
from referrals_builders import MATCHING, MERE, POLICY, Running, body

HER = {**MERE, "given_name": "Kahurangi"}
MISHEARD = {**HER, "given_name": "Kahurang"}
SCOPE = "referrals.match"


class Table:
    """The service with a question in it, and who comes to answer it."""

    def __init__(self, running: Running) -> None:
        self.running, self.standings = running, running.standings
        self.cases: list[str] = []

    async def asks(self) -> Review:
        """Refer somebody twice, with a slip; give what is asked of a coordinator."""
        for told in (HER, MISHEARD):
            answer = await self.running.submit(body(people=[told]), key=new_id())
            referral_id = answer.json()["referral_id"]
            of_it = await eventually(
                lambda id_=referral_id: self.running.cases.of_referral(id_)
            )
            self.cases.append(of_it.id)
        [review] = await self.running.service.store(Reviews).waiting()
        return review

    async def sends(
        self, path: str = "", told: Any = None, worker: str = COORDINATOR
    ) -> httpx2.Response:
        headers = self.running.bearer(SCOPE, agency="", worker=worker)
        method = "GET" if told is None else "POST"
        return await self.running.http.request(
            method, f"/v1/matches{path}", headers=headers, json=told
        )


@pytest.fixture
async def table(
    settings: Settings, clock: SimulatedClock, issuer: DevelopmentIssuer
) -> Any:
    async with alive("referrals", create_app, settings, clock) as alive_:
        made = Running(
            alive_.service, alive_.http, issuer, alive_.broker, alive_.standings
        )
        assert (await made.register("police")).status_code == 200
        yield Table(made)


async def test_a_coordinator_sees_what_waits_and_why_and_no_value(
    table: Table,
) -> None:
    review = await table.asks()

    answer = await table.sends()

    [shown] = answer.json()
    assert shown["match_id"] == review.id
    assert {each["level"] for each in shown["signs"]} == {"same", "one typo apart"}
    assert "Kahurang" not in answer.text


async def test_both_sides_are_shown_side_by_side(table: Table) -> None:
    review = await table.asks()

    shown = (await table.sends(f"/{review.id}")).json()

    names = {each["given_name"] for each in shown["sides"]}
    assert names == {"Kahurangi", "Kahurang"}
    assert [each["person_id"] for each in shown["sides"]] == [*review.people]


async def test_who_bears_any_name_that_was_told_of_them_is_noticed(
    table: Table,
) -> None:
    review = await table.asks()
    held = await table.running.people.get(review.people[0])
    assert held
    assert held.likeness
    names = (("Kahurangi", "Tamihana"), ("Kahurangi", "Wirihana"))
    likeness = held.likeness.model_copy(update={"names": names})
    await table.running.people.save(held.model_copy(update={"likeness": likeness}))
    bears = {"agency": "", "worker": COORDINATOR, "family_name": "Wirihana"}

    seen = await table.running.http.get(
        f"/v1/matches/{review.id}", headers=table.running.bearer(SCOPE, **bears)
    )

    assert seen.status_code == 200
    entries = await audited(table.running.service.audit)
    assert "namesake.seen" in [each.action for each in entries]


async def test_a_decision_is_noted_once_and_not_turned_round(table: Table) -> None:
    review = await table.asks()
    path = f"/{review.id}/decision"

    statuses = [
        (await table.sends(path, {"same": same})).status_code
        for same in (False, False, True)
    ]

    assert statuses == [200, 200, 409]
    assert (await table.sends()).json() == []
    shown = (await table.sends(f"/{review.id}")).json()
    assert shown["same"] is False
    for person_id, other in (review.people, review.people[::-1]):
        held = await table.running.people.get(person_id)
        assert held
        assert held.apart == (other,)


async def test_that_they_are_the_same_is_recorded(table: Table) -> None:
    review = await table.asks()
    told = {"same": True, "reason": "same_phone"}

    answer = await table.sends(f"/{review.id}/decision", told)

    assert answer.json()["same"] is True
    assert all([await table.running.people.get(each) for each in review.people])


@pytest.mark.parametrize("which", [0, 1])
async def test_whoever_is_barred_from_either_case_sees_nothing(
    table: Table, which: int
) -> None:
    review = await table.asks()
    barred = {"coordinator": True, "excluded": True}
    table.standings.tell(COORDINATOR, table.cases[which], **barred)

    listed = await table.sends()
    read = await table.sends(f"/{review.id}")
    decided = await table.sends(f"/{review.id}/decision", {"same": True})

    assert (listed.status_code, listed.json()) == (200, [])
    assert (read.status_code, decided.status_code) == (404, 404)
    held = await table.running.service.store(Reviews).get(review.id)
    assert held
    assert held.answer is None


async def test_whoever_is_barred_from_what_a_case_is_merged_into_sees_nothing(
    table: Table,
) -> None:
    review = await table.asks()
    answer = await table.running.submit(body(), key=new_id())
    survivor = await eventually(
        lambda: table.running.cases.of_referral(answer.json()["referral_id"])
    )
    await merge_cases(
        survivor.id,
        table.cases[0],
        Decision(reason="same_household", by="somebody", at=NOON),
        cases=table.running.cases,
        retention=POLICY.retention,
    )
    listed = [(await table.sends()).json()]
    table.standings.tell(COORDINATOR, survivor.id, coordinator=True, excluded=True)

    listed.append((await table.sends()).json())
    decided = await table.sends(f"/{review.id}/decision", {"same": True})

    assert [len(each) for each in listed] == [1, 0]
    assert decided.status_code == 404


async def test_nobody_else_sees_that_anything_is_asked(table: Table) -> None:
    review = await table.asks()
    worker = new_id()

    answers = [
        await table.sends(worker=worker),
        await table.sends(f"/{review.id}", worker=worker),
        await table.sends(f"/{new_id()}", worker=worker),
    ]

    assert {each.status_code for each in answers} == {404}


async def test_what_was_asked_about_somebody_who_is_erased_is_gone(
    table: Table,
) -> None:
    review = await table.asks()
    await table.running.service.store(Reviews).forget(review.people[0], NOON)

    assert (await table.sends()).json() == []
    assert (await table.sends(f"/{review.id}")).status_code == 404


async def assessed(table: Table, level: RiskLevel) -> str:
    """Have the case of who is known be assessed, and give it."""
    case_id = table.cases[0]
    held = await table.running.cases.get(case_id)
    assert held
    of_it = held.episodes[0].referral_id
    await table.running.cases.save(held.assess(of_it, level, NOON, revision=1))
    return case_id


def told(table: Table, kind: type[Any], lane: Lane) -> list[Any]:
    queue = table.running.broker.queues[queue_of("notify", lane)].ready
    heard = [unpack(each, CATALOGUE).data for each in queue]
    return [each for each in heard if isinstance(each, kind)]


async def test_it_is_told_once_that_a_question_waits_and_once_that_it_waits_too_long(
    table: Table, clock: SimulatedClock
) -> None:
    review = await table.asks()
    case_id = await assessed(table, RiskLevel.EXTREME)

    clock.advance(2 * SETTLING)
    [asked] = await eventually(lambda: _async(told(table, MatchAsked, Lane.URGENT)))
    for _ in range(2):
        clock.advance(MATCHING.decide_within)
    [late] = await eventually(lambda: _async(told(table, MatchOverdue, Lane.URGENT)))

    assert (asked.case_id, asked.match_id) == (case_id, review.id)
    assert (asked.level, late.level) == (RiskLevel.EXTREME, RiskLevel.EXTREME)
    assert (late.case_id, late.match_id) == (case_id, review.id)
    assert late.due_at == review.opened_at + MATCHING.decide_within
    held = await table.running.reviews.get(review.id)
    assert held
    # It waits on, and nothing more is told of it.
    assert (held.waiting_since, held.due_at) == (review.opened_at, None)
    assert len(told(table, MatchAsked, Lane.URGENT)) == 1


async def test_what_is_decided_waits_for_nobody(
    table: Table, clock: SimulatedClock
) -> None:
    review = await table.asks()
    clock.advance(2 * SETTLING)
    await eventually(lambda: _async(told(table, MatchAsked, Lane.ROUTINE)))

    await table.sends(f"/{review.id}/decision", {"same": False})
    decided = await table.running.reviews.get(review.id)
    clock.advance(2 * MATCHING.decide_within)
    # Taken back, it waits anew, and that is told.
    path, reason = f"/{review.id}/reversal", {"reason": "looked_again"}
    assert (await table.sends(path, reason)).status_code == 200
    again = await eventually(lambda: _async(told(table, MatchAsked, Lane.ROUTINE)[1:]))

    assert decided
    assert decided.due_at is None
    assert again[0].asked_at == clock.now()
    assert told(table, MatchOverdue, Lane.ROUTINE) == []


async def test_who_asks_themselves_is_not_told_that_it_waits(
    table: Table, clock: SimulatedClock
) -> None:
    ids = []
    for given_name in ("Aroha", "Whetu"):
        people = [{**MERE, "given_name": given_name, "date_of_birth": None}]
        answer = await table.running.submit(body(people=people), key=new_id())
        referral_id = answer.json()["referral_id"]
        case = await eventually(partial(table.running.cases.of_referral, referral_id))
        ids.append(case.people[0].person_id)
    asked = await table.sends("", {"people": ids})
    assert asked.status_code == 201

    clock.advance(2 * SETTLING)
    clock.advance(MATCHING.decide_within)

    [late] = await eventually(lambda: _async(told(table, MatchOverdue, Lane.ROUTINE)))
    assert (late.match_id, late.level) == (asked.json()["match_id"], None)
    assert told(table, MatchAsked, Lane.ROUTINE) == []


async def _async(found: Any) -> Any:
    return found
