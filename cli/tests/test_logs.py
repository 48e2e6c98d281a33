"""The log lines of services that share a process."""

from pathlib import Path

import structlog
from accord.logs import LogFiles


def test_each_service_has_its_file_and_nothing_is_opened_after_the_end(
    tmp_path: Path,
) -> None:
    with LogFiles(tmp_path) as files:
        files.write("platform's\n")
        with structlog.contextvars.bound_contextvars(service="risk"):
            files.write("risk's\n")
        files.flush()
        assert (tmp_path / "risk.log").read_text() == "risk's\n"

    with structlog.contextvars.bound_contextvars(service="plans"):
        assert files.write("too late\n") == 0
    files.write("too late\n")
    files.flush()

    kept = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert kept == {"platform.log": "platform's\n", "risk.log": "risk's\n"}
