"""Values that occur nowhere else, and finding them in whatever form they went out.

All values of one kind begin with the same letters, the kind's mark, which were drawn
for this run alone. So a whole disk can be searched for a few marks in every form, and
a value is found too that was cut off behind its mark.
"""

import base64
import gzip
import json
import quopri
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random, SystemRandom
from urllib.parse import quote

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

SOFT_BREAK, BREAK = re.compile(rb"=\r?\n"), re.compile(rb"\r?\n")

CODE, PHONE = "code", "phone"

SCRIPTS = {
    CODE: ("abcdefghijklmnopqrstuvwxyz", 12),
    PHONE: ("0123456789", 14),
    "Māori": ("āēīōūhkmnprtw", 12),
    "Chinese": ("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林", 6),
    "Hindi": ("अआइउकखगघचजटडतदनपबमयरलवशसह", 7),
    "Arabic": ("ابتثجحخدذرزسشصضطظعغفقكلمنهوي", 7),
}
"""Letters of a mark, and how many: none stands in some millions of bytes by chance."""


@dataclass
class Sentinels:
    """Makes values, and finds them again.

    Attributes:
        random: Draws them.
        made: What each value was made for, by what is unique of it.
        marks: How all values in a script begin.
    """

    random: Random = field(default_factory=SystemRandom)
    made: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def word(self, what: str) -> str:
        """Make a value of letters and digits alone, which begins with a letter."""
        return self._made(what, CODE, "abcdefghijklmnopqrstuvwxyz0123456789")

    def name(self, what: str) -> str:
        """Make a name in any script, as long as names may be."""
        script = self.random.choice([each for each in SCRIPTS if each != PHONE])
        before = self.random.choice(("", "Te ", "Fa\u02bba", "O'", "de-la-"))
        return f"{before}{self._made(what, script).capitalize()}"

    def text(self, what: str) -> str:
        """Make a value of several words, with letters that are often escaped."""
        unique = self.name(what)
        return f'Ōtautahi, {unique} & <whānau> 100% "\\{self.random.choice("/+=?#")}"'

    def phone(self, what: str) -> str:
        """Make a telephone number."""
        return f"+64 20 {self._made(what, PHONE)}"

    def mobile(self, what: str) -> str:
        """Make a telephone number as short as E.164 wants it."""
        number = f"+6421{self._drawn('0123456789', 9)}"
        self.marks[number] = number
        self.made[number] = what
        return number

    def email(self, what: str) -> str:
        """Make an e-mail address."""
        return f"{self.word(what)}@mail.example"

    def birthday(self, what: str) -> str:
        """Make a date of birth that nobody else has."""
        given = sum("-" in each for each in self.made)
        day = (LONG_AGO + timedelta(days=given)).isoformat()
        self.marks[f"dates {day[:7]}"] = day[:8]
        self.made[day] = what
        return day

    def found_in(self, pieces: Iterable[bytes]) -> set[str]:
        """Say what was found, in any form; of what was cut off, of what kind it is."""
        raw = b"\n".join(pieces)
        # Mails break lines anywhere: the end of one is "=" or, in base64, nothing.
        lowered = SOFT_BREAK.sub(b"", raw).lower()
        raw = BREAK.sub(b"", raw)
        found = {
            f"a part of something in {script}"
            for script, mark in self.marks.items()
            if _stands(mark, raw, lowered)
        }
        # Which it is takes longer, and need be known only of what was found.
        made = self.made.items() if found else ()
        return {what for each, what in made if _stands(each, raw, lowered)} or found

    def _made(self, what: str, script: str, letters: str = "") -> str:
        rest = self._drawn(letters or SCRIPTS[script][0], 6)
        unique = f"{self._mark(script)}{rest}"
        self.made[unique] = what
        return unique

    def _mark(self, script: str) -> str:
        if script not in self.marks:
            self.marks[script] = self._drawn(*SCRIPTS[script])
        return self.marks[script]

    def _drawn(self, letters: str, length: int) -> str:
        return "".join(self.random.choices(letters, k=length))


def _stands(text: str, raw: bytes, lowered: bytes) -> bool:
    plain = any(each in lowered for each in forms(text))
    return plain or any(each in raw for each in _in_base64(text))


ENCODINGS: tuple[Callable[[str], bytes], ...] = (
    str.encode,
    lambda text: text.encode("utf-16-le"),
    lambda text: json.dumps(text)[1:-1].encode(),
    lambda text: quote(text).encode(),
    lambda text: SOFT_BREAK.sub(b"", quopri.encodestring(text.encode())),
    lambda text: text.encode("ascii", "xmlcharrefreplace"),
    lambda text: text.encode("ascii", "backslashreplace"),
    lambda text: repr(text.encode())[2:-1].encode(),
    lambda text: text.encode().hex().encode(),
)
"""Plain, JSON, URL, e-mail, HTML, as Python and Erlang write bytes, hexadecimal."""


def forms(text: str) -> set[bytes]:
    """Give a text as it may stand in a haystack whose ASCII letters are all small."""
    return {encode(each).lower() for each in _spellings(text) for encode in ENCODINGS}


def _spellings(text: str) -> set[str]:
    """Give a text with other cases, composed otherwise, and as recognition folds it."""
    parts = unicodedata.normalize("NFKD", text)
    bare = "".join(each for each in parts if not unicodedata.combining(each))
    spaced = text.replace("-", " ")
    cases = {text, text.upper(), text.casefold(), text.capitalize()}
    return {*cases, parts, parts.upper(), bare, bare.upper(), spaced}


def _in_base64(text: str) -> Iterator[bytes]:
    """Give what a text is in base64, wherever it begins in something longer."""
    written = {
        encoded
        for each in _spellings(text)
        for encoded in (each.encode(), json.dumps(each)[1:-1].encode())
    }
    for each in written:
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + each)
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
