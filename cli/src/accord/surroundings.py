"""What services need to know of the world: the same for one process and for five.

It is written once, as the environment that a service reads; a service in the same
process is given the same settings by keyword.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from accord_chassis import audit
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.development.backing import Backing
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.process import (
    LOOPBACK,
    kept_master_key,
    kept_secret,
    write_private,
)
from accord_chassis.doors import Line
from accord_chassis.service import LIMITS, StandIns
from accord_chassis.topology import OPERATOR
from accord_contracts.access import ASKS_BESIDES
from fastapi import FastAPI
from pymongo import MongoClient

from accord import passwords, store, topology
from accord.catalogue import SERVICES, catalogue_of
from accord.management import Management

__all__ = ["PREFIX", "SERVICES", "Surroundings", "application", "prepare"]

TOKEN_DAYS = 30
"""How long a service's own token is good for on a developer's machine."""

PREFIX = "ACCORD_"

AUDIT = "audit"
"""Names the audit log's database, and the file that keeps its key."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """A region on a developer's machine, as its services are told of it.

    Attributes:
        region: Its code, which tokens name.
        locality: Directory of its policies.
        vhost: Its virtual host on the broker; empty where there is no broker.
        amqp_url: The broker; whose user it names does not matter.
        management_url: The broker's management API, as an administrator.
        store_url: The store.
        passwords: The broker's users.
        audit_key: Seals the audit log.
        store_passwords: The store's.
        issuer: Signs the tokens.
        folder: Holds what is written for services: their tokens, their logs.
        suffix: Ends every database's name.
        extra: Settings that every service is given besides, by variable.
    """

    region: str
    locality: Path
    vhost: str
    amqp_url: str = field(repr=False)
    management_url: str = field(repr=False)
    store_url: str = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    audit_key: str = field(repr=False)
    store_passwords: Mapping[str, str] = field(repr=False)
    issuer: DevelopmentIssuer
    folder: Path
    suffix: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def amqp_url_of(self, user: str) -> str:
        """Give the broker's address with a user of its own."""
        parts = urlsplit(self.amqp_url)
        account = f"{quote(user)}:{quote(self.passwords.get(user, ''), safe='')}"
        port = f":{parts.port}" if parts.port else ""
        host = quote(self.vhost, safe="")
        return f"{parts.scheme}://{account}@{parts.hostname}{port}/{host}"

    def store_url_of(self, service: str) -> str:
        """Give the store's address with a service's own user."""
        password = self.store_passwords.get(service, "")
        return store.url_of(
            self.store_url, service, password, self.database_of(service)
        )

    def database_of(self, service: str) -> str:
        """Name a service's database, or the audit log's."""
        return f"{service}{self.suffix}"

    @property
    def vault_database(self) -> str:
        """Name the database of the region's keys."""
        return f"vault{self.suffix}"

    def _master_key(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return kept_master_key(self.folder / "master-key").resolve()

    def environment(
        self, service: str, *, port: int, addresses: Mapping[str, str]
    ) -> dict[str, str]:
        """Give the settings of a service, as variables.

        There is no limit on what one may ask for: a replay asks for months in minutes.

        Args:
            service: Which.
            port: Where it serves.
            addresses: Where every service is, for those that ask another.
        """
        return {
            f"{PREFIX}AMQP_URL": self.amqp_url_of(service),
            f"{PREFIX}AUDIT_DATABASE": self.database_of(AUDIT),
            f"{PREFIX}AUDIT_KEY": self.audit_key,
            f"{PREFIX}DATABASE": self.database_of(service),
            f"{PREFIX}DEVELOPMENT": "true",
            f"{PREFIX}HOST": LOOPBACK,
            f"{PREFIX}ISSUER": DEVELOPMENT_ISSUER,
            f"{PREFIX}JWKS_URL": self.issuer.jwks_url,
            f"{PREFIX}KMS_KEY_FILE": str(self._master_key()),
            f"{PREFIX}LINK_BASE": f"http://{LOOPBACK}",
            f"{PREFIX}LOCALITY": str(self.locality.resolve()),
            f"{PREFIX}PORT": str(port),
            f"{PREFIX}REGION": self.region,
            f"{PREFIX}SERVICE_TOKEN_FILE": str(self._token_of(service)),
            f"{PREFIX}STORE_URL": self.store_url_of(service),
            f"{PREFIX}VAULT_DATABASE": self.vault_database,
            **{f"{PREFIX}{n.upper()}_URL": url for n, url in addresses.items()},
            **{f"{PREFIX}{name.upper()}": "0" for name in LIMITS},
            **self.extra,
        }

    def _token_of(self, service: str) -> Path:
        """Sign the token with which a service asks others, and say where it is."""
        file = self.folder / "service-tokens" / service
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = self.issuer.token(
            service,
            "allocation.ask",
            *ASKS_BESIDES.get(service, ()),
            region=self.region,
            lifetime=TOKEN_DAYS * 24 * 3600,
        )
        write_private(file, token)
        return file.resolve()


def prepare(
    backing: Backing,
    *,
    region: str,
    locality: Path,
    folder: Path,
    vhost: str | None = None,
    issuer: DevelopmentIssuer | None = None,
    suffix: str = "",
    hurry: int = 1,
    extra: Mapping[str, str] | None = None,
) -> Surroundings:
    """Give a region its audit log, and its virtual host where there is a broker.

    It blocks for a second: asyncio code runs it in a thread.

    Args:
        backing: The broker and the store.
        region: Its code.
        locality: Directory of its policies; its catalogue file adds to the topology.
        folder: Keeps the audit log's key and the users' passwords. The broker knows its
            users across virtual hosts, so who shares a broker shares this folder.
        vhost: By default the region.
        issuer: By default one that keeps its key in the folder.
        suffix: Ends every database's name.
        hurry: Divides the retry ladder's waiting times; for tests.
        extra: Settings that every service is given besides, by variable.
    """
    catalogue = catalogue_of(locality)
    users = (*catalogue.services, OPERATOR)
    chosen = passwords.made_in(folder / "passwords", users)
    in_store = passwords.made_in(folder / "store-passwords", catalogue.services)
    if urlsplit(backing.store_url).username:
        with store.administrator(Line(backing.store_url)) as client:
            store.apply(client, catalogue, passwords=in_store, suffix=suffix)
    host = vhost or region
    if backing.management_url:
        with Management(backing.management_url) as management:
            topology.apply(
                management, catalogue, vhost=host, passwords=chosen, hurry=hurry
            )
    made = Surroundings(
        region=region,
        locality=locality,
        vhost=host,
        amqp_url=backing.amqp_url,
        management_url=backing.management_url,
        store_url=backing.store_url,
        passwords=chosen,
        audit_key=kept_secret(folder / "audit-key"),
        store_passwords=in_store,
        issuer=issuer or DevelopmentIssuer(folder / "issuer"),
        folder=folder,
        suffix=suffix,
        extra=extra or {},
    )
    with MongoClient[dict[str, Any]](made.store_url) as client:
        audit.prepare(client[made.database_of(AUDIT)])
    return made


def application(
    service: str, environment: Mapping[str, str], stand_ins: StandIns | None = None
) -> FastAPI:
    """Make a service's application in this process.

    Args:
        service: Which.
        environment: Its settings, as variables; the process's own are not read.
        stand_ins: What is put in the place of the usual.

    Raises:
        BadConfiguration: The locality's policy is missing or wrong.
    """
    module: Any = importlib.import_module(f"{service}.app")
    given = {
        name.removeprefix(PREFIX).lower(): value for name, value in environment.items()
    }
    made: FastAPI = module.create_app(module.Settings(**given), stand_ins)
    return made
