"""Watching events go by: the operator's own queue, which ends with the command."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import uuid4

from accord_chassis.topology import EVENTS
from aio_pika.abc import AbstractIncomingMessage

from accord.catalogue import catalogue_of
from accord.deployment import Deployment
from accord.operating import operator
from accord.operators import OPERATOR, UNKNOWN, Deed, on_record
from accord.topology import TAIL

PREFETCH = 100

SHORTENED = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that went by: its envelope and its thin body."""

    envelope: dict[str, str]
    data: dict[str, Any]

    @classmethod
    def of(cls, incoming: AbstractIncomingMessage) -> "Seen":
        """Read what came; a body that cannot be read is shown as empty."""
        envelope = {
            name.removeprefix("ce-"): str(value)
            for name, value in incoming.headers.items()
            if name.startswith("ce-")
        }
        try:
            data = json.loads(incoming.body)
        except ValueError:
            data = {}
        return cls(envelope, data)

    @property
    def type(self) -> str:
        """The event's type."""
        return self.envelope.get("type", "")

    def line(self) -> str:
        """Write it in one line for a person."""
        at = self.envelope.get("time", "")
        try:
            clock = datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S.%f")[:-3]
        except ValueError:
            clock = at
        told = " ".join(
            f"{name}={_short(value)}"
            for name, value in self.data.items()
            if name != "case_id" and value not in (None, [], {})
        )
        subject = _short(self.envelope.get("subject", ""))
        lane = self.envelope.get("lane", "")
        return f"{clock} {lane:<7} {self.type:<30} {subject} {told}"

    def document(self) -> dict[str, Any]:
        """Give it for a machine."""
        return {"envelope": self.envelope, "data": self.data}


async def watch(
    deployment: Deployment, *, pattern: str = "*", count: int | None = None
) -> AsyncIterator[Seen]:
    """Give events as they go by.

    Args:
        deployment: Whose.
        pattern: A glob for the type: ``risk.*``.
        count: How many; by default until interrupted.

    Raises:
        CannotGoOn: It is not known who looks, they are no operator, or broker or audit
            log is away.
    """
    known_types = catalogue_of(deployment.locality).entries
    # A pattern may be any text: on record goes one that looks for events there are.
    looked_for = any(fnmatchcase(each, pattern) for each in known_types)
    async with (
        on_record(deployment, "events", {OPERATOR}) as known,
        operator(deployment) as connection,
    ):
        await known.records(
            Deed(
                "events.tail",
                "events",
                pattern if looked_for else UNKNOWN,
                fields=("envelope", "body"),
            )
        )
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.declare_queue(
            f"{TAIL}{uuid4().hex}", exclusive=True, auto_delete=True
        )
        await queue.bind(await channel.get_exchange(EVENTS, ensure=False), "#")
        seen = 0
        async with queue.iterator(no_ack=True) as messages:
            async for incoming in messages:
                event = Seen.of(incoming)
                if not fnmatchcase(event.type, pattern):
                    continue
                yield event
                seen += 1
                if count is not None and seen >= count:
                    return


def _short(value: object) -> str:
    """Write a value briefly: the beginning of an id, the number of many."""
    text = str(value)
    if isinstance(value, list) and len(text) > 60:  # noqa: PLR2004 - A line's worth.
        return f"[{len(value)}]"
    if isinstance(value, dict):
        return f"{{{len(value)}}}"
    return text[:SHORTENED] if text.count("-") == 4 else text  # noqa: PLR2004 - An id.
