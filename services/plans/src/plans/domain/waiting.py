"""Which action waits for which, and from when on its clock runs."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from plans.domain.action import Action
from plans.domain.hours import Working


def waited_for(action: Action, actions: Iterable[Action]) -> tuple[Action, ...]:
    """Give what is open that must be settled before an action.

    What is done for one child waits for what is done for the same child.
    """
    return tuple(
        each
        for each in actions
        if each.open
        and each.code in action.after
        and (None in {each.person_id, action.person_id} or _same(each, action))
    )


def _same(one: Action, other: Action) -> bool:
    return one.person_id == other.person_id


def running(
    actions: Collection[Action], working: Working, remind: timedelta, at: datetime
) -> tuple[Action, ...]:
    """Let the clocks run of what waits for nothing any more."""

    def as_it_runs(each: Action) -> Action:
        if each.within is None or not each.open or waited_for(each, actions):
            return each
        return each.starts(each.within.after(at, working), remind)

    return tuple(as_it_runs(each) for each in actions)
