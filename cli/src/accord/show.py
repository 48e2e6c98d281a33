"""How commands speak: to a person at a terminal, to a log file, or to a machine."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accord_chassis.development.process import Unavailable
from accord_chassis.settings import BadConfiguration
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from accord.client import Gone
from accord.faults import CannotGoOn
from accord.replay import Summary

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Print a line as it is."""
    out.print(text, markup=False)


def document(told: object) -> None:
    """Print a JSON document, and nothing else on its line."""
    out.out(json.dumps(told, ensure_ascii=False, default=str), highlight=False)


def table(*columns: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows below their names."""
    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(escape(each) for each in row))
    out.print(drawn)


def fault(wrong: CannotGoOn) -> None:
    """Print what stops a command, and what mends it."""
    err.print(f"[red]{escape(wrong.cause)}[/red]")
    if wrong.mend:
        err.print(escape(wrong.mend))


class StepFailed(CannotGoOn):
    """A step of a longer command failed.

    Args:
        step: Which.
        fault: Why, and what mends it.
        seconds: What the steps before it took.
    """

    def __init__(
        self, step: str, fault: CannotGoOn, seconds: Mapping[str, float]
    ) -> None:
        super().__init__(f"{step}: {fault.cause}", mend=fault.mend)
        self.step = step
        self.seconds = seconds
        self.reason = fault

    def document(self) -> dict[str, Any]:
        """Give it for a machine."""
        return {
            "failed": self.step,
            "cause": self.reason.cause,
            "mend": self.reason.mend,
            "stages_seconds": self.seconds,
        }


class Steps:
    """Shows the steps of a longer command, and keeps the time that each took.

    A terminal sees the step under way; anything else one plain line a step.

    Args:
        quiet: Show nothing: the times are told in a document in the end.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self.seconds: dict[str, float] = {}
        self._note = ""

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[None]:
        """Do one step.

        Args:
            name: Its name in the document.
            doing: What it does, as a line says it.

        Raises:
            StepFailed: It cannot be done.
        """
        started = time.perf_counter()
        self._note = ""
        try:
            with self._console.status(f"{doing} …"):
                yield
        except (CannotGoOn, Unavailable, BadConfiguration, *Gone) as wrong:
            self._console.print(f"[red]✗[/red] {escape(doing)}")
            raise StepFailed(doing, _cannot_go_on(wrong), self.seconds) from None
        took = time.perf_counter() - started
        self.seconds[name] = round(took, 3)
        note = f" [dim]({escape(self._note)})[/dim]" if self._note else ""
        self._console.print(f"[green]✓[/green] {escape(doing)}{note} {took:.1f} s")

    def note(self, text: str) -> None:
        """Have the step's line say something more."""
        self._note = text

    def line(self, text: str) -> None:
        """Print a line between steps, or after them."""
        self._console.print(text, markup=False)


def _cannot_go_on(wrong: BaseException) -> CannotGoOn:
    match wrong:
        case CannotGoOn():
            return wrong
        case Unavailable() | BadConfiguration():
            return CannotGoOn(str(wrong))
        case _:
            return CannotGoOn(
                f"The connection was lost ({type(wrong).__name__}).",
                mend="The logs in .accord/logs say why.",
            )


@contextmanager
def progress(file: Path, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show how far through a file a command is, where somebody can see it."""
    if quiet or not out.is_terminal:
        yield lambda: None
        return
    with file.open("rb") as opened:
        total = sum(1 for line in opened if line.strip())
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
        task = bar.add_task(file.name, total=total)
        yield lambda: bar.advance(task)


def replayed(summary: Summary) -> None:
    """Print what became of a file of referrals."""
    told = summary.document()
    say(f"{summary.accepted} accepted, {summary.repeated} repeated, "
        f"{summary.refused.total()} refused, {summary.failed.total()} not posted, "
        f"in {summary.took:.1f} s: {told['per_second']} a second")  # fmt: skip
    for each in told["refused"]:
        say(f"  refused {each['count']} (first: line {each['first_line']}): "
            f"{each['reason']}")  # fmt: skip
    for reason, count in summary.failed.items():
        say(f"  not posted {count}: {reason}")
    for stage, each in summary.times().items():
        say(f"  {stage:<15} p50 {each['p50']:.0f} ms, p99 {each['p99']:.0f} ms "
            f"({each['count']:.0f})")  # fmt: skip
    if summary.unfinished:
        say(f"  {summary.unfinished} of those followed were not assessed in time")
