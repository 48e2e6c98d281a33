"""Saying that one knows by a link in an e-mail, without logging in."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from notify.domain.link import Link, NoSuchLink
from notify.domain.mail import Outcome
from notify.domain.record import lines
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
)
from pydantic import SecretStr

KEY = "k" * 32
LINK = re.compile(re.escape(LINK_BASE) + r"/acknowledge#([A-Za-z0-9_-]{46})")
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


async def uses(running: Running, link: str) -> int:
    """The portal says that somebody has pressed the button; give what is answered."""
    headers = running.bearer("notify.link")
    body = {"link": link}
    answer = await running.http.post("/v1/acknowledgements", json=body, headers=headers)
    status: int = answer.status_code
    return status


async def told(running: Running, post: MailServer, worker: str) -> str:
    """Tell a worker, and give the link in their e-mail."""
    await running.hears(offered(worker))
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
    assert answers == [204, 404]
    assert held.acknowledged_by == worker
    assert [each.by_link for each in held.answers] == [True]
    assert "acknowledged_by_link" in [each.what for each in lines([held])]


async def test_whoever_is_barred_meanwhile_has_no_link_any_more(
    linking: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    link = await told(linking, mail_server, worker)
    [held] = await linking.all()
    linking.standings.tell(worker, held.case_id, conflict=True)

    assert await uses(linking, link) == 404

    [held] = await linking.all()
    assert held.acknowledged_at is None


async def test_a_link_that_is_none_of_ours_is_none(linking: Running) -> None:
    strange = Link(new_id(), 0).written("another key of thirty-two letters")

    assert await uses(linking, strange) == 404
    assert await uses(linking, Link(new_id(), 0).written(KEY)) == 404
    assert await uses(linking, "nothing") == 422


async def test_without_a_key_no_email_has_a_link(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email="worker@agency.example")
    await mailing.hears(offered(worker))
    await mailing.later(timedelta())

    assert "/acknowledge#" not in mail_server.letters[-1].get_content()
    assert await uses(mailing, Link(new_id(), 0).written(KEY)) == 404


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
