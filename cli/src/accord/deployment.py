"""The deployment that an operator's command is about: named, or the one running here.

A deployment is named by the same variables that services read, with the operator's own
users in them. Where none is named, it is the demonstration that runs in ``./.accord``.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

from accord_chassis.development.process import Unavailable, locked, write_private
from accord_chassis.doors import Line, Trust
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_serializer,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from accord.faults import CannotGoOn

HERE = Path(".accord")
"""Where a demonstration keeps everything, below the directory it is run in."""

STATE = "demonstration.json"


class Asker(NamedTuple):
    """As whom a command asks the services.

    Attributes:
        who: Whose token a demonstration has for it.
        unknown: What is not known, where nobody says.
        needed: Whose token it takes, in words.
    """

    who: str
    unknown: str
    needed: str


def target(url: str | None, token: str | None, asker: Asker) -> tuple[str, str]:
    """Say whom to ask and under which token; by default the demonstration that runs.

    Raises:
        CannotGoOn: It is not known where, or no token is given.
    """
    if url and token:
        return url, token
    state = running()
    if state is None or url or token:
        raise CannotGoOn(
            f"{asker.unknown} is not known.",
            mend=f"Give --url and --token ({asker.needed}), or run `accord demo` here.",
        )
    return state["url"], (Path(state["here"]) / "tokens" / asker.who).read_text()


class Deployment(BaseModel):
    """A deployment, as an operator reaches it. What is not known is empty.

    Attributes:
        region: Its code.
        vhost: The broker's virtual host; by default the region.
        locality: Directory of its policies.
        management_url: The broker's management API, as an administrator.
        amqp_url: The broker, as the user ``operator``.
        store_url: The store, as somebody who may read every service's database.
        audit_url: The audit log's store, as somebody who may read it; by default the
            store.
        audit_database: The audit log's database.
        audit_key: What it is sealed with.
        audit_anchors: Directory of its anchored heads.
        ca_file: Who vouches for broker and store.
        client_cert_file: The certificate shown to them.
        server_cert_file: The certificate that services show, where it is to be had.
        databases: Each service's database.
        url: Where the services are: ``/api/<service>/v1/…`` below it.
        jwks_url: Where the identity provider publishes its keys.
        issuer: Whose tokens are believed.
        audience: Whom tokens must be meant for.
        operator_token: The operator's own, by which they are known.
        smtp_url: Where notify hands over mail.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    region: str = ""
    vhost: str = ""
    locality: Path | None = None
    management_url: SecretStr = SecretStr("")
    amqp_url: SecretStr = SecretStr("")
    store_url: SecretStr = SecretStr("")
    audit_url: SecretStr = SecretStr("")
    audit_database: str = "audit"
    audit_key: SecretStr = SecretStr("")
    audit_anchors: Path | None = None
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    server_cert_file: Path | None = None
    databases: Mapping[str, str] = Field(default_factory=dict)
    url: str = ""
    jwks_url: str = ""
    issuer: str = ""
    audience: str = "accord"
    operator_token: SecretStr = SecretStr("")
    smtp_url: SecretStr = SecretStr("")

    @field_serializer(
        "management_url",
        "amqp_url",
        "store_url",
        "audit_url",
        "audit_key",
        "operator_token",
        "smtp_url",
    )
    def _reveal(self, secret: SecretStr) -> str:
        """Write a secret out: only the state file, which its owner alone may read."""
        return secret.get_secret_value()

    def need_management(self) -> str:
        """Give the management API's address.

        Raises:
            CannotGoOn: It is not known.
        """
        return _needed(self.management_url, "ACCORD_MANAGEMENT_URL")

    def need_amqp(self) -> str:
        """Give the broker's address.

        Raises:
            CannotGoOn: It is not known.
        """
        return _needed(self.amqp_url, "ACCORD_AMQP_URL")

    def need_audit(self) -> str:
        """Give the address of the audit log's store.

        Raises:
            CannotGoOn: It is not known.
        """
        return _needed(
            self.audit_url if self.audit_url.get_secret_value() else self.store_url,
            "ACCORD_AUDIT_URL",
        )

    def need_audit_key(self) -> str:
        """Give what the audit log is sealed with.

        Raises:
            CannotGoOn: It is not known.
        """
        return _needed(self.audit_key, "ACCORD_AUDIT_KEY", what="key")

    def audit_line(self) -> Line:
        """Give the line to the audit log's store.

        Raises:
            CannotGoOn: Its address is not known.
        """
        return Line(self.need_audit(), trust=self.trust())

    def need_operator(self) -> str:
        """Give the operator's own token.

        Raises:
            CannotGoOn: It is not known.
        """
        return _needed(self.operator_token, "ACCORD_OPERATOR_TOKEN", what="token")

    def trust(self) -> Trust:
        """Give whom to trust on TLS connections, and what to show."""
        return Trust(self.ca_file, self.client_cert_file)

    def store_line(self) -> Line:
        """Give the line to the store.

        Raises:
            CannotGoOn: Its address is not known.
        """
        return Line(_needed(self.store_url, "ACCORD_STORE_URL"), trust=self.trust())

    def suffix(self) -> str:
        """Give how the names of the databases end."""
        service, database = next(iter(self.databases.items()), ("", ""))
        return database.removeprefix(service)


class _Named(BaseSettings):
    """A deployment as the environment and secret files name it."""

    model_config = SettingsConfigDict(
        env_prefix="ACCORD_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    region: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{1,30})?$")] = ""
    vhost: str = ""
    locality: Path | None = None
    management_url: SecretStr = SecretStr("")
    amqp_url: SecretStr = SecretStr("")
    store_url: SecretStr = SecretStr("")
    audit_url: SecretStr = SecretStr("")
    audit_database: str = "audit"
    audit_key: SecretStr = SecretStr("")
    audit_anchors: Path | None = None
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    server_cert_file: Path | None = None
    url: str = ""
    jwks_url: str = ""
    issuer: str = ""
    audience: str = "accord"
    operator_token: SecretStr = SecretStr("")
    smtp_url: SecretStr = SecretStr("")

    @classmethod
    def read(cls) -> Self:
        """Read it.

        Raises:
            CannotGoOn: A variable is wrong.
        """
        try:
            return cls(_secrets_dir=os.environ.get("ACCORD_SECRETS_DIR"))
        except ValidationError as wrong:
            names = ", ".join(f"ACCORD_{e['loc'][0]}".upper() for e in wrong.errors())
            raise CannotGoOn(f"Correct {names}.") from None

    def names_one(self) -> bool:
        """Tell whether a deployment is named at all."""
        return any((self.region, self.management_url.get_secret_value(),
                    self.amqp_url.get_secret_value(), self.url,
                    self.audit_url.get_secret_value()))  # fmt: skip

    def deployment(self) -> Deployment:
        """Make the deployment."""
        given = self.model_dump()
        amqp = urlsplit(self.amqp_url.get_secret_value())
        given["vhost"] = self.vhost or self.region or unquote(amqp.path.lstrip("/"))
        return Deployment(**given)


def deployment(here: Path = HERE) -> Deployment:
    """Find the deployment that a command is about.

    Raises:
        CannotGoOn: None is named and no demonstration runs here.
    """
    named = _Named.read()
    if named.names_one():
        return named.deployment()
    state = running(here)
    if state is None:
        raise CannotGoOn(
            "No deployment is named, and no demonstration runs here.",
            mend="Run `accord demo` in another terminal, or set ACCORD_REGION and "
            "the addresses (`accord --help` names them).",
        )
    found = Deployment.model_validate(state["deployment"])
    # A second person says who they are, and else means the same demonstration.
    if named.operator_token.get_secret_value():
        return found.model_copy(update={"operator_token": named.operator_token})
    return found


@contextmanager
def held(here: Path) -> Iterator[None]:
    """Hold a demonstration's directory, so that no other uses it.

    Raises:
        CannotGoOn: Another demonstration runs there.
    """
    runs = f"A demonstration runs in {here} already."
    try:
        with locked(here, patience=0, otherwise=runs):
            yield
    except Unavailable as fault:
        raise CannotGoOn(
            str(fault), mend="`accord status` shows it; Ctrl-C in its terminal ends it."
        ) from None


def is_held(here: Path) -> bool:
    """Tell whether a demonstration runs there."""
    if not here.exists():
        return False
    try:
        with held(here):
            return False
    except CannotGoOn:
        return True


def remember(here: Path, state: Mapping[str, Any]) -> None:
    """Write down what runs here."""
    write_private(here / STATE, json.dumps(state, indent=2))


def forget(here: Path) -> None:
    """Nothing runs here any more."""
    (here / STATE).unlink(missing_ok=True)


def running(here: Path = HERE) -> dict[str, Any] | None:
    """Give what runs here, or nothing."""
    file = here / STATE
    if not file.exists() or not is_held(here):
        return None
    state: dict[str, Any] = json.loads(file.read_text())
    return state


def _needed(secret: SecretStr, variable: str, *, what: str = "address") -> str:
    value = secret.get_secret_value()
    if not value:
        raise CannotGoOn(f"The {what} in {variable} is needed.", mend="Set it.")
    return value


def at_vhost(amqp_url: str, vhost: str) -> str:
    """Give a broker's address with a virtual host, unless it names one."""
    parts = urlsplit(amqp_url)
    if parts.path.strip("/") or not vhost:
        return amqp_url
    return parts._replace(path=f"/{quote(vhost, safe='')}").geturl()
