"""Values that occur nowhere else, and finding them in whatever form they went out."""

import base64
import gzip
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import uuid4

from accord.serving import listen, serving
from accord_chassis.development.process import LOOPBACK
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

LONG_AGO = date(1903, 1, 1)
"""From here on dates of birth are given out: nobody in the invented world is so old."""

SHORTEST = 8
"""Fewer letters could stand in base64 by chance."""


@dataclass
class Sentinels:
    """Makes values, and finds them again.

    Attributes:
        made: What each value was made for, by what is unique of it.
    """

    made: dict[str, str] = field(default_factory=dict)

    def word(self, what: str) -> str:
        """Make a value of letters and digits alone."""
        unique = uuid4().hex[:16]
        self.made[unique] = what
        return f"s{unique}"

    def text(self, what: str) -> str:
        """Make a value of several words, with letters that are often escaped."""
        return f"Ōtautahi {self.word(what)} & <whānau>"

    def birthday(self, what: str) -> str:
        """Make a date of birth that nobody else has."""
        day = (LONG_AGO + timedelta(days=len(self.made))).isoformat()
        self.made[day] = what
        return day

    def found_in(self, pieces: Iterable[bytes]) -> set[str]:
        """Say what was found: as it is, in capitals, or in base64."""
        raw = b"\n".join(pieces)
        lowered = raw.lower()
        return {
            what
            for unique, what in self.made.items()
            if unique.encode() in lowered
            or any(each in raw for each in _in_base64(unique))
        }


def _in_base64(unique: str) -> Iterator[bytes]:
    """Give what a text is in base64, wherever it begins in something longer."""
    for text in (unique, unique.upper()):
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + text.encode())
            # What the letters around it have a share in is left out.
            inner = encoded[-(-before * 8 // 6) :].rstrip(b"=")[:-1]
            if len(inner) >= SHORTEST:
                yield inner
                yield inner.replace(b"+", b"-").replace(b"/", b"_")


@asynccontextmanager
async def collecting(spans: list[bytes]) -> AsyncIterator[str]:
    """Take traces as OTLP over HTTP, keep their bytes, and say where that is."""

    async def take(request: Request) -> Response:
        body = await request.body()
        zipped = request.headers.get("content-encoding") == "gzip"
        spans.append(gzip.decompress(body) if zipped else body)
        return Response(media_type="application/x-protobuf")

    listening = listen(None)
    app = Starlette(routes=[Route("/v1/traces", take, methods=["POST"])])
    async with serving(app, listening):
        yield f"http://{LOOPBACK}:{listening.getsockname()[1]}"
