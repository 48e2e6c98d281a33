"""What somebody who watches their inbox has seen of it, and what is new to them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from notify.domain.notification import Notification, stamp

LOOK_BACK = timedelta(seconds=30)
"""How far one looks back each time: clocks differ, and of two messages that are saved
at the same time the later one may be there first."""

LONGEST_AWAY = timedelta(days=1)
"""How far back a stream can be taken up."""

Looks = tuple[datetime | None, datetime | None]
"""What one sees of a message that may change: that somebody knows, that it is over."""


class Following:
    """Follows an inbox from a place on, by when its messages last changed.

    What has been seen already comes again after a new beginning, if it is from shortly
    before; nothing is left out.

    Args:
        after: The place of what was seen last.
    """

    def __init__(self, after: str) -> None:
        self.after = looking_back(after)
        self._seen: dict[str, tuple[str, Looks]] = {}

    def new(self, found: Iterable[Notification]) -> list[Notification]:
        """Give what is new of some messages, or looks otherwise than it did.

        That an e-mail about one has gone out changes nothing in an inbox.
        """
        new = []
        for each in found:
            looks = (each.acknowledged_at, each.ended_at)
            seen = self._seen.get(each.id)
            if seen is None or seen[1] != looks:
                new.append(each)
            self._seen[each.id] = (each.moved, looks)
        return new

    def pass_by(self, at: datetime) -> None:
        """Note that everything was seen that had changed by now.

        What is older is not looked at again, and need not be remembered.
        """
        self.after = max(self.after, stamp(at - LOOK_BACK))
        self._seen = {id_: e for id_, e in self._seen.items() if e[0] > self.after}


def taken_up(place: str | None, at: datetime) -> str:
    """Give the place from which to follow on: the one given, of the last day alone.

    Whoever was away for longer reads the inbox; whoever names a time to come follows
    from now on.
    """
    now = beginning(at)
    return min(max(place or now, beginning(at - LONGEST_AWAY)), now)


def beginning(at: datetime) -> str:
    """Give the place from which to follow what changes from a time on."""
    return stamp(at)


def looking_back(place: str) -> str:
    """Give the place so long before another that nothing is left out."""
    at = datetime.fromisoformat(f"{place[:23]}+00:00")
    return stamp(at - LOOK_BACK)
