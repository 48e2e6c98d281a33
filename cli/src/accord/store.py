"""The store's users and roles: made from the catalogue, and compared with it.

Making them again sets what may be set anew. No user is removed: one that the catalogue
does not know may be somebody's own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from accord_chassis import grants
from accord_chassis.doors import Line
from accord_contracts.catalogue import Catalogue
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from accord.faults import CannotGoOn

SECONDS = 10.0

Client = MongoClient[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in the store that is not as the catalogue says."""

    fault: str
    what: str

    def __str__(self) -> str:
        """Say it as a line of a report."""
        return f"{self.fault} {self.what}"


def administrator(line: Line) -> Client:
    """Connect to a store with an administrator's rights."""
    return MongoClient(
        line.url, serverSelectionTimeoutMS=SECONDS * 1000, **line.store_options()
    )


def apply(
    client: Client,
    catalogue: Catalogue,
    *,
    passwords: Mapping[str, str],
    suffix: str = "",
) -> list[Difference]:
    """Give every service of the catalogue a user with its rights and no others.

    Args:
        client: The store, with an administrator's rights.
        catalogue: Which services there are.
        passwords: By service.
        suffix: Ends every database's name.

    Returns:
        What differed before.

    Raises:
        CannotGoOn: The store does not answer, or refuses.
    """
    before = check(client, catalogue, suffix=suffix)
    try:
        for database, command in grants.role_commands(suffix=suffix):
            known = _role(client, database, command["createRole"])
            _run(client, database, command, "updateRole" if known else "createRole")
        for service, database in grants.databases(catalogue, suffix=suffix).items():
            command = grants.user_command(
                service, passwords[service], database=database, suffix=suffix
            )
            known = _user(client, database, service)
            _run(client, database, command, "updateUser" if known else "createUser")
    except PyMongoError as fault:
        raise _told(fault) from None
    return before


def check(
    client: Client, catalogue: Catalogue, *, suffix: str = ""
) -> list[Difference]:
    """Say every right of a service in the store that is not as the catalogue says.

    Raises:
        CannotGoOn: The store does not answer, or refuses.
    """
    try:
        return [
            *_wrong_roles(client, suffix),
            *_wrong_users(client, catalogue, suffix),
        ]
    except PyMongoError as fault:
        raise _told(fault) from None


def url_of(url: str, user: str, password: str, database: str) -> str:
    """Give a store's address with a service's user and database.

    Where the store lets everybody in, which only one on a developer's machine may, it
    is given as it is.
    """
    parts = urlsplit(url)
    if not parts.username:
        return url
    account = f"{quote(user, safe='')}:{quote(password, safe='')}"
    place = f"{account}@{parts.netloc.rpartition('@')[2]}"
    kept = [
        each for each in parts.query.split("&") if not each.startswith("authSource=")
    ]
    query = "&".join(kept)
    return urlunsplit((parts.scheme, place, f"/{database}", query, ""))


def _wrong_roles(client: Client, suffix: str) -> Iterator[Difference]:
    for database, command in grants.role_commands(suffix=suffix):
        name = command["createRole"]
        found = _role(client, database, name)
        if not found:
            yield Difference("missing", f"role: {name} on {database}")
        elif _rights(found) != _rights(command) or found.get("roles"):
            yield Difference("different", f"role: {name} on {database}")


def _wrong_users(
    client: Client, catalogue: Catalogue, suffix: str
) -> Iterator[Difference]:
    for service, database in grants.databases(catalogue, suffix=suffix).items():
        found = _user(client, database, service)
        wanted = grants.roles_of(service, database=database, suffix=suffix)
        if not found:
            yield Difference("missing", f"user: {service} on {database}")
        elif _pairs(found["roles"]) != _pairs(wanted):
            yield Difference("different", f"rights: {service} on {database}")


def _rights(role: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (each["resource"].get("db", ""), each["resource"].get("collection", ""), action)
        for each in role.get("privileges", ())
        for action in each["actions"]
    }


def _pairs(roles: list[dict[str, str]]) -> set[tuple[str, str]]:
    return {(each["role"], each["db"]) for each in roles}


def _role(client: Client, database: str, name: str) -> dict[str, Any] | None:
    # More than one is answered where a name is not looked for in one database alone.
    answer = client[database].command(
        {"rolesInfo": {"role": name, "db": database}, "showPrivileges": True}
    )
    found = [each for each in answer["roles"] if each["db"] == database]
    return found[0] if found else None


def _user(client: Client, database: str, name: str) -> dict[str, Any] | None:
    answer = client[database].command({"usersInfo": {"user": name, "db": database}})
    found = [each for each in answer["users"] if each["db"] == database]
    return found[0] if found else None


def _run(client: Client, database: str, command: grants.Command, verb: str) -> None:
    """Run a command that makes something, or the one that sets it anew."""
    (made, name), *rest = command.items()
    client[database].command({verb if made != verb else made: name, **dict(rest)})


def _told(fault: PyMongoError) -> CannotGoOn:
    if isinstance(fault, OperationFailure):
        return CannotGoOn(
            f"The store refuses (code {fault.code}).",
            mend="Give ACCORD_STORE_URL the user and password of an administrator "
            "(userAdminAnyDatabase).",
        )
    return CannotGoOn(
        f"The store does not answer ({type(fault).__name__}).",
        mend="Start it, or correct ACCORD_STORE_URL and ACCORD_CA_FILE.",
    )
