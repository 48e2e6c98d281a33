"""A mailbox on this machine: keeps whatever is sent to anybody, and sends none on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from accord_chassis.development.process import LOOPBACK
from aiosmtpd.smtp import SMTP, Envelope, Session

DONE = "250 Kept"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Captured mail, a file a message.

    Attributes:
        url: Where mail is taken.
        folder: Where it is kept.
    """

    url: str
    folder: Path

    def count(self) -> int:
        """Count what is there."""
        return captured(self.folder)


def captured(folder: Path) -> int:
    """Count the messages kept in a folder."""
    return sum(1 for _ in folder.glob("*.eml"))


@asynccontextmanager
async def mailbox(folder: Path) -> AsyncIterator[Mailbox]:
    """Take mail on a free port for as long as the block runs."""
    loop = asyncio.get_running_loop()
    keeper = _Keeper(folder)
    server = await loop.create_server(
        lambda: SMTP(keeper, loop=loop, hostname="localhost"), LOOPBACK, 0
    )
    port = server.sockets[0].getsockname()[1]
    try:
        yield Mailbox(f"smtp://{LOOPBACK}:{port}", folder)
    finally:
        server.close()
        await server.wait_closed()


class _Keeper:
    """Writes each message to a file of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._count = 0

    async def handle_DATA(  # noqa: N802 - aiosmtpd's own name.
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self._count += 1
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        content = envelope.content or b""
        raw = content.encode() if isinstance(content, str) else content
        (self._folder / f"{at}-{self._count:05}.eml").write_bytes(raw)
        return DONE
