"""HTTP as an agency's system speaks it: one kept-alive connection, no more.

Written on bare streams, because a whole HTTP client costs more processor time than the
service it calls, and would measure itself (DESIGN, Performance).
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

SECONDS = 30.0

CHUNK_END = b"\r\n"

Gone = (ConnectionError, EOFError, OSError, TimeoutError)
"""What a request may fail with when the other side is away."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own range.

    def json(self) -> Any:  # noqa: ANN401 - Any JSON.
        """Read the body.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.body)


class Client:
    """A kept-alive connection to one server. One request at a time.

    Args:
        url: ``http://host:port/prefix``; paths are added to the prefix.
        token: Sent as a bearer token with every request, if given.
    """

    def __init__(self, url: str, *, token: str | None = None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        common = f"host: {parts.netloc.rpartition('@')[2]}\r\n"
        if token:
            common += f"authorization: Bearer {token}\r\n"
        self._common = common
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        """Use it for a while; it connects when it is first needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def get(self, path: str) -> Answer:
        """Read."""
        return await self.request("GET", path)

    async def send(
        self, method: str, path: str, document: object = None, *, key: str | None = None
    ) -> Answer:
        """Send a document.

        Args:
            method: ``POST`` or ``PUT``.
            path: Where.
            document: Anything that JSON can say; nothing is sent if it is ``None``.
            key: ``Idempotency-Key``: the same request again has no second effect.
        """
        headers = {"content-type": "application/json"} if document is not None else {}
        if key is not None:
            headers["idempotency-key"] = key
        body = b""
        if document is not None:
            body = json.dumps(document, separators=(",", ":")).encode()
        return await self.request(method, path, body=body, headers=headers)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read the answer.

        A connection that the server closed while it was idle is made anew once.

        Raises:
            ConnectionError: The server is away, or was in the middle of it.
            TimeoutError: It does not answer.
        """
        added = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
        head = (
            f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._common}"
            f"{added}content-length: {len(body)}\r\n\r\n"
        )
        async with asyncio.timeout(SECONDS):
            fresh = self._streams is None
            try:
                return await self._exchange(head.encode("latin-1") + body, method)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                if fresh:
                    raise ConnectionResetError("The server hung up.") from None
            return await self._exchange(head.encode("latin-1") + body, method)

    async def _exchange(self, sent: bytes, method: str) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls or None
            )
        reader, writer = self._streams
        try:
            writer.write(sent)
            answer = await _read(reader, empty=method == "HEAD")
        except BaseException:
            # Half an answer must not be taken for the next one's beginning.
            self.close()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer


async def _read(reader: asyncio.StreamReader, *, empty: bool) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    status = int(first.split(" ", 2)[1])
    body = b"" if empty else await _body(reader, headers)
    return Answer(status, headers, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    chunks = []
    while size := int((await reader.readuntil(CHUNK_END)).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(len(CHUNK_END))
    await reader.readuntil(CHUNK_END)
    return b"".join(chunks)
