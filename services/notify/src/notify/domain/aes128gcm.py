"""Sealing what is pushed, so that the push service reads none of it.

Message Encryption for Web Push (RFC 8291) with the content coding aes128gcm (RFC 8188):
one record, under a key that only the browser can make too.
"""

import base64

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = SECP256R1()

SALT_BYTES = 16
AUTH_BYTES = 16
KEY_BYTES = 16
NONCE_BYTES = 12
SECRET_BYTES = 32
TAG_BYTES = 16

RECORD = 4096
"""How long a record is at most: what a push service must take (RFC 8030, 7.2)."""

LAST = b"\x02"
"""Ends what is told in the last record; what follows it fills up."""

LONGEST = RECORD - TAG_BYTES - len(LAST)
"""How long what is sealed may be, and what it is filled up to."""


def seal(
    told: bytes,
    to: EllipticCurvePublicKey,
    auth: bytes,
    *,
    salt: bytes,
    once: EllipticCurvePrivateKey,
    as_long_as: int = 0,
) -> bytes:
    """Seal what is told to a browser.

    Args:
        told: What.
        to: The browser's key (``p256dh``).
        auth: The secret that it shares with us.
        salt: 16 bytes of chance, used once.
        once: A key that is used once.
        as_long_as: To how many bytes it is filled up, so that its length tells nothing.

    Raises:
        ValueError: It is too long for one record.
    """
    filled = (told + LAST).ljust(as_long_as + len(LAST), b"\x00")
    if len(filled) > RECORD - TAG_BYTES:
        raise ValueError("too long to be pushed")
    ours = written(once.public_key())
    info = b"WebPush: info\x00" + written(to) + ours
    shared = _derived(once.exchange(ECDH(), to), auth, info, SECRET_BYTES)
    key = _derived(shared, salt, b"Content-Encoding: aes128gcm\x00", KEY_BYTES)
    nonce = _derived(shared, salt, b"Content-Encoding: nonce\x00", NONCE_BYTES)
    head = salt + RECORD.to_bytes(4) + len(ours).to_bytes(1) + ours
    return head + AESGCM(key).encrypt(nonce, filled, None)


def written(key: EllipticCurvePublicKey) -> bytes:
    """Write a public key as browsers and push services do: uncompressed."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_of(given: bytes) -> EllipticCurvePublicKey:
    """Read a browser's key.

    Raises:
        ValueError: It is none.
    """
    return EllipticCurvePublicKey.from_encoded_point(CURVE, given)


def encoded(given: bytes) -> str:
    """Write bytes as base64url without what fills it up."""
    return base64.urlsafe_b64encode(given).decode().rstrip("=")


def decoded(given: str) -> bytes:
    """Read base64url, filled up or not.

    Raises:
        ValueError: It is none.
    """
    bare = given.rstrip("=")
    return base64.b64decode(
        bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True
    )


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
