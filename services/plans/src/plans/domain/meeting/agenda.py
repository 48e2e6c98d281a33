"""The agenda of a meeting builds itself: by risk, then by clock."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from plans.domain.meeting.docket import Docket, Reason, Why
from plans.domain.meeting.meeting import Entry, Meeting
from plans.domain.meeting.rules import Rules, Takes


def agenda(
    meeting: Meeting,
    dockets: Iterable[Docket],
    carried: Mapping[str, datetime],
    rules: Rules,
) -> tuple[Entry, ...]:
    """Give the cases that a meeting is about, those at the highest risk first.

    Args:
        meeting: Which.
        dockets: Of every case that might be on it.
        carried: What the meetings before it left open, each with since when.
        rules: The locality's.
    """
    added = {each.case_id: each.at for each in meeting.added}
    entries = []
    for docket in dockets:
        if not docket.open or docket.level is None:
            continue
        why = [*_reasons(docket, meeting, rules)]
        if docket.id in carried:
            why.append(Reason(Why.CARRIED, carried[docket.id], carried[docket.id]))
        if docket.id in added:
            why.append(Reason(Why.ADDED, added[docket.id], added[docket.id]))
        if why:
            entries.append(
                Entry(
                    case_id=docket.id,
                    level=docket.level,
                    why=tuple(dict.fromkeys(each.why for each in why)),
                    clock=min(each.clock for each in why),
                )
            )
    return tuple(sorted(entries, key=_order))


def _order(entry: Entry) -> tuple[int, datetime, str]:
    return -entry.level.rank, entry.clock, entry.case_id


def _reasons(docket: Docket, meeting: Meeting, rules: Rules) -> Iterable[Reason]:
    """Say why the series takes a case, if it does: for its level, or for its tier."""
    series = rules.series.get(meeting.series)
    if series is None or docket.level is None:
        return
    named = docket.meeting == meeting.series
    if docket.level.rank < series.least.rank and not named:
        return
    yield from docket.reasons(meeting.starts_at)
    if series.takes is Takes.OPEN:
        since = docket.changed_at or docket.first_referred_at or meeting.starts_at
        yield Reason(Why.STANDING, since, since)
