"""Orders that bind somebody in a case, as far as a proof goes by them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Order(BaseModel):
    """An order, and whether it still binds.

    Attributes:
        revision: The version of its own document that said so.
        ends_at: Until when it binds; none: until it is told that it has ended.
        ended_at: Since when it was told to bind nobody.
        breached_at: When it was last breached, unless that was taken back.
    """

    model_config = ConfigDict(frozen=True)

    revision: int
    ends_at: datetime | None
    ended_at: datetime | None = None
    breached_at: datetime | None = None

    def heard_after(self, known: "Order | None") -> "Order":
        """Put it together with what was known, whichever was heard first.

        The later version says how it stands, but an end is never taken back.
        """
        if known is None:
            return self
        later, other = (
            (self, known) if self.revision > known.revision else (known, self)
        )
        return later.model_copy(update={"ended_at": later.ended_at or other.ended_at})

    def binds(self, at: datetime) -> bool:
        """Tell whether it binds somebody, or will: one that is to begin does too."""
        over = self.ends_at is not None and self.ends_at <= at
        return not over and self.ended_at is None
