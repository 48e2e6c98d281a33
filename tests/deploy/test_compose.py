"""docker-compose.yml is valid, closed to the outside, and has all that it mounts."""

import importlib
import json
import os
import re
import stat
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from accord.actors import COORDINATOR, CREDENTIALS, SPECIALIST
from accord.world import World
from accord_chassis import grants
from accord_chassis.access import Authority
from accord_chassis.settings import settings_of
from accord_contracts.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).parent / "schemas/compose-spec.json"
COMPOSE = ROOT / "deploy/compose"
SERVICES = ("referrals", "risk", "allocation", "plans", "notify")
STEPS = ("topology", "audit")
"""What prepares something and ends."""
ENDS = (*STEPS, "world")
"""What ends by itself; the last only begins when it is asked for."""


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """The file as Docker would read it where no variable is set."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    filled = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    read = yaml.safe_load(filled)
    assert isinstance(read, dict)
    return read


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What prepare.py makes."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    prepare(folder)
    return folder


def prepare(folder: Path) -> None:
    program(COMPOSE / "prepare.py", str(folder))


def program(*command: str | Path) -> str:
    own = {name: each for name, each in os.environ.items() if "ACCORD" not in name}
    return subprocess.run(
        [sys.executable, *command], env=own, check=True, capture_output=True, text=True
    ).stdout


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_file_fits_the_schema_of_compose(compose: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))

    jsonschema.Draft7Validator(schema).validate(compose)


def test_a_misspelt_field_is_found(compose: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    wrong = deepcopy(compose)
    wrong["services"]["risk"]["stop_grace"] = "30s"

    assert not jsonschema.Draft7Validator(schema).is_valid(wrong)


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    published = [
        port
        for service in compose["services"].values()
        for port in service.get("ports", [])
    ]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_broker_and_the_store_are_on_a_network_of_their_own(
    compose: dict[str, Any],
) -> None:
    assert compose["networks"]["back"] == {"internal": True}
    for name in ("rabbitmq", "mongo", *STEPS):
        assert compose["services"][name]["networks"] == ["back"]


def test_every_service_that_stays_says_when_it_is_healthy(
    compose: dict[str, Any],
) -> None:
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) is (name not in ENDS), name


def test_nothing_starts_before_what_it_needs(compose: dict[str, Any]) -> None:
    waits = {
        name: {
            other: how["condition"] for other, how in each.get("depends_on", {}).items()
        }
        for name, each in compose["services"].items()
    }

    done = "service_completed_successfully"
    assert waits["topology"] == {"rabbitmq": "service_healthy"}
    assert waits["audit"] == {"mongo": "service_healthy", "topology": done}
    for name in SERVICES:
        assert waits[name] == {
            "topology": done,
            "audit": done,
            "mongo": "service_healthy",
        }
    assert waits["world"] == {"gateway": "service_healthy"}
    assert waits["gateway"] == dict.fromkeys(SERVICES, "service_healthy")


def test_our_containers_can_write_nowhere_and_gain_nothing(
    compose: dict[str, Any],
) -> None:
    for name in (*SERVICES, *ENDS, "gateway", "mail"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - The container's own.
    for name in SERVICES:
        assert compose["services"][name]["stop_grace_period"] == "30s"


def test_every_image_has_a_version(compose: dict[str, Any]) -> None:
    images = {name: each["image"] for name, each in compose["services"].items()}

    assert images["rabbitmq"] == "rabbitmq:4-management"
    assert images["mongo"] == "mongo:8"
    for image in images.values():
        _, _, tag = image.partition(":")
        assert tag not in ("", "latest")


def test_no_secret_and_no_default_password_is_in_the_file(
    compose: dict[str, Any],
) -> None:
    for each in compose["services"].values():
        for name, value in each.get("environment", {}).items():
            if re.search("PASS|TOKEN|SECRET|KEY|AMQP|STORE|AUDIT|SMTP", name):
                assert value.startswith("/run/secrets"), name
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert not re.search(r"://[^/\s]+:[^/\s]+@", text)


def test_every_mounted_file_is_committed_or_made_by_prepare(
    compose: dict[str, Any], secrets: Path
) -> None:
    made = "./deploy/compose/secrets"
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            if volume["type"] != "bind":
                assert volume["source"] in compose["volumes"]
                continue
            source = volume["source"]
            place = ROOT / source
            if source.startswith(made):
                place = secrets / source.removeprefix(made).lstrip("/")
            assert place.exists(), source
            assert volume["read_only"] is True
            assert volume["bind"] == {"create_host_path": False}


def test_every_service_is_there_and_finds_its_settings(
    compose: dict[str, Any], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(CATALOGUE.services) == set(SERVICES)
    for name in SERVICES:
        for setting, value in compose["services"][name]["environment"].items():
            monkeypatch.setenv(setting, value)
        monkeypatch.setenv("ACCORD_SECRETS_DIR", str(secrets / name))

        settings = settings_of(importlib.import_module(f"{name}.app").Settings)

        broker = settings.amqp_url.get_secret_value()
        store = settings.store_url.get_secret_value()
        assert broker.startswith(f"amqp://{name}:")
        assert broker.endswith("@rabbitmq:5672/canterbury")
        assert store.startswith(f"mongodb://{name}:")
        assert store.endswith(f"@mongo:27017/{name}")
        key = (secrets / "audit/accord_audit_key").read_text("utf-8")
        assert settings.audit_key.get_secret_value() == key


def test_only_the_preparing_step_may_index_the_audit_log(secrets: Path) -> None:
    url = (secrets / "audit/accord_audit_url").read_text("utf-8")
    password = (secrets / "store/preparer").read_text("utf-8")

    assert url == f"mongodb://preparer:{password}@mongo:27017/audit"
    for name in SERVICES:
        assert not (secrets / name / "accord_audit_url").exists()


def test_the_store_is_told_to_make_the_users_that_the_catalogue_gives_rights(
    secrets: Path,
) -> None:
    told = json.loads((secrets / "mongo/users.json").read_text("utf-8"))
    # Whoever makes the audit log's indexes is none of the catalogue's.
    services = [each for each in told if "preparer" not in each[1].values()]
    users = {name: command for name, command in services if "createUser" in command}

    assert [each for each in services if "createRole" in each[1]] == [
        [*each] for each in grants.role_commands()
    ]
    assert set(users) == set(SERVICES)
    for name in SERVICES:
        word = users[name]["pwd"]
        assert users[name] == grants.user_command(name, word, database=name)
        url = (secrets / name / "accord_store_url").read_text("utf-8")
        assert f"{name}:{word}@" in url


def test_the_topology_gets_the_passwords_that_the_services_use(secrets: Path) -> None:
    given = contents(secrets / "topology/broker")

    assert set(given) == {*SERVICES, "operator"}
    assert len(set(given.values())) == len(given)
    for name in SERVICES:
        url = (secrets / name / "accord_amqp_url").read_text("utf-8")
        assert f":{given[name]}@" in url


def test_secrets_are_this_machines_alone_and_are_kept(
    secrets: Path, tmp_path: Path
) -> None:
    before = contents(secrets)
    prepare(secrets)
    after = contents(secrets)
    prepare(tmp_path / "other")

    renewed = {name for name in before if before[name] != after[name]}
    signed = {f"{name}/service_token" for name in SERVICES}
    assert renewed <= signed | {f"tokens/{who}" for who in CREDENTIALS}
    same = before.items() & contents(tmp_path / "other").items()
    assert {name for name, _ in same} == {"notify/accord_smtp_url"}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def test_secrets_cannot_be_committed() -> None:
    rules = (COMPOSE / ".gitignore").read_text("utf-8").splitlines()

    assert "/secrets/" in rules


def authority(secrets: Path, service: str) -> Authority:
    return Authority(
        (secrets / service / "jwks.json").as_uri(),
        issuer="urn:accord:development",
        audience="accord",
        region="canterbury",
    )


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_may_ask_what_it_needs_and_nothing_more(
    secrets: Path, service: str
) -> None:
    token = (secrets / service / "service_token").read_text("utf-8")

    caller = await authority(secrets, "allocation").verify(token)

    assert caller.subject == service
    besides = {
        "plans": {"risk.ask", "referrals.screen"},
        "notify": {"referrals.reach"},
    }
    assert caller.scopes == {"allocation.ask"} | besides.get(service, set())


@pytest.mark.parametrize("who", CREDENTIALS)
async def test_visitors_come_in_as_those_of_the_invented_world(
    secrets: Path, who: str
) -> None:
    token = (secrets / "tokens" / who).read_text("utf-8")
    staff = {each.id for each in World(ROOT / "localities/canterbury").staff()}

    caller = await authority(secrets, "risk").verify(token)

    if who in {COORDINATOR, SPECIALIST}:
        assert caller.worker in staff
    else:
        assert caller.subject == who


def test_the_world_is_only_put_there_when_it_is_asked_for(
    compose: dict[str, Any],
) -> None:
    world = compose["services"]["world"]

    assert world["profiles"] == ["world"]
    assert world["environment"]["ACCORD_REGION"] == "canterbury"


async def test_a_signed_token_is_believed(secrets: Path) -> None:
    signed = program(
        COMPOSE / "sign.py", "someone", "referrals.submit", "risk.read",
        "--agency", "police", "--folder", str(secrets),
    )  # fmt: skip
    caller = await authority(secrets, "risk").verify(signed.strip())

    assert caller.subject == "someone"
    assert caller.agency == "police"
    assert caller.scopes == {"referrals.submit", "risk.read"}


def test_no_image_of_our_own_is_asked_of_a_registry(compose: dict[str, Any]) -> None:
    # Whoever owns the name there would be given our keys.
    for name, each in compose["services"].items():
        if each["image"].startswith("accord/"):
            wanted = "build" if "build" in each else "never"
            assert each.get("pull_policy") == wanted, name
