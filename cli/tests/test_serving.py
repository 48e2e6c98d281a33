"""Waiting until a service is ready."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from accord.faults import CannotGoOn
from accord.serving import until_ready
from fastapi import FastAPI
from fastapi.responses import JSONResponse

app = FastAPI()
answers = [
    {"type": "urn:accord:problem:away", "title": "Away", "status": 503},
    {"status": "not_ready", "dependencies": {"store": {"ok": False}}},
]


@app.get("/ready")
async def ready() -> JSONResponse:
    """Answer with the next of the answers; the last one for good."""
    return JSONResponse(answers.pop(0) if len(answers) > 1 else answers[0])


@pytest.fixture
async def url() -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", lifespan="off")
        )
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running


async def test_a_problem_in_place_of_an_answer_is_waited_out(url: str) -> None:
    with pytest.raises(CannotGoOn, match="it waits for store"):
        await until_ready(url, what="risk", within=2)
