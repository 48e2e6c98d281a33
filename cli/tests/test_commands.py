"""Commands that need no deployment, and what is said when one is missing."""

import json
from pathlib import Path

import pytest
from accord_chassis.access import DEVELOPMENT_ISSUER
from cli_verbs import run_in

DEVELOPMENT = {
    "ACCORD_REGION": "test",
    "ACCORD_AMQP_URL": "amqp://risk:sentinel@127.0.0.1:1/test",
    "ACCORD_STORE_URL": "mongodb://risk:sentinel@127.0.0.1:1/",
    "ACCORD_AUDIT_KEY": "sentinel, and thirty-two characters more",
    "ACCORD_JWKS_URL": "file:///nowhere",
    "ACCORD_ISSUER": DEVELOPMENT_ISSUER,
}

PRODUCTION = {
    **DEVELOPMENT,
    "ACCORD_JWKS_URL": "https://identity.example/keys",
    "ACCORD_ISSUER": "https://identity.example",
    "ACCORD_TLS_TERMINATED": "true",
    "ACCORD_ALLOCATION_URL": "https://allocation.example",
    "ACCORD_SERVICE_TOKEN": "a.sentinel.token",
}


def test_contracts_are_exported_checked_and_described(tmp_path: Path) -> None:
    exported = run_in(tmp_path, "contracts", "export", "schemas")
    checked = run_in(tmp_path, "contracts", "check", "schemas")
    printed = run_in(tmp_path, "contracts", "docs", "-")
    written = run_in(tmp_path, "contracts", "docs")

    assert exported.returncode == 0, exported.stderr
    assert "schemas/risk.assessed.v1.json" in exported.stdout
    assert checked.stdout == "schemas is up to date.\n"
    assert "risk.assessed.v1" in printed.stdout
    assert written.stdout == "docs/events.md\n"
    assert (tmp_path / "docs" / "events.md").read_text() == printed.stdout


def test_a_changed_contract_is_found(tmp_path: Path) -> None:
    run_in(tmp_path, "contracts", "export", "schemas")
    file = tmp_path / "schemas" / "risk.assessed.v1.json"
    schema = json.loads(file.read_text())
    schema["properties"]["gone"] = {"type": "string"}
    file.write_text(json.dumps(schema))

    checked = run_in(tmp_path, "contracts", "check", "schemas")
    exported = run_in(tmp_path, "contracts", "export", "schemas")

    assert checked.returncode == 1
    assert "Field gone of risk.assessed.v1 was removed." in checked.stdout
    assert exported.returncode == 1
    assert "Nothing was written" in exported.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"ACCORD_ISSUER": DEVELOPMENT_ISSUER},
            "The development issuer signs anything",
        ),
        ({"ACCORD_DATABASE": "risk_demo"}, "holds a demonstration's invented data"),
        ({"ACCORD_TLS_TERMINATED": "false"}, "This service would speak without TLS"),
        ({"ACCORD_REGION": ""}, "ACCORD_REGION"),
    ],
)
def test_what_is_not_fit_for_production_is_not_served(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    refused = run_in(tmp_path, "serve", "risk", **{**PRODUCTION, **changed})

    assert refused.returncode == 1
    assert said in refused.stderr
    assert "sentinel" not in refused.stdout + refused.stderr


def test_an_unknown_service_is_told(tmp_path: Path) -> None:
    assert "There is no service x." in run_in(tmp_path, "serve", "x").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("topology", "check"),
        ("events", "tail"),
        ("dead-letters", "list"),
        ("audit", "verify"),
        ("status",),
        ("reset", "--yes"),
        ("replay", "x.ndjson"),
        ("replay",),
    ],
)
def test_without_a_deployment_it_says_what_to_do(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    refused = run_in(tmp_path, *words)

    assert refused.returncode == 1
    assert refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_doctor_looks_at_the_machine_alone(tmp_path: Path) -> None:
    answered = run_in(tmp_path, "doctor", "--json")

    told = json.loads(answered.stdout)
    assert answered.returncode == 0
    assert told["verdict"] == "ok"
    assert {"python", "packages", "port 8000", "deployment"} <= {
        each["what"] for each in told["findings"]
    }


def test_the_doctor_says_what_cannot_be_reached_and_shows_no_password(
    tmp_path: Path,
) -> None:
    named = {
        **DEVELOPMENT,
        "ACCORD_MANAGEMENT_URL": "http://administrator:sentinel@127.0.0.1:1",
        "ACCORD_SMTP_URL": "smtp://user:sentinel@127.0.0.1:1",
        "ACCORD_URL": "http://127.0.0.1:1",
    }

    answered = run_in(tmp_path, "doctor", **named)

    assert answered.returncode == 2
    for what in ("broker", "parked messages", "store", "mail", "issuer"):
        assert f"fail  {what}" in answered.stdout
    assert "sentinel" not in answered.stdout + answered.stderr


def test_matching_is_evaluated_on_a_file_of_people(tmp_path: Path) -> None:
    lines = ["id,first,last,born,nhi"]
    for each in range(40):
        born = f"19{each + 50}-0{each % 9 + 1}-1{each % 7}"
        last = "".join(chr(97 + (each * step) % 26) for step in (3, 5, 7, 11, 1))
        lines += [f"{each},Mere,{last},{born},", f"{each},Mary,{last},{born},x{each}"]
    (tmp_path / "people.csv").write_text("\n".join(lines), encoding="utf-8")
    words = ["match", "evaluate", "people.csv", "--truth", "id"]
    for each in ("given_name=first", "family_name=last", "date_of_birth=born"):
        words += ["--map", each]
    words += ["--map", "identifier.nhi=nhi"]

    told = run_in(tmp_path, *words, "--json", "--weights", "measured.yaml")
    shown = run_in(tmp_path, *words)
    untold = [each for each in words if each not in {"--truth", "id"}]
    alone = run_in(tmp_path, *untold, "--weights", "alone.yaml")
    nothing = run_in(tmp_path, *untold)

    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert (report["records"], report["true_pairs"]) == (80, 40)
    assert report["linked"]["precision"] == 1
    assert report["linked"]["recall"] == 1
    assert "80 records" in shown.stdout
    assert "linked or review" in shown.stdout
    # The truth is measured by alone: nothing is learned from it.
    assert alone.returncode == 0, alone.stderr
    measured = (tmp_path / "measured.yaml").read_text(encoding="utf-8")
    assert (tmp_path / "alone.yaml").read_text(encoding="utf-8") == measured
    assert nothing.returncode == 1
    assert "nothing to do" in nothing.stderr


@pytest.mark.parametrize(
    ("content", "mapped", "said"),
    [
        ("id,first\n1,Sentinel\n", "given_name=nothing", "has no column nothing"),
        ("id,first\n1,Sentinel\n", "first=given_name", "--map first=given_name"),
        ("id,first\n1,Sentinel\n", "identifier.=first", "maps nothing"),
        ("id,first\n1,Sentinel\n", "given_name=first", "has no two records"),
        ("id,first\n1,Sentinel\xe9\n", "given_name=first", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_evaluated_is_not_quoted(
    tmp_path: Path, content: str, mapped: str, said: str
) -> None:
    (tmp_path / "people.csv").write_bytes(content.encode("latin-1"))

    words = ["match", "evaluate", "people.csv", "--truth", "id"]
    told = run_in(tmp_path, *words, "--map", mapped)

    assert told.returncode == 1
    assert said in told.stderr
    assert "Sentinel" not in told.stderr


def test_whoever_is_asked_for_with_a_slip_is_found_among_many(tmp_path: Path) -> None:
    words = ["match", "bench", "--asked", "100", "--keep", "kept", "--json"]

    told, more, others = (
        run_in(tmp_path, *words, *("--people", each), *then)
        for each, *then in (("300",), ("300", "--people", "400"), ("399",))
    )

    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert more.returncode == 0, more.stderr
    same, grown = map(json.loads, more.stdout.splitlines())
    answers = ("linked", "asked_about", "new", "loading_seconds")
    assert [same[each] for each in answers] == [report[each] for each in answers]
    assert others.returncode == 1
    assert "holds 400 people" in others.stderr
    assert grown["people"] == 400
    assert grown["loading_seconds"] > report["loading_seconds"]
    assert grown["linked"] + grown["asked_about"] >= 90
    assert 0 < report["p50_processor_ms"] <= report["p99_processor_ms"]
    assert report["people"] == 300
    assert report["linked"] + report["asked_about"] + report["new"] == 100
    assert report["linked"] + report["asked_about"] >= 90
    assert 0 < report["p50_ms"] <= report["p99_ms"] <= report["max_ms"]


INSTANCE = {
    "capacity": [2, 2],
    "load": [[1, 2], [2, None]],
    "cost": [[1, 1], [50, None]],
}


def test_an_instance_is_solved(tmp_path: Path) -> None:
    (tmp_path / "plain.json").write_text(json.dumps(INSTANCE), encoding="utf-8")
    (tmp_path / "gap.txt").write_text(
        "1 2 3\n4 1 9 2 6 3\n3 5 2 4 2 2\n5 4\n", encoding="utf-8"
    )

    told = run_in(tmp_path, "allocation", "solve", "plain.json", "--json")
    words = ["allocation", "solve", "gap.txt", "--format", "orlib"]
    shown = run_in(tmp_path, *words, "--seconds", "60")
    most = run_in(tmp_path, *words, "--seconds", "60", "--maximise")

    assert told.returncode == 0, told.stderr
    solution = json.loads(told.stdout)
    assert solution["by"] in {"greedy", "local_search", "lagrangian", "exact"}
    del solution["by"]
    assert solution == {"assignment": [1, 0], "cost": 51, "bound": 51, "gap": 0}
    assert shown.stdout.startswith("0 1 1\ncost 13, bound 13, gap 0.00%"), shown.stderr
    assert most.stdout.startswith("0 1 0\ncost 19, bound 19, gap 0.00%"), most.stderr


def test_what_if_is_told_of_a_file(tmp_path: Path) -> None:
    workers = [{"roles": ["whanau_support_worker"], "contracted_hours": 20}]
    cases = [{"at": "2026-06-01T00:00:00Z", "level": "low", "days": 9}] * 60
    (tmp_path / "workers.json").write_text(json.dumps(workers), encoding="utf-8")
    (tmp_path / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    wrong = [{"roles": ["plumber"]}]
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), encoding="utf-8")
    words = ["allocation", "simulate", "--workers"]

    told = run_in(
        tmp_path, *words, "workers.json", "--referrals", "cases.json", "--json"
    )
    refused = run_in(tmp_path, *words, "wrong.json", "--pilot")

    found = json.loads(told.stdout)
    assert (found["roles"], found["breaches"]) == (60, 10)
    assert found["more_workers"] == {"whanau_support_worker": 1}
    assert refused.returncode == 1
    assert "wrong at 0.roles" in refused.stderr
    assert "plumber" not in refused.stderr


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        ("{", [], "is no instance. It is no JSON."),
        ("\xe9", [], "cannot be read"),
        ("1 1", ["--format", "orlib"], "is no instance. It ends too early."),
        ("1 1", ["--format", "other"], "There is no format other."),
        (
            json.dumps({**INSTANCE, "capacity": [1, 2]}),
            [],
            "There is no assignment: proved.",
        ),
    ],
)
def test_what_cannot_be_solved_is_said_in_a_sentence(
    tmp_path: Path, content: str, words: list[str], said: str
) -> None:
    (tmp_path / "it").write_bytes(content.encode("latin-1"))

    told = run_in(tmp_path, "allocation", "solve", "it", *words)

    assert told.returncode == 1
    assert said in told.stderr
    assert "Traceback" not in told.stderr


CASE = """
answers: {strangulation: unknown, stalking: yes, threat_to_kill: no,
  weapon_used_or_threatened: no, fear_of_being_killed: no, escalation: no,
  pregnancy: no, injury: no, recent_separation: no}
incidents: [stalking]
instruments: {dyra: {total: 3}, hits: {numbers: {hits_1: 5}}}
"""


def test_a_case_in_a_file_is_weighed_and_explained(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text(CASE)

    told = run_in(tmp_path, "risk", "weigh", "case.yaml")
    document = run_in(tmp_path, "risk", "weigh", "case.yaml", "--json")

    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("The risk is medium.\n")
    assert "It is kept as evidence; no level rests on it." in told.stdout
    found = json.loads(document.stdout)
    assert found["weighing"]["level"] == "medium"
    assert "strangulation" in found["weighing"]["questions"][:3]
    assert found["tier"]["code"] == "medium"
    assert "\n".join(found["explanation"]) == told.stdout.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("answers: {shoe_size: yes}", "does not know answers.shoe_size"),
        ("answers: {injury: sentinel}", "wrong at answers.injury"),
        ("instruments: {tea: {total: 1}}", "does not know instruments.tea"),
        ("colour: sentinel", "wrong at colour"),
        ("[", "cannot be read"),
    ],
)
def test_a_case_that_cannot_be_weighed_is_refused_in_a_sentence(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "case.yaml").write_text(text)

    told = run_in(tmp_path, "risk", "weigh", "case.yaml")

    assert told.returncode == 1
    assert said in told.stderr
    assert "sentinel" not in told.stderr
