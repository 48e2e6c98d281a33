"""Each service's user in the store: its own database, its part of the shared ones."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from accord_chassis import grants
from accord_contracts.catalogue import CATALOGUE
from pymongo import AsyncMongoClient, InsertOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure
from pymongo.operations import IndexModel

Client = AsyncMongoClient[dict[str, Any]]
Database = AsyncDatabase[dict[str, Any]]
Act = Callable[[Database], Awaitable[object]]

UNAUTHORIZED = 13

SUFFIX = f"_{uuid4().hex[:8]}"
DATABASES = grants.databases(CATALOGUE, suffix=SUFFIX)

KEEPERS = grants.SHARED["vault"].services


async def look(database: Database) -> object:
    return await database["held"].find_one()


async def index(database: Database) -> object:
    return await database["held"].create_indexes([IndexModel("at")])


async def expire(database: Database) -> object:
    soon = IndexModel("at", expireAfterSeconds=1)
    return await database["held"].create_indexes([soon])


async def hand_over(database: Database) -> object:
    """Copy one's own documents over what is there."""
    return await (await database["held"].aggregate([{"$out": "other"}])).to_list()


READ: dict[str, Act] = {
    "find": look,
    "count": lambda each: each["held"].count_documents({}),
    "list collections": lambda each: each.list_collection_names(),
}
WRITE: dict[str, Act] = {"insert": lambda each: each["held"].insert_one({})}
CHANGE: dict[str, Act] = {
    "update": lambda each: each["held"].update_one({}, {"$set": {"a": 1}}),
    "replace": lambda each: each["held"].replace_one({}, {"a": 1}),
    "find and update": lambda each: each["held"].find_one_and_update(
        {}, {"$set": {"a": 1}}
    ),
    "delete": lambda each: each["held"].delete_one({"_id": "none"}),
    "find and delete": lambda each: each["held"].find_one_and_delete({"_id": "none"}),
}
DESTROY: dict[str, Act] = {
    "drop": lambda each: each["held"].drop(),
    "drop database": lambda each: each.client.drop_database(each.name),
    "rename": lambda each: each["held"].rename("elsewhere"),
    "replace by aggregation": hand_over,
    "make a user": lambda each: each.command(
        "createUser", "other", pwd="secret", roles=[]
    ),
    "take a role": lambda each: each.command(
        "grantRolesToUser", "risk", roles=[{"role": "root", "db": "admin"}]
    ),
}
INDEX: dict[str, Act] = {"create indexes": index, "let expire": expire}
ALL = READ | WRITE | CHANGE | INDEX | DESTROY


@pytest.fixture(scope="module")
async def administrator(guarded_store_url: str) -> AsyncIterator[Client]:
    """Makes the users of the catalogue, and looks after their databases."""
    async with Client(guarded_store_url) as client:
        for name, command in grants.role_commands(suffix=SUFFIX):
            await client[name].command(command)
        for service, name in DATABASES.items():
            made = grants.user_command(service, "word", database=name, suffix=SUFFIX)
            await client[name].command(made)
        for name in (*DATABASES.values(), *shared()):
            await client[name]["held"].insert_one({"_id": "first"})
        yield client
        for name, command in grants.role_commands(suffix=SUFFIX):
            await client[name].command("dropRole", command["createRole"])
        for service, name in DATABASES.items():
            await client[name].command("dropUser", service)
        for name in (*DATABASES.values(), *shared()):
            await client.drop_database(name)


def shared() -> list[str]:
    return [f"{name}{SUFFIX}" for name in grants.SHARED]


@pytest.fixture(scope="module", params=CATALOGUE.services)
async def user(
    request: pytest.FixtureRequest, administrator: Client, guarded_store_url: str
) -> AsyncIterator[tuple[str, Client]]:
    """Every service of the catalogue, connected as itself."""
    assert await administrator.admin.command("ping")
    name = request.param
    async with Client(
        guarded_store_url,
        username=name,
        password="word",
        authSource=DATABASES[name],
    ) as client:
        yield name, client


async def denied(act: Act, database: Database) -> bool:
    try:
        await act(database)
    except OperationFailure as fault:
        return fault.code == UNAUTHORIZED
    return False


async def allowed_of(acts: dict[str, Act], database: Database) -> set[str]:
    """Name what was not denied."""
    return {name for name, act in acts.items() if not await denied(act, database)}


async def test_a_service_does_what_it_lives_by_in_its_own_database(
    user: tuple[str, Client],
) -> None:
    name, client = user
    own = client[DATABASES[name]]

    assert await allowed_of(READ | WRITE | CHANGE | INDEX, own) == {
        *READ, *WRITE, *CHANGE, *INDEX,
    }  # fmt: skip
    held = InsertOne[dict[str, Any]]({}, namespace=f"{own.name}.held")
    assert (await client.bulk_write([held])).inserted_count == 1


async def test_every_service_is_denied_everything_in_every_other_database(
    user: tuple[str, Client], administrator: Client
) -> None:
    name, client = user
    others = [other for service, other in DATABASES.items() if service != name]

    for other in (*others, "admin", "local", "config"):
        assert await allowed_of(ALL, client[other]) == set(), other
    for other in others:
        assert await administrator[other]["held"].find_one({"_id": "first"})


async def test_the_audit_database_takes_entries_and_gives_none_back(
    user: tuple[str, Client], administrator: Client
) -> None:
    _, client = user
    audit = client[f"audit{SUFFIX}"]

    assert await allowed_of(CHANGE | INDEX | DESTROY, audit) == set()
    assert await allowed_of(WRITE, audit) == {"insert"}
    assert "find" in await allowed_of(READ, audit)
    kept = await administrator[audit.name]["held"].find_one({"_id": "first"})
    assert kept == {"_id": "first"}


async def test_only_who_seals_reaches_the_vault_and_nobody_drops_it(
    user: tuple[str, Client],
) -> None:
    name, client = user
    vault = client[f"vault{SUFFIX}"]

    allowed = await allowed_of(ALL, vault)

    if name not in KEEPERS:
        assert allowed == set()
        return
    assert {*WRITE, *CHANGE, "find"} <= allowed
    # It may delete and insert, so it may copy over what is there.
    assert allowed & {*DESTROY} == {"replace by aggregation"}


async def test_no_service_sees_which_databases_there_are(
    user: tuple[str, Client],
) -> None:
    """MongoDB names those that one may read; the embedded store refuses."""
    name, client = user
    seen: set[str] = set()

    with suppress(OperationFailure):
        seen = set(await client.list_database_names())

    assert seen <= {DATABASES[name], *shared()}


async def test_what_the_embedded_store_does_not_check_is_known(
    user: tuple[str, Client], administrator: Client
) -> None:
    """Its ``bulkWrite`` of MongoDB 8 asks nobody: one reason why it is no real store.

    MongoDB checks the rights of every operation in it. When this fails, the embedded
    store has learned it, and the sentence in decision 19 can go.
    """
    name, client = user
    other = next(each for each in DATABASES.values() if each != DATABASES[name])
    embedded = "mongod" not in str(
        (await administrator.admin.command("getCmdLineOpts"))["argv"]
    )
    held = InsertOne[dict[str, Any]]({}, namespace=f"{other}.unasked")

    async def write(_: Database) -> object:
        return await client.bulk_write([held])

    assert await denied(write, client[other]) is not embedded


def test_the_audit_role_inserts_and_finds_and_nothing_else() -> None:
    [audit] = [
        command for database, command in grants.role_commands() if database == "audit"
    ]

    assert audit["privileges"] == [
        {
            "resource": {"db": "audit", "collection": ""},
            "actions": ["insert", "find"],
        }
    ]
    assert audit["roles"] == []


@pytest.mark.parametrize("service", CATALOGUE.services)
def test_a_user_has_its_own_database_and_its_part_of_the_shared_ones(
    service: str,
) -> None:
    made = grants.user_command(service, "word", database=service)

    assert made["createUser"] == service
    vault = [{"role": "keeper", "db": "vault"}] if service in KEEPERS else []
    assert made["roles"] == [
        {"role": "readWrite", "db": service},
        {"role": "recorder", "db": "audit"},
        *vault,
    ]


def test_a_service_that_a_locality_adds_gets_a_user_and_no_key() -> None:
    wider = CATALOGUE.with_listeners({"housing": ["risk.changed.v1"]})

    assert grants.databases(wider)["housing"] == "housing"
    roles = grants.roles_of("housing", database="housing")
    assert {"role": "keeper", "db": "vault"} not in roles
