"""E-mail by SMTP: letter by letter, and an honest answer about what became of it."""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import policy as formats
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

import structlog
from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
)

from notify.domain.mail import Outcome
from notify.domain.retry_after import NONE, asked_to_wait
from notify.domain.wording import Letter

log = structlog.get_logger()

LINES = 8
"""Connections to a server at a time."""

KEPT_FREE = 2
"""Of those, for alarms alone: what is routine leaves by the others."""

TIMEOUT_SECONDS = 10.0
"""How long getting to the letter may take, and how long the letter itself may."""

AWAY_SECONDS = 30.0
"""How long nobody tries after the server was found to be away."""

PERMANENT = 500

ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
)
"""As in HTML's input fields: nothing that could end a header or name a second one."""


NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""As E.164 writes it."""


class Safety(StrEnum):
    """How a connection is kept from being read, as the URL's scheme says."""

    NONE = "smtp"
    STARTTLS = "smtp+starttls"
    TLS = "smtps"


PORTS = {Safety.NONE: 25, Safety.STARTTLS: 587, Safety.TLS: 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A mail server, and how it is spoken to."""

    host: str
    port: int
    safety: Safety
    user: str | None = None
    password: str | None = None

    @classmethod
    def at(cls, url: str) -> Self:
        """Read a URL like ``smtp+starttls://user:password@mail.example:587``.

        Raises:
            ValueError: It is none. Says why, and shows nothing of it.
        """
        try:
            parts = urlsplit(url)
            safety = Safety(parts.scheme)
            port = parts.port or PORTS[safety]
        except ValueError:
            raise ValueError(
                "it must look like smtps://user:password@host:port "
                "(or smtp+starttls, or smtp)"
            ) from None
        if not parts.hostname:
            raise ValueError("it names no host")
        return cls(
            host=parts.hostname,
            port=port,
            safety=safety,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    @property
    def readable(self) -> bool:
        """Whether others could read what goes over the line to it."""
        here = self.host in {"localhost", "127.0.0.1", "::1"}
        return self.safety is Safety.NONE and not here


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a letter, and why, as a code.

    Attributes:
        failed: Whoever was to take it broke down over it, or does not say that it did
            not, so that it may have gone out.
        tried: Whoever was to take it was asked; not where there is no address that
            could be one. What was not tried says nothing of the channel.
        wait: How long whoever did not take it asks not to be tried again.
        once: It has this very message already, by its key: it is not sent it anew.
    """

    outcome: Outcome
    reason: str | None = None
    failed: bool = False
    tried: bool = True
    wait: timedelta = NONE
    once: bool = False

    @property
    def surely(self) -> bool:
        """Whether what has not gone out has surely not."""
        return self.outcome is not Outcome.UNKNOWN and not self.failed


AWAY = Posted(Outcome.NOT_TAKEN, "server_away")
BAD_ADDRESS = Posted(Outcome.REFUSED, "bad_address", tried=False)


def not_now(
    status: int, retry_after: str | None, at: datetime, *, failed: bool = False
) -> Posted:
    """Say that a server took nothing, and how long it asks not to be tried again.

    Args:
        status: What it answered.
        retry_after: What its answer says of when, if anything.
        at: When it was asked.
        failed: It does not say that it did not take it; see ``Posted``.
    """
    wait = asked_to_wait(retry_after or "", at)
    return Posted(Outcome.NOT_TAKEN, f"status_{status}", failed=failed, wait=wait)


async def since_begun(sending: Awaitable[Posted]) -> Posted:
    """Send, and count what is asked to be waited from when the attempt was begun.

    What is asked is asked when the answer comes; attempts are timed by their beginning.
    """
    began = time.monotonic()
    posted = await sending
    if not posted.wait:
        return posted
    took = timedelta(seconds=time.monotonic() - began)
    return replace(posted, wait=posted.wait + took)


RETURNS = ["RET=HDRS"]
REPORTS = ["NOTIFY=SUCCESS,FAILURE,DELAY"]
"""RFC 3461: of the letter itself nothing but its headers comes back."""


class Post(Protocol):
    """Sends letters by one channel."""

    @property
    def on(self) -> bool:
        """Whether there is any such channel here."""
        ...

    @property
    def closed(self) -> Posted | None:
        """What would become of a letter now, if that is known without trying."""
        ...

    async def send(self, letter: Letter, to: str, at: datetime) -> Posted:
        """Send a letter, and say what became of it. Never raises for a failure."""
        ...


class Lines:
    """Connections to a server, some of which are kept free for alarms.

    Args:
        lines: How many at a time.
        kept_free: Of those, for alarms alone.
    """

    def __init__(self, lines: int = LINES, kept_free: int = KEPT_FREE) -> None:
        self._all = asyncio.Semaphore(lines)
        self._routine = asyncio.Semaphore(lines - kept_free)

    @contextlib.asynccontextmanager
    async def one_for(self, letter: Letter) -> AsyncIterator[None]:
        """Wait until there is a line for a letter, and hold it."""
        async with contextlib.AsyncExitStack() as held:
            if not letter.urgent:
                await held.enter_async_context(self._routine)
            await held.enter_async_context(self._all)
            yield


class NoPost:
    """For a locality without a channel: its workers have their inboxes, and others."""

    on = False
    closed = Posted(Outcome.NOT_TAKEN, "channel_off")

    async def send(self, letter: Letter, to: str, at: datetime) -> Posted:  # noqa: ARG002
        """Say that there is no such channel; see ``Post``."""
        return self.closed


class SmtpPost:
    """Hands letters to a mail server.

    Nothing but its connection is kept from one letter to the next: a server that is
    found to be away is left alone for a while, so that a backlog of letters does not
    hold up what else has fallen due.

    Args:
        server: Which.
        sender: The address that letters come from.
        bounces: The address that letters come back to, each with its own mark after a
            plus; none: they come back to the sender, and nothing is heard of it.
        timeout_seconds: How long getting to the letter may take, and the letter too.
        away_seconds: How long nobody tries after the server was found to be away.
    """

    on = True

    def __init__(
        self,
        server: Server,
        sender: str,
        *,
        bounces: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._server = server
        self._sender = sender
        self._bounces = bounces
        self._timeout_seconds = timeout_seconds
        self._away_seconds = away_seconds
        self._tls = ssl.create_default_context()
        self._lines = Lines()
        self._away_until = float("-inf")

    @property
    def closed(self) -> Posted | None:
        """Say so while the server was away a moment ago; see ``Post``."""
        return AWAY if time.monotonic() < self._away_until else None

    async def send(self, letter: Letter, to: str, at: datetime) -> Posted:
        """Send a letter; see ``Post``."""
        if not ADDRESS.fullmatch(to):
            return BAD_ADDRESS
        async with self._lines.one_for(letter):
            if self.closed:
                return self.closed
            connection = self._connection()
            try:
                opened = await self._open(connection, letter, to)
                if opened is not None:
                    return opened
                return await self._hand_over(connection, self._text(letter, to, at))
            finally:
                connection.close()

    def _back_to(self, letter: Letter) -> str:
        """Give where a letter comes back to if it cannot be delivered."""
        if not self._bounces or letter.returns_to is None:
            return self._sender
        mailbox, _, domain = self._bounces.rpartition("@")
        return f"{mailbox}+{letter.returns_to}@{domain}"

    def _connection(self) -> SMTP:
        return SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.user,
            password=self._server.password,
            use_tls=self._server.safety is Safety.TLS,
            start_tls=self._server.safety is Safety.STARTTLS,
            tls_context=self._tls,
            timeout=self._timeout_seconds,
            # The machine's own name is nobody's business.
            local_hostname="accord",
        )

    async def _open(self, connection: SMTP, letter: Letter, to: str) -> Posted | None:
        """Get to where the letter itself may be sent; nothing has been sent yet."""
        back_to = self._back_to(letter)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await connection.connect()
                # Reports go to the mark's address; to the sender they tell nobody.
                marked = back_to != self._sender
                reports = marked and await _reports(connection)
                await connection.mail(back_to, options=RETURNS if reports else None)
                await connection.rcpt(to, options=REPORTS if reports else None)
        except SMTPRecipientRefused as refused:
            return _refused(refused.code, "recipient_refused")
        except (SMTPException, OSError, TimeoutError, ValueError) as fault:
            # The last if it says what is no SMTP at all.
            self._leave_alone(fault)
            return AWAY
        return None

    async def _hand_over(self, connection: SMTP, text: bytes) -> Posted:
        """Send the letter itself: from here on a broken line tells nothing."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await connection.data(text)
        except SMTPDataError as refused:
            return _refused(refused.code, "letter_refused")
        except (SMTPException, OSError, TimeoutError) as fault:
            self._leave_alone(fault)
            return Posted(Outcome.UNKNOWN, "no_answer")
        await self._say_goodbye(connection)
        return Posted(Outcome.SENT)

    async def _say_goodbye(self, connection: SMTP) -> None:
        """Part in a friendly way, if the server wants to; the letter is with it."""
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(self._timeout_seconds):
                await connection.quit()

    def _leave_alone(self, fault: BaseException) -> None:
        self._away_until = time.monotonic() + self._away_seconds
        log.warning("post.away", dependency="smtp", fault=type(fault).__name__)

    def _text(self, letter: Letter, to: str, at: datetime) -> bytes:
        message = EmailMessage(policy=formats.SMTP)
        message["From"] = self._sender
        message["To"] = to
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(at)
        # The same at every attempt, so that a provider can drop what it has.
        domain = self._sender.rpartition("@")[2]
        message["Message-ID"] = f"<{letter.key}@{domain}>"
        if letter.thread:
            # Of a letter that never was: so all about one message stand together,
            # and nothing about the same case does.
            message["References"] = f"<{letter.thread}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(letter.text, cte="quoted-printable")
        message["Content-Language"] = ", ".join(letter.languages)
        return message.as_bytes()


async def _reports(connection: SMTP) -> bool:
    """Tell whether a server says what becomes of a letter, also that it arrives."""
    if connection.is_ehlo_or_helo_needed:
        # One that knows no EHLO is greeted as of old when the letter is announced.
        with contextlib.suppress(SMTPHeloError):
            await connection.ehlo()
    return connection.supports_extension("dsn")


def _refused(code: int, reason: str) -> Posted:
    """Tell a refusal for good from one for now."""
    outcome = Outcome.REFUSED if code >= PERMANENT else Outcome.NOT_TAKEN
    return Posted(outcome, reason)
