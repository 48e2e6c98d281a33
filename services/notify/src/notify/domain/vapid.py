"""As whom push services know us (VAPID, RFC 8292), and what else comes of that key.

One key signs what push services are shown. Of it are made the keys by which browsers'
addresses are hidden: with another key no browser could be told anything anyway.
"""

import hmac
import json
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256

from notify.domain.aes128gcm import CURVE, decoded, encoded, written

PRIVATE_BYTES = 32

SHOWN_FOR = timedelta(hours=12)
"""How long a token is good: half of the day that RFC 8292, section 2, allows."""

TOPIC_LETTERS = 32
"""How long a topic may be (RFC 8030, 5.4)."""


class Vapid:
    """As whom push services know us.

    Args:
        private: Signs.
        contact: Where a push service writes to if we trouble it: ``mailto:`` or
            ``https://``.
    """

    def __init__(self, private: EllipticCurvePrivateKey, contact: str) -> None:
        self._private = private
        self._contact = contact
        secret = private.private_numbers().private_value.to_bytes(PRIVATE_BYTES)
        self._named_by = hmac.digest(secret, b"push/names", "sha256")
        self._sealed_by = AESSIV(hmac.digest(secret, b"push/addresses", "sha512"))

    @classmethod
    def of(cls, key: str, contact: str) -> Self:
        """Read the key as it is usually written: 32 bytes as base64url.

        Raises:
            ValueError: It is none. Shows nothing of it.
        """
        given = decoded(key)
        if len(given) != PRIVATE_BYTES:
            raise ValueError("it must be 32 bytes as base64url")
        return cls(derive_private_key(int.from_bytes(given), CURVE), contact)

    @property
    def public(self) -> str:
        """The key that a browser asks its push service with (applicationServerKey)."""
        return encoded(written(self._private.public_key()))

    def authorization(self, endpoint: str, at: datetime) -> str:
        """Give the header that shows a push service who we are."""
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((at + SHOWN_FOR).timestamp()),
            "sub": self._contact,
        }
        said = f"{_json({'typ': 'JWT', 'alg': 'ES256'})}.{_json(claims)}"
        signature = self._private.sign(said.encode(), ECDSA(SHA256()))
        pair = (
            each.to_bytes(PRIVATE_BYTES) for each in decode_dss_signature(signature)
        )
        return f"vapid t={said}.{encoded(b''.join(pair))}, k={self.public}"

    def id_of(self, endpoint: str) -> str:
        """Give by which id a browser is known: of its address it tells nothing."""
        return str(UUID(bytes=self._named(f"id/{endpoint}")[:16]))

    def topic(self, subscription_id: str, key: str) -> str:
        """Give by what a push service knows again what it has, and learns nothing.

        Another for every browser, so that nobody sees who is told the same.
        """
        named = self._named(f"topic/{subscription_id}/{key}")
        return encoded(named)[:TOPIC_LETTERS]

    def seal(self, told: bytes, subscription_id: str) -> str:
        """Hide how a browser is reached."""
        sealed = self._sealed_by.encrypt(told, [subscription_id.encode()])
        return encoded(sealed)

    def open(self, sealed: str, subscription_id: str) -> bytes | None:
        """Give how a browser is reached; none if that was hidden by another key."""
        try:
            return self._sealed_by.decrypt(decoded(sealed), [subscription_id.encode()])
        except InvalidTag:
            return None

    def _named(self, name: str) -> bytes:
        return hmac.digest(self._named_by, name.encode(), "sha256")


def _json(told: object) -> str:
    return encoded(json.dumps(told, separators=(",", ":")).encode())
