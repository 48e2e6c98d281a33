"""Throwing a parked message away on the word of two people.

The first word is an entry of the audit log, sealed as all are: nothing else keeps it,
and nothing happens to the message if nobody gives the second.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from accord_chassis.entries import PERMITTED, Recorded

READ, REPLAY = "dead_letter.read", "dead_letter.replay"
ASK, DISCARD = "dead_letter.ask_discard", "dead_letter.discard"
"""What the audit log calls what is done with a message."""

TELLING = [ASK, REPLAY, DISCARD]
"""What bears on whether a message may be discarded."""

CONFIRM_WITHIN = timedelta(hours=72)
"""How long the word stands that a message should be discarded: over a weekend."""


class Reason(StrEnum):
    """Why a message is thrown away: a word, so that nobody writes down more."""

    DONE_OTHERWISE = "done_otherwise"
    """What it would have brought about was done by hand, or by another message."""
    UNREADABLE = "unreadable"
    """No version of its service will read it."""
    CASE_ERASED = "case_erased"
    """The case that it is about was erased."""
    NEVER_REAL = "never_real"
    """A test's, or an exercise's."""


def standing(entries: Iterable[Recorded], since: datetime) -> dict[str, Recorded]:
    """Say, by the messages' names, which words still stand that they be discarded.

    Whoever replays a message thinks otherwise: what was said of it before is void. So
    it is once the message was discarded: it may be parked again, under the same id.
    Of several words the first counts, so that nobody confirms another's by repeating
    it.

    Args:
        entries: What operators have done.
        since: What was said before has lapsed.
    """
    words: dict[str, Recorded] = {}
    for each in sorted(entries, key=lambda one: (one.at, one.id)):
        name = each.entry.resource_id
        if not each.intact or each.entry.outcome != PERMITTED or each.at < since:
            continue
        if each.entry.action in (REPLAY, DISCARD):
            words.pop(name, None)
        elif each.entry.action == ASK:
            words.setdefault(name, each)
    return words


def word_in(word: Recorded | None) -> dict[str, str | None]:
    """Tell of a message why it should be discarded, and by whose word; or nothing."""
    if word is None:
        return {"discard": None, "said_by": None}
    return {"discard": word.entry.purpose, "said_by": word.entry.subject}
