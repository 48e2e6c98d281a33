"""The minutes of a meeting, and the hash by which anybody can tell they are the same.

Each case is sealed by itself, with a salt that is destroyed with the case: so the
minutes can be checked after one of their cases was erased, and tell nothing of it.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from plans.domain.meeting.discussion import Discussion
from plans.domain.meeting.meeting import Meeting


def seal_of(discussion: Discussion) -> str:
    """Give the seal of what was decided on a case: SHA-256, in hexadecimal."""
    decided = [each.model_dump(mode="json") for each in discussion.decisions]
    told = [discussion.salt, discussion.meeting_id, discussion.case_id, decided]
    return _digest(told)


def minutes_of(meeting: Meeting, discussions: Iterable[Discussion]) -> str:
    """Give the hash of a meeting's minutes: SHA-256, in hexadecimal."""
    facts = meeting.model_dump(
        mode="json",
        include={"id", "series", "starts_at", "began_at", "closing_at", "seats"},
    )
    for seat in facts["seats"]:
        if seat["text"] is None:
            # As it was when no seat had one: those minutes stay what they were.
            del seat["text"]
    seals = sorted((each.case_id, each.locked or "") for each in discussions)
    return _digest([facts, seals])


def intact(meeting: Meeting, discussions: Iterable[Discussion]) -> bool:
    """Tell whether minutes are still what was locked; an erased case by its seal."""
    held = list(discussions)
    seals = all(e.erased_at or e.locked == seal_of(e) for e in held)
    return seals and meeting.minutes == minutes_of(meeting, held)


def _digest(told: Any) -> str:  # noqa: ANN401 - Whatever JSON holds.
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
