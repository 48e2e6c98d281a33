"""What mail servers say of letters, by delivery status notifications (RFC 3464).

A letter comes back to an address of its own, so nothing that a server says in it has to
be believed to know which letter it is about, and nothing of the letter is read.
"""

import base64
import email
import hmac
import re
from email.message import Message
from typing import NamedTuple, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from notify.domain.callback import secret_of

NUMBER_BYTES = 2
LETTERS = 55
"""How long a token is: 34 bytes, of which 16 say that it is ours, in letters that no
server tells from capitals."""

TOKEN = re.compile(rf"\+([a-z2-7]{{{LETTERS}}})@", re.IGNORECASE | re.ASCII)
STATUS = re.compile(r"\s*[245]\.([0-9]{1,3})\.[0-9]{1,3}")
"""RFC 3463, section 2: a class, a subject and a detail."""

SENT_TO = ("to", "delivered-to", "x-original-to")
"""Headers in which the address stands to which a letter came back."""

SUBJECTS = {
    "1": "bounced_address",
    "2": "bounced_mailbox",
    "3": "bounced_system",
    "4": "bounced_network",
    "5": "bounced_protocol",
    "6": "bounced_content",
    "7": "bounced_policy",
}
"""RFC 3463, section 3: what it was about."""

FAILED, DELAYED, DELIVERED = "failed", "delayed", "delivered"
"""RFC 3464, section 2.3.3: it is tried no more, by whatever status; it still is; it is
in the mailbox. That it was relayed to a server that reports nothing says nothing."""


class ReturnPath(NamedTuple):
    """Which letter it was: of which message, to which of those who were told.

    Written, it stands in the logs of every server on the way. So it is encrypted, by
    AES-SIV (RFC 5297): the same at every attempt, and known as ours when it comes back.
    """

    notification_id: str
    number: int

    def written(self, key: str) -> str:
        """Write it as it stands in the address that a letter comes back to."""
        raw = UUID(self.notification_id).bytes + self.number.to_bytes(NUMBER_BYTES)
        sealed = _cipher(key).encrypt(raw, None)
        return base64.b32encode(sealed).decode().rstrip("=").lower()

    @classmethod
    def read(cls, written: str, key: str) -> Self | None:
        """Read one; none if it is none of ours."""
        sealed = base64.b32decode(written.upper() + "=" * (-len(written) % 8))
        try:
            raw = _cipher(key).decrypt(sealed, None)
        except InvalidTag:
            return None
        return cls(str(UUID(bytes=raw[:-NUMBER_BYTES])), int.from_bytes(raw[16:]))


def _cipher(key: str) -> AESSIV:
    """Derive a key of its own: by the other one the mail server signs."""
    return AESSIV(hmac.digest(secret_of(key), b"return-path", "sha512"))


class Bounce(NamedTuple):
    """What a server says.

    Attributes:
        token: Of the address to which the letter came back.
        reason: Why it never arrives, as a code; none: it still may, or has.
        delivered: It is in the mailbox; whether anybody reads it nobody knows.
    """

    token: str
    reason: str | None
    delivered: bool = False


def bounce_of(raw: bytes) -> Bounce | None:
    """Read what a server says; none if it is no such report, or of no letter of ours.

    A letter that is tried no more has failed, whether its status says for good (5) or
    for now (4): nobody gets it any more.
    """
    try:
        told = email.message_from_bytes(raw)
        blocks = _blocks(told)
    except (RecursionError, ValueError):
        # Parts within parts within parts, or a boundary in letters that there are not:
        # no server reports like that, but anybody may write to the address.
        return None
    headers = " ".join(str(e) for name in SENT_TO for e in told.get_all(name, []))
    token = TOKEN.search(headers)
    actions = [(_field(each, "action"), _field(each, "status")) for each in blocks]
    known = [each for each in actions if each[0] in {FAILED, DELAYED, DELIVERED}]
    if token is None or not known:
        return None
    statuses = (status for action, status in known if action == FAILED)
    reasons = (_reason(each) for each in statuses)
    # There is one recipient: what is said of it beside, somebody has added.
    delivered = all(action == DELIVERED for action, _ in known)
    return Bounce(token.group(1), next(reasons, None), delivered)


def _blocks(told: Message) -> list[Message]:
    """Give the fields of the report, by recipient; the first are of the letter."""
    if told.get_content_type() != "multipart/report":
        return []
    for part in told.walk():
        payload = part.get_payload()
        if part.get_content_type() == "message/delivery-status":
            every = payload if isinstance(payload, list) else []
            return [each for each in every if isinstance(each, Message)]
    return []


def _field(block: Message, name: str) -> str:
    return str(block.get(name, "")).partition(";")[0].strip().lower()


def _reason(status: str) -> str:
    found = STATUS.match(status)
    return SUBJECTS.get(found.group(1), "bounced") if found else "bounced"
