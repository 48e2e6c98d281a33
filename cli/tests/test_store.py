"""The store's users as an operator makes and checks them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from accord import store
from accord.faults import CannotGoOn
from accord_chassis import grants
from accord_chassis.doors import Line
from accord_contracts.catalogue import CATALOGUE
from cli_verbs import run_in
from pymongo import MongoClient
from pymongo.errors import OperationFailure

PASSWORDS = dict.fromkeys(CATALOGUE.services, "p@ss/word")


@pytest.fixture
def suffix(administrator: store.Client) -> Iterator[str]:
    """Ends the names of the test's own databases."""
    chosen = f"_{uuid4().hex[:8]}"
    yield chosen
    for database, command in grants.role_commands(suffix=chosen):
        administrator[database].command("dropRole", command["createRole"])
    for service, database in grants.databases(CATALOGUE, suffix=chosen).items():
        administrator[database].command("dropUser", service)


@pytest.fixture
def administrator(guarded_store_url: str) -> Iterator[store.Client]:
    with store.administrator(Line(guarded_store_url)) as client:
        yield client


def applied(client: store.Client, suffix: str) -> list[str]:
    found = store.apply(client, CATALOGUE, passwords=PASSWORDS, suffix=suffix)
    return [str(each) for each in found]


def checked(client: store.Client, suffix: str) -> list[str]:
    return [str(each) for each in store.check(client, CATALOGUE, suffix=suffix)]


def test_users_and_roles_are_made_once_and_then_are_as_catalogued(
    administrator: store.Client, suffix: str
) -> None:
    before = applied(administrator, suffix)

    assert f"missing role: recorder on audit{suffix}" in before
    assert f"missing user: risk on risk{suffix}" in before
    assert checked(administrator, suffix) == []
    assert applied(administrator, suffix) == []


def test_a_right_too_many_is_found_and_taken_away(
    administrator: store.Client, suffix: str
) -> None:
    applied(administrator, suffix)
    more = [{"role": "readWrite", "db": f"plans{suffix}"}]
    administrator[f"risk{suffix}"].command("grantRolesToUser", "risk", roles=more)
    wider = [
        {
            "resource": {"db": f"audit{suffix}", "collection": ""},
            "actions": ["insert", "find", "remove"],
        }
    ]
    administrator[f"audit{suffix}"].command(
        "updateRole", "recorder", privileges=wider, roles=[]
    )

    assert checked(administrator, suffix) == [
        f"different role: recorder on audit{suffix}",
        f"different rights: risk on risk{suffix}",
    ]
    applied(administrator, suffix)
    assert checked(administrator, suffix) == []


def test_another_password_is_set_and_the_old_one_is_worth_nothing(
    administrator: store.Client, suffix: str, guarded_store_url: str
) -> None:
    applied(administrator, suffix)
    changed = PASSWORDS | {"risk": "another"}
    store.apply(administrator, CATALOGUE, passwords=changed, suffix=suffix)

    def ask(password: str) -> None:
        url = store.url_of(guarded_store_url, "risk", password, f"risk{suffix}")
        with MongoClient[dict[str, Any]](url) as client:
            client[f"risk{suffix}"]["any"].find_one()

    ask("another")
    with pytest.raises(OperationFailure):
        ask(PASSWORDS["risk"])


def test_a_service_may_not_make_users(
    administrator: store.Client, suffix: str, guarded_store_url: str
) -> None:
    applied(administrator, suffix)
    url = store.url_of(guarded_store_url, "risk", PASSWORDS["risk"], f"risk{suffix}")

    with (
        MongoClient[dict[str, Any]](url) as client,
        pytest.raises(CannotGoOn, match="refuses") as caught,
    ):
        store.apply(client, CATALOGUE, passwords=PASSWORDS, suffix=suffix)

    assert PASSWORDS["risk"] not in str(caught.value)


def test_a_store_that_lets_everybody_in_is_reached_as_it_is() -> None:
    given = "mongodb://127.0.0.1:1/?directConnection=true"

    assert store.url_of(given, "risk", "word", "risk") == given


def test_a_services_address_holds_nothing_of_the_administrators() -> None:
    given = "mongodb://root:secret@one:1,two:2/?authSource=admin&tls=true"

    made = store.url_of(given, "risk", "p@ss/word", "risk")

    assert made == "mongodb://risk:p%40ss%2Fword@one:1,two:2/risk?tls=true"


def test_the_command_makes_and_checks_them(
    tmp_path: Path, guarded_store_url: str
) -> None:
    folder = str(tmp_path / "passwords")
    named = {"ACCORD_STORE_URL": guarded_store_url, "ACCORD_REGION": "canterbury"}

    first = run_in(
        tmp_path, "store", "apply", "--passwords", folder, "--generate", **named
    )
    second = run_in(tmp_path, "store", "check", **named)

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stdout
    assert "as catalogued" in second.stdout
    words = [each.read_text() for each in (tmp_path / "passwords").iterdir()]
    assert len(words) == len(CATALOGUE.services)
    assert not any(word in first.stdout + first.stderr for word in words)
