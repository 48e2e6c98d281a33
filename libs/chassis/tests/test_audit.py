"""What is decided is written before anybody is answered, and cannot be changed."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from accord_chassis import audit
from accord_chassis.audit import AuditAway, AuditLog, Entry
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.backing import Backing
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.process import LOOPBACK, Process, free_ports, locked
from accord_chassis.development.store import SECANTUSD, is_writable
from accord_chassis.entries import OPENED, place_in_chain
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.store import connect
from accord_chassis.testing import NOON, audited, eventually
from accord_chassis.topology import definitions
from accord_chassis.verification import Anchors, Report, anchors_in, verify
from chassis_audit import Client, again, entry, log_of, settings
from chassis_surroundings import Line, Proxy, logged
from chassis_toy import TOY, Toy, living, settings_for
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import OperationFailure


@pytest.fixture
async def log(store_client: Client, clock: SimulatedClock) -> AsyncIterator[AuditLog]:
    made = log_of(store_client, clock)
    yield made
    await store_client.drop_database(made.database.name)


async def stored(log: AuditLog) -> list[dict[str, Any]]:
    return await log.entries.find({}).sort("_id", 1).to_list()


async def examined(log: AuditLog, anchors: Anchors | None = None) -> Report:
    return await verify(log.entries, log.keys, anchors or Anchors())


async def test_what_was_written_is_there_with_all_that_was_said(log: AuditLog) -> None:
    said = entry(break_glass="a-glass", request_id="a-trace", channel="export")

    await log.write(said)

    assert await audited(log) == [said]


async def test_what_is_not_known_is_not_kept(log: AuditLog) -> None:
    said = entry(case_id=None, agency=None, worker=None, fields=(), request_id="t")

    await log.write(said)

    assert await audited(log) == [said]
    _, kept = await stored(log)
    assert not {"case_id", "agency", "worker", "break_glass"} & set(kept)


async def test_a_chain_begins_with_its_beginning_and_has_no_gap(
    log: AuditLog, clock: SimulatedClock
) -> None:
    await log.prepare()
    await log.write(entry())
    clock.advance(timedelta(seconds=1))
    await log.write(entry())

    opening, first, second = await stored(log)

    assert opening["action"] == OPENED
    assert opening["_id"].startswith("risk/20261102T120000000-")
    places = [place_in_chain(each["_id"]) for each in (opening, first, second)]
    assert [seq for _, seq in filter(None, places)] == [0, 1, 2]
    assert first["previous"] == opening["hash"]
    assert second["previous"] == first["hash"]
    assert second["at"] == NOON + timedelta(seconds=1)


async def test_two_hundred_at_once_share_one_chain_without_a_gap(
    log: AuditLog,
) -> None:
    wanted = [entry(subject=f"somebody-{each}", request_id="t") for each in range(200)]

    await asyncio.gather(*(log.write(each) for each in wanted))

    assert await audited(log) == wanted
    assert await examined(log) == Report(1, 201, 0, ())


async def test_processes_write_chains_of_their_own_at_the_same_time(
    log: AuditLog, store_client: Client, clock: SimulatedClock
) -> None:
    replica = await again(log, store_client, clock)

    await asyncio.gather(*(each.write(entry()) for each in (log, replica) * 20))

    assert await examined(log) == Report(2, 42, 0, ())


async def test_a_new_process_names_the_end_of_the_chain_before(
    log: AuditLog, store_client: Client, clock: SimulatedClock
) -> None:
    await log.write(entry())
    clock.advance(timedelta(days=1))
    successor = await again(log, store_client, clock)
    await successor.prepare()

    *_, last, opening = await stored(log)
    assert opening["after"] == last["_id"]
    assert opening["previous"] == last["hash"]

    await log.entries.delete_one({"_id": last["_id"]})
    [finding] = (await examined(log)).findings
    assert (finding.chain, finding.seq) == place_in_chain(last["_id"])


async def test_what_somebody_else_put_there_stops_no_chain(
    log: AuditLog,
) -> None:
    await log.entries.insert_many(
        [{"_id": "risk/~"}, {"_id": "risk/99990101T000000000-ffffffffffff/0000000000"}]
    )

    await log.write(entry())

    assert len((await examined(log)).findings) == 2


async def test_an_entry_whose_place_is_taken_ends_the_chain_and_is_not_confirmed(
    log: AuditLog,
) -> None:
    await log.write(entry())
    [*_, last] = await stored(log)
    chain, seq = place_in_chain(last["_id"]) or ("", 0)
    taken = f"{chain}/{seq + 1:010d}"
    await log.entries.insert_one({"_id": taken, "hash": b"somebody else's"})

    with pytest.raises(AuditAway):
        await log.write(entry())
    await log.write(entry())

    [finding] = (await examined(log)).findings
    assert (finding.chain, finding.seq) == (chain, seq + 1)
    [opening] = await log.entries.find({"after": last["_id"]}).to_list()
    assert opening["previous"] == last["hash"]


@asynccontextmanager
async def over_a_line(
    backing: Backing, clock: SimulatedClock
) -> AsyncIterator[tuple[AuditLog, Proxy]]:
    async with (
        Proxy(backing.store_url) as proxy,
        connect(proxy.url, serverSelectionTimeoutMS=2000) as client,
    ):
        made = log_of(client, clock)
        await made.prepare()
        yield made, proxy
        await proxy.become(Line.GOOD)
        await client.drop_database(made.database.name)


async def test_a_store_that_is_away_is_told_of_in_time_and_comes_back(
    backing_services: Backing, clock: SimulatedClock
) -> None:
    async with over_a_line(backing_services, clock) as (log, proxy):
        await log.write(entry(request_id="before"))
        for line in (Line.DEAD, Line.REFUSED):
            await proxy.become(line)
            async with asyncio.timeout(audit.WRITE_SECONDS + 2):
                with pytest.raises(AuditAway):
                    await log.write(entry(request_id="not known"))
            async with asyncio.timeout(audit.LOOK_SECONDS + 2):
                assert not await log.answers()
            await proxy.become(Line.GOOD)

            await eventually(log.answers)
            await log.write(entry(request_id="after"))

        said = {each.request_id for each in await audited(log)}
        assert {"before", "after"} <= said
        assert not (await examined(log)).findings


async def test_who_waits_behind_a_store_that_is_away_waits_no_longer(
    backing_services: Backing, clock: SimulatedClock
) -> None:
    async with over_a_line(backing_services, clock) as (log, proxy):
        await proxy.become(Line.DEAD)

        async with asyncio.timeout(audit.WRITE_SECONDS + 2):
            waiting = (log.write(entry()) for _ in range(3 * audit.BATCH))
            told = await asyncio.gather(*waiting, return_exceptions=True)

        assert {type(each) for each in told} == {AuditAway}
        assert "entry" not in repr(told[0])


async def test_who_looked_at_a_case_is_told_latest_first_and_page_by_page(
    log: AuditLog, clock: SimulatedClock
) -> None:
    for number in range(5):
        await log.write(entry(case_id="ours", subject=str(number)))
        await log.write(entry(case_id="another"))
        if number % 2:
            clock.advance(timedelta(seconds=1))

    found = []
    page = await log.looked_at("ours", limit=2)
    while page:
        found += page
        page = await log.looked_at("ours", after=page[-1].id, limit=2)

    assert [each.entry.subject for each in found] == ["4", "3", "2", "1", "0"]
    assert all(each.intact for each in found)
    assert await log.looked_at("ours", after="nothing") == []


async def test_who_looked_says_which_entry_somebody_changed(log: AuditLog) -> None:
    await log.write(entry())
    await log.entries.update_one({"case_id": "a-case"}, {"$set": {"subject": "other"}})

    [found] = await log.looked_at("a-case")

    assert not found.intact


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        ({"case_id": "a-case"}, [("at", -1), ("_id", -1)]),
        ({"at": {"$gte": NOON}}, [("at", 1)]),
    ],
)
async def test_every_question_has_an_index(
    log: AuditLog,
    backing_services: Backing,
    wanted: dict[str, Any],
    order: Sequence[tuple[str, int]],
) -> None:
    with MongoClient[dict[str, Any]](backing_services.store_url) as operator:
        audit.prepare(operator[log.database.name])
        audit.prepare(operator[log.database.name])
    await asyncio.gather(*(log.write(entry(case_id=str(n))) for n in range(50)))

    plan = await log.entries.find(wanted).sort(order).explain()

    assert "IXSCAN" in json.dumps(plan["queryPlanner"]["winningPlan"], default=str)


async def test_a_log_that_is_not_prepared_is_told_of_in_a_line(
    log: AuditLog, backing_services: Backing
) -> None:
    with logged() as before:
        await log.prepare()
    with MongoClient[dict[str, Any]](backing_services.store_url) as operator:
        audit.prepare(operator[log.database.name])
    with logged() as after:
        await log.prepare()

    assert [each["event"] for each in before] == ["audit.not_prepared"]
    assert not list(after)


def lines_in(folder: Path) -> list[dict[str, Any]]:
    [file] = folder.iterdir()
    return [json.loads(each) for each in file.read_text("utf-8").splitlines()]


async def test_heads_are_anchored_once_each_in_a_file_and_in_the_log(
    store_client: Client, clock: SimulatedClock, tmp_path: Path
) -> None:
    log = log_of(store_client, clock, settings(audit_anchors=tmp_path))
    with logged() as told:
        await log.anchor()
        await log.write(entry())
        await log.anchor()
        await log.anchor()
        await log.write(entry())
        await log.close()

    anchors = anchors_in(tmp_path, log.keys)
    written = lines_in(tmp_path)
    assert [each["seq"] for each in written] == [1, 2]
    assert anchors.findings == ()
    first, second = told.of("audit.anchored")
    assert written[0].items() <= first.items()
    assert written[1].items() <= second.items()
    assert (await examined(log, anchors)).anchored == 3

    await log.entries.drop()
    [finding] = (await examined(log, anchors)).findings
    assert (finding.chain, finding.fault) == (written[0]["chain"], "gone")
    await store_client.drop_database(log.database.name)


async def test_a_head_that_cannot_be_anchored_is_told_of_and_tried_again(
    store_client: Client, clock: SimulatedClock, tmp_path: Path
) -> None:
    folder = tmp_path / "mounted later"
    log = log_of(store_client, clock, settings(audit_anchors=folder))
    await log.write(entry())

    with logged() as told:
        await log.anchor()
    folder.mkdir()
    await log.anchor()

    assert "audit.not_anchored" in {each["event"] for each in told}
    assert len(lines_in(folder)) == 1
    await store_client.drop_database(log.database.name)


async def test_what_is_odd_is_told_by_its_entry_and_counted(
    store_client: Client, clock: SimulatedClock
) -> None:
    told = settings(audit_cases_an_hour=5, audit_refusals_an_hour=2)
    log = log_of(store_client, clock, told)
    with logged() as lines:
        for number in range(6):
            await log.write(entry(case_id=f"case-{number}"))
        for _ in range(3):
            await log.write(entry(outcome="refused"))
        await log.write(entry(break_glass="a-glass"))

    said = [each for each in lines if each["event"] == "lookups.odd"]
    reasons = [each["reason"] for each in said]
    assert reasons == ["many_cases", "many_refusals", "break_glass"]
    assert log.odd == 3
    names = [each["_id"] for each in await stored(log)]
    assert [names.index(each["entry"]) for each in said] == [6, 9, 10]
    # Whose look-ups they were is for those who may read the audit log.
    assert "somebody" not in json.dumps(said)
    await store_client.drop_database(log.database.name)


async def test_a_refused_write_shows_nothing_of_the_entry(
    log: AuditLog,
) -> None:
    await log.write(entry())
    [*_, last] = await stored(log)
    chain, seq = place_in_chain(last["_id"]) or ("", 0)
    await log.entries.insert_one({"_id": f"{chain}/{seq + 1:010d}"})

    with logged() as told, pytest.raises(AuditAway) as caught:
        await log.write(entry(subject="sentinel"))

    assert caught.value.__suppress_context__
    assert "sentinel" not in json.dumps(list(told)) + str(caught.value)


@contextmanager
def guarded_store(folder: Path) -> Iterator[str]:
    """A store that asks who is there, with a service's user as it should be."""
    folder.mkdir()
    [port] = free_ports(1)
    config = folder / "secantusd.toml"
    config.touch()
    command = [
        str(SECANTUSD), "--config", str(config), "--host", LOOPBACK,
        "--port", str(port), "--storage-path", str(folder / "data"),
        "--cache-size", "64M", "--log-file-max", "64MB", "--sync-on-commit",
    ]  # fmt: skip
    home = {"HOME": str(folder), "PATH": os.defpath}
    process = Process("secantusd-rs", folder)
    open_url = f"mongodb://{LOOPBACK}:{port}/?directConnection=true"
    user_url = f"mongodb://risk:word@{LOOPBACK}:{port}/risk?directConnection=true"
    with locked(folder, patience=0, otherwise="in use") as lock:
        try:
            process.start(command, home, lock=lock)
            process.wait_until_ready(lambda: is_writable(open_url), seconds=60)
            with MongoClient[dict[str, Any]](open_url) as administrator:
                audit.prepare(administrator["audit"])
                everything = {"db": "audit", "collection": ""}
                administrator["audit"].command(
                    "createRole",
                    "writer",
                    privileges=[{"resource": everything, "actions": audit.RIGHTS}],
                    roles=[],
                )
                own = {"role": "readWrite", "db": "risk"}
                writer = {"role": "writer", "db": "audit"}
                administrator["risk"].command(
                    "createUser", "risk", pwd="word", roles=[own, writer]
                )
            process.stop(patience=10)
            process.start([*command, "--auth"], home, lock=lock)
            process.wait_until_ready(lambda: is_writable(user_url), seconds=60)
            yield user_url
        finally:
            process.kill()


async def test_a_service_may_insert_and_find_and_nothing_else(
    tmp_path: Path, clock: SimulatedClock
) -> None:
    folder = tmp_path / "store"
    with guarded_store(folder) as url:
        async with connect(url) as client:
            log = log_of(client, clock, settings(audit_database="audit"))
            with logged() as told:
                await log.prepare()
                await log.write(entry())
                assert len(await log.looked_at("a-case")) == 1
            assert not list(told)
            assert not (await examined(log)).findings

            name = {"_id": {"$exists": True}}
            for harm in (
                log.entries.update_one(name, {"$set": {"subject": "other"}}),
                log.entries.replace_one(name, {"subject": "other"}),
                log.entries.find_one_and_update(name, {"$unset": {"subject": 1}}),
                log.entries.delete_one(name),
                log.entries.find_one_and_delete(name),
                log.entries.drop(),
                log.entries.rename("others"),
                log.entries.create_index("subject"),
                log.entries.drop_indexes(),
                log.entries.aggregate([{"$out": "entries"}]),
                client.drop_database("audit"),
                client["plans"]["plans"].insert_one({}),
            ):
                with pytest.raises(OperationFailure) as refused:
                    await harm
                assert refused.value.code == 13
            assert not (await examined(log)).findings


def test_an_entry_takes_every_field_of_its_contract() -> None:
    assert Entry.of(entry().document()) == entry()


async def test_a_service_writes_reads_and_anchors_for_as_long_as_it_lives(
    backing_services: Backing, issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    folder = tmp_path / "anchors"
    folder.mkdir()
    given = settings_for(backing_services.store_url, issuer, audit_anchors=folder)
    broker = InProcessBroker(definitions(TOY, vhost="test"))
    transport = InProcessTransport(broker, user="toy")
    async with living(given, issuer, transport=transport) as toy:
        await toy.service.started.wait()
        log = toy.service.parts[AuditLog]

        await log.write(entry())

        assert log is toy.service.audit
        assert len(await audited(log)) == 1
        told = (await toy.http.get("/ready")).json()["dependencies"]["audit"]
        assert told == {"ok": True, "odd": 0}
        for name in (given.database, given.audit_database):
            await toy.service.client.drop_database(name)
    broker.close()

    assert [each["seq"] for each in lines_in(folder)] == [1]


async def test_a_service_whose_audit_log_is_away_is_not_ready(
    backing_services: Backing, issuer: DevelopmentIssuer
) -> None:
    broker = InProcessBroker(definitions(TOY, vhost="test"))
    transport = InProcessTransport(broker, user="toy")
    async with Proxy(backing_services.store_url) as proxy:
        url = SecretStr(proxy.url)
        given = settings_for(backing_services.store_url, issuer, audit_url=url)
        async with living(given, issuer, transport=transport) as toy:
            await toy.service.started.wait()
            assert await toy.ready() == (200, READY)

            await proxy.become(Line.REFUSED)
            assert await toy.ready() == (503, {**READY, "audit": False})

            await proxy.become(Line.GOOD)
            await eventually(lambda: as_ready(toy))
            for name in (given.database, given.audit_database):
                await toy.service.client.drop_database(name)
    broker.close()


READY = dict.fromkeys(("store", "audit", "broker", "consumer", "outbox"), True)


async def as_ready(toy: Toy) -> bool:
    return await toy.ready() == (200, READY)
