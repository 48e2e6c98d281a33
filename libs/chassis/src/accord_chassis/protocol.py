"""The server's HTTP protocol with bounds on what comes before a request's body.

uvicorn's parser takes headers of any size and number, and waits for their end for
ever: a thousand connections that say a byte a minute would be the end of a service.
uvicorn has a setting for neither with httptools, hence this subclass.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 32 * 1024
"""Bytes of a request's line and headers together. A token has at most 8 KiB."""

HEADERS = 100
"""How many headers a request may have."""

HEAD_SECONDS = 10.0
"""How long a request's headers may take, from the connection or their first byte."""


class HeadTooLarge(Exception):
    """The request's line and headers are larger, or more, than any need be."""


class BoundedProtocol(HttpToolsProtocol):
    """Speaks HTTP with whoever says in time, and in bounds, what they want."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's.
        super().__init__(*args, **kwargs)
        self._head = 0
        self._in_head = True
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, while headers that have no end are no longer than allowed.

        Most come in one piece, and need no timer at all.
        """
        self._head += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head > HEAD_BYTES:
            self.send_400_response("Invalid HTTP request received.")
        elif self._head and self._waiting is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """Serve the request.

        Raises:
            HeadTooLarge: It is refused instead: uvicorn answers 400 and hangs up.
        """
        self._in_head = False
        self._stop_waiting()
        size = len(self.url) + sum(len(name) + len(held) for name, held in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEADERS:
            raise HeadTooLarge
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to look for the next request's headers."""
        super().on_message_complete()
        self._in_head, self._head = True, 0

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.head_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        self.transport.close()
