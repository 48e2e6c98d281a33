"""The demonstration: one command, a whole region, and nothing left behind."""

import json
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from accord.catalogue import SERVICES
from accord.deployment import HERE, Deployment, running
from accord.management import Management
from accord.world import World
from accord_chassis.development.process import wait_until
from accord_contracts.publish import fingerprint
from cli_verbs import COMMAND, LOCALITY, environment, processes_in, run_in

WITHIN = 200

STAGES = ("received", "assessed", "notified", "planned", "allocated", "agreed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder: Path) -> Iterator[dict[str, Any]]:
    """A demonstration that runs for all tests of this module, and what it told."""
    with start(folder, "--speed", "40") as started:
        yield first_document(started)


@pytest.fixture
def deployed(told: dict[str, Any], folder: Path) -> Deployment:
    state = running(folder / HERE)
    assert state is not None
    assert state["pid"] == told["pid"]
    return Deployment.model_validate(state["deployment"])


@contextmanager
def start(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a demonstration, which ends with the block if not before."""
    with subprocess.Popen(
        [str(COMMAND), "demo", "--json", *words],
        cwd=folder,
        env=environment({"ACCORD_LOCALITY": str(LOCALITY)}),
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.terminate()
            started.wait(WITHIN)


def first_document(started: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for what a demonstration tells once it runs."""
    assert started.stdout is not None
    ready, _, _ = select.select([started.stdout], [], [], WITHIN)
    assert ready, "the demonstration told nothing in time"
    document: dict[str, Any] = json.loads(started.stdout.readline())
    assert "failed" not in document, document
    return document


def get(
    told: dict[str, Any], folder: Path, path: str, *, role: str = ""
) -> httpx2.Response:
    headers = {}
    if role:
        token = (folder / HERE / "tokens" / role).read_text()
        headers["authorization"] = f"Bearer {token}"
    return httpx2.get(f"{told['url']}{path}", headers=headers, timeout=30)


def test_it_tells_how_long_each_step_and_each_stage_of_the_self_test_took(
    told: dict[str, Any],
) -> None:
    times = told["self_test_milliseconds"]

    assert tuple(times) == STAGES
    assert list(times.values()) == sorted(times.values())
    assert list(told["stages_seconds"]) == [
        "machine", "backing", "topology", "services", "world", "self_test",
    ]  # fmt: skip


def test_status_shows_what_it_is_and_where(told: dict[str, Any], folder: Path) -> None:
    shown = run_in(folder, "status")

    assert shown.returncode == 0
    assert "Invented data, not for real cases." in shown.stdout
    for service in SERVICES:
        assert f"{told['url']}/api/{service}/docs" in shown.stdout


@pytest.mark.usefixtures("told")
def test_doctor_finds_everything_well(folder: Path) -> None:
    answered = run_in(folder, "doctor", "--json")

    findings = {each["what"]: each for each in json.loads(answered.stdout)["findings"]}
    assert answered.returncode == 0, answered.stdout
    assert findings["topology"]["verdict"] == "ok"
    assert findings["migrations"]["verdict"] == "ok"
    assert fingerprint() in findings["contracts"]["told"]
    assert {f"service {each}" for each in SERVICES} <= findings.keys()
    assert (folder / HERE / "tokens" / "police").read_text() not in answered.stdout
    password = (folder / HERE / "backing" / "broker" / "password").read_text()
    assert password not in answered.stdout


def test_doctor_finds_a_removed_binding(deployed: Deployment, folder: Path) -> None:
    with Management(deployed.need_management()) as management:
        management.delete(
            "bindings", deployed.vhost, "e", "accord.events", "q",
            "notify.routine", "risk.reassessment_due.v1.routine",
        )  # fmt: skip

    answered = run_in(folder, "doctor")
    run_in(folder, "topology", "apply")

    assert answered.returncode == 2
    assert "risk.reassessment_due.v1.routine" in answered.stdout
    assert "topology: `accord topology check` names all" in answered.stdout
    assert run_in(folder, "topology", "check").returncode == 0


def test_the_documentation_needs_nothing_from_elsewhere(
    told: dict[str, Any], folder: Path
) -> None:
    for service in SERVICES:
        page = get(told, folder, f"/api/{service}/docs")
        described = get(told, folder, f"/api/{service}/openapi.json").json()

        assert page.status_code == 200
        assert "https://" not in page.text
        assert described["servers"] == [{"url": f"/api/{service}"}]
    assert (
        get(told, folder, "/api/risk/docs-assets/swagger-ui-bundle.js").status_code
        == 200
    )


def test_every_role_may_do_its_own_and_nothing_else(
    told: dict[str, Any], folder: Path
) -> None:
    inbox = "/api/notify/v1/inbox"

    assert get(told, folder, inbox).status_code == 401
    assert get(told, folder, inbox, role="police").status_code == 403
    assert get(told, folder, inbox, role="specialist").status_code == 200
    workers = "/api/allocation/v1/workers"
    assert get(told, folder, workers, role="specialist").status_code == 403
    assert len(get(told, folder, workers, role="coordinator").json()["workers"]) == 25


def post_example(told: dict[str, Any], folder: Path) -> httpx2.Response:
    """Post the example as the banner and the README say."""
    return post(told, folder, (folder / HERE / "example-referral.json").read_bytes())


def post(told: dict[str, Any], folder: Path, referral: bytes) -> httpx2.Response:
    """Post a referral as the police."""
    token = (folder / HERE / "tokens" / "police").read_text()
    return httpx2.post(
        f"{told['url']}/api/referrals/v1/referrals",
        content=referral,
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
        },
        timeout=30,
    )


def test_the_example_referral_can_be_posted(told: dict[str, Any], folder: Path) -> None:
    answer = post_example(told, folder)

    assert answer.status_code == 202, answer.text


def test_an_agencys_system_gets_a_token_as_from_a_real_provider(
    told: dict[str, Any], folder: Path
) -> None:
    known = f"{told['url']}/issuer/.well-known/oauth-authorization-server"
    endpoint = httpx2.get(known).json()["token_endpoint"]
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:"
        "jwt-bearer",
        "client_assertion": run_in(folder, "assertion", "hospital").stdout.strip(),
    }

    first, again = (httpx2.post(endpoint, data=form, timeout=30) for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 401)
    mine = httpx2.get(
        f"{told['url']}/api/referrals/v1/referrals/{UUID(int=0)}",
        headers={"authorization": f"Bearer {first.json()['access_token']}"},
    )
    assert mine.status_code == 404
    assert run_in(folder, "assertion", "kura").returncode == 1


@pytest.mark.usefixtures("told")
def test_the_invented_world_goes_on(folder: Path) -> None:
    words = ("events", "tail", "--json", "--count", "3", "--type", "risk.assessed.*")

    seen = run_in(folder, *words).stdout.splitlines()

    assert [json.loads(each)["envelope"]["type"] for each in seen] == [
        "risk.assessed.v1"
    ] * 3


def test_a_file_is_replayed_and_what_is_wrong_in_it_named_without_values(
    told: dict[str, Any], folder: Path
) -> None:
    world = World(LOCALITY, told["pid"])
    now = datetime.now(UTC)
    good = [world.referral(f"file-{number}", now) for number in range(5)]
    bad = world.referral("file-bad", now)
    bad["people"][0]["role"] = "sentinel"
    lines = [json.dumps(each) for each in [*good, good[0], bad]]
    file = folder / "referrals.ndjson"
    file.write_text("\n".join([*lines, "no json sentinel", ""]))

    first = run_in(folder, "replay", file.name, "--json", "--concurrency", "2")
    again = run_in(folder, "replay", file.name)

    summary = json.loads(first.stdout)
    assert (summary["accepted"], summary["repeated"]) == (5, 1)
    reasons = {each["reason"]: each["first_line"] for each in summary["refused"]}
    assert reasons["/body/people/0/role enum"] == 7
    assert sorted(reasons.values()) == [7, 8]
    assert summary["milliseconds"]["answered"]["count"] == 8
    assert summary["milliseconds"]["assessed"]["count"] >= 1
    assert first.returncode == 1
    assert "0 accepted, 6 repeated, 2 refused" in again.stdout
    assert "sentinel" not in first.stdout + first.stderr + again.stdout + again.stderr


@pytest.mark.usefixtures("told")
def test_a_second_one_in_the_same_directory_is_refused(folder: Path) -> None:
    refused = run_in(folder, "demo", "--once", "--json")

    assert refused.returncode == 1
    assert json.loads(refused.stdout)["failed"] == "This machine checked"
    assert "A demonstration runs in .accord already." in refused.stderr
    assert "`accord status` shows it" in refused.stderr


def test_what_runs_cannot_be_reset(told: dict[str, Any], folder: Path) -> None:
    refused = run_in(folder, "reset", "--yes")

    assert refused.returncode == 1
    assert "A demonstration runs here." in refused.stderr
    assert get(told, folder, "/api/risk/live").status_code == 200


@pytest.mark.usefixtures("told")
def test_mail_is_captured_and_tells_nothing(folder: Path) -> None:
    letters = list((folder / HERE / "mail").glob("*.eml"))

    assert letters
    for each in letters:
        text = each.read_text()
        assert "accord.example" in text
        assert not any(name in text for name in ("strangulation", "violence"))


def test_an_answer_is_given_by_the_link_in_a_letter_once(
    told: dict[str, Any], folder: Path
) -> None:
    page = re.compile(re.escape(told["url"]) + r"/acknowledge/[A-Za-z0-9_-]{46}")
    mail = folder / HERE / "mail"
    before = set(mail.glob("*.eml"))
    world = World(LOCALITY, told["pid"])
    grave = json.dumps(world.grave_referral("by-link", datetime.now(UTC))).encode()
    assert post(told, folder, grave).status_code == 202

    def links() -> list[str]:
        new = set(mail.glob("*.eml")) - before
        letters = [message_from_bytes(e.read_bytes(), policy=default) for e in new]
        return [link for e in letters for link in page.findall(e.get_content())]

    assert wait_until(lambda: bool(links()), seconds=WITHIN)
    link = links()[0]

    looked_at = [httpx2.get(link) for _ in range(2)]
    said = [httpx2.post(link, data={"verb": "known"}) for _ in range(2)]

    assert [each.status_code for each in (*looked_at, *said)] == [200, 200, 200, 404]
    assert looked_at[0].headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("told")
def test_log_lines_stand_in_the_file_of_their_service(folder: Path) -> None:
    for service in SERVICES:
        lines = (folder / HERE / "logs" / f"{service}.log").read_text().splitlines()
        assert {json.loads(each)["service"] for each in lines} == {service}


def test_as_five_processes_it_ends_in_good_order_and_begins_again_on_its_data(
    tmp_path: Path,
) -> None:
    with start(tmp_path, "--processes") as started:
        document = first_document(started)
        assert document["processes"]
        assert post_example(document, tmp_path).status_code == 202
        assert len([each for each in processes_in(tmp_path) if " -m " in each]) >= 5

        began = time.monotonic()
        started.send_signal(signal.SIGTERM)

        assert started.wait(WITHIN) == 0
        assert time.monotonic() - began < 60
    assert processes_in(tmp_path) == []
    assert run_in(tmp_path, "status").returncode == 1

    with start(tmp_path, "--processes") as again:
        document = first_document(again)
        # What the first one told is here still, and its reference is taken.
        assert post_example(document, tmp_path).status_code == 202
        again.send_signal(signal.SIGTERM)
        assert again.wait(WITHIN) == 0
    assert processes_in(tmp_path) == []
    assert run_in(tmp_path, "reset", "--yes").returncode == 0
    assert not (tmp_path / HERE).exists()


def test_killed_it_leaves_no_process(tmp_path: Path) -> None:
    with start(tmp_path) as started:
        first_document(started)
        started.kill()

    def gone() -> bool:
        return not processes_in(tmp_path)

    assert wait_until(gone, seconds=20), processes_in(tmp_path)
    assert run_in(tmp_path, "status").returncode == 1


def test_a_step_that_fails_is_named_with_its_cause(tmp_path: Path) -> None:
    locality = tmp_path / "somewhere"
    locality.mkdir()
    for each in LOCALITY.glob("*.yaml"):
        (locality / each.name).write_bytes(each.read_bytes())
    (locality / "risk.yaml").write_text("version: x")

    failed = run_in(
        tmp_path, "demo", "--once", "--json", "--locality", str(locality), within=WITHIN
    )

    document = json.loads(failed.stdout)
    assert failed.returncode == 1
    assert document["failed"] == "Services started"
    assert f"Correct {locality}/risk.yaml" in document["cause"]
    assert set(document["stages_seconds"]) == {"machine", "backing", "topology"}
    assert processes_in(tmp_path) == []
