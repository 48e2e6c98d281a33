"""The services that plans asks, as it asks them: over HTTP, on a real port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from accord_contracts.allocation import OfferOfHelp
from accord_contracts.papers import AskScreening, Screening
from accord_contracts.risk import AskClosing, ClosingProof
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel


class Neighbour:
    """Answers as a test says.

    Attributes:
        body: What it answers instead, if anything.
        status: With which status.
    """

    def __init__(self) -> None:
        self.url = ""
        self.body: bytes | None = None
        self.status = 200
        self.app = FastAPI()

    def tell(self, told: BaseModel) -> Response:
        body = told.model_dump_json().encode() if self.body is None else self.body
        return Response(body, self.status, media_type="application/json")


class Risk(Neighbour):
    """Answers whether a response may end.

    Attributes:
        missing: What is missing.
        asked: What it was asked, and under which token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.missing: tuple[str, ...] = ()
        self.asked: list[tuple[AskClosing, str]] = []
        self.app.post("/v1/proofs")(self._answer)

    async def _answer(self, asked: AskClosing, request: Request) -> Response:
        self.asked.append((asked, request.headers["authorization"]))
        return self.tell(ClosingProof(case_id=asked.case_id, missing=self.missing))


class Referrals(Neighbour):
    """Answers whether texts name somebody.

    Attributes:
        protected: What no text may hold, of which it answers the place.
        asked: What it was asked, and under which token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.protected = "tāmihana"
        self.asked: list[tuple[AskScreening, str]] = []
        self.app.post("/v1/screenings")(self._answer)

    async def _answer(self, asked: AskScreening, request: Request) -> Response:
        self.asked.append((asked, request.headers["authorization"]))
        texts = enumerate(asked.texts)
        found = tuple(i for i, e in texts if self.protected in e.casefold())
        return self.tell(Screening(case_id=asked.case_id, found=found))


class Allocation(Neighbour):
    """Answers which providers meet a need.

    Attributes:
        meet: Their codes, whatever the need.
        asked: What it was asked for, and under which token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.meet = ["refuge"]
        self.asked: list[tuple[str, str]] = []
        self.app.get("/v1/offers-of-help")(self._answer)

    async def _answer(self, need: str, request: Request) -> Response:
        self.asked.append((need, request.headers["authorization"]))
        told = [OfferOfHelp(provider=each, name=f"The {each}") for each in self.meet]
        body = f"[{','.join(each.model_dump_json() for each in told)}]".encode()
        given = body if self.body is None else self.body
        return Response(given, self.status, media_type="application/json")


@asynccontextmanager
async def serving(*neighbours: Neighbour) -> AsyncIterator[None]:
    """Serve each on a free port of the loopback interface."""
    servers: dict[uvicorn.Server, socket.socket] = {}
    for each in neighbours:
        listening = socket.create_server(("127.0.0.1", 0))
        each.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(each.app, log_level="critical", lifespan="off")
        servers[uvicorn.Server(config)] = listening
    async with asyncio.TaskGroup() as running:
        for server, listening in servers.items():
            running.create_task(server.serve(sockets=[listening]))
        yield
        for server in servers:
            server.should_exit = True
    for listening in servers.values():
        listening.close()
