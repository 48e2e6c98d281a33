"""Chance that is the same whoever draws it: it comes from a key."""

import hashlib
from datetime import timedelta


def longer(pause: timedelta, key: str, spread: float) -> timedelta:
    """Make a pause longer by chance, so that not everything comes at the same time.

    Args:
        pause: How long it is at least.
        key: What it is drawn from: every replica says the same.
        spread: By which part it is longer at most.
    """
    drawn = hashlib.sha256(key.encode()).digest()
    return pause * (1 + spread * int.from_bytes(drawn[:4], "big") / 2**32)
