"""A letter that comes back is heard of, and nothing of it is read or kept."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from accord_chassis.settings import BadConfiguration
from accord_chassis.testing import NOON, audited, new_id, sent_by
from accord_contracts.risk import RiskLevel
from fastapi import FastAPI, Request, Response
from notify.app import create_app
from notify.domain.bounce import Bounce, ReturnPath, bounce_of
from notify.domain.channels import Way
from notify.domain.mail import Mail, MailState
from notify.domain.notification import Notification
from notify.domain.record import lines
from notify.domain.told import Telling
from notify.settings import Settings
from notify_builders import (
    MAIL_FROM,
    MINUTE,
    MailServer,
    Running,
    WorkersDirectory,
    listening,
    notification,
    offered,
)
from pydantic import SecretStr
from standardwebhooks import Webhook

KEY = "whsec_" + "d" * 32
PROGRAM = Path(__file__).parents[3] / "deploy/mail/post_bounce.py"
BACK_TO = "bounce@accord.example"
TOKEN = ReturnPath(new_id(), 0).written(KEY)

DSN = """\
From: MAILER-DAEMON@mail.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I could not deliver your letter to jane.kaimahi@agency.example: she has left.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example
Arrival-Date: Mon, 2 Nov 2026 12:00:00 +0000

Final-Recipient: rfc822; jane.kaimahi@agency.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 jane.kaimahi is not here

--b1
Content-Type: message/rfc822

From: accord@accord.example
To: jane.kaimahi@agency.example
Subject: 7F3K-2Q

The letter itself.

--b1--
"""
"""As RFC 3464 has it."""


def dsn(
    to: str = f"bounce+{TOKEN}@accord.example",
    action: str = "failed",
    status: str = "5.1.1",
) -> bytes:
    """What a mail server says of a letter."""
    text = DSN.format(to=to, action=action, status=status)
    return text.replace("\n", "\r\n").encode()


@pytest.fixture
async def hearing(start: Any, mail_server: MailServer) -> AsyncIterator[Running]:
    """The service, alive, with e-mail of which it hears what came back."""
    async with start(
        smtp_url=SecretStr(mail_server.url),
        mail_from=MAIL_FROM,
        bounce_address=BACK_TO,
        bounce_key=SecretStr(KEY),
    ) as running:
        yield running


async def posts(running: Running, body: bytes, key: str = KEY) -> httpx2.Response:
    """The mail server posts what has come back."""
    id_, at = new_id(), running.clock.now()
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(key).sign(id_, at, body.decode()),
        "content-type": "message/rfc822",
        **running.bearer("notify.bounce"),
    }
    return await running.http.post("/v1/bounces", content=body, headers=headers)


async def only(running: Running) -> Notification:
    [held] = await running.all()
    return held


async def test_what_came_back_for_good_has_failed_and_the_next_is_told(
    hearing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    deputy = workers.knows(email="deputy@agency.example")
    worker = workers.knows(email="jane.kaimahi@agency.example", deputy=deputy)
    await hearing.hears(offered(worker, level=RiskLevel.HIGH))
    await hearing.later(MINUTE)
    [sender] = mail_server.senders

    late = await posts(hearing, dsn(sender, "delayed", "4.4.1"))
    before = (await only(hearing)).told[0].mail
    answers = [await posts(hearing, dsn(sender.upper())) for _ in range(2)]
    await hearing.later(MINUTE)

    held = await only(hearing)
    assert [e.status_code for e in (late, *answers)] == [204] * 3
    assert before
    assert before.state is MailState.SENT
    mail = held.told[0].mail
    assert mail
    assert (mail.state, mail.reason) == (MailState.FAILED, "bounced_address")
    assert held.told_workers == [worker, deputy]
    said = await sent_by(hearing.service, hearing.broker)
    assert [e.type for e in said].count("notification.failed.v1") == 1
    shown = await hearing.http.get(
        "/v1/unreachable", headers=hearing.bearer("notify.admin")
    )
    assert [e["worker_id"] for e in shown.json()["workers"]] == [worker]


async def test_nothing_of_a_letter_is_kept_or_logged(
    hearing: Running,
    mail_server: MailServer,
    workers: WorkersDirectory,
    capfd: pytest.CaptureFixture[str],
) -> None:
    workers.has_on_duty()
    worker = workers.knows(email="jane.kaimahi@agency.example")
    await hearing.hears(offered(worker))
    await hearing.later(MINUTE)
    [sender] = mail_server.senders

    answer = await posts(hearing, dsn(sender))

    stored = str([e async for e in hearing.notifications.documents.find({})])
    said = await sent_by(hearing.service, hearing.broker)
    entries = await audited(hearing.service.audit)
    logged = capfd.readouterr()
    logs = logged.out + logged.err
    # It was read, told of, and written down in each of the places that are searched.
    assert answer.status_code == 204
    assert (await only(hearing)).mail_state(0) is MailState.FAILED
    assert "bounce.heard" in logs
    assert "notification.failed.v1" in [each.type for each in said]
    assert "bounce.post" in [each.action for each in entries]
    assert worker not in sender
    for each in ("kaimahi", "The letter", sender, sender.partition("@")[0]):
        assert each not in f"{stored}{said}{entries}{logs}"


@pytest.mark.parametrize("offers", [True, False])
async def test_a_mail_server_that_reports_is_asked_to_say_that_a_letter_arrived(
    hearing: Running,
    mail_server: MailServer,
    workers: WorkersDirectory,
    *,
    offers: bool,
) -> None:
    mail_server.dsn = offers
    worker = workers.knows(email="jane.kaimahi@agency.example")
    await hearing.hears(offered(worker))
    await hearing.later(MINUTE)
    [sender] = mail_server.senders
    relayed = await posts(hearing, dsn(sender, "relayed", "2.1.9"))
    before = (await only(hearing)).told[0].mail

    arrived = [await posts(hearing, dsn(sender, "delivered", "2.1.5")) for _ in "12"]

    asked = ["RET=HDRS", "NOTIFY=SUCCESS,FAILURE,DELAY"] if offers else []
    assert mail_server.asked == asked
    assert len(mail_server.letters) == 1
    assert [e.status_code for e in (relayed, *arrived)] == [204] * 3
    held = await only(hearing)
    mail = held.told[0].mail
    assert before
    assert before.delivered_at is None
    assert mail
    assert (mail.state, mail.delivered_at) == (MailState.SENT, hearing.clock.now())
    # In the mailbox: nobody has read it, so it waits for an answer all the same.
    assert held.acknowledged_at is None
    assert held.escalate_at
    assert [each.what for each in lines([held])].count("email_delivered") == 1


async def test_what_was_delivered_and_comes_back_all_the_same_rings_on(
    hearing: Running,
) -> None:
    held = notification(mail=True)
    sent = Mail(state=MailState.SENT, due_at=None, sent_at=NOON, delivered_at=NOON)
    both = held.model_copy(update={"ways": (Way.EMAIL, Way.SMS)})
    await hearing.notifications.save(both.with_mail(0, sent))
    token = ReturnPath(held.id, 0).written(KEY)

    for _ in range(2):
        await posts(hearing, dsn(f"bounce+{token}@a.example", status="5.1.1"))

    after = await only(hearing)
    mail = after.told[0].mail
    assert mail
    assert (mail.channel, mail.state) == (Way.SMS, MailState.WANTED)
    assert [e.reason for e in after.told[0].tried] == ["bounced_address"]
    said = [e.what for e in lines([after])]
    assert "email_delivered" in said
    assert said.count("email_failed") == 1


async def test_what_a_letter_spoke_for_has_arrived_with_it(hearing: Running) -> None:
    worker = new_id()
    speaks, spoken = (notification(mail=True, worker_id=worker) for _ in range(2))
    letter = Mail(state=MailState.SENT, due_at=None, sent_at=NOON)
    covering = letter.model_copy(update={"covers": (spoken.id,)})
    within = letter.model_copy(update={"within": speaks.id})
    for held, mail in ((speaks, covering), (spoken, within)):
        await hearing.notifications.save(held.with_mail(0, mail))
    token = ReturnPath(speaks.id, 0).written(KEY)

    await posts(hearing, dsn(f"bounce+{token}@a.example", "delivered", "2.1.5"))

    mails = [each.told[0].mail for each in await hearing.all()]
    assert [mail and mail.delivered_at for mail in mails] == [hearing.clock.now()] * 2


async def test_what_a_letter_spoke_for_comes_back_with_it(hearing: Running) -> None:
    worker = new_id()
    speaks, spoken, apart = (
        notification(mail=True, worker_id=worker) for _ in range(3)
    )
    letter = Mail(state=MailState.SENT, due_at=None, sent_at=NOON)
    rang = (
        (speaks, letter.model_copy(update={"covers": (spoken.id, apart.id)})),
        (spoken, letter.model_copy(update={"within": speaks.id})),
        (apart, letter),
    )
    for held, mail in rang:
        await hearing.notifications.save(held.with_mail(0, mail))
    token = ReturnPath(speaks.id, 0).written(KEY)

    await posts(hearing, dsn(f"bounce+{token}@accord.example", status="5.2.1"))

    after = {each.id: each.told[0].mail for each in await hearing.all()}
    reasons = [mail and mail.reason for mail in map(after.get, (e.id for e, _ in rang))]
    assert reasons == ["bounced_mailbox", "bounced_mailbox", None]


def test_a_letter_spoke_for_what_was_told_to_whom_it_went() -> None:
    speaks, first, next_ = new_id(), new_id(), new_id()
    sent = Mail(state=MailState.SENT, due_at=None, sent_at=NOON, within=speaks)
    told = [Telling(worker_id=e, at=NOON, mail=sent) for e in (first, next_, first)]
    held = notification(mail=True).model_copy(update={"told": tuple(told)})

    assert held.spoken_for(speaks, next_) == (1, sent)
    assert held.spoken_for(speaks, first) == (2, sent)
    assert held.spoken_for(new_id(), first) is None


def test_a_mark_tells_nothing_to_whoever_reads_it_in_a_log() -> None:
    id_ = new_id()
    first, next_, other = (
        ReturnPath(*each).written(KEY) for each in ((id_, 0), (id_, 1), (new_id(), 0))
    )

    read = [base64.b32decode(e.upper() + "=") for e in (first, next_, other)]
    known = UUID(id_).bytes
    windows = {known[at : at + 4] for at in range(13)}
    assert not any(each in mark for each in windows for mark in read)
    # Two letters of one message have no more in common than any two.
    pairs = zip(read[0], read[1], strict=True)
    assert sum(one == another for one, another in pairs) < 8
    assert len(f"{BACK_TO.partition('@')[0]}+{first}") <= 64
    assert ReturnPath(id_, 0).written(KEY) == first
    assert ReturnPath.read(next_.upper(), KEY) == ReturnPath(id_, 1)
    assert ReturnPath.read(first[::-1], KEY) is None


async def test_whoever_is_not_the_mail_server_is_not_heard(hearing: Running) -> None:
    forged = await posts(hearing, dsn(), key="f" * 32)

    assert forged.status_code == 403


async def test_what_is_of_no_letter_of_ours_changes_nothing(hearing: Running) -> None:
    strange = ReturnPath(new_id(), 0).written("e" * 32)
    to = f"bounce+{strange}@accord.example"

    answers = [await posts(hearing, e) for e in (dsn(to), dsn(), b"I am away", b"")]

    assert [each.status_code for each in answers] == [204] * 4


@pytest.mark.parametrize(
    ("action", "status", "reason"),
    [
        ("failed", "5.1.1", "bounced_address"),
        ("Failed", "5.2.2 (mailbox full)", "bounced_mailbox"),
        ("failed", "4.4.7", "bounced_network"),
        ("failed", "5.0.0", "bounced"),
        ("failed", "no status", "bounced"),
        ("delayed", "4.4.1", None),
    ],
)
def test_a_report_says_whether_a_letter_ever_arrives(
    action: str, status: str, reason: str | None
) -> None:
    assert bounce_of(dsn(action=action, status=status)) == Bounce(TOKEN, reason)


DEEP = "".join(
    f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(3000)
)


KELVIN = "\u212a"
"""A sign that is a k to whoever does not tell capitals apart."""

IN_NO_LETTERS = "boundary*=\"idna'en'%80\""


@pytest.mark.parametrize(
    "told",
    [
        dsn(action="relayed"),
        dsn(to="bounce@accord.example"),
        dsn().replace(b"multipart/report", b"multipart/mixed"),
        dsn().replace(b"message/delivery-status", b"text/plain"),
        f"To: bounce+{TOKEN}@accord.example\n{DEEP}".encode(),
        f"Content-Type: multipart/report; {IN_NO_LETTERS}\n\n".encode(),
        dsn(to=f"bounce+{KELVIN * 55}@accord.example"),
        b"\xff\x00" * 50,
    ],
)
def test_what_is_no_report_is_none(told: bytes) -> None:
    assert bounce_of(told) is None


@pytest.mark.parametrize(
    "told",
    [
        {"bounce_address": BACK_TO},
        {"bounce_key": SecretStr(KEY)},
        {"bounce_key": SecretStr(KEY), "bounce_address": "a" * 9 + "@accord.example"},
    ],
)
def test_half_of_what_it_takes_stops_the_start(
    settings: Settings, told: dict[str, Any]
) -> None:
    mail = {"smtp_url": SecretStr("smtp://127.0.0.1"), "mail_from": MAIL_FROM}

    with pytest.raises(BadConfiguration, match="ACCORD_BOUNCE_ADDRESS"):
        create_app(settings.model_copy(update=mail | told))


async def test_the_mail_servers_program_posts_what_is_signed_and_says_nothing(
    tmp_path: Path,
) -> None:
    """A real program, and a real receiver that signs it with the library."""
    taken: list[bytes] = []
    elsewhere: list[str] = []
    statuses = iter((204, 200, 302, 503))
    app = FastAPI()

    @app.get("/login")
    async def log_in(request: Request) -> str:
        elsewhere.append(request.headers.get("authorization", ""))
        return "Who are you?"

    @app.post("/v1/bounces")
    async def take(request: Request) -> Response:
        body, headers = await request.body(), dict(request.headers)
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        good = Webhook(KEY).sign(headers["webhook-id"], at, body.decode())
        assert headers["webhook-signature"] == good
        assert headers["authorization"] == "Bearer a-token"
        taken.append(body)
        return Response(status_code=next(statuses), headers={"location": "/login"})

    async def runs() -> tuple[int | None, bytes]:
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            PROGRAM,
            env={"ACCORD_BOUNCE_ENV": str(tmp_path / "env")},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await program.communicate(dsn())
        return program.returncode, said

    def goes_to(url: str) -> None:
        settings = (
            f"ACCORD_BOUNCE_URL={url}/v1/bounces",
            f"ACCORD_BOUNCE_KEY={KEY}",
            f"ACCORD_BOUNCE_TOKEN={tmp_path / 'token'}",
        )
        (tmp_path / "env").write_text("\n".join(settings))

    async def babble(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"What?\r\n\r\n")
        await writer.drain()
        writer.close()

    (tmp_path / "token").write_text("a-token\n")
    async with listening(app) as url:
        goes_to(url)
        handed_over = await runs()
        later = [await runs() for _ in range(3)]
    later.append(await runs())
    async with await asyncio.start_server(babble, "127.0.0.1", 0) as no_http:
        goes_to(f"http://127.0.0.1:{no_http.sockets[0].getsockname()[1]}")
        later.append(await runs())

    assert handed_over == (0, b"")
    assert later == [(75, b"")] * 5
    assert taken == [dsn()] * 4
    assert elsewhere == []
