#!/usr/bin/env python3
"""Hand what came back to a letter from the mail server to notify.

For a pipe of the mail server: it stands alone and needs Python 3 and nothing else. It
reads the letter and says nothing of it: what a pipe says, mail servers log or send on.

    # Postfix, master.cf ("bounce" itself is the name of a part of Postfix)
    accordbounce unix - n n - 2 pipe
      flags=DX user=accord argv=/usr/local/bin/post_bounce.py

    # main.cf (transport: bounce@accord.example accordbounce:)
    transport_maps = hash:/etc/postfix/transport
    recipient_delimiter = +
    accordbounce_destination_recipient_limit = 1

By the delimiter ``bounce+mark@…`` is found as ``bounce@…``. With D, which asks for the
limit, the address to which the letter came back stands in its headers. Settings: lines
of ``name=value`` in ``/etc/accord/bounce.env``, or where ``ACCORD_BOUNCE_ENV`` says:
``ACCORD_BOUNCE_URL`` (``https://…/v1/bounces`` of notify), ``ACCORD_BOUNCE_KEY`` (as
notify has it) and ``ACCORD_BOUNCE_TOKEN`` (a file that holds a token with the scope
``notify.bounce``).
"""

import base64
import hashlib
import hmac
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TAKEN = 204
"""What notify answers, and nobody on the way to it."""

LATER = 75
"""EX_TEMPFAIL: the mail server keeps the letter and tries again."""

LONGEST = 64 * 1024
"""Bytes of a letter that are handed over: the report stands before what it is about."""


def request_of(
    letter: bytes, settings: dict[str, str], at: int
) -> urllib.request.Request:
    """Sign a letter as Standard Webhooks do; its id is the same at every attempt."""
    key = settings["ACCORD_BOUNCE_KEY"].removeprefix("whsec_")
    secret = base64.b64decode(key + "=" * (-len(key) % 4))
    id_ = hashlib.sha256(letter).hexdigest()
    signed = b".".join((id_.encode(), str(at).encode(), letter))
    mac = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    token = Path(settings["ACCORD_BOUNCE_TOKEN"]).read_text("ascii").strip()
    return urllib.request.Request(  # noqa: S310 - The operator names the address.
        settings["ACCORD_BOUNCE_URL"],
        data=letter,
        method="POST",
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "message/rfc822",
            "webhook-id": id_,
            "webhook-timestamp": str(at),
            "webhook-signature": f"v1,{mac}",
        },
    )


class Stays(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: the token and the letter are for notify alone."""

    def redirect_request(self, *_args: Any, **_known: Any) -> None:  # noqa: ANN401
        """Follow nothing; the answer is then an error as any other."""


def main() -> int:
    """Hand a letter over; say whether it is to be tried again."""
    path = os.environ.get("ACCORD_BOUNCE_ENV", "/etc/accord/bounce.env")
    try:
        lines = Path(path).read_text("utf-8").splitlines()
        settings = dict(each.split("=", 1) for each in lines if "=" in each)
        letter = sys.stdin.buffer.read()[:LONGEST]
        request = request_of(letter, settings, int(time.time()))
        with urllib.request.build_opener(Stays).open(request, timeout=30) as answer:
            return 0 if answer.status == TAKEN else LATER
    except (OSError, http.client.HTTPException, KeyError, ValueError):
        return LATER


if __name__ == "__main__":
    sys.exit(main())
