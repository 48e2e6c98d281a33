"""Answering by a link in an e-mail, without logging in: the page behind it."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from accord_chassis.store import Conflict
from accord_chassis.testing import NOON, audited, new_id
from accord_contracts.allocation import DeclineReason
from accord_contracts.message import Message
from accord_contracts.risk import RiskLevel
from notify.domain.answers import Said
from notify.domain.link import Link, NoSuchLink
from notify.domain.mail import Outcome
from notify.domain.page import PageText
from notify.domain.record import lines
from notify.domain.texts import Language
from notify.store import Notifications
from notify_builders import (
    LINK_BASE,
    MAIL_FROM,
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    notification,
    offered,
    overdue,
)
from pydantic import SecretStr, ValidationError
from pymongo.errors import AutoReconnect, ExecutionTimeout

KEY = "k" * 32
LINK = re.compile(re.escape(LINK_BASE) + r"/acknowledge/([A-Za-z0-9_-]{46})")
GOOD = POLICY.links.lasts


@pytest.fixture
async def linking(start: Any, mail_server: MailServer) -> AsyncIterator[Running]:
    """The service, alive, with e-mail and links in it."""
    async with start(
        smtp_url=SecretStr(mail_server.url),
        mail_from=MAIL_FROM,
        link_key=SecretStr(KEY),
    ) as running:
        yield running


KNOWN = {"verb": "known"}
PAGE = POLICY.links.page[Language.ENGLISH]


async def uses(running: Running, link: str, **pressed: str) -> httpx2.Response:
    """Press a button of the page behind a link, as a browser sends it."""
    return await running.http.post(f"/acknowledge/{link}", data=pressed or KNOWN)


async def told(
    running: Running,
    post: MailServer,
    worker: str,
    of: Callable[[str], Message[Any]] = offered,
) -> str:
    """Tell a worker, and give the link in their e-mail."""
    await running.hears(of(worker))
    await running.later(timedelta())
    text = post.letters[-1].get_content()
    [link, *others] = LINK.findall(text.replace("=\n", ""))
    assert set(others) <= {link}
    return str(link)


async def test_a_link_says_that_its_worker_knows_and_works_once(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    link = await told(linking, mail_server, worker)

    answers = [await uses(linking, link) for _ in range(2)]

    [held] = await linking.all()
    assert [each.status_code for each in answers] == [200, 404]
    assert PAGE.done in answers[0].text
    assert PAGE.not_done in answers[1].text
    assert held.acknowledged_by == worker
    assert [each.by_link for each in held.answers] == [True]
    assert "acknowledged_by_link" in [each.what for each in lines([held])]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
async def test_whatever_follows_a_link_and_presses_nothing_changes_nothing(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory, method: str
) -> None:
    worker = workers.knows(email="worker@agency.example")
    link = await told(linking, mail_server, worker)
    before = await linking.all()

    answer = await linking.http.request(method, f"/acknowledge/{link}?verb=known")
    empty = await linking.http.post(f"/acknowledge/{link}")

    assert answer.status_code in {200, 405}
    assert empty.status_code == 422
    assert await linking.all() == before
    assert (await uses(linking, link)).status_code == 200


async def test_the_page_is_the_same_behind_every_link_and_behind_none(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    link = await told(linking, mail_server, worker)
    strange = Link(new_id(), 0).written("another key of thirty-two letters")
    headers = {"accept-language": "mi"}

    pages = [
        await linking.http.get(f"/acknowledge/{each}", headers=headers)
        for each in (link, strange, "nothing")
    ]

    [page] = {each.text for each in pages}
    assert '<html lang="mi">' in page
    assert "<script" not in page
    assert POLICY.links.page[Language.MAORI].title in page
    sent = pages[0].headers
    assert sent["cache-control"] == "no-store"
    assert sent["referrer-policy"] == "no-referrer"
    policy = sent["content-security-policy"]
    assert policy.startswith("default-src 'none'; frame-ancestors 'none'")
    assert "script" not in policy
    assert "unsafe" not in policy
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


async def test_one_who_cannot_take_it_says_why_and_the_next_is_told(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    link = await told(linking, mail_server, worker)

    without = await uses(linking, link, verb="cannot_take", reason="")
    given = await uses(linking, link, verb="cannot_take", reason="no_capacity")
    again = await uses(linking, link)

    [held] = await linking.all()
    assert [e.status_code for e in (without, given, again)] == [422, 200, 404]
    assert [(e.said, e.reason, e.by_link) for e in held.answers] == [
        (Said.CANNOT_TAKE, DeclineReason.NO_CAPACITY, True)
    ]
    assert "cannot_take_by_link" in [each.what for each in lines([held])]


async def test_it_is_handed_over_to_whom_the_directory_names_and_no_page_does(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    deputy = workers.knows(email="deputy@agency.example")
    worker = workers.knows(email="worker@agency.example", deputy=deputy)
    link = await told(
        linking,
        mail_server,
        worker,
        lambda who: overdue(new_id(), who, level=RiskLevel.HIGH),
    )

    nobody = await uses(linking, link, verb="hand_over", to="team_lead")
    given = await uses(linking, link, verb="hand_over", to="deputy")
    again = await uses(linking, link)

    [held] = await linking.all()
    assert [e.status_code for e in (nobody, given, again)] == [404, 200, 404]
    assert held.worker_id == deputy
    assert [(e.said, e.to, e.by_link) for e in held.answers] == [
        (Said.HANDED_OVER, deputy, True)
    ]
    assert deputy not in nobody.text + given.text


async def test_whoever_is_barred_meanwhile_has_no_link_any_more(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    link = await told(linking, mail_server, worker)
    [held] = await linking.all()
    linking.standings.tell(worker, held.case_id, conflict=True)

    barred = await uses(linking, link)
    none = await uses(linking, Link(new_id(), 0).written(KEY))

    assert barred.status_code == 404
    assert barred.text == none.text
    [held] = await linking.all()
    assert held.acknowledged_at is None


async def test_what_is_pressed_is_in_the_audit_log_as_its_workers(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    link = await told(linking, mail_server, worker)
    answers = [await uses(linking, link) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 404]
    # A link that was used permits nothing.
    [entry] = await audited(linking.service.audit)
    assert (entry.worker, entry.issuer) == (worker, "urn:accord:link")
    assert (entry.action, entry.rule) == ("message.acknowledge", "owner")


async def test_a_good_link_is_good_though_others_try_bad_ones_from_the_same_place(
    start: Any, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    async with start(
        smtp_url=SecretStr(mail_server.url),
        mail_from=MAIL_FROM,
        link_key=SecretStr(KEY),
        guesses_a_minute=2,
    ) as running:
        link = await told(running, mail_server, worker)

        bad = [await uses(running, "nothing") for _ in range(3)]
        good = await uses(running, link)

    assert [each.status_code for each in bad] == [404, 404, 429]
    assert good.status_code == 200


@pytest.mark.parametrize("fault", [AutoReconnect, ExecutionTimeout, Conflict])
async def test_while_the_store_is_away_a_page_says_to_come_back(
    linking: Running, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    async def away(*_: object) -> None:
        raise fault("away")

    monkeypatch.setattr(Notifications, "get", away)
    answer = await uses(linking, Link(new_id(), 0).written(KEY))

    assert answer.status_code == 503
    assert PAGE.later in answer.text


async def test_a_link_that_is_none_of_ours_is_none(linking: Running) -> None:
    strange = Link(new_id(), 0).written("another key of thirty-two letters")

    for each in (strange, Link(new_id(), 0).written(KEY), "nothing"):
        answer = await uses(linking, each)
        assert (answer.status_code, PAGE.not_done in answer.text) == (404, True)


async def test_without_a_key_no_email_has_a_link(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    await mailing.hears(offered(worker))
    await mailing.later(timedelta())

    assert "/acknowledge" not in mail_server.letters[-1].get_content()
    answer = await uses(mailing, Link(new_id(), 0).written(KEY))
    assert answer.status_code == 404


def test_a_page_without_words_for_a_reason_does_not_load() -> None:
    written = PAGE.model_dump(mode="json")
    del written["reasons"]["unsafe"]

    with pytest.raises(ValidationError, match="unsafe has no words"):
        PageText.model_validate(written)


def test_a_link_is_good_for_a_while_and_for_one_telling() -> None:
    held = notification()
    link = Link.read(Link(held.id, 0).written(KEY), KEY)
    again = held.acknowledge(held.worker_id, NOON + MINUTE).reopen(NOON + 2 * MINUTE)

    assert link.opener(held, NOON + GOOD, GOOD) == held.worker_id
    with pytest.raises(NoSuchLink):
        link.opener(held, NOON + GOOD + MINUTE, GOOD)
    with pytest.raises(NoSuchLink):
        link.opener(again, NOON + 3 * MINUTE, GOOD)
    with pytest.raises(NoSuchLink):
        Link(held.id, 1).opener(held, NOON, GOOD)


def test_whoever_is_asked_again_has_a_link_that_is_good() -> None:
    at, until = NOON + 2 * MINUTE, NOON + 9 * MINUTE
    made = notification(event="plan.not_in_force.v1")
    worker = made.worker_id
    opened = made.acknowledge(worker, NOON + MINUTE).reopen(at)
    held = opened.tell(worker, 0, at=at, until=until, mail=True)
    old, new = Link(held.id, 0), Link(held.id, 1)

    assert held.ended_at is None
    assert new.opener(held, at + MINUTE, GOOD) == worker
    with pytest.raises(NoSuchLink):
        old.opener(held, at + MINUTE, GOOD)
    once_more = held.cannot_take(worker, DeclineReason.NO_CAPACITY, at + MINUTE)
    with pytest.raises(NoSuchLink):
        new.opener(once_more, at + 2 * MINUTE, GOOD)


def test_the_life_of_a_link_counts_from_when_its_letter_went_out() -> None:
    held = notification(mail=True)
    link = Link(held.id, 0)
    morning = NOON + timedelta(hours=10)
    mail = held.claim_mail(0, morning, POLICY.email)
    sent = mail.settle_mail(0, Outcome.SENT, None, morning, POLICY.email)

    assert link.opener(sent, morning + GOOD, GOOD) == held.worker_id
    with pytest.raises(NoSuchLink):
        link.opener(sent, morning + GOOD + MINUTE, GOOD)


@pytest.mark.parametrize("changed", range(0, 46, 5))
def test_a_link_of_which_a_letter_is_changed_is_none(changed: int) -> None:
    written = Link(new_id(), 3).written(KEY)
    other = "A" if written[changed] != "A" else "B"

    with pytest.raises(NoSuchLink):
        Link.read(written[:changed] + other + written[changed + 1 :], KEY)
