"""Orders that bind somebody: what may be told of them, breaches and ends."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Database
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    eventually,
    new_id,
    published,
    sent_by,
)
from accord_contracts.access import Side
from accord_contracts.message import Lane
from accord_contracts.referrals import (
    OrderBreached,
    OrderEnd,
    OrderEnded,
    OrderEvent,
    OrderKind,
    OrderRecorded,
    TriggerCancelled,
    TriggerFellDue,
    TriggerKind,
    TriggerScheduled,
)
from referrals.domain.order import (
    MOST_BREACHES,
    Bound,
    NoSuchBreach,
    Order,
    OrderOver,
    OrderTerms,
    ToldBreach,
    TooManyBreaches,
    misfits_of_breach,
    misfits_of_order,
    order_id,
)
from referrals.orders import Orders, end, expire, record
from referrals.store import Cases
from referrals_builders import POLICY, Running, body

DAY = timedelta(days=1)
CODES = POLICY.orders.conditions
HIM, HER = new_id(), new_id()


def terms(**told: Any) -> OrderTerms:
    usual = {"kind": "bail", "starts_at": NOON - DAY, "conditions": ["no_contact"]}
    return OrderTerms.model_validate(usual | told)


def order(**told: Any) -> Order:
    case, people = new_id(), Bound.of((HIM,), (HER,))
    made = terms(**told)
    return Order(
        id=order_id(case, made, people),
        case_id=case,
        terms=made,
        people=people,
        recorded_at=NOON,
        by="x",
    )


def breach(days: float = 0, *conditions: str) -> ToldBreach:
    return ToldBreach(occurred_at=NOON + days * DAY, conditions=conditions)


@pytest.mark.parametrize(
    ("told", "rules"),
    [
        ({}, []),
        ({"ends_at": NOON + DAY}, []),
        ({"ends_at": NOON}, ["over_already"]),
        ({"starts_at": NOON + 3 * DAY, "ends_at": NOON + DAY}, ["over_already"]),
        ({"conditions": ["no_contact", "no_moon"]}, ["unknown_condition"]),
    ],
)
def test_an_order_lasts_and_asks_for_what_the_locality_knows(
    told: dict[str, Any], rules: list[str]
) -> None:
    found = misfits_of_order(terms(**told), CODES, NOON)

    assert [each.rule for each in found] == rules


@pytest.mark.parametrize(
    ("told", "rules"),
    [
        (breach(), []),
        (breach(-1), []),
        (breach(-1.1), ["not_while_it_bound_anybody"]),
        (breach(0.1), ["in_the_future"]),
        (breach(0, "no_moon"), ["unknown_condition"]),
    ],
)
def test_a_breach_is_of_a_time_when_the_order_bound_somebody(
    told: ToldBreach, rules: list[str]
) -> None:
    found = misfits_of_breach(told, order(), CODES, NOON)

    assert [each.rule for each in found] == rules


def test_a_breach_that_is_known_late_counts_for_an_order_that_has_ended() -> None:
    ended = order().end(OrderEnd.DISCHARGED, NOON, "x")

    assert not misfits_of_breach(breach(-0.5), ended, CODES, NOON + DAY)
    assert misfits_of_breach(breach(0.5), ended, CODES, NOON + DAY)
    assert ended.breach(breach(-0.5), by="x", at=NOON).breached_at == NOON - DAY / 2


def test_the_same_breach_is_one_and_what_was_mistaken_is_none() -> None:
    once = order().breach(breach(-0.5), by="x", at=NOON)
    twice = once.breach(breach(-0.5), by="y", at=NOON)
    both = once.breach(breach(-0.2), by="y", at=NOON)

    assert twice is once
    assert both.breached_at == NOON - 0.2 * DAY
    assert both.without_breach(2, by="z").breached_at == NOON - DAY / 2
    assert both.without_breach(2, by="z").breaches[1].mistaken_by == "z"
    with pytest.raises(NoSuchBreach):
        both.without_breach(3, by="z")


def test_a_breach_that_was_taken_back_can_be_told_again() -> None:
    taken = order().breach(breach(), by="x", at=NOON).without_breach(1, by="x")

    assert taken.breached_at is None
    assert taken.breach(breach(), by="y", at=NOON).breached_at == NOON


def test_an_agency_sees_and_takes_back_what_it_told_and_nothing_else() -> None:
    held = order().breach(breach(-0.5), by="team", at=NOON)
    held = held.breach(breach(-0.5), by="agency", at=NOON, by_agency=True)
    again = held.breach(breach(-0.5), by="agency", at=NOON, by_agency=True)
    [seen] = held.seen_by_agency(NOON).breaches
    doubted = held.without_breach(2, by="team")
    taken = held.without_breach(1, by="agency", by_agency=True)

    assert again is held
    assert (seen.by, len(held.breaches)) == ("agency", 2)
    assert doubted.seen_by_agency(NOON) == held.seen_by_agency(NOON)
    assert [each.mistaken_by for each in taken.breaches] == [None, "agency"]
    assert taken.seen_by_agency(NOON).breaches[0].mistaken_by == "agency"
    with pytest.raises(NoSuchBreach):
        held.without_breach(2, by="agency", by_agency=True)


def test_an_agency_sees_the_end_that_it_told_or_that_of_the_clock() -> None:
    held = order(ends_at=NOON + DAY)
    ended = held.end(OrderEnd.DISCHARGED, NOON, "team")
    told = ended.end(OrderEnd.REPLACED, NOON, "agency", by_agency=True)

    assert ended.seen_by_agency(NOON) == held.model_copy(update={"ended": None})
    assert (over := ended.seen_by_agency(NOON + DAY).ended)
    assert (over.reason, over.at) == (OrderEnd.EXPIRED, NOON + DAY)
    assert told.ended == ended.ended
    assert (word := told.seen_by_agency(NOON).ended)
    assert word.reason is OrderEnd.REPLACED


def test_whom_it_protects_can_be_told_anew_and_what_stood_is_remembered() -> None:
    held, both = order(), Bound.of((HIM,), (HER, new_id()))

    new = held.told_again(held.terms, both, by="x", at=NOON)

    assert new.people == both
    assert [each.protected for each in new.changes] == [(HER,)]


def test_breaches_have_an_end() -> None:
    held = order()
    for number in range(MOST_BREACHES):
        held = held.breach(breach(-number / 1000), by="x", at=NOON)

    with pytest.raises(TooManyBreaches):
        held.breach(breach(-0.9), by="x", at=NOON)


def test_an_order_that_has_ended_is_not_changed_and_a_mistaken_one_never_was() -> None:
    held = order().breach(breach(), by="x", at=NOON)
    ended = held.end(OrderEnd.EXPIRED, NOON, None)

    people = ended.people
    with pytest.raises(OrderOver):
        ended.told_again(terms(ends_at=NOON + DAY), people, by="x", at=NOON)
    assert ended.told_again(ended.terms, people, by="x", at=NOON) is ended
    assert ended.end(OrderEnd.DISCHARGED, NOON, "x") is ended
    mistaken = ended.end(OrderEnd.MISTAKEN, NOON, "x")
    assert (ended.breached_at, mistaken.breached_at) == (NOON, None)
    assert not mistaken.active_at(NOON)


@pytest.fixture
async def orders(database: Database) -> Orders:
    store = Orders(database)
    await store.prepare()
    return store


async def test_its_end_is_a_date_known_ahead_and_falls_due_once(
    orders: Orders, cases: Cases, clock: SimulatedClock
) -> None:
    told = order(ends_at=NOON + DAY)
    rules = POLICY.triggers
    held = await record(told, by="x", at=NOON, orders=orders, cases=cases, rules=rules)
    same = await record(told, by="x", at=NOON, orders=orders, cases=cases, rules=rules)
    clock.advance(DAY)
    await expire(held, orders=orders, clock=clock)

    sent = await published(orders)
    assert same == held
    assert [type(each.data) for each in sent] == [
        OrderRecorded,
        TriggerScheduled,
        OrderEnded,
        TriggerFellDue,
    ]
    assert {each.lane for each in sent} == {Lane.URGENT}
    scheduled, fell_due = sent[1].data, sent[3].data
    assert scheduled.trigger_id == fell_due.trigger_id == held.date_id
    assert scheduled.kind is TriggerKind.BAIL_CHANGE
    assert sent[2].data.reason is OrderEnd.EXPIRED
    assert (over := await orders.get(held.id))
    assert over.due_at is None


@pytest.mark.parametrize("kind", [OrderKind.PROTECTION_ORDER, OrderKind.PAROLE])
async def test_ending_it_early_calls_its_end_off(
    orders: Orders, cases: Cases, kind: OrderKind
) -> None:
    told = order(ends_at=NOON + 90 * DAY, kind=kind)
    await record(
        told, by="x", at=NOON, orders=orders, cases=cases, rules=POLICY.triggers
    )
    longer = told.model_copy(
        update={"terms": terms(ends_at=NOON + 99 * DAY, kind=kind)}
    )
    await record(
        longer, by="x", at=NOON, orders=orders, cases=cases, rules=POLICY.triggers
    )
    for _ in range(2):
        await end(
            told.id, OrderEnd.DISCHARGED, by="x", by_agency=False,
            at=NOON, now=NOON, orders=orders, cases=cases,
        )  # fmt: skip

    sent = [each.data for each in await published(orders)]
    assert [each for each in sent if isinstance(each, OrderEnded)] == [sent[4]]
    assert isinstance(sent[5], TriggerCancelled)
    assert sent[5].due_at == NOON + 99 * DAY
    assert len(sent) == 6


async def test_whatever_is_asked_of_the_store_has_an_index(orders: Orders) -> None:
    for query in ({"case_id": {"$in": ["x"]}}, {"referral_id": "x"}):
        plan = await orders.documents.find(query).explain()
        winning = str(plan["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in winning, winning


async def ask(
    running: Running,
    method: str,
    path: str,
    told: Any = None,
    *scopes: str,
    **claims: Any,
) -> httpx2.Response:
    headers = running.bearer(*scopes, **claims)
    return await running.http.request(method, f"/v1/{path}", headers=headers, json=told)


async def referred(running: Running) -> tuple[str, str]:
    """Have a family referred, and give the referral and its case."""
    answer = await running.submit(body(), key=new_id())
    referral = answer.json()["referral_id"]

    async def case_of() -> str | None:
        held = await running.cases.of_referral(referral)
        return held.id if held else None

    return referral, await eventually(case_of)


BAIL = {
    "kind": "bail",
    "starts_at": (NOON - DAY).isoformat(),
    "conditions": ["no_contact"],
    "bound": [1],
    "protected": [0],
}


async def test_an_agency_tells_and_the_case_knows_it(running: Running) -> None:
    referral, case = await referred(running)
    path = f"referrals/{referral}/orders"
    told = await ask(running, "POST", path, BAIL)
    again = await ask(running, "POST", path, {**BAIL, "conditions": ["curfew"]})

    assert told.status_code == again.status_code == 201, told.text
    id_ = told.json()["order_id"]
    assert again.json()["order_id"] == id_
    done = {"occurred_at": NOON.isoformat(), "conditions": ["curfew"]}
    assert (await ask(running, "POST", f"{path}/{id_}/breaches", done)).is_success
    worker = new_id()
    running.standings.tell(worker, case, sides=frozenset({Side.WHOLE_CASE}))
    scope = ("referrals.orders",)
    seen = await ask(
        running, "GET", f"cases/{case}/orders", None, *scope, agency="", worker=worker
    )
    [shown] = seen.json()
    held = await running.cases.get(case)
    assert held
    [him] = [e.person_id for e in held.people if e.role == "person_using_violence"]
    assert (shown["agency"], shown["bound"]) == ("police", [him])
    assert shown["breaches"][0]["conditions"] == ["curfew"]
    other = await ask(running, "GET", path, agency="hospital")
    assert other.status_code == 404
    end_ = await ask(running, "POST", f"{path}/{id_}/end", {"reason": "discharged"})
    assert end_.json()["end"] == "discharged"
    told_of = await sent_by(running.service, running.broker)
    of_orders = [e for e in told_of if isinstance(e.data, OrderEvent)]
    assert [(type(e.data), e.lane) for e in of_orders] == [
        (OrderRecorded, Lane.ROUTINE),
        (OrderRecorded, Lane.ROUTINE),
        (OrderBreached, Lane.URGENT),
        (OrderEnded, Lane.ROUTINE),
    ]


@pytest.mark.parametrize(
    ("wrong", "at"),
    [
        ({"bound": [2]}, "bound"),
        ({"protected": [1]}, "protected"),
        ({"conditions": ["no_moon"]}, "conditions"),
        ({"ends_at": NOON.isoformat()}, "ends_at"),
        ({"kind": "spell"}, "kind"),
    ],
)
async def test_every_wrong_field_is_named_and_nothing_is_kept(
    running: Running, wrong: dict[str, Any], at: str
) -> None:
    referral, _ = await referred(running)
    path = f"referrals/{referral}/orders"
    answer = await ask(running, "POST", path, {**BAIL, **wrong})

    assert answer.status_code == 422
    assert [e["pointer"].split("/")[2] for e in answer.json()["errors"]] == [at]
    assert (await ask(running, "GET", path)).json() == []


async def test_nobody_who_serves_him_sees_or_records_one(running: Running) -> None:
    _, case = await referred(running)
    outreach = new_id()
    using = frozenset({Side.PERSON_USING_VIOLENCE})
    running.standings.tell(outreach, case, sides=using)
    named = {**BAIL, "bound": [HIM], "protected": []}
    found = [
        await ask(
            running, method, f"cases/{case}/orders", told, "referrals.orders",
            agency="", worker=outreach,
        )
        for method, told in (("GET", None), ("POST", named))
    ]  # fmt: skip

    assert [each.status_code for each in found] == [404, 404]
    strange = await ask(
        running, "POST", f"cases/{case}/orders",
        named, "referrals.orders",
        agency="", worker=COORDINATOR,
    )  # fmt: skip
    assert strange.status_code == 422


async def test_the_agency_learns_nothing_that_the_case_has_recorded(
    running: Running,
) -> None:
    referral, case = await referred(running)
    path = f"referrals/{referral}/orders"
    told = (await ask(running, "POST", path, BAIL)).json()
    id_, done = told["order_id"], {"occurred_at": NOON.isoformat()}
    team = f"cases/{case}/orders/{id_}"

    async def records(at: str, what: Any) -> httpx2.Response:
        return await ask(
            running, "POST", f"{team}/{at}", what, "referrals.orders",
            agency="", worker=COORDINATOR,
        )  # fmt: skip

    assert (await records("breaches", done)).is_success
    ended = await records("end", {"reason": "discharged"})
    assert (len(ended.json()["breaches"]), ended.json()["end"]) == (1, "discharged")

    assert (await ask(running, "GET", path)).json() == [told]
    gone = await ask(running, "DELETE", f"{path}/{id_}/breaches/1")
    assert gone.status_code == 404
    own = await ask(running, "POST", f"{path}/{id_}/breaches", done)
    assert [each["number"] for each in own.json()["breaches"]] == [1]
    taken = await ask(running, "DELETE", f"{path}/{id_}/breaches/1")
    assert [each["mistaken"] for each in taken.json()["breaches"]] == [True]
    over = await ask(running, "POST", f"{path}/{id_}/end", {"reason": "replaced"})
    assert over.json()["end"] == "replaced"
    [held] = await running.service.store(Orders).of_cases([case])
    assert [each.mistaken_by is None for each in held.breaches] == [True, False]
    told_of = await sent_by(running.service, running.broker)
    ends = [each for each in told_of if isinstance(each.data, OrderEnded)]
    assert len(ends) == 1


async def test_no_agency_changes_what_another_told(running: Running) -> None:
    referral, case = await referred(running)
    told = await ask(running, "POST", f"referrals/{referral}/orders", BAIL)
    same = await running.submit(body(), key=new_id(), agency="hospital")
    other = same.json()["referral_id"]
    assert await eventually(lambda: running.cases.of_referral(other))

    path = f"referrals/{other}/orders"
    end_of = f"{path}/{told.json()['order_id']}/end"
    why = {"reason": "discharged"}
    answer = await ask(running, "POST", end_of, why, agency="hospital")

    assert answer.status_code == 404
    assert (await ask(running, "GET", path, agency="hospital")).json() == []
    [held] = await running.service.store(Orders).of_cases([case])
    assert held.active_at(NOON)
