"""What is pushed to workers' browsers, and where: an address that must not be known.

Whoever knows a browser's address can trouble it, and whose it is. So it is kept hidden,
and stands in no log, event or answer.
"""

from datetime import datetime, timedelta
from typing import Annotated, Self

from accord_contracts.problem import Refusal
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from notify.domain.aes128gcm import AUTH_BYTES, decoded, key_of
from notify.domain.texts import Language, Part, Words
from notify.domain.vapid import Vapid
from notify.domain.webhook import Address

Host = Annotated[
    str, Field(pattern=r"^(\*\.)?[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$", max_length=253)
]

LONGEST_GOOD = 4 * 7 * 24 * 60
"""Four weeks, in minutes: longer no browser's push service keeps anything."""


class PushPolicy(Part):
    """What is pushed to workers' browsers, and by whom.

    Attributes:
        hosts: Where push services are, ``*.`` in front for whatever is below; no
            browser's address may lead anywhere else.
        good_minutes: For how long a push service keeps what a browser does not take.
        browsers: How many one worker may have; whoever adds one more loses the oldest.
        text: By language, what is shown before the reference. Where it leads is told
            beside it.
    """

    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    good_minutes: Annotated[int, Field(gt=0, le=LONGEST_GOOD)]
    browsers: Annotated[int, Field(ge=1, le=20)]
    text: dict[Language, Words]

    @property
    def good(self) -> timedelta:
        """For how long a push service keeps what a browser does not take."""
        return timedelta(minutes=self.good_minutes)


class NoSuchSubscription(Refusal):
    """There is no such browser, or it is somebody else's."""

    status = 404


class NotAPushService(Refusal):
    """The address is none of a push service that this locality knows."""

    status = 422


def _public_key(given: str) -> str:
    key_of(decoded(given))
    return given


def _auth(given: str) -> str:
    if len(decoded(given)) != AUTH_BYTES:
        raise ValueError("must be 16 bytes as base64url")
    return given


class Keys(BaseModel):
    """What is sealed for a browser by (RFC 8291)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p256dh: Annotated[str, Field(max_length=100), AfterValidator(_public_key)]
    auth: Annotated[str, Field(max_length=30), AfterValidator(_auth)]


class Reached(BaseModel):
    """How a browser is reached, as its ``PushSubscription`` writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Address
    keys: Keys


class Subscription(BaseModel):
    """That a worker's browser is told when something rings.

    Attributes:
        id: Made of its address and a key: the same address is the same browser.
        hidden: How it is reached, encrypted under the service's own key.
        put_at: When it was put, or put again.
        forget_at: When it is told nothing more unless it is put again.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    worker_id: str
    hidden: str
    put_at: datetime
    forget_at: datetime

    @classmethod
    def of(
        cls,
        reached: Reached,
        worker_id: str,
        *,
        at: datetime,
        forget_at: datetime,
        vapid: Vapid,
    ) -> Self:
        """Make one: from now on it is this worker's, whosever it was before."""
        id_ = vapid.id_of(reached.endpoint)
        return cls(
            id=id_,
            worker_id=worker_id,
            hidden=vapid.seal(reached.model_dump_json().encode(), id_),
            put_at=at,
            forget_at=forget_at,
        )

    def reached(self, vapid: Vapid) -> Reached | None:
        """Give how it is reached; none if that was hidden by another key."""
        opened = vapid.open(self.hidden, self.id)
        return None if opened is None else Reached.model_validate_json(opened)
