"""Events as services published them once, to be heard again by what they are now.

``recorded/*.ndjson`` holds, version by version, what went over the bus while the
journey of ``test_sentinel.py`` ran: of each type the first few, in their order. A file
is never edited: a new one is recorded with ``ACCORD_TEST_RECORD=FILE`` when a version
is released.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from uuid import UUID, uuid5

from accord_chassis.topology import EVENTS
from accord_contracts.catalogue import CATALOGUE
from wiretap import Heard

FOLDER = Path(__file__).parent / "recorded"

FEW = 2
"""Of each type so many are kept."""

AN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def write(file: Path, heard: Iterable[Heard]) -> None:
    """Record what went over the bus."""
    seen: Counter[str] = Counter()
    with file.open("w", encoding="utf-8") as lines:
        for each in heard:
            known = each.exchange == EVENTS and each.type in CATALOGUE.entries
            if not known or seen[each.type] >= FEW or not _is_plain(each):
                continue
            seen[each.type] += 1
            told = {
                "routing_key": each.routing_key,
                "message_id": each.message_id,
                "user": each.user,
                "headers": dict(each.headers),
                "body": each.data,
            }
            lines.write(json.dumps(told, sort_keys=True) + "\n")


def _is_plain(heard: Heard) -> bool:
    """Tell whether it came as its publisher sends it, and not by somebody's tricks."""
    return heard.user == CATALOGUE.entries[heard.type].producer


@cache
def versions() -> tuple[Path, ...]:
    """Give the recordings, oldest first."""
    return tuple(sorted(FOLDER.glob("*.ndjson")))


def read(file: Path, *, occasion: str) -> Iterator[Heard]:
    """Give what was recorded as if it happened now, to others.

    Args:
        file: Which recording.
        occasion: Every id is another on another occasion, and the same on the same.
    """
    for line in file.read_text("utf-8").splitlines():
        told = json.loads(AN_ID.sub(lambda found: renamed(found[0], occasion), line))
        yield Heard(
            exchange=EVENTS,
            routing_key=told["routing_key"],
            message_id=told["message_id"],
            user=told["user"],
            headers=told["headers"],
            body=json.dumps(told["body"]).encode(),
        )


def renamed(id_: str, occasion: str) -> str:
    """Give the id that stands for one on an occasion."""
    return str(uuid5(UUID(id_), occasion))


def of_the_next_version(heard: Heard) -> Heard:
    """Give the same as a later publisher tells it: with what nobody knows yet."""
    body = {**heard.data, "added_later": {"of": ["the", "next"], "version": 2}}
    headers = {**heard.headers, "ce-addedlater": "1"}
    return replace(heard, headers=headers, body=json.dumps(body).encode())
