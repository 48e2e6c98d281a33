"""The store's users, generated from the catalogue: each service sees its own database.

An operator's command, or a Job, makes them with an administrator's rights. What a
service may do besides is listed here for the databases that services share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accord_contracts.catalogue import Catalogue

OWN = "readWrite"
"""MongoDB's own role: documents, collections and indexes of one database."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What some services may do in a database that they share.

    Attributes:
        role: The role's name, in that database.
        actions: Of MongoDB's privilege actions, on every collection of it.
        services: Who; all of the catalogue's if none is named.
    """

    role: str
    actions: tuple[str, ...]
    services: frozenset[str] = frozenset()

    def given_to(self, service: str) -> bool:
        """Tell whether a service has the role."""
        return not self.services or service in self.services


SHARED: Mapping[str, Shared] = {
    # No index either: one with an expiry would delete what was recorded.
    "audit": Shared("recorder", ("insert", "find")),
    "vault": Shared(
        "keeper",
        ("find", "insert", "update", "remove", "createIndex"),
        frozenset({"referrals", "allocation", "plans"}),
    ),
}
"""The databases that services share, and what they may do there. Nothing may be dropped
in them, and nothing that was recorded changed."""

Command = dict[str, Any]


def databases(catalogue: Catalogue, *, suffix: str = "") -> dict[str, str]:
    """Name every service's own database, by service."""
    return {service: f"{service}{suffix}" for service in catalogue.services}


def role_commands(*, suffix: str = "") -> list[tuple[str, Command]]:
    """Give the commands that make the roles, each with the database it is run on."""
    return [
        (
            f"{database}{suffix}",
            {
                "createRole": shared.role,
                "privileges": [
                    {
                        "resource": {"db": f"{database}{suffix}", "collection": ""},
                        "actions": list(shared.actions),
                    }
                ],
                "roles": [],
            },
        )
        for database, shared in SHARED.items()
    ]


def roles_of(service: str, *, database: str, suffix: str = "") -> list[dict[str, str]]:
    """Give a service's roles: its own database, and its part of the shared ones."""
    own = {"role": OWN, "db": database}
    shared = [
        {"role": each.role, "db": f"{name}{suffix}"}
        for name, each in SHARED.items()
        if each.given_to(service)
    ]
    return [own, *shared]


def user_command(
    service: str, password: str, *, database: str, suffix: str = ""
) -> Command:
    """Give the command that makes a service's user; it is run on its own database."""
    roles = roles_of(service, database=database, suffix=suffix)
    return {"createUser": service, "pwd": password, "roles": roles}
