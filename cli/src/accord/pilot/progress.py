"""How far the replay is: a bar for each site, or a line for each month of it."""

from datetime import datetime
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from accord import show
from accord.pilot.published import NEW_ZEALAND, SITES, Site


class Progress:
    """Shows the simulated date of each site, and how many cases were reported.

    Args:
        quiet: Shows nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bars = Bars(
            TextColumn("{task.description:<12} {task.fields[date]:>11}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} cases"),
            TimeElapsedColumn(),
            disable=quiet or not show.out.is_terminal,
        )
        self._tasks = {
            site: self._bars.add_task(site.name, date="", total=None) for site in SITES
        }
        self._months: dict[Site, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        """Show it."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave it as it stands."""
        self._bars.stop()

    def report(self, site: Site, at: datetime, cases: int) -> None:
        """Show how far a site is."""
        local = at.astimezone(NEW_ZEALAND)
        date = f"{local:%d %b %Y}"
        self._bars.update(self._tasks[site], date=date, completed=cases)
        month = (local.year, local.month)
        if self._quiet or show.out.is_terminal or self._months.get(site) == month:
            return
        self._months[site] = month
        show.say(f"{site.name:<12} {date}: {cases} cases reported")
