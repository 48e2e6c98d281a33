"""The invented world is put into a deployment that runs and knows nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from accord.actors import CREDENTIALS, Signed
from accord.client import Client
from accord.gateway import gateway
from accord.platform import Platform
from accord.serving import listen, serving
from accord.surroundings import Surroundings
from accord.world import AGENCIES, World
from cli_verbs import LOCALITY, run_in


@pytest.fixture
async def url(region: Surroundings, tmp_path: Path) -> AsyncIterator[str]:
    """Five processes that nobody has told anything yet, behind one address."""
    listening = listen(None)
    async with (
        Platform(region, tmp_path / "services", behind="/api") as platform,
        gateway(platform.addresses) as app,
        serving(app, listening),
    ):
        await platform.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def tokens(region: Surroundings, tmp_path: Path) -> Path:
    """A directory as an operator fills it for the command."""
    signed = Signed(region.issuer, region=region.region, world=World(LOCALITY))
    folder = tmp_path / "tokens"
    folder.mkdir()
    for who in CREDENTIALS:
        (folder / who).write_text(f"{signed.of(who)}\n")
    return folder


async def test_agencies_staff_rotas_and_a_referral_are_there_however_often(
    url: str, tokens: Path, tmp_path: Path
) -> None:
    words = ("world", "load", "--url", url, "--tokens", str(tokens), "--yes", "--json")
    answers = [await asyncio.to_thread(run_in, tmp_path, *words) for _ in range(2)]

    assert [each.returncode for each in answers] == [0, 0], answers[0].stderr
    first, second = (json.loads(each.stdout) for each in answers)
    assert first["referral_id"] != second["referral_id"]
    async with Client(url, token=(tokens / "coordinator").read_text().strip()) as asked:
        workers = (await asked.get("/api/allocation/v1/workers")).json()
        rotas = (await asked.get("/api/allocation/v1/rotas")).json()
    async with Client(url, token=(tokens / "police").read_text().strip()) as police:
        path = second["status_url"].removeprefix(url)
        told = (await police.get(path)).json()
    staff = {each.id for each in World(LOCALITY).staff()}
    assert first["workers"] == len(staff)
    assert json.dumps(workers).count('"worker_id"') == len(staff)
    assert [len(each["shifts"]) > 0 for each in rotas] == [True]
    assert first["agencies"] == len(AGENCIES)
    assert told["assessed_at"]


def test_it_says_whose_token_is_missing(tmp_path: Path) -> None:
    words = ("world", "load", "--url", "http://127.0.0.1:1", "--tokens", str(tmp_path))
    refused = run_in(tmp_path, *words, "--yes")

    assert refused.returncode == 1
    assert "There is no token of administrator" in refused.stderr


def test_it_says_that_nobody_answers(tmp_path: Path) -> None:
    (tmp_path / "administrator").write_text("a token")
    words = ("world", "load", "--url", "http://127.0.0.1:1", "--tokens", str(tmp_path))
    refused = run_in(tmp_path, *words, "--yes")

    assert refused.returncode == 1
    assert "http://127.0.0.1:1 does not answer" in refused.stderr


def test_it_asks_before_it_puts_anybody_anywhere(tmp_path: Path) -> None:
    words = ("world", "load", "--url", "http://127.0.0.1:1", "--tokens", str(tmp_path))
    refused = run_in(tmp_path, *words)

    assert refused.returncode == 1
    assert "invented people" in refused.stdout + refused.stderr
