"""An SMS gateway, browsers, agencies' systems, and how people may be reached."""

import asyncio
import hmac
import ipaddress
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from accord_chassis.testing import new_id
from cryptography.hazmat.primitives.asymmetric.ec import ECDH, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from notify.domain.aes128gcm import CURVE, encoded, key_of, written
from notify_builders import listening

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)

NUMBER = "021 555 0100"
AS_SENT = "+64215550100"


class Gateway:
    """An SMS gateway on a real port, which does as the test says.

    Attributes:
        status: What it answers.
        slow: It answers when this is set.
        seconds: How long it takes to answer.
        headers: What it adds to its answer.
        says: What it answers in JSON.
        taken: What it was sent.
    """

    def __init__(self) -> None:
        self.url = ""
        self.status = 202
        self.says: Any = {"status": "taken"}
        self.headers: dict[str, str] = {}
        self.seconds = 0.0
        self.slow: asyncio.Event | None = None
        self.taken: list[tuple[dict[str, str], str]] = []

    def app(self) -> FastAPI:
        served = FastAPI()

        @served.post("/messages")
        async def messages(request: Request) -> Response:
            body = (await request.body()).decode()
            self.taken.append((dict(request.headers), body))
            if self.slow:
                await self.slow.wait()
            await asyncio.sleep(self.seconds)
            return JSONResponse(self.says, self.status, self.headers)

        return served


@asynccontextmanager
async def gateway_listening() -> AsyncIterator[Gateway]:
    """Have a gateway listen."""
    served = Gateway()
    async with listening(served.app()) as url:
        served.url = f"{url}/messages"
        yield served


@dataclass
class SafeNumbers:
    """The referrals service's part that notify asks, on a real port.

    Attributes:
        person_id: Whom it knows.
        case_id: In which case.
        contact_id: By which number, and what it says of it.
        beside: What else leads to the same number.
        status: What every question is answered with, if not with the truth.
        asked: What it was asked, and under which token.
    """

    url: str = ""
    person_id: str = field(default_factory=new_id)
    case_id: str = field(default_factory=new_id)
    also_in: tuple[str, ...] = ()
    contact_id: str = field(default_factory=new_id)
    beside: tuple[str, ...] = ()
    told: dict[str, Any] = field(
        default_factory=lambda: {
            "permitted": True,
            "value": NUMBER,
            "word_agreed": True,
            "say_who": False,
        }
    )
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> FastAPI:
        served = FastAPI()

        @served.post("/v1/people/{person_id}/contact-permission")
        async def permission(person_id: str, request: Request) -> Response:
            asked = await request.json()
            self.asked.append(asked)
            if self.status != 200:
                return Response(status_code=self.status)
            if (person_id, asked["case_id"]) != (self.person_id, self.case_id):
                return Response(status_code=404)
            ids = (self.contact_id, *self.beside)
            points = [{"contact_id": each, **self.told} for each in ids]
            cases = [self.case_id, *self.also_in]
            return JSONResponse({"permissions": points, "case_ids": cases})

        return served


@asynccontextmanager
async def referrals_listening() -> AsyncIterator[SafeNumbers]:
    """Have what knows how people may be reached listen."""
    served = SafeNumbers()
    async with listening(served.app()) as served.url:
        yield served


class Browser:
    """A worker's browser: it alone opens what is pushed to it."""

    def __init__(self, service: str) -> None:
        self.endpoint = f"{service}/push/{new_id()}"
        self.private = generate_private_key(CURVE)
        self.auth = os.urandom(16)

    @property
    def written(self) -> dict[str, Any]:
        """As ``PushSubscription.toJSON()`` has it."""
        keys = {
            "p256dh": encoded(written(self.private.public_key())),
            "auth": encoded(self.auth),
        }
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def opens(self, body: bytes) -> bytes:
        """Open a message by RFC 8291 and 8188, step by step as they are written."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(body) <= size == 4096
        ours = written(self.private.public_key())
        secret = self.private.exchange(ECDH(), key_of(theirs))
        first = hmac.digest(self.auth, secret, "sha256")
        told = b"WebPush: info\x00" + ours + theirs + b"\x01"
        both = hmac.digest(salt, hmac.digest(first, told, "sha256"), "sha256")
        info = b"Content-Encoding: aes128gcm\x00\x01"
        key = hmac.digest(both, info, "sha256")[:16]
        nonce = hmac.digest(both, b"Content-Encoding: nonce\x00\x01", "sha256")[:12]
        told, mark, filled = AESGCM(key).decrypt(nonce, sealed, None).partition(b"\x02")
        assert mark
        assert not filled.strip(b"\x00")
        return told


class PushService:
    """A push service, which does as the test says.

    Attributes:
        statuses: What it answers, by the path of a browser.
        status: What it answers of all others.
        seconds: How long it takes to answer.
        headers: What it adds to its answer.
        told: What it was told, by path, with the headers.
    """

    def __init__(self) -> None:
        self.url = ""
        self.statuses: dict[str, int] = {}
        self.status = 201
        self.headers: dict[str, str] = {}
        self.seconds = 0.0
        self.told: list[tuple[str, dict[str, str], bytes]] = []

    def app(self) -> FastAPI:
        served = FastAPI()

        @served.post("/push/{browser}")
        async def push(browser: str, request: Request) -> Response:
            told = (browser, dict(request.headers), await request.body())
            self.told.append(told)
            await asyncio.sleep(self.seconds)
            status = self.statuses.get(browser, self.status)
            return Response(status_code=status, headers=self.headers)

        return served

    def answers(self, browser: Browser, status: int) -> None:
        self.statuses[browser.endpoint.rpartition("/")[2]] = status

    def to(self, browser: Browser) -> list[tuple[dict[str, str], bytes]]:
        name = browser.endpoint.rpartition("/")[2]
        return [(headers, body) for path, headers, body in self.told if path == name]


class Receiver:
    """An agency's own system, which does as the test says.

    Attributes:
        status: What it answers.
        headers: What it adds to its answer.
        seconds: How long it takes to answer.
        slow: It answers when this is set.
        told: What it was told, with the headers.
        widely: What Apprise has told it, and where.
    """

    def __init__(self) -> None:
        self.url = ""
        self.status = 204
        self.seconds = 0.0
        self.headers: dict[str, str] = {}
        self.slow: asyncio.Event | None = None
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.widely: list[tuple[str, dict[str, Any]]] = []

    def app(self) -> FastAPI:
        served = FastAPI()

        @served.post("/told")
        async def told(request: Request) -> Response:
            self.told.append((dict(request.headers), await request.body()))
            if self.slow:
                await self.slow.wait()
            await asyncio.sleep(self.seconds)
            return Response(status_code=self.status, headers=self.headers)

        @served.post("/told/{to}")
        async def widely(to: str, request: Request) -> Response:
            self.widely.append((to, await request.json()))
            return Response(status_code=self.status, headers=self.headers)

        return served

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.told]
