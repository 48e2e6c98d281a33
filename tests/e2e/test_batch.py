"""Many referrals in one request: each line is taken, or refused, for itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from accord import directory
from accord.client import Answer, Client
from accord.faults import CannotGoOn
from app import Region, eventually
from people import REFERRALS, ReferringAgency, Somebody

NDJSON = {"content-type": "application/x-ndjson"}

SENTINEL = "Sentinelsdottir"


async def post_lines(
    region: Region,
    agency: ReferringAgency,
    lines: list[bytes],
    headers: dict[str, str] | None = None,
) -> Answer:
    """Post a batch."""
    async with Client(region.url, token=agency.token) as client:
        return await client.request(
            "POST",
            f"{REFERRALS}/batch",
            body=b"\n".join(lines),
            headers=NDJSON if headers is None else headers,
        )


def results(answer: Answer) -> list[dict[str, Any]]:
    """Read a result for each line."""
    assert answer.status == 200
    return [json.loads(each) for each in answer.body.splitlines()]


def line(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode()


async def test_every_line_has_its_result_and_every_accepted_one_its_response(
    region: Region, police: ReferringAgency
) -> None:
    good = [region.referral() for _ in range(120)]
    nameless = region.referral(people=[{"role": "person_harmed"}])
    strange = region.referral() | {SENTINEL: 1}
    unasked = region.referral()
    unasked["answers"] = {"sentinelsdottir_said": "yes"}
    lines = [*map(line, good), line(good[0]), line(nameless), line(strange)]
    lines += [line(unasked), b'{"people": ', b"", line(good[1] | {"narrative": "x"})]

    answer = await post_lines(region, police, lines)

    told = results(answer)
    assert [each["status"] for each in told] == [
        *["accepted"] * 120, "repeated", *["refused"] * 5
    ]  # fmt: skip
    assert [each["line"] for each in told[-6:]] == [121, 122, 123, 124, 125, 127]
    problems = [each["problem"]["type"] for each in told if "problem" in each]
    assert problems[:4] == ["urn:accord:problem:invalid-request"] * 4
    assert problems[4] == "urn:accord:problem:key-used-before"
    assert SENTINEL.casefold().encode() not in answer.body.lower()
    for each in told[:120]:
        assert await eventually(region.case_of(each["receipt"]["referral_id"]))


async def test_a_batch_posted_again_changes_nothing(
    region: Region, police: ReferringAgency
) -> None:
    lines = [line(region.referral()) for _ in range(5)]
    first = results(await post_lines(region, police, lines))
    await eventually(region.is_quiet)
    before = await region.documents()

    second = results(await post_lines(region, police, lines))

    assert {each["status"] for each in second} == {"repeated"}
    assert [each["receipt"] for each in second] == [each["receipt"] for each in first]
    await eventually(region.is_quiet)
    assert await region.documents() == before


async def test_a_batch_is_sent_as_what_it_is(
    region: Region, police: ReferringAgency
) -> None:
    lines = [line(region.referral())]

    answer = await post_lines(region, police, lines, {"content-type": "text/plain"})

    assert answer.status == 415


async def test_a_line_that_is_too_long_spoils_no_other(
    region: Region, police: ReferringAgency
) -> None:
    long = region.referral(narrative="x" * 70_000)

    told = results(
        await post_lines(region, police, [line(long), line(region.referral())])
    )

    assert [each["status"] for each in told] == ["refused", "accepted"]
    assert told[0]["problem"]["status"] == 413


async def test_the_directory_goes_out_and_comes_in_as_files(
    region: Region, tmp_path: Path
) -> None:
    # Whoever is in the sheet does not send it.
    administrator = Somebody(region, "administrator", "allocation.admin")
    where = (region.url, administrator.token)
    told = {
        "about": {"name": SENTINEL, "description": "A refuge."},
        "services": [{"role": "whanau_support_worker", "languages": ["mi"]}],
    }
    path = "/api/allocation/v1/providers/files_refuge"
    assert (await region.coordinator.sends("PUT", path, told)).ok

    for kind in directory.Format:
        file = tmp_path / f"directory.{kind}"
        directory.write(file, await directory.give_out(kind, where))
        assert file.stat().st_mode & 0o077 == 0
        assert await directory.take_in(directory.read(file), kind, where)

    wrong = json.loads((tmp_path / "directory.hsds").read_bytes())
    wrong["contents"][0]["attributes"] = []
    with pytest.raises(CannotGoOn) as refused:
        await directory.take_in(
            json.dumps(wrong).encode(), directory.Format.HSDS, where
        )
    assert "/contents/0/attributes (no role)" in str(refused.value)
    assert SENTINEL not in str(refused.value)
    with pytest.raises(CannotGoOn):
        await directory.give_out(directory.Format.CSV, (region.url, "none"))
