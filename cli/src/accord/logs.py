"""The log lines of services that share a process: a file for each of them."""

from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import structlog
from accord_chassis import telemetry

ELSE = "platform"
"""Where lines go that are no service's."""


class LogFiles:
    """Writes every line to the file of the service that was at work.

    Args:
        folder: Where the files are, each named by its service.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._files: dict[str, TextIO] = {}
        self._closed = False

    def __enter__(self) -> Self:
        """Use them for a while."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close them. What is written later is dropped: the process is ending."""
        self._closed = True
        for file in self._files.values():
            file.close()
        self._files.clear()

    def write(self, text: str) -> int:
        """Write a part of a line."""
        if self._closed:
            return 0
        service = structlog.contextvars.get_contextvars().get("service", ELSE)
        file = self._files.get(service)
        if file is None:
            path = self._folder / f"{service}.log"
            file = self._files[service] = path.open("a", encoding="utf-8")
        return file.write(text)

    def flush(self) -> None:
        """Have everything stand in the files."""
        for file in self._files.values():
            file.flush()


def into_files(files: LogFiles, region: str) -> None:
    """Have this process's logs go to files, and its requests have trace ids."""
    telemetry.configure_logs(stream=files)
    structlog.contextvars.bind_contextvars(region=region)
    telemetry.configure_traces("accord", region)
