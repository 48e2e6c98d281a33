"""Doing at once what many ask for."""

import asyncio
from collections.abc import Sequence

import pytest
from accord_chassis.batching import Batcher, ByLane, in_lane
from accord_contracts.message import Lane


async def test_what_is_asked_in_the_same_moment_is_answered_together() -> None:
    batches: list[list[int]] = []

    async def double(questions: Sequence[int]) -> list[int | BaseException]:
        batches.append(list(questions))
        return [each * 2 for each in questions]

    ask = Batcher(double)
    answers = await asyncio.gather(*(ask(each) for each in range(10)))

    assert answers == [each * 2 for each in range(10)]
    assert batches == [list(range(10))]


async def test_what_comes_meanwhile_waits_for_the_next_batch() -> None:
    batches: list[list[int]] = []
    go_on = asyncio.Event()

    async def slow(questions: Sequence[int]) -> list[int | BaseException]:
        batches.append(list(questions))
        await go_on.wait()
        return list(questions)

    ask = Batcher(slow, limit=3)
    first = asyncio.create_task(ask(0))
    while not batches:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(ask(each)) for each in range(1, 6)]
    go_on.set()
    await asyncio.gather(first, *rest)

    assert batches == [[0], [1, 2, 3], [4, 5]]


async def test_an_answer_that_is_a_fault_concerns_its_own_question_only() -> None:
    async def picky(questions: Sequence[int]) -> list[int | BaseException]:
        return [LookupError() if each == 1 else each for each in questions]

    ask = Batcher(picky)
    answers = await asyncio.gather(
        *(ask(each) for each in range(3)), return_exceptions=True
    )

    assert answers[0] == 0
    assert isinstance(answers[1], LookupError)
    assert answers[2] == 2


async def test_a_failed_batch_fails_all_who_asked_and_nobody_after() -> None:
    fail = True

    async def sometimes(questions: Sequence[int]) -> list[int | BaseException]:
        if fail:
            raise ConnectionError
        return list(questions)

    ask = Batcher(sometimes)
    outcomes = await asyncio.gather(ask(1), ask(2), return_exceptions=True)
    assert [type(each) for each in outcomes] == [ConnectionError, ConnectionError]

    fail = False
    assert await ask(3) == 3


async def test_who_gave_up_waiting_does_not_disturb_the_others() -> None:
    go_on = asyncio.Event()

    async def slow(questions: Sequence[int]) -> list[int | BaseException]:
        await go_on.wait()
        return list(questions)

    ask = Batcher(slow)
    patient, hasty = asyncio.create_task(ask(1)), asyncio.create_task(ask(2))
    await asyncio.sleep(0)
    hasty.cancel()
    go_on.set()

    assert await patient == 1
    with pytest.raises(asyncio.CancelledError):
        await hasty


async def test_what_nobody_waits_for_gathers_for_a_while() -> None:
    batches: list[list[int]] = []

    async def keep(questions: Sequence[int]) -> list[int | BaseException]:
        batches.append(list(questions))
        return list(questions)

    ask = Batcher(keep, linger=0.05)
    first = asyncio.create_task(ask(1))
    await asyncio.sleep(0.01)
    await asyncio.gather(first, ask(2))

    assert batches == [[1, 2]]


async def test_what_is_urgent_waits_for_no_batch_of_routine_questions() -> None:
    go_on, batches = asyncio.Event(), list[list[str]]()

    async def slow(questions: Sequence[str]) -> list[str | BaseException]:
        batches.append(list(questions))
        if "routine" in questions:
            await go_on.wait()
        return list(questions)

    async def asked(question: str, lane: Lane) -> str:
        with in_lane(lane):
            return await ask(question)

    ask = ByLane(slow, limit=100)
    routine = asyncio.create_task(asked("routine", Lane.ROUTINE))
    while not batches:
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        urgent = await asked("urgent", Lane.URGENT)
        by_a_person = await ask("by a person")
    waits = not routine.done()
    go_on.set()

    assert (urgent, by_a_person) == ("urgent", "by a person")
    assert waits
    assert await routine == "routine"
