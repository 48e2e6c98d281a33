"""What the SMS gateway posts back: only what it signed, and hardly a word is read."""

import asyncio
import contextlib
import hmac
import json
import runpy
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from accord_chassis.development.process import free_ports
from accord_chassis.testing import NOON, eventually, new_id, sent_by
from accord_contracts.risk import RiskLevel
from fastapi import FastAPI, Request, Response
from notify.domain.callback import (
    NotTheGateway,
    Signed,
    acknowledged,
    ids_of,
    stops,
)
from notify.domain.contact import point_id
from notify.domain.mail import MailState
from notify.domain.notification import Notification, reference_of
from notify.domain.people import sender_of
from notify.settings import Settings
from notify.store import Callbacks, PersonalContacts
from notify_builders import Running, WorkersDirectory, listening, offered
from notify_devices import (
    AS_SENT,
    Gateway,
    SafeNumbers,
)
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook

KEY = "whsec_" + "c" * 32
PROGRAM = Path(__file__).parents[3] / "deploy/sms/post_callback.py"
GATEWAY_SECRET = b"what-the-gateway-signs-by"
FIELDS = {
    "proof": {"header": "x-signature", "by": "hmac-sha256-hex"},
    "receipt": {
        "key": "client-ref",
        "state": "status",
        "delivered": ["delivered"],
        "failed": ["failed", "rejected"],
    },
    "reply": {"sender": "from.number", "text": "text"},
}
MOBILE = "+64275550100"


@pytest.fixture
async def hearing(
    start: Any, with_gateway: Path, safe: SafeNumbers
) -> AsyncIterator[Running]:
    """The service, alive, with a gateway that posts back."""
    async with start(
        sms_secret=SecretStr("s"),
        sms_callback_key=SecretStr(KEY),
        referrals_url=safe.url,
        locality=with_gateway,
    ) as running:
        yield running


def signed(body: bytes, id_: str, at: datetime, key: str = KEY) -> dict[str, str]:
    """Sign as the library of Standard Webhooks does."""
    signature = Webhook(key).sign(id_, at, body.decode())
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
        "content-type": "application/json",
    }


async def posts(
    running: Running, told: dict[str, Any], id_: str = "", **changed: Any
) -> httpx2.Response:
    """The gateway posts something back."""
    body = json.dumps(told).encode()
    at = changed.pop("at", running.clock.now())
    headers = signed(body, id_ or new_id(), at, **changed)
    return await running.http.post(
        "/v1/sms-callbacks",
        content=body,
        headers={**headers, **running.bearer("notify.gateway")},
    )


async def texted(running: Running, workers: WorkersDirectory) -> tuple[str, str]:
    """Have a worker told by SMS; give their id, and the gateway's key."""
    workers.has_on_duty()
    worker = workers.knows(mobile=MOBILE)
    await running.hears(offered(worker, level=RiskLevel.EXTREME))
    await running.later(timedelta())
    [held] = await running.all()
    return worker, held.sms_key(0)


async def held_of(running: Running) -> Notification:
    [held] = await running.all()
    return held


def reply(text: str, sender: str = MOBILE) -> dict[str, Any]:
    return {"kind": "reply", "sender": sender, "text": text}


async def test_a_receipt_says_that_it_has_arrived_once_and_for_all(
    hearing: Running, workers: WorkersDirectory, gateway: Gateway
) -> None:
    _, key = await texted(hearing, workers)
    [(sent, _)] = gateway.taken

    arrived = await posts(hearing, {"kind": "delivered", "key": key})
    failed = await posts(hearing, {"kind": "failed", "key": key})

    assert sent["idempotency-key"] == key
    assert arrived.status_code == failed.status_code == 204
    mail = (await held_of(hearing)).told[0].mail
    assert mail
    assert (mail.state, mail.delivered_at) == (MailState.SENT, NOON)


async def test_a_receipt_that_overtakes_the_answer_tells_that_it_was_sent_once(
    hearing: Running, workers: WorkersDirectory, safe: SafeNumbers, gateway: Gateway
) -> None:
    gateway.slow = asyncio.Event()
    workers.has_on_duty()
    await hearing.hears(offered(workers.knows(mobile=MOBILE), level=RiskLevel.EXTREME))
    sends = asyncio.create_task(hearing.later(timedelta()))
    asks = asyncio.create_task(writes(hearing, safe))

    async def both() -> bool:
        return len(gateway.taken) == 2

    await eventually(both)
    for sent, _ in gateway.taken:
        key = sent["idempotency-key"]
        await posts(hearing, {"kind": "delivered", "key": key})
    gateway.slow.set()
    await asyncio.gather(sends, asks)

    sent_events = await sent_by(hearing.service, hearing.broker)
    told = [each.type for each in sent_events]
    assert told.count("notification.texted.v1") == 1
    assert told.count("contact.messaged.v1") == 1


async def test_what_bounces_rings_by_the_next_of_the_chain_and_is_seen(
    hearing: Running, workers: WorkersDirectory
) -> None:
    worker, key = await texted(hearing, workers)

    await posts(hearing, {"kind": "failed", "key": key})

    held = await held_of(hearing)
    assert held.escalate_at == NOON
    headers = hearing.bearer("notify.admin")
    shown = await hearing.http.get("/v1/unreachable", headers=headers)
    [seen] = shown.json()["workers"]
    assert (seen["worker_id"], seen["reason"]) == (worker, "not_delivered")


async def test_a_worker_acknowledges_by_their_own_telephone_alone(
    hearing: Running, workers: WorkersDirectory
) -> None:
    worker, _ = await texted(hearing, workers)
    code = (await held_of(hearing)).reference

    for told in (reply(f"ACK {code}", "+64275550199"), reply("ACK 0000-00")):
        assert (await posts(hearing, told)).status_code == 204
    before = await held_of(hearing)
    await posts(hearing, reply(f" ack {code.replace('-', '').lower()} "))

    after = await held_of(hearing)
    assert before.acknowledged_at is None
    assert after.acknowledged_by == worker
    assert after.answers[0].by_sms
    headers = hearing.bearer("notify.admin")
    shown = await hearing.http.get("/v1/sms-callbacks/unknown", headers=headers)
    assert len(shown.json()["replies"]) == 2


async def test_an_acknowledgement_waits_at_the_gateway_while_allocation_is_away(
    hearing: Running, workers: WorkersDirectory
) -> None:
    worker, _ = await texted(hearing, workers)
    told, id_ = reply(f"ACK {(await held_of(hearing)).reference}"), new_id()

    hearing.standings.away = True
    away = await posts(hearing, told, id_)
    hearing.standings.away = False
    again = await posts(hearing, told, id_)

    assert (away.status_code, again.status_code) == (503, 204)
    assert (await held_of(hearing)).acknowledged_by == worker


async def writes(running: Running, safe: SafeNumbers) -> str:
    """Have the person written to; give the gateway's key."""
    headers = running.bearer("notify.contact", worker=new_id())
    message = new_id()
    path = f"/v1/cases/{safe.case_id}/people/{safe.person_id}/contacts"
    answer = await running.http.put(
        f"{path}/{safe.contact_id}/messages/{message}",
        headers=headers,
        json={"text": "we_will_ring", "language": "en", "purpose": "fva20_c"},
    )
    assert answer.json()["state"] == "sent", answer.text
    return f"{point_id(safe.person_id, safe.contact_id)}.{message}"


async def test_what_comes_back_from_a_persons_device_is_read_by_people_alone(
    hearing: Running, safe: SafeNumbers, workers: WorkersDirectory
) -> None:
    duty = workers.has_on_duty()
    await writes(hearing, safe)
    said, id_ = "Ring me, he has found out where I am", new_id()

    for _ in range(2):
        assert (await posts(hearing, reply(said, AS_SENT), id_)).status_code == 204

    [task] = await eventually(lambda: hearing.inbox(duty))
    assert (task["event"], task["urgency"]) == ("contact.answered.v1", "critical")
    stores = (PersonalContacts, Callbacks)
    kept = [
        str([each async for each in hearing.service.store(kind).documents.find({})])
        for kind in stores
    ]
    assert "found out" not in str(kept)
    assert AS_SENT[1:] not in str(kept)


async def test_stop_from_a_persons_device_ends_it(
    hearing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    await writes(hearing, safe)

    await posts(hearing, reply("stop", "021 555 0100"))
    hearing.clock.advance(timedelta(days=1))
    headers = hearing.bearer("notify.contact", worker=new_id())
    path = f"/v1/cases/{safe.case_id}/people/{safe.person_id}/contacts"
    refused = await hearing.http.put(
        f"{path}/{safe.contact_id}/messages/{new_id()}",
        headers=headers,
        json={"text": "we_will_ring", "language": "en", "purpose": "fva20_c"},
    )

    assert refused.json()["reason"] == "stopped"
    assert len(gateway.taken) == 1


async def test_a_message_to_a_person_that_bounces_is_a_task_and_not_sent_again(
    hearing: Running, safe: SafeNumbers, gateway: Gateway, workers: WorkersDirectory
) -> None:
    duty = workers.has_on_duty()
    key = await writes(hearing, safe)

    await posts(hearing, {"kind": "failed", "key": key})

    [task] = await eventually(lambda: hearing.inbox(duty))
    assert task["event"] == "contact.not_messaged.v1"
    assert len(gateway.taken) == 1


async def test_whoever_is_not_the_gateway_is_not_heard(hearing: Running) -> None:
    told, late = reply("ACK 0000-00"), hearing.clock.now() - timedelta(minutes=6)

    forged = await posts(hearing, told, key="f" * 32)
    replayed = await posts(hearing, told, at=late)
    body = json.dumps(told).encode()
    headers = signed(body, new_id(), hearing.clock.now())
    changed = await hearing.http.post(
        "/v1/sms-callbacks",
        content=body.replace(b"ACK", b"ack"),
        headers={**headers, **hearing.bearer("notify.gateway")},
    )
    without = await hearing.http.post(
        "/v1/sms-callbacks",
        content=body,
        headers={**headers, **hearing.bearer("notify.inbox")},
    )

    assert [e.status_code for e in (forged, replayed, changed, without)] == [403] * 4


@pytest.mark.parametrize("key", [KEY, KEY.removeprefix("whsec_"), "whsec_" + "b" * 35])
def test_a_key_is_read_as_the_library_reads_it(key: str) -> None:
    told = signed(b"{}", "id", NOON, key)
    by = Signed("id", told["webhook-timestamp"], told["webhook-signature"], b"{}")

    by.check(key, NOON)


@pytest.mark.parametrize("key", ["c" * 31, "whsec_" + "c" * 28, "n o t base64" * 4])
def test_a_key_that_is_none_stops_the_start(settings: Settings, key: str) -> None:
    told = settings.model_dump() | {"sms_callback_key": SecretStr(key)}

    with pytest.raises(ValidationError, match="must be base64 of 24 bytes"):
        Settings.model_validate(told)


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [("", "v1,x"), ("soon", "v1,x"), ("9" * 40, "v1,x"), ("-1", ""), ("0", "é")],
)
def test_what_is_no_signature_is_refused(timestamp: str, signature: str) -> None:
    with pytest.raises(NotTheGateway):
        Signed("id", timestamp, signature, b"{}").check(KEY, NOON)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("ACK 7F3K-2Q", "7F3K2Q"),
        (" ack 7f3k2q ", "7F3K2Q"),
        ("ACK 7FOK-LI", "7F0K11"),
        ("Ack 7F3K-2Q.", "7F3K2Q"),
        ("ack 7f3k-2q !\n", "7F3K2Q"),
        ("ACK 7F3K-2Q?", None),
        ("ACK 7F3K-2Q. No", None),
        ("ACK 7F3K-2Q and tell her", None),
        ("7F3K-2Q", None),
        ("NAK 7F3K-2Q", None),
        ("", None),
    ],
)
def test_of_what_a_worker_writes_back_one_thing_is_read(
    text: str, reference: str | None
) -> None:
    assert acknowledged(text) == reference


def test_a_reference_is_how_an_id_begins() -> None:
    id_ = new_id()
    between = ids_of(reference_of(id_).replace("-", ""))

    assert between
    assert between[0] <= id_ <= between[1]
    assert ids_of("7F3KU!") is None


@pytest.mark.parametrize(
    ("told", "sender"),
    [
        ("64275550100", MOBILE),
        ("64 27 555 0100", MOBILE),
        (MOBILE, MOBILE),
        ("027 555 0100", MOBILE),
        ("0064275550100", MOBILE),
        ("61412345678", None),
        ("VODAFONE", None),
    ],
)
def test_a_gateway_may_leave_the_plus_out(told: str, sender: str | None) -> None:
    assert sender_of(told, "64") == sender


@pytest.mark.parametrize(
    ("text", "says"),
    [("STOP", True), (" kāti ", True), ("stop it he is here", False), ("", False)],
)
def test_of_what_comes_from_a_device_stop_is_read(text: str, *, says: bool) -> None:
    assert stops(text) is says


@asynccontextmanager
async def between(url: str, folder: Path) -> AsyncIterator[str]:
    """Have the program listen that stands between the gateway and notify."""
    [port] = free_ports(1)
    (folder / "token").write_text("a-token\n")
    (folder / "fields").write_text(json.dumps(FIELDS))
    settings = (
        f"ACCORD_CALLBACK_URL={url}/v1/sms-callbacks",
        f"ACCORD_SMS_CALLBACK_KEY={KEY}",
        f"ACCORD_CALLBACK_TOKEN={folder / 'token'}",
        f"ACCORD_CALLBACK_PORT={port}",
        f"ACCORD_GATEWAY_SECRET={GATEWAY_SECRET.decode()}",
        f"ACCORD_CALLBACK_FIELDS={folder / 'fields'}",
    )
    (folder / "env").write_text("\n".join(settings))
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        env={"ACCORD_CALLBACK_ENV": str(folder / "env")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    async def listens() -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    try:
        await eventually(listens)
        yield f"http://127.0.0.1:{port}"
    finally:
        program.terminate()
        said, _ = await program.communicate()
    assert said == b""


async def claims_to_be_long(there: str, length: str) -> bytes:
    """Post with a length that is none of a body; give how the answer begins."""
    parts = urlsplit(there)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"POST / HTTP/1.0\r\ncontent-length: {length}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer[:12]


async def test_what_a_gateway_posts_in_its_own_form_comes_signed_in_ours(
    tmp_path: Path,
) -> None:
    taken: list[tuple[dict[str, Any], str]] = []
    app, status = FastAPI(), 204

    @app.post("/v1/sms-callbacks")
    async def callbacks(request: Request) -> Response:
        body = await request.body()
        # As the library of Standard Webhooks checks it, with the time it is.
        Webhook(KEY).verify(body, dict(request.headers))
        assert request.headers["authorization"] == "Bearer a-token"
        taken.append((json.loads(body), request.headers["webhook-id"]))
        return Response(status_code=status)

    async def given(body: bytes, kind: str = "application/json", **by: bytes) -> int:
        secret = by.get("secret", GATEWAY_SECRET)
        mac = hmac.new(secret, body, "sha256").hexdigest()
        headers = {"content-type": kind, "x-signature": mac}
        answer = await http.post(there, content=body, headers=headers)
        return answer.status_code

    form = "application/x-www-form-urlencoded"
    delivered = b'{"client-ref": "k.1", "status": "delivered", "to": "+64275550100"}'
    async with (
        listening(app) as url,
        between(url, tmp_path) as there,
        httpx2.AsyncClient(timeout=30) as http,
    ):
        told = [
            await given(delivered),
            await given(delivered),
            await given(b"client-ref=k.2&status=rejected&cost=1", form),
            await given(b'{"client-ref": "k.3", "status": "buffered"}'),
            await given(
                '{"from": {"number": "6427555"}, "text": "ACK 7F3K-2Q kāti"}'.encode()
            ),
        ]
        refused = [
            await given(delivered, secret=b"another"),
            await given(delivered, secret=b""),
            await given(b"[" * 60_000),
            await given(b'{"about": "something else"}'),
            await given(b"a" * 70_000),
        ]
        unread = [await claims_to_be_long(there, n) for n in ("065537", "0000010")]
        status = 503
        later = await given(delivered)

    assert told == [204] * 5
    assert refused == [403, 403, 400, 400, 413]
    assert unread == [b"HTTP/1.0 413", b"HTTP/1.0 413"]
    assert later == 503
    assert [each for each, _ in taken] == [
        {"kind": "delivered", "key": "k.1"},
        {"kind": "delivered", "key": "k.1"},
        {"kind": "failed", "key": "k.2"},
        {"kind": "reply", "sender": "6427555", "text": "ACK 7F3K-2Q kāti"},
        {"kind": "delivered", "key": "k.1"},
    ]
    # The same thing has the same id, by which notify knows that it was heard.
    ids = [id_ for _, id_ in taken]
    assert ids[0] == ids[1] == ids[4]
    assert len(set(ids)) == 3


REPLY_OF_A_GATEWAY = {"from": {"number": "6427555"}, "text": "STOP"}


@pytest.mark.parametrize(
    ("first", "second", "later", "same"),
    [
        # The gateway's own attempt within the minute.
        (REPLY_OF_A_GATEWAY, REPLY_OF_A_GATEWAY, 5, True),
        # She says STOP again, having been written to since.
        (REPLY_OF_A_GATEWAY, REPLY_OF_A_GATEWAY, 3600, False),
        ({**REPLY_OF_A_GATEWAY, "id": 1}, {**REPLY_OF_A_GATEWAY, "id": 1}, 3600, True),
        ({**REPLY_OF_A_GATEWAY, "id": 1}, {**REPLY_OF_A_GATEWAY, "id": 2}, 5, False),
        ({"id": "a", "status": "x"}, {"id": "a", "status": "y"}, 0, True),
    ],
)
def test_a_reply_is_known_by_the_gateways_id_or_by_the_minute_it_came(
    first: dict[str, Any], second: dict[str, Any], later: int, *, same: bool
) -> None:
    id_of = runpy.run_path(str(PROGRAM))["id_of"]

    ids = [
        id_of(told, json.dumps(told).encode(), "reply", FIELDS | {"id": "id"}, at)
        for told, at in ((first, 60_000), (second, 60_000 + later))
    ]

    assert (ids[0] == ids[1]) is same


def test_a_receipt_is_known_whenever_it_comes_again() -> None:
    id_of = runpy.run_path(str(PROGRAM))["id_of"]

    assert id_of({}, b"{}", "delivered", FIELDS, 0) == id_of(
        {}, b"{}", "delivered", FIELDS, 3600
    )
    # The same id in what it says of a message is not that of the reply to it.
    named = {"id": "a"}
    kinds = ("delivered", "failed", "reply")
    ids = {id_of(named, b"{}", kind, {"id": "id"}, 0) for kind in kinds}
    assert len(ids) == len(kinds)


@pytest.mark.parametrize(
    ("part", "name"), [("proof", "header"), ("receipt", "key"), ("reply", "text")]
)
def test_what_the_fields_do_not_name_ends_the_start_with_a_sentence(
    tmp_path: Path, part: str, name: str, monkeypatch: Any, capsys: Any
) -> None:
    told = {each: dict(value) for each, value in FIELDS.items()}
    del told[part][name]
    (tmp_path / "fields").write_text(json.dumps(told))
    (tmp_path / "env").write_text(f"ACCORD_CALLBACK_FIELDS={tmp_path / 'fields'}")
    monkeypatch.setenv("ACCORD_CALLBACK_ENV", str(tmp_path / "env"))

    assert runpy.run_path(str(PROGRAM))["main"]() == 1

    sentence = f"ACCORD_CALLBACK_FIELDS names no {part}.{name}.\n"
    assert capsys.readouterr().err == sentence
    wrong_with = runpy.run_path(str(PROGRAM))["wrong_with"]
    assert wrong_with([]) == "ACCORD_CALLBACK_FIELDS names no proof.header."
    assert wrong_with(FIELDS) is None


async def test_a_receipt_in_the_gateways_form_arrives_at_the_message(
    hearing: Running, workers: WorkersDirectory
) -> None:
    _, key = await texted(hearing, workers)
    program = runpy.run_path(str(PROGRAM))
    body = json.dumps({"client-ref": key, "status": "delivered"}).encode()

    told = program["in_notifys_words"](json.loads(body), FIELDS)
    answer = await posts(hearing, told)

    assert answer.status_code == 204
    mail = (await held_of(hearing)).told[0].mail
    assert mail
    assert mail.delivered_at
