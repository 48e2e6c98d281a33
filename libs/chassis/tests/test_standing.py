"""Asking how workers stand to cases, of a service that answers over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from accord_chassis.asking import Peer, ServiceToken
from accord_chassis.guard import StandingAway
from accord_chassis.standing import AskedStandings
from accord_chassis.testing import new_id
from accord_contracts.access import (
    CASES_OF_A_QUESTION,
    QUESTIONS_TOGETHER,
    AskStandings,
    Standing,
    Standings,
)
from fastapi import FastAPI, Response
from pydantic import SecretStr


class Allocation:
    """Says that all but some are active, and counts how often it is asked."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.url = ""
        self.asked: list[AskStandings] = []
        self.away = False
        self.outside: set[str] = set()
        self.app.post("/v1/standings")(self.answer)

    async def answer(self, asked: AskStandings) -> Response:
        """Answer as allocation does."""
        self.asked.append(asked)
        if self.away:
            return Response(status_code=503)
        found = Standings(
            standings=tuple(
                Standing(
                    case_id=case_id,
                    worker_id=each.worker_id,
                    active=each.worker_id not in self.outside,
                )
                for each in asked.asked
                for case_id in each.case_ids
            )
        )
        return Response(found.model_dump_json(), media_type="application/json")


@pytest.fixture
async def allocation() -> AsyncIterator[Allocation]:
    held = Allocation()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(held.app, log_level="critical", lifespan="off")
        )
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield held
        server.should_exit = True
        await running


@pytest.fixture
async def standings(allocation: Allocation) -> AsyncIterator[AskedStandings]:
    peer = Peer(allocation.url, ServiceToken(given=SecretStr("token")))
    yield AskedStandings(peer)
    await peer.close()


async def test_many_who_ask_at_once_ask_together_and_each_hears_of_their_own(
    allocation: Allocation, standings: AskedStandings
) -> None:
    pairs = [(new_id(), new_id()) for _ in range(3 * QUESTIONS_TOGETHER)]

    answers = await asyncio.gather(*(standings.of(w, [case]) for w, case in pairs))

    for (worker, case), answer in zip(pairs, answers, strict=True):
        assert {each: told.worker_id for each, told in answer.items()} == {case: worker}
    assert len(allocation.asked) == 3
    assert max(len(each.asked) for each in allocation.asked) == QUESTIONS_TOGETHER


async def test_a_worker_of_very_many_cases_hears_of_each(
    allocation: Allocation, standings: AskedStandings
) -> None:
    worker, cases = new_id(), [new_id() for _ in range(2 * CASES_OF_A_QUESTION + 1)]

    answer = await standings.of(worker, cases)

    assert set(answer) == set(cases)
    assert len(allocation.asked) == 1


async def test_whoever_can_be_nobodys_id_spoils_no_other_question(
    standings: AskedStandings,
) -> None:
    worker, case = new_id(), new_id()

    nobody, somebody = await asyncio.gather(
        standings.of("nobody's id", [case]), standings.of(worker, [case])
    )

    assert nobody == {}
    assert somebody[case].worker_id == worker


async def test_all_who_asked_hear_that_it_cannot_be_known_and_may_ask_again(
    allocation: Allocation, standings: AskedStandings
) -> None:
    pairs = [(new_id(), new_id()) for _ in range(2)]
    allocation.away = True
    refused = await asyncio.gather(
        *(standings.of(w, [case]) for w, case in pairs), return_exceptions=True
    )
    allocation.away = False

    answers = await asyncio.gather(*(standings.of(w, [case]) for w, case in pairs))

    assert [type(each) for each in refused] == [StandingAway, StandingAway]
    assert all(answers)


async def test_it_is_remembered_that_no_list_names_an_id_outside_the_directory(
    allocation: Allocation, standings: AskedStandings
) -> None:
    worker, outside, case = new_id(), new_id(), new_id()
    allocation.outside = {outside}

    for _ in range(2):
        await asyncio.gather(*(standings.of(e, [case]) for e in (worker, outside)))

    # A worker who has nothing to do with the case may have in a moment.
    asked = [{each.worker_id for each in one.asked} for one in allocation.asked]
    assert asked == [{worker, outside}, {worker}]
