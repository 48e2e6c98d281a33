"""An SMS gateway and the telephones behind it: what came to each, and what it answers.

It is spoken to over HTTP on a port of this machine, as the locality's file says.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accord.client import Answer
from accord.serving import listen, serving
from accord_chassis.development.process import LOOPBACK
from accord_chassis.testing import new_id
from app import LOCALITY, Region
from fastapi import FastAPI, Request, Response
from people import Somebody
from standardwebhooks import Webhook

KEY = "whsec_" + "c" * 32
"""By it the gateway signs what it posts back."""

SETTINGS = {"ACCORD_SMS_SECRET": "s", "ACCORD_SMS_CALLBACK_KEY": KEY}

WRITTEN = "https://sms.example/messages"
"""Where the gateway is by the locality's file."""


@dataclass
class Phones:
    """A gateway, and what it was sent.

    Attributes:
        locality: One whose file names this gateway.
        status: What it answers.
        seconds: How long it takes to answer.
        sent: The fields of every message, first to last.
        raw: The same, as it came: its headers and its body.
    """

    locality: Path
    status: int = 202
    seconds: float = 0.0
    sent: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def at(self, number: str) -> list[str]:
        """Give the texts that came to a telephone."""
        return [each["message"] for each in self.sent if each["to"] == number]

    def app(self) -> FastAPI:
        """Give the gateway."""
        served = FastAPI(openapi_url=None)

        @served.post("/messages")
        async def take(request: Request) -> Response:
            body = await request.body()
            self.sent.append(json.loads(body))
            headers = b"\n".join(b": ".join(each) for each in request.headers.raw)
            self.raw.append(headers + b"\n\n" + body)
            await asyncio.sleep(self.seconds)
            return Response(status_code=self.status)

        return served


@asynccontextmanager
async def phones_in(folder: Path) -> AsyncIterator[Phones]:
    """Have a gateway listen, and a locality name it.

    Args:
        folder: Keeps the locality.
    """
    listening = listen(None)
    url = f"http://{LOOPBACK}:{listening.getsockname()[1]}/messages"
    await asyncio.to_thread(_name, url, folder)
    phones = Phones(folder)
    async with serving(phones.app(), listening):
        yield phones


def _name(url: str, folder: Path) -> None:
    shutil.copytree(LOCALITY, folder)
    file = folder / "notify.yaml"
    told = file.read_text("utf-8")
    assert told.count(WRITTEN) == 1
    file.write_text(told.replace(WRITTEN, url), "utf-8")


async def replies(region: Region, number: str, text: str) -> Answer:
    """Have something come back from a telephone; the gateway posts and signs it."""
    told: dict[str, Any] = {"kind": "reply", "sender": number, "text": text}
    body, id_, at = json.dumps(told), new_id(), region.clock.now()
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(KEY).sign(id_, at, body),
        "content-type": "application/json",
    }
    gateway = Somebody(region, "gateway", "notify.gateway")
    answer = await gateway.posts_signed("/api/notify/v1/sms-callbacks", body, headers)
    gateway.hang_up()
    return answer
