"""Notify over HTTP: a worker's own inbox, and who was told of a case."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from accord_chassis.testing import COORDINATOR, NOON, new_id
from accord_contracts.message import Message
from accord_contracts.risk import RiskLevel
from notify_builders import (
    IVS,
    LINK_BASE,
    MINUTE,
    POLICY,
    Running,
    WorkersDirectory,
    accepted,
    changed,
    declined,
    drafted,
    expired,
    notification,
    offered,
    team,
)

UNKNOWN = "00000000-0000-4000-8000-000000000001"
"""The id of nothing; the same in every process that collects these tests."""

SENTINEL = "Sentinel-Street-7"


async def test_an_inbox_shows_a_reference_and_where_it_leads(running: Running) -> None:
    message = offered(level=RiskLevel.HIGH)
    worker = message.data.worker_id

    await running.hears(message)
    [shown] = await running.inbox(worker)

    [held] = await running.all()
    assert shown == {
        "id": held.id,
        "reference": held.reference,
        "subject": f"Please answer: {held.reference}",
        "text": f"You are asked for an answer. Reference {held.reference}. "
        f"Log in to read it: {LINK_BASE}/inbox/{held.id}",
        "link": f"{LINK_BASE}/inbox/{held.id}",
        "urgency": "high",
        "event": "allocation.offered.v1",
        "case_id": message.data.case_id,
        "about_id": message.data.allocation_id,
        "created_at": "2026-11-02T12:00:00Z",
        "acknowledge_by": "2026-11-02T12:10:00Z",
        "acknowledged_at": None,
        "ended_at": None,
        "reopens_at": None,
        "escalated": False,
    }


@pytest.mark.parametrize(
    ("header", "begins"),
    [
        ("mi", "Kei te tatari"),
        ("mi-NZ, en;q=0.8", "Kei te tatari"),
        ("en-NZ", "You are asked"),
        ("fr", "You are asked"),
        ("*", "You are asked"),
        (",;,", "You are asked"),
    ],
)
async def test_an_inbox_is_shown_in_the_language_that_is_asked_for(
    running: Running, header: str, begins: str
) -> None:
    message = offered()
    worker = message.data.worker_id
    await running.hears(message)

    headers = running.bearer("notify.inbox", worker=worker)
    answer = await running.http.get(
        "/v1/inbox", headers={**headers, "Accept-Language": header}
    )

    assert answer.json()["messages"][0]["text"].startswith(begins)
    assert answer.headers["cache-control"] == "no-store"


async def test_an_inbox_is_read_in_pages(running: Running) -> None:
    worker = new_id()
    for _ in range(3):
        await running.hears(offered(worker))
        running.clock.advance(MINUTE)
    headers = running.bearer("notify.inbox", worker=worker)

    first = await running.http.get("/v1/inbox", headers=headers, params={"limit": 2})
    after = first.json()["next"]
    second = await running.http.get(
        "/v1/inbox", headers=headers, params={"limit": 2, "after": after}
    )

    seen = [
        each["created_at"]
        for answer in (first, second)
        for each in answer.json()["messages"]
    ]
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)
    assert second.json()["next"] is None


async def test_what_waits_for_an_answer_stands_before_all_that_is_newer(
    running: Running,
) -> None:
    worker = new_id()
    asks = notification(worker_id=worker)
    read = notification(worker_id=worker).model_copy(update={"chain": None})
    known = notification(worker_id=worker, at=NOON + MINUTE)
    news = [
        read.model_copy(update={"id": new_id(), "created_at": NOON + n * MINUTE})
        for n in range(2, 122)
    ]
    acknowledged = known.acknowledge(worker, NOON + MINUTE)
    for each in (asks, acknowledged, *news):
        await running.notifications.save(each)
    headers = running.bearer("notify.inbox", worker=worker)

    pages: list[list[str]] = []
    after: str | None = ""
    while after is not None:
        asked = {"limit": 100, **({"after": after} if after else {})}
        answer = await running.http.get("/v1/inbox", headers=headers, params=asked)
        pages.append([each["id"] for each in answer.json()["messages"]])
        after = answer.json()["next"]

    newest_first = [each.id for each in reversed(news)]
    assert [len(each) for each in pages] == [100, 22]
    assert [*chain(*pages)] == [asks.id, *newest_first, known.id]


async def test_an_inbox_is_nobody_elses(running: Running) -> None:
    message = offered()
    await running.hears(message)
    [held] = await running.all()

    stranger = running.bearer("notify.inbox", worker=new_id())
    listed = await running.http.get("/v1/inbox", headers=stranger)
    read = await running.http.get(f"/v1/inbox/{held.id}", headers=stranger)
    refused = await running.acknowledges(new_id(), held.id)
    unknown = await running.acknowledges(message.data.worker_id, new_id())

    assert listed.json() == {"messages": [], "next": None}
    assert read.status_code == refused.status_code == unknown.status_code == 404
    assert refused.json()["type"] == "urn:accord:problem:no-such-message"
    assert refused.json().keys() == unknown.json().keys()


async def test_a_link_leads_to_its_message(running: Running) -> None:
    message = offered()
    await running.hears(message)
    [held] = await running.all()

    headers = running.bearer("notify.inbox", worker=message.data.worker_id)
    answer = await running.http.get(f"/v1{held.link}", headers=headers)

    assert answer.status_code == 200
    assert answer.json()["about_id"] == message.data.allocation_id


async def test_an_acknowledgement_is_given_once_or_twice(running: Running) -> None:
    message = offered()
    worker = message.data.worker_id
    await running.hears(message)
    [held] = await running.all()

    answers = [await running.acknowledges(worker, held.id) for _ in range(2)]
    await running.later(24 * 60 * MINUTE)

    assert [each.status_code for each in answers] == [204, 204]
    [shown] = await running.inbox(worker)
    assert shown["acknowledged_at"] == "2026-11-02T12:00:00Z"
    assert not shown["escalated"]


@pytest.mark.parametrize("answer", [accepted, declined])
@pytest.mark.parametrize("turns", [1, -1])
async def test_an_offer_that_was_answered_waits_for_nobody(
    running: Running, answer: Callable[..., Message[Any]], turns: int
) -> None:
    offer = offered(level=RiskLevel.EXTREME)
    for message in (offer, answer(offer))[::turns]:
        await running.hears(message)

    await running.later(24 * 60 * MINUTE)

    [shown] = await running.inbox(offer.data.worker_id)
    assert shown["acknowledged_at"] == shown["ended_at"] == "2026-11-02T12:07:00Z"
    assert not shown["escalated"]


async def test_an_offer_that_has_lapsed_is_closed_and_the_worker_is_told(
    running: Running,
) -> None:
    offer = offered(level=RiskLevel.EXTREME)
    await running.hears(offer, expired(offer))

    await running.later(24 * 60 * MINUTE)

    lapsed, shown = await running.inbox(offer.data.worker_id)
    assert (lapsed["event"], lapsed["ended_at"]) == ("allocation.expired.v1", None)
    assert shown["event"] == "allocation.offered.v1"
    assert shown["ended_at"] == "2026-11-02T12:07:00Z"
    assert shown["acknowledged_at"] is None
    assert not shown["escalated"]
    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{offer.data.case_id}/notifications"
    review = (await running.http.get(path, headers=headers)).json()["notifications"]
    assert {(each["event"], each["ended_at"]) for each in review} == {
        ("allocation.offered.v1", "2026-11-02T12:07:00Z"),
        ("allocation.expired.v1", None),
    }


async def test_whoever_is_told_next_finds_it_in_their_inbox_and_may_end_it(
    running: Running, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    worker = workers.knows(deputy=deputy)
    await running.hears(offered(worker, level=RiskLevel.EXTREME))

    assert await running.inbox(deputy) == []
    await running.later(10 * MINUTE)
    [shown] = await running.inbox(deputy)
    assert shown["escalated"]

    answer = await running.acknowledges(deputy, shown["id"])
    await running.later(24 * 60 * MINUTE)

    assert answer.status_code == 204
    [mine] = await running.inbox(worker)
    assert mine["acknowledged_at"]
    [held] = await running.all()
    assert held.told_workers == [worker, deputy]


async def test_who_was_told_what_of_a_case_can_be_reviewed(
    running: Running, workers: WorkersDirectory
) -> None:
    case_id, member = new_id(), new_id()
    coordinator = workers.has_on_duty()
    worker = workers.knows()
    await running.hears(offered(worker, case_id=case_id, level=RiskLevel.EXTREME))
    await running.later(10 * MINUTE)
    await running.hears(team((member, IVS), case_id=case_id))
    await running.hears(drafted(case_id), offered())

    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{case_id}/notifications"
    answer = await running.http.get(path, headers=headers)

    first, second = answer.json()["notifications"]
    assert (first["event"], second["event"]) == (
        "allocation.offered.v1",
        "plan.drafted.v1",
    )
    assert first["policy_version"] == POLICY.version
    assert [(each["worker_id"], each["step"]) for each in first["told"]] == [
        (worker, 0),
        (coordinator, 2 + 1),
    ]
    assert [each["at"] for each in first["told"]] == [
        "2026-11-02T12:00:00Z",
        "2026-11-02T12:10:00Z",
    ]
    assert second["told"][0]["worker_id"] == member
    assert answer.json()["next"] is None


async def test_a_review_is_read_in_pages(running: Running) -> None:
    case_id = new_id()
    for _ in range(3):
        await running.hears(offered(case_id=case_id))
    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{case_id}/notifications"

    first = await running.http.get(path, headers=headers, params={"limit": 2})
    second = await running.http.get(
        path, headers=headers, params={"after": first.json()["next"]}
    )

    seen = [
        each["id"]
        for answer in (first, second)
        for each in answer.json()["notifications"]
    ]
    assert sorted(seen) == sorted(each.id for each in await running.all())


async def test_a_case_of_which_nobody_was_told_looks_as_if_there_were_none(
    running: Running,
) -> None:
    answer = await running.http.get(
        f"/v1/cases/{new_id()}/notifications",
        headers=running.bearer("notify.review", worker=COORDINATOR),
    )

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/v1/inbox", ["notify.review"]),
        ("GET", f"/v1/inbox/{UNKNOWN}", ["notify.review"]),
        ("POST", f"/v1/inbox/{UNKNOWN}/acknowledgement", ["notify.review"]),
        ("GET", f"/v1/cases/{UNKNOWN}/notifications", ["notify.inbox"]),
    ],
)
async def test_a_token_without_the_scope_is_refused(
    running: Running, method: str, path: str, scopes: list[str]
) -> None:
    headers = running.bearer(*scopes, worker=new_id())

    without = await running.http.request(method, path)
    wrong = await running.http.request(method, path, headers=headers)

    assert (without.status_code, wrong.status_code) == (401, 403)


async def test_a_token_that_names_no_worker_has_no_inbox(running: Running) -> None:
    headers = running.bearer("notify.inbox")

    answer = await running.http.get("/v1/inbox", headers=headers)

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:accord:problem:no-inbox"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/inbox", {"after": SENTINEL}),
        ("/v1/inbox", {"limit": "0"}),
        ("/v1/inbox", {"limit": "101"}),
        ("/v1/inbox", {"limit": SENTINEL}),
        (f"/v1/inbox/{SENTINEL}", {}),
        (f"/v1/cases/{SENTINEL}/notifications", {}),
        (f"/v1/cases/{UNKNOWN}/notifications", {"after": SENTINEL}),
    ],
)
async def test_a_wrong_question_is_refused_and_never_echoed(
    running: Running, path: str, query: dict[str, Any]
) -> None:
    headers = running.bearer("notify.inbox", "notify.review", worker=new_id())

    answer = await running.http.get(path, headers=headers, params=query)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert SENTINEL not in answer.text


async def test_no_answer_holds_an_address(
    running: Running, workers: WorkersDirectory
) -> None:
    case_id = new_id()
    worker = workers.knows(email="sentinel@example.org")
    await running.hears(team((worker, IVS), case_id=case_id), changed(case_id))
    await running.later(24 * 60 * MINUTE)

    headers = running.bearer("notify.inbox", "notify.review", worker=worker)
    inbox = await running.http.get("/v1/inbox", headers=headers)
    review = await running.http.get(
        f"/v1/cases/{case_id}/notifications", headers=headers
    )

    assert "sentinel" not in inbox.text + review.text
