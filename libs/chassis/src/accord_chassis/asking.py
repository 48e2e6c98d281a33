"""How a service asks another one: in time, under its own token, for what it can read.

What is asked stands in the service's own ``asks.py``.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

import httpx2
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from accord_chassis.doors import Trust
from accord_chassis.settings import TIMEOUT_SECONDS, BadConfiguration, ChassisSettings

UNANSWERED = (httpx2.HTTPError, OSError, AttributeError)
"""What asking over HTTP raises when there is no answer.

If the other side resets a connection as it is made, anyio on uvloop asks a socket that
is gone for its other end (seen in 9 of 500 connections; anyio 4).
"""

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class NoAnswer(ConnectionError):
    """Another service gives no answer, or none that can be understood.

    It says which kind of fault that was: its text may hold what was asked or answered.

    Attributes:
        fault: The fault's class.
        status: What the other service answered, if it refused.
    """

    def __init__(self, fault: Exception) -> None:
        self.fault = type(fault).__name__
        self.status: int | None = None
        if isinstance(fault, httpx2.HTTPStatusError):
            self.status = fault.response.status_code
        super().__init__(self.fault)


class ServiceToken:
    """The token under which a service asks.

    Args:
        given: As it is, for as long as the service lives.
        file: Where it stands; it is read again when the file changes.
    """

    def __init__(
        self, *, given: SecretStr | None = None, file: Path | None = None
    ) -> None:
        self._token = given.get_secret_value() if given else ""
        self._file = file
        self._read_at: tuple[int, int] | None = None

    def current(self) -> str:
        """Give the token as it is now.

        Raises:
            OSError: The file cannot be read.
        """
        if self._file is not None:
            found = self._file.stat()
            if self._read_at != (found.st_mtime_ns, found.st_ino):
                self._token = self._file.read_text().strip()
                self._read_at = (found.st_mtime_ns, found.st_ino)
        return self._token


class Peer:
    """Another service, as this one asks it.

    Args:
        url: Where it is.
        token: Under which it is asked.
        tls: Whose certificates are believed, if not the machine's.
        timeout_seconds: How long an answer may take.
    """

    def __init__(
        self,
        url: str,
        token: ServiceToken,
        *,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._base = f"{url.rstrip('/')}/v1"
        self._token = token
        self._client = httpx2.AsyncClient(
            timeout=timeout_seconds, verify=True if tls is None else tls
        )

    @classmethod
    def of(cls, settings: ChassisSettings, url: str) -> Self:
        """Have another service be asked as the settings say.

        Raises:
            BadConfiguration: There is no token under which to ask.
        """
        return cls(
            url,
            token_of(settings),
            tls=Trust.asked_by(settings),
            timeout_seconds=settings.answer_seconds,
        )

    async def get(self, path: str, answer: TypeAdapter[T]) -> T:
        """Read something.

        Raises:
            NoAnswer: There is none, or none of this form.
        """
        return await self._ask("GET", path, answer.validate_json)

    async def post(self, path: str, asked: BaseModel, answer: type[M]) -> M:
        """Ask something.

        Raises:
            NoAnswer: There is none, or none of this form.
        """
        content = asked.model_dump_json()
        return await self._ask("POST", path, answer.model_validate_json, content)

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        read: Callable[[bytes], T],
        content: str | None = None,
    ) -> T:
        kind = {} if content is None else {"Content-Type": "application/json"}
        try:
            told = await self._client.request(
                method,
                f"{self._base}{path}",
                content=content,
                headers={"Authorization": f"Bearer {self._token.current()}", **kind},
            )
            told.raise_for_status()
            return read(told.content)
        except (*UNANSWERED, ValidationError) as fault:
            raise NoAnswer(fault) from None


def token_of(settings: ChassisSettings) -> ServiceToken:
    """Have the token under which a service asks others.

    Raises:
        BadConfiguration: There is none.
    """
    token = ServiceToken(given=settings.service_token, file=settings.service_token_file)
    try:
        current = token.current()
    except OSError:
        current = ""
    if not current:
        raise BadConfiguration(
            "Set ACCORD_SERVICE_TOKEN_FILE to a file with the token under which "
            "this service asks the allocation service, or ACCORD_SERVICE_TOKEN to the "
            "token."
        )
    return token
