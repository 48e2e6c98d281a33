"""Who is on leave, as far as notify has heard."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Self

from accord_contracts import allocation
from pydantic import BaseModel, ConfigDict

LOOKED_AGAIN = timedelta(minutes=1)
"""How long after leave has begun it is looked once more for who waits for them: by then
whatever was being told to them when it began is stored. Handling takes seconds."""


class Span(BaseModel):
    """From when until when a worker is away, as far as it is known.

    Attributes:
        since: From then on; from when they were first known to be away, if it was on
            by then.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime


class Leave(BaseModel):
    """When a worker is away.

    Attributes:
        id: The worker's.
        spans: What is not over.
        heard: The version of allocation's own document that was heard of last.
        look_at: When it is next looked for who waits for them.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    spans: tuple[Span, ...] = ()
    heard: int = 0
    look_at: datetime | None = None

    def hear(self, told: Iterable[allocation.Leave], heard: int, at: datetime) -> Self:
        """Take over when they are away, unless something newer is known.

        Heard again, leave that is on does not begin anew.
        """
        if heard <= self.heard:
            return self
        known = self.since(at) or at
        spans = tuple(
            Span(since=each.since if each.since > at else known, until=each.until)
            for each in told
            if each.until > at
        )
        look_at = min((each.since for each in spans), default=None)
        new = {"spans": spans, "heard": heard, "look_at": look_at}
        return self.model_copy(update=new)

    def since(self, at: datetime) -> datetime | None:
        """Give since when they are away at a time, as far as known; none: they are not.

        Spans that overlap or follow each other are one leave: whatever they were told
        in it was told to somebody of whom it was known.
        """
        since = until = None
        for each in sorted(self.spans, key=lambda span: span.since):
            if each.since > at:
                break
            if until is None or each.since > until:
                since, until = each.since, each.until
            until = max(until, each.until)
        return since if until and at < until else None

    def looked(self, at: datetime) -> Self:
        """Note that it was looked for who waits for them."""
        looks = [each.since for each in self.spans]
        looks += [each + LOOKED_AGAIN for each in looks]
        later = min((each for each in looks if each > at), default=None)
        return self.model_copy(update={"look_at": later})
