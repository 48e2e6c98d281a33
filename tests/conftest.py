"""The figures that tests report without asserting them, from whichever process."""

from collections.abc import Callable
from typing import Any

import pytest

FIGURES: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Have a figure told at the end of the run."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what was measured in one of several processes."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = session.config.stash.get(FIGURES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what one of several processes measured."""
    figures = node.config.stash.setdefault(FIGURES, [])
    figures += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the figures that were measured on the way."""
    if figures := terminalreporter.config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for each in figures:
            terminalreporter.line(each)
