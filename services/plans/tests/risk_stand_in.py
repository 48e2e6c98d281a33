"""The risk service as plans asks it: over HTTP, on a real port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from accord_contracts.risk import AskClosing, ClosingProof
from fastapi import FastAPI, Request, Response


class Risk:
    """Answers whether a response may end as a test says.

    Attributes:
        missing: What is missing.
        body: What it answers instead, if anything.
        status: With which status.
        asked: What it was asked, and under which token.
    """

    def __init__(self) -> None:
        self.url = ""
        self.missing: tuple[str, ...] = ()
        self.body: bytes | None = None
        self.status = 200
        self.asked: list[tuple[AskClosing, str]] = []
        self.app = FastAPI()
        self.app.post("/v1/proofs")(self._answer)

    async def _answer(self, asked: AskClosing, request: Request) -> Response:
        self.asked.append((asked, request.headers["authorization"]))
        told = ClosingProof(case_id=asked.case_id, missing=self.missing)
        body = told.model_dump_json().encode() if self.body is None else self.body
        return Response(body, self.status, media_type="application/json")


@asynccontextmanager
async def serving(risk: Risk) -> AsyncIterator[Risk]:
    """Serve it on a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        risk.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(risk.app, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield risk
        server.should_exit = True
        await running
