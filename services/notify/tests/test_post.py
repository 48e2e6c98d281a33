"""Letters to a real mail server, and what became of them."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from accord_chassis.testing import NOON, eventually, new_id
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from notify.domain.mail import Outcome
from notify.domain.wording import Letter, Wording
from notify.post import KEPT_FREE, LINES, NoPost, Posted, Server, SmtpPost
from notify_builders import (
    LINK_BASE,
    MAIL_FROM,
    POLICY,
    MailServer,
    notification,
    receiving,
)

TO = "worker@agency.example"

HELD = notification(mail=True)
LETTER = Wording(POLICY, LINK_BASE).letter(HELD, 0)


def post_to(server: MailServer, *, away_seconds: float = 30.0) -> SmtpPost:
    """A post that loses patience early."""
    return SmtpPost(
        Server.at(server.url),
        MAIL_FROM,
        timeout_seconds=1.0,
        away_seconds=away_seconds,
    )


async def test_a_letter_arrives_and_says_a_reference_and_a_link(
    mail_server: MailServer,
) -> None:
    posted = await post_to(mail_server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.SENT)
    [letter] = mail_server.letters
    assert mail_server.recipients == [TO]
    assert letter["From"] == MAIL_FROM
    assert letter["To"] == TO
    assert letter["Subject"] == f"Please answer: {HELD.reference}"
    assert letter["Message-ID"] == f"<{LETTER.key}@accord.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"] == "Mon, 02 Nov 2026 12:00:00 +0000"
    assert letter["Content-Language"] == "en, mi"
    assert letter.get_content_type() == "text/plain"
    text = letter.get_content()
    assert f"Log in to read it: {LINK_BASE}/inbox/{HELD.id}" in text
    assert "Kei te tatari tētahi tono" not in letter.as_string()
    assert "Kei te tatari tētahi tono" in text


async def test_letters_about_one_message_to_one_worker_stand_together_alone(
    mail_server: MailServer,
) -> None:
    wording, other = Wording(POLICY, LINK_BASE), notification(mail=True)
    same_case = other.model_copy(update={"case_id": HELD.case_id})
    [telling] = HELD.told
    somebody = telling.model_copy(update={"worker_id": new_id()})
    held = HELD.model_copy(update={"told": (telling, telling, somebody)})

    for each, number in ((held, 0), (held, 1), (held, 2), (same_case, 0)):
        await post_to(mail_server).send(wording.letter(each, number), TO, NOON)

    first, again, *others = (each["References"] for each in mail_server.letters)
    assert first == again
    assert len({first, *others}) == 3


async def test_only_the_headers_that_are_needed_are_there(
    mail_server: MailServer,
) -> None:
    await post_to(mail_server).send(LETTER, TO, NOON)

    [letter] = mail_server.letters
    assert set(letter.keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "References",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "Content-Language",
        "Content-Type",
        "Content-Transfer-Encoding",
        "MIME-Version",
    }


async def test_a_letter_can_be_signed_by_whoever_relays_it(
    mail_server: MailServer,
) -> None:
    """DKIM (RFC 6376) signs what stays as it is on the way, for the sender's domain.

    What a relay has to rewrite breaks the signature, and a sender of another domain
    breaks DMARC's alignment (RFC 7489, 3.1).
    """
    await post_to(mail_server).send(LETTER, TO, NOON)

    [raw], [letter] = mail_server.written, mail_server.letters
    [sender] = mail_server.senders
    named = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version")
    assert [len(letter.get_all(each, [])) for each in named] == [1] * len(named)
    relays = {"Received", "Return-Path", "Sender", "Bcc", "DKIM-Signature"}
    assert relays.isdisjoint(letter.keys())
    domain = MAIL_FROM.rpartition("@")[2]
    assert letter["From"].addresses[0].domain == domain
    assert letter["Message-ID"].endswith(f"@{domain}>")
    assert sender.rpartition("@")[2] == domain
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r") > 0
    # A relay that takes seven bits alone rewrites eight, and folds what is longer.
    assert raw.isascii()
    assert letter["Content-Transfer-Encoding"] in {"7bit", "quoted-printable"}
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("manner", "posted"),
    [
        ("refuse", Posted(Outcome.REFUSED, "recipient_refused")),
        ("refuse_later", Posted(Outcome.REFUSED, "letter_refused")),
        ("not_now", Posted(Outcome.NOT_TAKEN, "recipient_refused")),
        ("drop", Posted(Outcome.UNKNOWN, "no_answer")),
        ("hang", Posted(Outcome.UNKNOWN, "no_answer")),
    ],
)
async def test_what_became_of_a_letter_is_told_as_it_is(
    mail_server: MailServer, manner: str, posted: Posted
) -> None:
    mail_server.manner = manner

    assert await post_to(mail_server).send(LETTER, TO, NOON) == posted


async def test_a_server_that_is_not_there_took_nothing(
    mail_server: MailServer,
) -> None:
    mail_server.url = "smtp://127.0.0.1:9"

    posted = await post_to(mail_server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.NOT_TAKEN, "server_away")


async def test_a_server_that_never_greets_took_nothing() -> None:
    server = MailServer()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server.url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"

        posted = await post_to(server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.NOT_TAKEN, "server_away")


async def test_a_server_that_is_away_is_left_alone_for_a_while(
    mail_server: MailServer,
) -> None:
    mail_server.manner = "drop"
    post = post_to(mail_server)
    await post.send(LETTER, TO, NOON)
    mail_server.manner = "take"

    left_alone = [await post.send(LETTER, TO, NOON) for _ in range(3)]

    assert post.closed == Posted(Outcome.NOT_TAKEN, "server_away")
    assert left_alone == [post.closed] * 3
    assert len(mail_server.letters) == 1


async def test_a_server_that_is_back_is_used_again(mail_server: MailServer) -> None:
    mail_server.manner = "drop"
    post = post_to(mail_server, away_seconds=0)
    await post.send(LETTER, TO, NOON)
    mail_server.manner = "take"

    assert await post.send(LETTER, TO, NOON) == Posted(Outcome.SENT)
    keys = [each["Message-ID"] for each in mail_server.letters]
    assert len(keys) == 2
    assert len(set(keys)) == 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "worker",
        "worker@",
        "@agency.example",
        "one@agency.example, two@agency.example",
        "worker@agency.example\r\nBcc: other@agency.example",
        "Worker <worker@agency.example>",
        "wörker@agency.example",
        "worker@agency.example ",
        "w" * 65 + "@agency.example",
    ],
)
async def test_an_address_that_is_none_is_refused_before_anything_is_sent(
    mail_server: MailServer, address: str
) -> None:
    posted = await post_to(mail_server).send(LETTER, address, NOON)

    assert posted == Posted(Outcome.REFUSED, "bad_address", tried=False)
    assert not mail_server.letters


async def test_many_letters_go_out_side_by_side(mail_server: MailServer) -> None:
    # As patient as it is: how fast this machine takes fifty is not what is asked here.
    post = SmtpPost(Server.at(mail_server.url), MAIL_FROM)

    posted = await asyncio.gather(
        *(post.send(LETTER, f"worker{n}@agency.example", NOON) for n in range(50))
    )

    assert posted == [Posted(Outcome.SENT)] * 50
    assert len(set(mail_server.recipients)) == 50


async def test_lines_are_kept_free_for_an_alarm(mail_server: MailServer) -> None:
    mail_server.manner = "hang"
    post = SmtpPost(Server.at(mail_server.url), MAIL_FROM)
    sending = [
        asyncio.create_task(post.send(LETTER, TO, NOON)) for _ in range(3 * LINES)
    ]

    async def every_line_hangs() -> bool:
        return len(mail_server.letters) == LINES - KEPT_FREE

    await eventually(every_line_hangs)
    alarm = replace(LETTER, urgent=True)
    sending.append(asyncio.create_task(post.send(alarm, "one@agency.example", NOON)))

    async def rung() -> bool:
        return "one@agency.example" in mail_server.recipients

    await eventually(rung, within=5)
    mail_server.released.set()
    posted = await asyncio.gather(*sending)

    assert {each.outcome for each in posted} == {Outcome.SENT}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the loopback address, with its key, that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine trust the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
async def test_a_letter_goes_out_under_tls(server_tls: ssl.SSLContext) -> None:
    async with receiving(MailServer(), tls=server_tls) as server:
        server.url = server.url.replace("smtp://", "smtps://")

        posted = await post_to(server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.SENT)
    assert len(server.letters) == 1


@pytest.mark.usefixtures("trusted")
async def test_a_letter_goes_out_after_starttls_and_login(
    server_tls: ssl.SSLContext,
) -> None:
    async with receiving(MailServer(), starttls=server_tls, login=True) as server:
        server.url = server.url.replace("smtp://", "smtp+starttls://us%40er:secret@")

        posted = await post_to(server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.SENT)
    assert server.logins == [(b"us@er", b"secret")]


@pytest.mark.usefixtures("trusted")
async def test_a_wrong_password_is_the_servers_business_not_the_letters(
    server_tls: ssl.SSLContext,
) -> None:
    async with receiving(MailServer(), starttls=server_tls, login=True) as server:
        server.url = server.url.replace("smtp://", "smtp+starttls://user:wrong@")

        posted = await post_to(server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.NOT_TAKEN, "server_away")
    assert not server.letters


async def test_a_server_that_nobody_vouches_for_gets_nothing(
    server_tls: ssl.SSLContext,
) -> None:
    async with receiving(MailServer(), starttls=server_tls) as server:
        server.url = server.url.replace("smtp://", "smtp+starttls://")

        posted = await post_to(server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.NOT_TAKEN, "server_away")
    assert not server.letters


async def test_a_server_without_starttls_gets_nothing(
    mail_server: MailServer,
) -> None:
    mail_server.url = mail_server.url.replace("smtp://", "smtp+starttls://")

    posted = await post_to(mail_server).send(LETTER, TO, NOON)

    assert posted == Posted(Outcome.NOT_TAKEN, "server_away")
    assert not mail_server.letters


@pytest.mark.parametrize(
    ("url", "host", "port", "readable"),
    [
        ("smtps://mail.example", "mail.example", 465, False),
        ("smtp+starttls://mail.example", "mail.example", 587, False),
        ("smtp://mail.example:1025", "mail.example", 1025, True),
        ("smtp://127.0.0.1", "127.0.0.1", 25, False),
    ],
)
def test_a_url_says_how_a_server_is_spoken_to(
    url: str, host: str, port: int, *, readable: bool
) -> None:
    server = Server.at(url)

    assert (server.host, server.port, server.readable) == (host, port, readable)


@pytest.mark.parametrize(
    "url", ["", "mail.example", "http://mail.example", "smtp://", "smtps://a:secret"]
)
def test_a_url_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"^it ") as refused:
        Server.at(url)

    assert "secret" not in str(refused.value)


async def test_without_a_server_there_is_no_email() -> None:
    post = NoPost()

    assert not post.on
    assert await post.send(LETTER, TO, NOON) == post.closed


def test_a_letter_has_no_other_key_at_another_attempt() -> None:
    claimed = HELD.claim_mail(0, NOON, POLICY.email)

    again: Letter = Wording(POLICY, LINK_BASE).letter(claimed, 0)

    assert again == LETTER
