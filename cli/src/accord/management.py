"""RabbitMQ's management HTTP API, as far as an operator needs it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote, unquote, urlsplit

import httpx2
from accord_chassis.doors import Trust

from accord.faults import CannotGoOn

Rows = list[dict[str, Any]]

SECONDS = 30.0


class Silent(CannotGoOn):
    """The management API was asked, and says nothing."""


class Management:
    """One broker's management API, spoken to with an administrator's rights.

    It blocks: asyncio code uses it in a thread.

    Args:
        url: ``https://user:password@host:port``; without TLS on one machine only.
        trust: For TLS; by default the machine's own authorities.
    """

    def __init__(self, url: str, trust: Trust | None = None) -> None:
        parts = urlsplit(url)
        self.user = unquote(parts.username or "")
        port = f":{parts.port}" if parts.port else ""
        self.address = f"{parts.scheme}://{parts.hostname}{port}"
        self._client = httpx2.Client(
            base_url=f"{self.address}{parts.path.rstrip('/')}/api/",
            auth=(self.user, unquote(parts.password or "")),
            timeout=SECONDS,
            verify=(trust or Trust()).context(),
        )

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, *path: str) -> dict[str, Any]:
        """Read one object."""
        return cast(dict[str, Any], self._call("GET", path).json())

    def rows(self, *path: str) -> Rows:
        """Read a list; an empty one where the virtual host is not there."""
        answer = self._call("GET", path, absent=True)
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return []
        return cast(Rows, answer.json())

    def exists(self, *path: str) -> bool:
        """Tell whether something is there."""
        answer = self._call("GET", path, absent=True)
        return answer.status_code != httpx2.codes.NOT_FOUND

    def put(self, *path: str, body: Mapping[str, Any]) -> None:
        """Write one object."""
        self._call("PUT", path, body=body)

    def post(self, *path: str, body: Mapping[str, Any]) -> None:
        """Write many objects, as a definitions document."""
        self._call("POST", path, body=body)

    def delete(self, *path: str) -> None:
        """Remove one object; well if it is gone already."""
        self._call("DELETE", path, absent=True)

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        body: Mapping[str, Any] | None = None,
        absent: bool = False,
    ) -> httpx2.Response:
        where = "/".join(quote(each, safe="") for each in path)
        try:
            answer = self._client.request(method, where, json=body)
        except httpx2.TransportError as fault:
            kind = Silent if isinstance(fault, httpx2.ReadTimeout) else CannotGoOn
            raise kind(
                f"The broker's management API does not answer at {self.address} "
                f"({type(fault).__name__}).",
                mend="Start the broker with its management plugin, or correct "
                "ACCORD_MANAGEMENT_URL.",
            ) from None
        if absent and answer.status_code == httpx2.codes.NOT_FOUND:
            return answer
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            raise CannotGoOn(
                f"The broker at {self.address} does not let {self.user or 'nobody'} in "
                "as an administrator.",
                mend="Give ACCORD_MANAGEMENT_URL the user and password of one.",
            )
        if answer.is_error:
            raise CannotGoOn(
                f"The broker refused to {method} /api/{where}: {_reason(answer)}.",
                mend="Look into the broker's log.",
            )
        return answer


def _reason(answer: httpx2.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    return str(told.get("reason") or told.get("error") or answer.status_code)
