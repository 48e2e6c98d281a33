"""What notify asks of the directory, of a real server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from accord_chassis.asking import Peer, ServiceToken
from accord_chassis.testing import new_id
from notify.asks import Directory, DirectoryAway
from notify_builders import WorkersDirectory
from pydantic import SecretStr

SENTINEL = "sentinel@example.org"

GIVEN = ServiceToken(given=SecretStr("token"))


@pytest.fixture
async def trusting(workers: WorkersDirectory) -> AsyncIterator[Directory]:
    """Who asks it, and believes an answer for a minute."""
    peer = Peer(f"{workers.url}/", GIVEN)
    yield Directory(peer)
    await peer.close()


async def test_a_worker_is_looked_up(
    directory: Directory, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    worker = workers.knows(email=SENTINEL, deputy=deputy)

    found = await directory.contact(worker)

    assert found
    assert (found.email, found.deputy, found.team_lead) == (SENTINEL, deputy, None)
    assert await directory.contact(new_id()) is None


async def test_an_answer_is_believed_for_a_while(
    trusting: Directory, workers: WorkersDirectory
) -> None:
    worker, nobody = workers.knows(), new_id()

    for _ in range(3):
        assert await trusting.contact(worker)
        assert await trusting.contact(nobody) is None

    # That nobody is there is asked again: whoever comes is to be told at once.
    assert workers.asked == {worker: 1, nobody: 3}


async def test_many_who_ask_at_once_ask_once(
    trusting: Directory, workers: WorkersDirectory
) -> None:
    coordinator = workers.has_on_duty()

    found = await asyncio.gather(*(trusting.coordinators() for _ in range(100)))

    assert {each.worker_id for all_ in found for each in all_} == {coordinator}
    assert workers.asked["coordinators"] == 1


async def test_a_gap_in_the_rota_passes(
    directory: Directory, workers: WorkersDirectory
) -> None:
    assert await directory.coordinators() == ()

    coordinator = workers.has_on_duty()

    assert [e.worker_id for e in await directory.coordinators()] == [coordinator]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_refusing_directory_counts_as_away(
    directory: Directory, workers: WorkersDirectory, status: int
) -> None:
    worker = workers.knows()
    workers.status = status

    with pytest.raises(ConnectionError):
        await directory.contact(worker)

    workers.status = 200
    assert await directory.contact(worker)


@pytest.mark.parametrize("body", [b"", b"no json", b"{}", b'{"worker_id": 7}'])
async def test_an_answer_that_breaks_the_contract_counts_as_away(
    directory: Directory, workers: WorkersDirectory, body: bytes
) -> None:
    workers.body = body

    with pytest.raises(DirectoryAway):
        await directory.contact(workers.knows())


async def test_what_an_answer_holds_is_in_no_exception(
    directory: Directory, workers: WorkersDirectory
) -> None:
    workers.body = f'{{"email": "{SENTINEL}"}}'.encode()

    with pytest.raises(DirectoryAway) as raised:
        await directory.contact(workers.knows())

    assert SENTINEL not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


async def test_an_unreachable_directory_is_away() -> None:
    peer = Peer("http://127.0.0.1:9", GIVEN)
    directory = Directory(peer)

    with pytest.raises(DirectoryAway):
        await directory.coordinators()

    await peer.close()


async def test_the_token_is_shown(
    directory: Directory, workers: WorkersDirectory
) -> None:
    worker = workers.knows()
    workers.token = "another"

    with pytest.raises(DirectoryAway):
        await directory.contact(worker)

    workers.token = "token"
    assert await directory.contact(worker)


async def test_a_token_is_read_again_when_its_file_changes(
    workers: WorkersDirectory, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    worker = workers.knows()
    peer = Peer(workers.url, ServiceToken(file=file))
    directory = Directory(peer, fresh_seconds=0)
    workers.token = "old"
    assert await directory.contact(worker)

    # As an orchestrator does it: another file is put in its place.
    (tmp_path / "rotated").write_text("new\n")
    (tmp_path / "rotated").replace(file)
    workers.token = "new"

    assert await directory.contact(worker)
    await peer.close()


async def test_a_missing_token_file_passes(
    workers: WorkersDirectory, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("token")
    peer = Peer(workers.url, ServiceToken(file=file))
    directory = Directory(peer, fresh_seconds=0)
    worker = workers.knows()
    file.unlink()

    with pytest.raises(DirectoryAway):
        await directory.contact(worker)

    file.write_text("token")
    assert await directory.contact(worker)
    await peer.close()
