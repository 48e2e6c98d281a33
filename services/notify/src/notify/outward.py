"""Posting to addresses that somebody else has given, and inside to none of them.

Whoever gives an address could name one inside our own network. So a name is looked up
here, every address it has must be one that may be told, and the connection goes to the
address that was looked at: a name that leads elsewhere a moment later changes nothing.
Nothing is followed, and of the answer only the status is read, and how long to wait.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import httpx2
import structlog
from accord_chassis.asking import UNANSWERED
from accord_chassis.settings import Network

from notify.domain.mail import Outcome
from notify.domain.outside import IP, PORTS, is_allowed, is_among, is_public
from notify.post import Posted, not_now

log = structlog.get_logger()

TIMEOUT_SECONDS = 15.0
"""How long an answer may take. Standard Webhooks name 15 to 30 seconds."""

LOOKED_UP_AT_ONCE = 8
"""Names that are looked up at the same time."""

TAKEN = range(200, 300)


class NotAllowed(Exception):
    """There is an address behind the name that must not be told.

    Args:
        reason: Why not, as a code.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Outward:
    """Posts to addresses outside.

    Args:
        hosts: To these alone, ``*.`` in front for whatever is below; none: to any that
            may be told.
        allowed: Networks that may be told though they are private.
        plain: Whether an address may be told without TLS; in development only.
        timeout_seconds: How long an answer may take.
    """

    def __init__(
        self,
        *,
        hosts: Collection[str] | None = None,
        allowed: Sequence[Network] = (),
        plain: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._hosts = hosts
        self._allowed = allowed
        self._plain = plain
        self._timeout_seconds = timeout_seconds
        # Threads of its own: a name server that hangs holds up nothing else.
        self._lookups = ThreadPoolExecutor(
            LOOKED_UP_AT_ONCE, thread_name_prefix="lookup"
        )
        self._client = httpx2.AsyncClient(
            follow_redirects=False,
            # No proxy of the environment: it would look the name up anew.
            trust_env=False,
            # No connection is used twice: at one address there may be many names, and
            # the certificate was looked at for one of them.
            limits=httpx2.Limits(max_keepalive_connections=0),
            timeout=timeout_seconds,
        )

    def may_be(self, url: str) -> bool:
        """Tell whether an address may be told at all: over TLS alone, and to whom."""
        return self._why_not(url) is None

    def _why_not(self, url: str) -> str | None:
        parts = urlsplit(url)
        if self._hosts is not None and not is_among(self._hosts, parts.hostname or ""):
            return "host"
        return None if self._plain or parts.scheme == "https" else "no_tls"

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], at: datetime
    ) -> Posted:
        """Post it, and say what became of it. Never raises for a failure.

        Args:
            url: Where to.
            body: What.
            headers: With these.
            at: When it is.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                address = await self._looked_up(url)
        except NotAllowed as refused:
            log.warning("outward.refused", reason=refused.reason)
            return Posted(Outcome.NOT_TAKEN, refused.reason)
        except (OSError, TimeoutError, UnicodeError):
            return Posted(Outcome.NOT_TAKEN, "no_such_host")
        answer = await self._answer(url, address, body, headers)
        if isinstance(answer, Posted):
            return answer
        if answer.status_code in TAKEN:
            return Posted(Outcome.SENT)
        return not_now(answer.status_code, answer.headers.get("retry-after"), at)

    async def close(self) -> None:
        """Hang up."""
        self._lookups.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    async def _looked_up(self, url: str) -> IP:
        """Give the address behind a name, if every one that it has may be told.

        Raises:
            NotAllowed: One may not.
        """
        if reason := self._why_not(url):
            raise NotAllowed(reason)
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        look_up = partial(
            socket.getaddrinfo,
            parts.hostname or "",
            parts.port or 443,
            type=socket.SOCK_STREAM,
        )
        found = await loop.run_in_executor(self._lookups, look_up)
        addresses = [ipaddress.ip_address(each[4][0]) for each in found]
        unknown = [each for each in addresses if not is_allowed(each, self._allowed)]
        if not all(map(is_public, unknown)):
            raise NotAllowed("private_address")
        if unknown and not self._plain and (parts.port or 443) not in PORTS:
            raise NotAllowed("port")
        return addresses[0]

    async def _answer(
        self, url: str, address: IP, body: bytes, headers: Mapping[str, str]
    ) -> httpx2.Response | Posted:
        """Post it, and give what is answered; or what became of it, if nothing is."""
        parts = urlsplit(url)
        host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004
        port = f":{parts.port}" if parts.port else ""
        pinned = parts._replace(netloc=f"{host}{port}").geturl()
        sent = {
            "host": parts.netloc,
            "content-type": "application/json",
            "user-agent": "accord",
            **headers,
        }
        request = self._client.build_request(
            "POST",
            pinned,
            content=body,
            headers=sent,
            # The certificate must be that of the name, whatever address it has.
            extensions={"sni_hostname": parts.hostname},
        )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._client.send(request, stream=True)
                await answer.aclose()
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return Posted(Outcome.NOT_TAKEN, "server_away")
        except UNANSWERED:
            return Posted(Outcome.UNKNOWN, "no_answer")
        return answer
