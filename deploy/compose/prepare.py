"""Make the passwords, keys and tokens of a compose deployment on this machine.

Run it before the first ``docker compose up``, with the Python that has Accord:

    .venv/bin/python deploy/compose/prepare.py

or, where only Docker is to be had, with the one in the image (see deploy/README.md).
What is there already is kept, because the broker and the store remember it; tokens are
signed anew. Each container is given one folder and sees no other's.
"""

# ruff: noqa: INP001 - A program, in no package.
import argparse
import json
import os
import secrets
from pathlib import Path
from typing import Any

from accord.actors import CREDENTIALS, Signed
from accord.world import World
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.grants import databases, role_commands, user_command
from accord_chassis.topology import OPERATOR
from accord_contracts.access import ASKS_BESIDES
from accord_contracts.catalogue import CATALOGUE

FOLDER = Path(__file__).parent / "secrets"

ADMINISTRATOR = "administrator"

SEALING = ("referrals", "allocation", "plans")
"""The services that seal what identifies or locates people."""

SERVICE_TOKEN_DAYS = 30
"""How long a service's own token is good for; a real identity provider's is minutes."""


def password(path: Path) -> str:
    """Return the password kept in a file, made at random the first time."""
    if not path.exists():
        write(path, secrets.token_urlsafe(24))
    return path.read_text("utf-8")


def write(path: Path, text: str) -> None:
    """Write a file that a container's own user can read.

    Users of this machine cannot: the folder that holds them all is its owner's alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o444)


def prepare(folder: Path, region: str) -> None:
    """Write everything that docker-compose.yml mounts."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = DevelopmentIssuer(folder / "issuer")
    prepare_broker(folder)
    prepare_store(folder)
    prepare_vault(folder)
    keys = (folder / "issuer/jwks.json").read_text("utf-8")
    for service in CATALOGUE.services:
        prepare_service(folder, service, region)
        write(folder / service / "jwks.json", keys)
    day = 24 * 3600
    for service in CATALOGUE.services:
        token = issuer.token(
            service,
            "allocation.ask",
            *ASKS_BESIDES.get(service, ()),
            region=region,
            lifetime=SERVICE_TOKEN_DAYS * day,
        )
        write(folder / service / "service_token", token)
    write(folder / "notify/accord_smtp_url", "smtp://mail:1025")
    # Of which the links in its e-mails are made.
    password(folder / "notify/accord_link_key")
    prepare_visitors(folder, issuer, region)


def prepare_visitors(folder: Path, issuer: DevelopmentIssuer, region: str) -> None:
    """Sign tokens for those of the invented world whom a visitor may try."""
    signed = Signed(issuer, region=region, world=World(Path(region)))
    for who in CREDENTIALS:
        write(folder / "tokens" / who, signed.of(who))


def prepare_broker(folder: Path) -> None:
    """Give the broker its administrator, and the topology everyone's password."""
    for user in (*CATALOGUE.services, OPERATOR):
        password(folder / "topology/broker" / user)
    chosen = password(folder / "rabbitmq/password")
    write(
        folder / "rabbitmq/administrator.conf",
        f"default_user = {ADMINISTRATOR}\ndefault_pass = {chosen}\n",
    )
    write(
        folder / "topology/accord_management_url",
        f"http://{ADMINISTRATOR}:{chosen}@rabbitmq:15672",
    )


def prepare_store(folder: Path) -> None:
    """Give the store its administrator, and say which roles and users it is to make."""
    password(folder / "mongo/administrator")
    commands = role_commands()
    for service, database in databases(CATALOGUE).items():
        chosen = password(folder / "store" / service)
        commands.append((database, user_command(service, chosen, database=database)))
    preparer = password(folder / "store/preparer")
    commands += [("audit", command) for command in preparer_commands(preparer)]
    write(folder / "mongo/users.json", json.dumps(commands))
    write(
        folder / "audit/accord_audit_url",
        f"mongodb://preparer:{preparer}@mongo:27017/audit",
    )
    # What the audit log is sealed with, for whoever verifies it on this machine.
    password(folder / "audit/accord_audit_key")


def preparer_commands(chosen: str) -> list[dict[str, Any]]:
    """Give the commands that make the user who makes the audit log's indexes."""
    everything = {"db": "audit", "collection": ""}
    actions = ["insert", "find", "createIndex"]
    return [
        {
            "createRole": "preparer",
            "privileges": [{"resource": everything, "actions": actions}],
            "roles": [],
        },
        {
            "createUser": "preparer",
            "pwd": chosen,
            "roles": [{"role": "preparer", "db": "audit"}],
        },
    ]


def prepare_service(folder: Path, service: str, region: str) -> None:
    """Tell a service where the broker and the store are, with its own users."""
    broker = password(folder / "topology/broker" / service)
    store = password(folder / "store" / service)
    write(
        folder / service / "accord_amqp_url",
        f"amqp://{service}:{broker}@rabbitmq:5672/{region}",
    )
    write(
        folder / service / "accord_store_url",
        f"mongodb://{service}:{store}@mongo:27017/{service}",
    )
    key = password(folder / "audit/accord_audit_key")
    write(folder / service / "accord_audit_key", key)


def prepare_vault(folder: Path) -> None:
    """Give the services that seal what they keep the same master key: 96 bytes."""
    kept = folder / "vault/master_key"
    if not kept.exists():
        write(kept, secrets.token_urlsafe(72))
    for service in SEALING:
        write(folder / service / "master_key", kept.read_text("utf-8"))


def main() -> None:
    """Read the command line and prepare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--region", default=os.environ.get("ACCORD_REGION"))
    given = parser.parse_args()
    prepare(given.folder, given.region or "canterbury")


if __name__ == "__main__":
    main()
