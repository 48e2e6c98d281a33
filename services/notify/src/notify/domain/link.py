"""A link by which whoever was told answers, without logging in.

Once, and for a while; nothing is read by it. Nothing of it is kept, because it is made
of the message and the service's own key.
"""

import base64
import hmac
from datetime import datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

from accord_contracts.problem import Refusal

from notify.domain.answers import Said
from notify.domain.notification import Notification

MAC_BYTES = 16
NUMBER_BYTES = 2
LENGTH = 16 + NUMBER_BYTES + MAC_BYTES


class NoSuchLink(Refusal):
    """This link is none, has been used, or is too old: log in instead."""

    status = 404


class Link(NamedTuple):
    """For which message it is, and for which of those who were told."""

    notification_id: str
    number: int

    def written(self, key: str) -> str:
        """Write it as it stands in an address."""
        raw = self._raw()
        mac = hmac.digest(key.encode(), raw, "sha256")[:MAC_BYTES]
        return base64.urlsafe_b64encode(raw + mac).rstrip(b"=").decode()

    @classmethod
    def read(cls, written: str, key: str) -> Self:
        """Read one.

        Raises:
            NoSuchLink: It is none of ours.
        """
        try:
            padded = written + "=" * (-len(written) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        except ValueError:
            raise NoSuchLink from None
        if len(raw) != LENGTH:
            raise NoSuchLink
        number = int.from_bytes(raw[16:-MAC_BYTES], "big")
        found = cls(str(UUID(bytes=raw[:16])), number)
        if not hmac.compare_digest(found.written(key), written):
            raise NoSuchLink
        return found

    def _raw(self) -> bytes:
        return UUID(self.notification_id).bytes + self.number.to_bytes(NUMBER_BYTES)

    def opener(self, held: Notification, at: datetime, lasts: timedelta) -> str:
        """Give who answers by it.

        Args:
            held: The message.
            at: When.
            lasts: For how long it is good, from when its letter went out, or is next
                to: one that waited for the morning is not old by then.

        Raises:
            NoSuchLink: It is over, too old, or somebody has said something since.
        """
        if self.number >= len(held.told) or held.ended_at or held.acknowledged_at:
            raise NoSuchLink
        told = held.told[self.number]
        # That it opened again stands under whoever is asked anew: they said nothing.
        answered = any(
            each.worker_id == told.worker_id and each.at >= told.at
            for each in held.answers
            if each.said is not Said.REOPENED
        )
        mail = told.mail
        sent_at = (mail.sent_at or mail.due_at) if mail else None
        if answered or at > max(told.at, sent_at or told.at) + lasts:
            raise NoSuchLink
        return told.worker_id
