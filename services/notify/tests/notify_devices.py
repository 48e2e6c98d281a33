"""An SMS gateway, and what referrals says of how people may be reached."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from accord_chassis.testing import new_id
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from notify_builders import listening

NUMBER = "021 555 0100"
AS_SENT = "+64215550100"


class Gateway:
    """An SMS gateway on a real port, which does as the test says.

    Attributes:
        status: What it answers.
        slow: It answers when this is set.
        seconds: How long it takes to answer.
        taken: What it was sent.
    """

    def __init__(self) -> None:
        self.url = ""
        self.status = 202
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
            return Response(status_code=self.status)

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
