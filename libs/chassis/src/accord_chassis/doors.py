"""The lines to the broker and to the store: whom they trust, and how they are renewed.

A certificate, a password or an address that is written anew to its file is used for
the next connection, without a restart. What is renewed can only be as safe as what it
replaces: a file that would take TLS away from a line is not heeded.
"""

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from accord_chassis.settings import SCHEMES, BadConfiguration, ChassisSettings

log = structlog.get_logger()

RENEW_SECONDS = 5.0
"""How often the files are looked at."""

WEAKENING = frozenset(
    {
        "no_verify_ssl",
        "tlsinsecure",
        "tlsallowinvalidcertificates",
        "tlsallowinvalidhostnames",
    }
)
"""What in an address takes the verification away from TLS."""

LOOKED_UP = "mongodb+srv://"
"""How an address begins that is not known before it was looked up."""

FALSE = frozenset({"0", "false"})

REASONS = {
    "certificate has expired": "certificate_expired",
    "mismatch, certificate": "certificate_of_other",
    "CERTIFICATE_VERIFY_FAILED": "certificate_not_trusted",
    "SSL": "tls_failed",
}
"""What OpenSSL says, and the code under which it is logged; the first counts."""


class Trust:
    """Whose certificates are believed, and which one is shown.

    Args:
        ca_file: Certificates of the authorities that are believed, PEM; by default
            those of the machine.
        client_cert_file: The certificate that is shown, with its chain and its private
            key, PEM.
    """

    def __init__(
        self, ca_file: Path | None = None, client_cert_file: Path | None = None
    ) -> None:
        self.ca_file = ca_file
        self.client_cert_file = client_cert_file

    @classmethod
    def of(cls, settings: ChassisSettings) -> "Trust":
        """Give what the settings say."""
        return cls(settings.ca_file, settings.client_cert_file)

    def context(self) -> ssl.SSLContext:
        """Make what a TLS connection needs: at least TLS 1.2, host names checked.

        Raises:
            BadConfiguration: A file cannot be read or holds no certificate.
        """
        try:
            made = ssl.create_default_context(cafile=self.ca_file)
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.client_cert_file:
                made.load_cert_chain(self.client_cert_file)
        except OSError:
            raise BadConfiguration(
                "TLS to broker and store cannot be had: ACCORD_CA_FILE must name a "
                "file of PEM certificates, and ACCORD_CLIENT_CERT_FILE, if it is set, "
                "one with a certificate and its private key."
            ) from None
        return made

    @classmethod
    def asked_by(cls, settings: ChassisSettings) -> ssl.SSLContext | None:
        """Make what a service needs that asks another; none for the machine's own.

        Raises:
            BadConfiguration: See ``context``.
        """
        return cls.of(settings).context() if settings.ca_file else None

    def renew(self, context: ssl.SSLContext) -> None:
        """Have a context, which is in use, show and believe what the files say now.

        What it believed before it believes until the process ends.
        """
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
        if self.client_cert_file:
            context.load_cert_chain(self.client_cert_file)


class Shown:
    """The certificate that a service shows to whoever asks it for something.

    A connection that begins after the file was written anew sees what it says then.

    Args:
        file: The certificate, its chain and its private key, PEM.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = self._written_at()
        self._context = self._made()

    @classmethod
    def of(cls, settings: ChassisSettings) -> "Shown | None":
        """Give what the settings say, if the service speaks TLS itself.

        Raises:
            BadConfiguration: The file cannot be read or holds no certificate.
        """
        if settings.server_cert_file is None:
            return None
        try:
            return cls(settings.server_cert_file)
        except OSError:
            raise BadConfiguration(
                "The service cannot speak TLS: ACCORD_SERVER_CERT_FILE must name a PEM "
                "file with its certificate and its private key."
            ) from None

    def context(self, *_: object) -> ssl.SSLContext:
        """Give what the server's TLS needs: at least TLS 1.2."""
        return self._context

    def _made(self) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_cert_chain(self._file)
        made.sni_callback = self._begin
        return made

    def _begin(
        self, line: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Have a connection that begins see the certificate as it is now."""
        try:
            if (written_at := self._written_at()) != self._read_at:
                self._context, self._read_at = self._made(), written_at
                log.info("certificate.renewed")
        except OSError:
            # It may be half written; whoever comes next looks again.
            log.warning("certificate.not_renewed")
        line.context = self._context

    def _written_at(self) -> tuple[int, int]:
        found = self._file.stat()
        return found.st_mtime_ns, found.st_ino


class Line:
    """The line to the broker or to the store, as it is to be now.

    Args:
        url: The address, with user and password.
        file: Where the address stands; read again when it changes.
        trust: For TLS.
    """

    def __init__(
        self, url: str, *, file: Path | None = None, trust: Trust | None = None
    ) -> None:
        self.url = url
        self.trust = trust or Trust()
        self._file = file
        self._seen = self._mark()

    @classmethod
    def to(cls, settings: ChassisSettings, name: str) -> "Line":
        """Give the line whose address a setting is."""
        given = getattr(settings, name)
        url = given.get_secret_value() if isinstance(given, SecretStr) else given
        file = _file_of(settings, name, url)
        return cls(url, file=file, trust=Trust.of(settings))

    def context(self) -> ssl.SSLContext | None:
        """Make what the next connection needs for TLS; nothing for a line without.

        Raises:
            BadConfiguration: See ``Trust.context``.
        """
        return self.trust.context() if speaks_tls(self.url) else None

    def renewed(self) -> bool:
        """Look at the files, and tell whether the line is another from now on."""
        found = self._mark()
        if found in {self._seen, ""}:
            return False
        self._seen = found
        try:
            url = _text(self._file) if self._file else self.url
            if not _as_safe(url, self.url):
                raise BadConfiguration("no TLS")
            if speaks_tls(url):
                self.trust.context()
        except (BadConfiguration, OSError, ValueError):
            # It may be half written; the next look comes soon.
            log.warning("line.not_renewed", dependency=_kind(self.url))
            return False
        self.url = url
        return True

    def store_options(self) -> dict[str, Any]:
        """Give what PyMongo needs for TLS beside the address."""
        if not speaks_tls(self.url):
            return {}
        named = {
            "tlsCAFile": self.trust.ca_file,
            "tlsCertificateKeyFile": self.trust.client_cert_file,
        }
        return {option: str(file) for option, file in named.items() if file}

    def _mark(self) -> str:
        """Give what changes with any of the files; nothing while one is not there."""
        mark = hashlib.sha256()
        files = (self._file, self.trust.ca_file, self.trust.client_cert_file)
        try:
            for file in files:
                content = file.read_bytes() if file else b""
                mark.update(hashlib.sha256(content).digest())
        except OSError:
            return ""
        return mark.hexdigest()


async def renew_client(client: AsyncMongoClient[Any], line: Line) -> None:
    """Have a client's next connections use what the line is now, and end the others.

    Whoever holds the client, or a collection of it, goes on with it. PyMongo offers no
    door for that, so this goes through its own rooms (4.x); the tests stand guard.
    Connections that are in use end when they are given back. Of an address that is
    looked up in the DNS only the certificates are followed.
    """
    pool = client.options.pool_options
    if not line.url.startswith(LOOKED_UP):
        fresh = AsyncMongoClient[Any](line.url, connect=False, **line.store_options())
        found = fresh.options.pool_options._credentials  # noqa: SLF001 - See above.
        setattr(pool, "_PoolOptions__credentials", found)  # noqa: B010 - A slot.
        await fresh.close()
    context = pool._ssl_context  # noqa: SLF001 - See above.
    if isinstance(context, ssl.SSLContext):
        line.trust.renew(context)
    servers = client._topology._servers.values()  # noqa: SLF001 - See above.
    for server in list(servers):
        await server.pool.reset_without_pause()


def speaks_tls(url: str) -> bool:
    """Tell whether an address asks for TLS, with everything verified."""
    parts = urlsplit(url)
    given = [
        (name.lower(), value.lower())
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    if any(name in WEAKENING and value not in FALSE for name, value in given):
        return False
    if parts.scheme == "amqps":
        return True
    asked = [value == "true" for name, value in given if name in {"tls", "ssl"}]
    return all(asked) and (bool(asked) or parts.scheme == "mongodb+srv")


def check_lines(settings: ChassisSettings) -> None:
    """Refuse lines that others could read or answer on.

    To another service too: what is asked there is how people are reached, and who has
    to do with which case.

    Raises:
        BadConfiguration: What to change.
    """
    if not speaks_tls(settings.amqp_url.get_secret_value()):
        raise BadConfiguration(
            "Whoever stands between could read and write events: ACCORD_AMQP_URL must "
            "begin with amqps:// and turn no verification off."
        )
    for name in ("store_url", "audit_url", "vault_url"):
        # Not every service has a vault.
        url: SecretStr | None = getattr(settings, name, None)
        if url is not None and not speaks_tls(url.get_secret_value()):
            raise BadConfiguration(
                "Whoever stands between could read and write the database: "
                f"ACCORD_{name.upper()} must say tls=true and turn no verification off."
            )

    for name in type(settings).model_fields:
        if not name.endswith("_url") or name in SCHEMES:
            continue
        asked = getattr(settings, name)
        if isinstance(asked, str) and asked.startswith("http:") and not _near(asked):
            raise BadConfiguration(
                "Whoever stands between could read and answer: "
                f"ACCORD_{name.upper()} must begin with https://."
            )


def _near(url: str) -> bool:
    """Tell whether an address never leaves the machine or the pod."""
    return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}


def reason_of(fault: BaseException) -> str | None:
    """Say why TLS failed, as a code; nothing if something else did."""
    # PyMongo keeps no cause, so what OpenSSL said is looked for in the text.
    text = " ".join(str(each) for each in _causes(fault))
    return next((code for said, code in REASONS.items() if said in text), None)


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """Give a fault and what it came from; libraries make rings of them (measured)."""
    found = [fault]
    for each in found:
        yield each
        for cause in (each.__cause__, each.__context__):
            if cause is not None and not any(cause is known for known in found):
                found.append(cause)


def _as_safe(url: str, before: str) -> bool:
    """Tell whether an address may take another's place."""
    kinds = [each for each in SCHEMES.values() if before.startswith(each)]
    if not all(url.startswith(each) for each in kinds):
        return False
    if _kind(before) == "broker" and _user(url) != _user(before):
        # It stands in every message, and says whose it is.
        return False
    return speaks_tls(url) or not speaks_tls(before)


def _user(url: str) -> str | None:
    return urlsplit(url).username


def _kind(url: str) -> str:
    return "broker" if url.startswith("amqp") else "store"


def _file_of(settings: ChassisSettings, name: str, url: str) -> Path | None:
    """Find the file that a setting came from, if it came from one."""
    directory = settings.secrets_dir
    if directory is None:
        return None
    wanted = f"accord_{name}"
    for file in directory.iterdir():
        if file.name.lower() == wanted and file.is_file() and _text(file) == url:
            return file
    return None


def _text(file: Path) -> str:
    return file.read_text("utf-8").strip()
