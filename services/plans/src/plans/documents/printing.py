"""Has papers printed, each in a process of its own, and none for long."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

import structlog
from accord_contracts.problem import Refusal

from plans.documents import press

log = structlog.get_logger()

SECONDS = 60.0
"""So long one may take, its wait for others included. A usual plan takes a second."""

MOST_HTML = 128 * 1024
"""Bytes of a paper: 550 rows, which took 7.6 seconds of a processor and 150 MB."""

MOST_PDF = 8 * 1024 * 1024
"""Bytes; of the longest that is printed it was 400 kB."""

MEDIA_TYPE = "application/pdf"


class PaperTooLong(Refusal):
    """This paper is longer than any that can be printed."""

    status = 422


class PressAway(Refusal):
    """No paper can be printed at present: try again soon."""

    status = 503


class Press:
    """Prints papers, one at a time: a service has memory for no two of the longest."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def pdf_of(self, page: str) -> bytes:
        """Give a paper as a PDF that says what its parts are (PDF/UA-1).

        Raises:
            PaperTooLong: It is too long.
            PressAway: It took too long, or could not be printed.
        """
        if len(html := page.encode()) > MOST_HTML:
            raise PaperTooLong
        try:
            async with asyncio.timeout(SECONDS), self._turn:
                pdf = await _printed(html)
        except TimeoutError:
            log.warning("paper.unprinted", reason="too_slow")
            raise PressAway from None
        if len(pdf) > MOST_PDF:
            raise PaperTooLong
        return pdf


async def _printed(html: bytes) -> bytes:
    # Isolated, and with an empty environment: it has no secret to lose.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", press.__file__),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={"LANG": "C.UTF-8"},
        cwd="/",
    )
    try:
        pdf, _ = await process.communicate(html)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not pdf:
        log.warning("paper.unprinted", reason="failed")
        raise PressAway
    return pdf
