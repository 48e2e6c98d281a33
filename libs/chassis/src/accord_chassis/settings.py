"""The settings every service shares: environment and secret files only."""

import os
from collections.abc import Hashable, Iterator
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from accord_contracts.catalogue import (
    CATALOGUE,
    Catalogue,
    RepeatedListener,
    UnknownEvent,
)
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from accord_chassis.oddities import CASES_AN_HOUR, REFUSALS_AN_HOUR

M = TypeVar("M", bound=BaseModel)


class BadConfiguration(Exception):
    """The service cannot start as configured. Says in a sentence what to change."""


Network = IPv4Network | IPv6Network

ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
"""How a service may be called, as part of the names of queues and users."""

AuditKey = Annotated[SecretStr, Field(min_length=32)]
"""What the audit log is sealed with: 32 characters of chance at least."""


Limit = Annotated[int, Field(ge=0, le=1_000_000)]
"""How much of something one may ask for; nought: as much as one likes."""

SCHEMES = {
    "amqp_url": ("amqp://", "amqps://"),
    "store_url": ("mongodb://", "mongodb+srv://"),
    "audit_url": ("mongodb://", "mongodb+srv://"),
    "jwks_url": ("https://", "http://", "file://"),
}
"""How the addresses of what every service needs begin."""


TIMEOUT_SECONDS = 2.0
"""How long an answer may take: somebody waits for what it is asked for."""


class ChassisSettings(BaseSettings):
    """How a locality runs a service.

    Read from ``ACCORD_…`` variables and, for what is secret, from files of the same
    names in the directory that ``ACCORD_SECRETS_DIR`` names. Nothing secret has a
    default.

    Attributes:
        region: The region's code; one deployment serves one region.
        locality: Directory of the policies that the locality decides.
        amqp_url: The broker, with this service's own user.
        store_url: The store, with this service's own user.
        database: The service's own database; by default its name.
        secrets_dir: Directory of the secret files. Addresses of broker and store are
            read again when theirs change.
        ca_file: Who vouches for the broker, the store and other services: PEM
            certificates; by default the machine's own.
        client_cert_file: The certificate shown to the broker and the store, with its
            private key, PEM; none if not set.
        server_cert_file: The certificate that the service itself shows, with its chain
            and its private key, PEM; read again when it changes. Without it the service
            speaks no TLS of its own.
        jwks_url: Where the identity provider publishes its keys (https, or a file).
        issuer: Whose tokens are believed.
        audience: Whom tokens must be meant for.
        longest_token_life: The most seconds from a token's ``iat`` to its ``exp``;
            development's own tokens may be for longer.
        client_certificate_header: The header in which the proxy that ends TLS tells
            the SHA-256 of the client's certificate; none, if it tells of none.
        trusted_proxies: The networks where that proxy is, with commas between. Its
            word on where a request comes from is taken.
        require_bound_tokens: An agency's machine needs a token that is bound to its
            certificate; an unbound one, or a key, is refused.
        development: Invented data and a development issuer are allowed.
        allocation_url: Where the allocation service is, which knows who works on what.
        service_token: Under which other services are asked, or
        service_token_file: where that token stands; read again when it changes.
        answer_seconds: How long another service's answer may take.
        tls_terminated: Something in front of the service speaks TLS for it, and for it
            alone: a proxy in the same pod.
        root_path: The path below which a gateway shows the service.
        otlp_endpoint: Where traces go (OTLP over HTTP); nowhere if not set.
        log_level: The least that is logged.
        prefetch: The most messages taken from a lane and not yet handled.
        outbox_silent_minutes: After so long in which an event could not leave, or the
            store or the broker has not answered, that is a critical line of the log.
        drain_seconds: How long ending may take after SIGTERM, work in hand included.
        audit_key: Seals the audit log; the same for all services of a region.
        audit_url: The audit log's store, with a user who may insert and find and
            nothing else; by default the service's own store and user.
        audit_database: The audit log's database; no service has another right to it.
        audit_anchors: Directory in which heads of the log are kept, best where whoever
            rules the store may add and change nothing; by default they are only logged.
        audit_cases_an_hour: Cases that one person may look at before it is odd.
        audit_refusals_an_hour: Refusals that one person may meet before it is odd.
        docs: ``/docs`` and ``/openapi.json`` are served though this is no development.
        requests_a_minute: Of one caller, at one replica. Nought, in development only:
            no limit; so for each of the following.
        guesses_a_minute: Bad tokens from one address, before no more are looked at.
        records_an_hour: Different records that a person may ask for.
        agency_records_an_hour: Different records that an agency's system may ask for.
    """

    model_config = SettingsConfigDict(
        env_prefix="ACCORD_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    region: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
    locality: Path
    amqp_url: SecretStr
    store_url: SecretStr
    database: str = ""
    secrets_dir: Path | None = None
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    server_cert_file: Path | None = None
    jwks_url: str
    issuer: str
    audience: str = "accord"
    allocation_url: str = ""
    service_token: SecretStr | None = None
    service_token_file: Path | None = None
    answer_seconds: Annotated[float, Field(gt=0, le=300)] = TIMEOUT_SECONDS
    longest_token_life: Annotated[int, Field(ge=60, le=3600)] = 600
    client_certificate_header: Annotated[
        str | None, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")
    ] = None
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    require_bound_tokens: bool = False
    development: bool = False
    tls_terminated: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    root_path: str = ""
    otlp_endpoint: str | None = None
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    prefetch: Annotated[int, Field(ge=1, le=2000)] = 200
    outbox_silent_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 10
    drain_seconds: Annotated[float, Field(gt=0, le=60)] = 25.0
    audit_key: AuditKey
    audit_url: SecretStr | None = None
    audit_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = "audit"
    audit_anchors: Path | None = None
    audit_cases_an_hour: Annotated[int, Field(ge=1)] = CASES_AN_HOUR
    audit_refusals_an_hour: Annotated[int, Field(ge=1)] = REFUSALS_AN_HOUR
    docs: bool = False
    requests_a_minute: Limit = 6000
    guesses_a_minute: Limit = 60
    records_an_hour: Limit = 200
    agency_records_an_hour: Limit = 5000

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        """Read a list as people write it: with commas."""
        if not isinstance(given, str):
            return given
        return tuple(each.strip() for each in given.split(",") if each.strip())


S = TypeVar("S", bound=ChassisSettings)


def settings_of(kind: type[S], **given: Any) -> S:  # noqa: ANN401 - Any field.
    """Read a service's settings.

    Raises:
        BadConfiguration: A setting is missing or wrong; every one is named, none shown.
    """
    try:
        found = kind(_secrets_dir=_secrets_directory(), **given)
    except ValidationError as wrong:
        raise BadConfiguration(f"Set {_named(wrong)} and start again.") from None
    except SettingsError as wrong:
        # It names the field and where it came from.
        raise BadConfiguration(f"Correct the settings: {wrong}.") from None
    if strange := "; ".join(_strange(found)):
        raise BadConfiguration(f"{strange}.")
    return found


def _strange(settings: ChassisSettings) -> Iterator[str]:
    """Say which addresses cannot be any, without showing them."""
    for name, schemes in SCHEMES.items():
        given = getattr(settings, name)
        text = given.get_secret_value() if isinstance(given, SecretStr) else given
        if text is not None and not text.startswith(schemes):
            yield f"ACCORD_{name.upper()} must begin with {' or '.join(schemes)}"


def _secrets_directory() -> str | None:
    named = os.environ.get("ACCORD_SECRETS_DIR")
    if named and not Path(named).is_dir():
        raise BadConfiguration(
            f"ACCORD_SECRETS_DIR names {named}, which is no directory: set it to the "
            "one with the secret files, or leave it out."
        )
    return named or None


class Additions(BaseModel):
    """What a locality adds to the catalogue: its own services, and what each hears."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listeners: dict[ServiceName, tuple[str, ...]] = {}


class _Strict(yaml.CSafeLoader):
    """Reads YAML in which no key stands twice: the first would be lost silently."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's own signature.
    ) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} stands there twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def policy_of(kind: type[M], locality: Path, name: str) -> M:
    """Read what a locality decides for one service, and check it.

    Raises:
        BadConfiguration: The file is missing, is no YAML, says something twice, or
            breaks a rule.
    """
    path = locality / f"{name}.yaml"
    if not path.exists():
        raise BadConfiguration(
            f"There is no {name}.yaml in {locality}: set ACCORD_LOCALITY to a "
            "locality's directory."
        )
    return _checked(kind, path, _read(path))


def catalogue_of(locality: Path) -> Catalogue:
    """Give the catalogue of a locality: Accord's own, and the services it adds.

    A locality names them in ``catalogue.yaml``, each with what it listens to::

        listeners:
          dashboard: [risk.assessed.v1, plan.agreed.v1]

    Services must know of them: what nobody listens to is not kept until it is heard.

    Raises:
        BadConfiguration: The file is wrong.
    """
    path = locality / "catalogue.yaml"
    if not path.exists():
        return CATALOGUE
    added = _checked(Additions, path, _read(path) or {})
    try:
        return CATALOGUE.with_listeners(added.listeners)
    except (UnknownEvent, RepeatedListener) as wrong:
        raise BadConfiguration(f"Correct {path}: {wrong}.") from None


def _read(path: Path) -> object:
    try:
        return yaml.load(path.read_bytes(), Loader=_Strict)  # noqa: S506  # nosec B506 - Safe too.
    except OSError as wrong:
        raise BadConfiguration(f"{path} cannot be read: {wrong.strerror}.") from None
    except yaml.YAMLError as wrong:
        raise BadConfiguration(f"{path} is not YAML: {wrong}") from None


def _checked(kind: type[M], path: Path, found: object) -> M:
    try:
        return kind.model_validate(found)
    except ValidationError as wrong:
        rules = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}"
            for each in wrong.errors(include_url=False, include_input=False)
        )
        raise BadConfiguration(f"Correct {path}: {rules}.") from None


def _named(wrong: ValidationError) -> str:
    return ", ".join(
        f"ACCORD_{str(each['loc'][0]).upper()} ({each['msg'].lower()})"
        if each["loc"]
        else each["msg"]
        for each in wrong.errors(include_url=False, include_input=False)
    )
