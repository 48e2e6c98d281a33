"""A locality's words, and what people say, for tests, with defaults for all else."""

from typing import Any

from accord_chassis.testing import NOON, new_id
from accord_contracts.access import Side
from plans.documents.voice import Entry, Kind, OwnVoice
from plans.documents.wording import Speech, Wording

HERS, HIS, BOTH = Side.PERSON_HARMED, Side.PERSON_USING_VIOLENCE, Side.WHOLE_CASE


def wording_fields() -> dict[str, Any]:
    """A small vocabulary as its file would give it, to be broken in one place."""
    return {
        "version": "test-1",
        "confirm_within_hours": 24,
        "released_hours": 72,
        "numbers": [{"who": {"en": "Police"}, "number": "0800 111 111"}],
        "words": {
            "safe_contact": {"en": "Make safe contact", "plain": "We ring you."},
            "safety_advice": {"en": "Give safety advice", "mi": "Tohutohu"},
        },
    }


WORDING = Wording.model_validate(wording_fields())
SPEECH = Speech(wording=WORDING, time_zone="Pacific/Auckland")


def entry(words: str = "New locks, please.", **fields: Any) -> Entry:
    """Something that somebody said at noon."""
    told = {"id": new_id(), "kind": Kind.WANTS, "strand": "immediate_safety"}
    return Entry(**told | fields, words=words, said_at=NOON, by="somebody")


def voice(*words: str, side: Side = HERS, **fields: Any) -> OwnVoice:
    """What somebody says."""
    held = OwnVoice.of(
        fields.pop("case_id", new_id()), side, fields.pop("person_id", new_id())
    )
    for each in words:
        held = held.say(entry(each))
    return held.model_copy(update=fields)
