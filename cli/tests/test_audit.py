"""The audit log, as an operator asks about it on the command line."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from accord.deployment import Deployment
from accord.surroundings import Surroundings
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.audit import INDEXES, AuditLog
from accord_chassis.clock import SystemClock
from accord_chassis.settings import ChassisSettings
from chassis_audit import entry, log_of, settings
from cli_verbs import Accord, token_of
from pymongo import AsyncMongoClient

Client = AsyncMongoClient[dict[str, Any]]

OURS = str(uuid4())
"""The case that is asked about."""


@pytest.fixture
def deployment(region: Surroundings) -> Deployment:
    """The region as its auditor knows it."""
    return Deployment(
        region=region.region,
        store_url=region.store_url,
        audit_database=region.database_of("audit"),
        audit_key=region.audit_key,
        jwks_url=region.issuer.jwks_url,
        issuer=DEVELOPMENT_ISSUER,
        operator_token=token_of(region, "auditor", roles=["auditor"]),
    )


@pytest.fixture
def told(deployment: Deployment, tmp_path: Path) -> ChassisSettings:
    anchors = tmp_path / "anchors"
    anchors.mkdir()
    return settings(
        audit_database=deployment.audit_database,
        audit_key=deployment.audit_key,
        audit_anchors=anchors,
    )


@pytest.fixture
async def log(store_client: Client, told: ChassisSettings) -> AsyncIterator[AuditLog]:
    """What a service of the region has written."""
    made = log_of(store_client, SystemClock(), told, writer="plans")
    await made.write(entry(case_id=OURS, subject="first"))
    await made.write(entry(case_id=OURS, worker="second", action="plan.agree"))
    await made.write(entry(case_id="another"))
    await made.anchor()
    yield made
    await store_client.drop_database(told.audit_database)


async def test_a_region_is_prepared_and_may_be_again(
    accord: Accord, log: AuditLog
) -> None:
    prepared = accord("audit", "prepare")

    assert prepared.returncode == 0, prepared.stderr
    assert len(await log.entries.index_information()) == len(INDEXES) + 1


def test_a_log_in_order_is_said_to_be(accord: Accord, log: AuditLog) -> None:
    verified = accord("audit", "verify", "--anchors", "anchors")

    assert log.odd == 0
    assert verified.returncode == 0, verified.stderr
    assert "1 chains, 4 entries, 4 of them vouched for" in verified.stdout


async def test_what_was_taken_away_is_found(accord: Accord, log: AuditLog) -> None:
    [*_, last] = await log.entries.find({}).sort("_id", 1).to_list()
    await log.entries.delete_one({"_id": last["_id"]})

    believed = accord("audit", "verify")
    verified = accord("audit", "verify", "--json", ACCORD_AUDIT_ANCHORS="anchors")

    assert believed.returncode == 0
    assert verified.returncode == 1
    told = json.loads(verified.stdout)
    chain = last["_id"].rpartition("/")[0]
    assert told["findings"] == [{"chain": chain, "seq": 3, "fault": "cut_off"}]


async def test_what_was_edited_is_found_and_shown_as_such(
    accord: Accord, log: AuditLog
) -> None:
    await log.entries.update_one(
        {"subject": "first"}, {"$set": {"worker": "somebody else"}}
    )

    verified = accord("audit", "verify")
    shown = accord("audit", "who", OURS)

    assert verified.returncode == 1
    assert "is not to be trusted from entry 1 on" in verified.stdout
    assert "ALTERED plan.read a-plan" in shown.stdout


def test_who_looked_at_a_case_is_said_latest_first(
    accord: Accord, log: AuditLog
) -> None:
    shown = accord("audit", "who", OURS)
    [asked, *document] = json.loads(accord("audit", "who", OURS, "--json").stdout)
    nobody = accord("audit", "who", str(uuid4()))
    together = accord("audit", "who", str(uuid4()), OURS, "--json")

    assert log.odd == 0
    # Whoever asks who looked has looked, too.
    assert (asked["action"], asked["subject"]) == ("audit.who", "auditor")
    assert asked["rule"] == "auditor"
    assert json.loads(together.stdout)[2:] == document
    rows = shown.stdout.splitlines()
    assert ["plan.agree" in rows[1], "plan.read" in rows[2], len(rows)] == [
        True
    ] * 2 + [3]
    for said in ("second", "police", "fva20_a", "case_team", "identity, safety"):
        assert said in rows[1]
    assert [each["subject"] for each in document] == ["somebody", "first"]
    assert all(each["intact"] for each in document)
    assert nobody.stdout == "Nobody, as far as is recorded.\n"


@pytest.mark.usefixtures("log")
def test_whoever_looks_is_on_record_as_what_they_are(
    accord: Accord, region: Surroundings
) -> None:
    token = token_of(region, "officer", roles=["operator", "privacy_officer"])

    accord("audit", "who", OURS, ACCORD_OPERATOR_TOKEN=token)

    [asked, *_] = json.loads(accord("audit", "who", OURS, "--json").stdout)
    assert (asked["subject"], asked["rule"]) == ("officer", "privacy_officer")


async def test_no_name_that_is_asked_for_goes_on_record(
    accord: Accord, log: AuditLog
) -> None:
    asked = accord("audit", "who", OURS, "Mere Sentinel")

    assert asked.returncode == 1
    assert "A case is named by its id" in asked.stderr
    assert "Sentinel" not in asked.stderr
    assert await log.entries.count_documents({"action": "audit.who"}) == 0


async def test_what_is_odd_is_found_over_all_services(
    accord: Accord, log: AuditLog, told: ChassisSettings, store_client: Client
) -> None:
    # Neither service saw anything odd.
    other = log_of(store_client, SystemClock(), told)
    for number in range(3):
        await log.write(entry(case_id=f"one-{number}"))
        await other.write(entry(case_id=f"other-{number}"))

    odd = accord("audit", "odd", "--cases", "5", "--json")
    none = accord("audit", "odd")

    assert log.odd == other.odd == 0
    [found] = json.loads(odd.stdout)
    assert (found["reason"], found["subject"]) == ("many_cases", "somebody")
    assert none.stdout == "Nothing odd.\n"


def test_what_is_missing_is_said(accord: Accord) -> None:
    without_key = accord("audit", "verify", ACCORD_AUDIT_KEY="")
    without_anchors = accord("audit", "verify", "--anchors", "nowhere")
    away = accord("audit", "who", OURS, ACCORD_STORE_URL="mongodb://u:word@127.0.0.1:1")

    assert "The key in ACCORD_AUDIT_KEY is needed." in without_key.stderr
    assert "The anchors in nowhere cannot be read" in without_anchors.stderr
    assert "does not answer" in away.stderr
    for each in (without_key, without_anchors, away):
        assert each.returncode == 1
        assert "word" not in each.stderr
