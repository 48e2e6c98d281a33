"""What the SMS gateway posts back: that it is the gateway, and what it says.

By Standard Webhooks (https://www.standardwebhooks.com): an id that is the same at every
attempt, a time, and a signature over both and the body.
"""

import base64
import hmac
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, computed_field

from notify.domain.notification import LETTERS, REFERENCE_BITS
from notify.domain.webhook import PREFIX

CALLBACKS = UUID("5b0c1f0a-2f55-4b2e-9d0a-7a5ad2b6f0c3")
"""Names of callbacks are their gateway's own ids."""

TOLERANCE = timedelta(minutes=5)
"""How far the gateway's clock may be off: as in the libraries of Standard Webhooks."""

LEAST_SECRET = 24
"""How many bytes a secret has at least, by the specification."""

ACKNOWLEDGES = re.compile(
    r"\s*ack\s+([0-9a-z]{4})-?([0-9a-z]{2})\s*[.!,;]?\s*", re.IGNORECASE
)
"""The one thing that is read of what a worker writes back; some telephones end it with
a full stop."""

STOPS = frozenset({"STOP", "KĀTI", "KATI"})
"""The one thing that is read of what comes back from a person's own device."""

SPOKEN = str.maketrans("OIL", "011")
"""What is taken for another letter or digit, as Crockford has it."""


class NotTheGateway(Refusal):
    """This is not signed by who may post it, or was signed too long ago."""

    status = 403


class Whose(StrEnum):
    """From whom a reply came, or about whom a receipt is."""

    WORKER = "worker"
    PERSON = "person"
    NOBODY = "nobody"
    """A number or a key that is not known."""


class Callback(BaseModel):
    """One thing that the gateway has posted back: when, and whose it was; not what.

    Attributes:
        id: Derived from the gateway's own, so that a repeat is known.
        reply: It came from a telephone, and is no receipt.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    at: datetime
    reply: bool
    whose: Whose

    @computed_field  # type: ignore[prop-decorator]
    @property
    def unknown(self) -> bool:
        """Whether somebody wrote whom nobody knows: a person has to look at it."""
        return self.reply and self.whose is Whose.NOBODY


class Signed(NamedTuple):
    """What says who posted something, when, and which it is."""

    id: str
    timestamp: str
    signature: str
    body: bytes

    def check(self, key: str, at: datetime) -> None:
        """See that the gateway has signed it, a moment ago.

        Raises:
            NotTheGateway: It has not.
        """
        try:
            signed_at = datetime.fromtimestamp(int(self.timestamp), UTC)
        except (ValueError, OverflowError, OSError):
            raise NotTheGateway from None
        if abs(at - signed_at) > TOLERANCE:
            raise NotTheGateway
        content = b".".join((self.id.encode(), self.timestamp.encode(), self.body))
        mac = base64.b64encode(hmac.digest(secret_of(key), content, "sha256"))
        good = b"v1," + mac
        given = self.signature.encode().split()
        if not any(hmac.compare_digest(each, good) for each in given):
            raise NotTheGateway

    @property
    def callback_id(self) -> str:
        """Derive the id under which it is known again."""
        return str(uuid5(CALLBACKS, self.id))


def secret_of(key: str) -> bytes:
    """Read a secret as the libraries of Standard Webhooks do, with a prefix or without.

    Raises:
        ValueError: It is not base64, or shorter than the 24 bytes that these ask for.
    """
    bare = key.removeprefix(PREFIX)
    secret = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    if len(secret) < LEAST_SECRET:
        raise ValueError("it is too short")
    return secret


def acknowledged(text: str) -> str | None:
    """Give the reference that a reply acknowledges; none if it says anything else."""
    found = ACKNOWLEDGES.fullmatch(text)
    return "".join(found.groups()).upper().translate(SPOKEN) if found else None


def stops(text: str) -> bool:
    """Tell whether a reply says that nothing more is to be sent, and nothing else."""
    return text.strip().upper() in STOPS


def ids_of(reference: str) -> tuple[str, str] | None:
    """Give between which ids those of messages with a reference lie; none: no such one.

    A reference is how an id begins, so nothing more need be kept to find it.
    """
    bits = 0
    for letter in reference:
        digit = LETTERS.find(letter)
        if digit < 0:
            return None
        bits = bits << 5 | digit
    left = 128 - REFERENCE_BITS
    return str(UUID(int=bits << left)), str(UUID(int=(bits + 1 << left) - 1))
