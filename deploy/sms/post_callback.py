#!/usr/bin/env python3
"""Hand what the SMS gateway posts back to notify, in notify's words and signed.

Gateways post in a form of their own and sign in a way of their own. This stands
between: it needs Python 3 and nothing else, keeps nothing and writes nothing. It sees
that it is the gateway, renames fields, signs as Standard Webhooks do and posts to
``/v1/sms-callbacks``; so what a gateway means by its words is decided here, once. It
listens on this machine alone: a proxy in front of it ends TLS, and lets the gateway's
addresses in and no others.

Settings: lines of ``name=value`` in ``/etc/accord/sms-callback.env``, or where
``ACCORD_CALLBACK_ENV`` says: ``ACCORD_CALLBACK_URL`` (``https://…/v1/sms-callbacks`` of
notify), ``ACCORD_SMS_CALLBACK_KEY`` (as notify has it), ``ACCORD_CALLBACK_TOKEN`` (a
file that holds a token with the scope ``notify.gateway``), ``ACCORD_CALLBACK_PORT``,
``ACCORD_GATEWAY_SECRET`` (what the gateway proves itself by) and
``ACCORD_CALLBACK_FIELDS``, a file of JSON, with dots where a field is inside another:

    {
      "proof": {"header": "x-signature", "by": "hmac-sha256-hex"},
      "receipt": {"key": "client-ref", "state": "status",
                  "delivered": ["delivered"], "failed": ["failed", "rejected"]},
      "reply": {"sender": "from.number", "text": "text"},
      "id": "messageId"
    }

``id`` is where the gateway says which post of its own this is, the same when it tries
again. Without it, or in a post that has none there, a reply is known by its words and
the minute in which it came: the gateway's own attempts within that minute are one, and
a second STOP later is heard as a second. A receipt is known by its words alone.
``by`` is ``hmac-sha256-hex`` or ``hmac-sha256-base64``, of the body under the secret,
or ``secret``: the header is the secret itself. A state in neither list is no news.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import sys
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TAKEN, UNREADABLE, NOT_THE_GATEWAY, TOO_LARGE, LATER = 204, 400, 403, 413, 503

LONGEST = 64 * 1024
"""Bytes of a body: a receipt or an SMS has far fewer."""

LENGTH_DIGITS = 6
"""No longer is a number that says how long a body is; a longer one is not read."""

SECONDS = 30
"""How long notify may take, and the gateway to say what it has to say."""


def is_the_gateway(body: bytes, header: str, secret: bytes, by: str) -> bool:
    """Tell whether what a header says proves that the gateway has posted this."""
    digest = hmac.digest(secret, body, "sha256")
    proofs = {
        "hmac-sha256-hex": digest.hex().encode(),
        "hmac-sha256-base64": base64.b64encode(digest),
        "secret": secret,
    }
    given = header.strip().removeprefix("sha256=").encode("latin-1")
    return bool(secret) and hmac.compare_digest(given, proofs[by])


def read(body: bytes, kind: str) -> Any:  # noqa: ANN401 - JSON of the gateway's own.
    """Read what was posted, JSON or a form.

    Raises:
        ValueError: It is neither.
    """
    if kind == "application/x-www-form-urlencoded":
        return dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
    return json.loads(body)


def field(told: Any, path: str) -> str | None:  # noqa: ANN401 - As above.
    """Give what stands at a path as text; none if nothing does."""
    for step in path.split("."):
        told = told.get(step) if isinstance(told, dict) else None
    return str(told) if isinstance(told, str | int) else None


def in_notifys_words(told: Any, fields: dict[str, Any]) -> dict[str, str] | None:  # noqa: ANN401 - As above.
    """Rename what was posted; none if it is no news.

    Raises:
        ValueError: It is neither a receipt nor a reply.
    """
    reply, receipt = fields["reply"], fields["receipt"]
    sender, text = field(told, reply["sender"]), field(told, reply["text"])
    if sender is not None and text is not None:
        return {"kind": "reply", "sender": sender, "text": text}
    key, state = field(told, receipt["key"]), field(told, receipt["state"])
    if key is None or state is None:
        raise ValueError
    for kind in ("delivered", "failed"):
        if state in receipt[kind]:
            return {"kind": kind, "key": key}
    return None


def id_of(
    told: Any,  # noqa: ANN401 - As above.
    body: bytes,
    kind: str,
    fields: dict[str, Any],
    at: int,
) -> str:
    """Give by what a post is known again: notify hears one of the same id once.

    Args:
        told: What the gateway says, in its own words.
        body: The same, as it came.
        kind: What it is in notify's words.
        fields: Where the gateway says what.
        at: When it came, in seconds.
    """
    own = field(told, fields["id"]) if "id" in fields else None
    if own:
        # Hashed with what it is: a receipt may bear the id of what was sent.
        return hashlib.sha256(f"{kind}/{own}".encode()).hexdigest()
    minute = str(at // 60).encode() if kind == "reply" else b""
    return hashlib.sha256(minute + body).hexdigest()


def wrong_with(fields: Any) -> str | None:  # noqa: ANN401 - JSON of the operator's own.
    """Say in one sentence what the file of fields lacks; none if it can be used."""
    needed = {
        "proof": ("header", "by"),
        "receipt": ("key", "state", "delivered", "failed"),
        "reply": ("sender", "text"),
    }
    for part, names in needed.items():
        held = fields.get(part) if isinstance(fields, dict) else None
        for name in names:
            if not isinstance(held, dict) or not held.get(name):
                return f"ACCORD_CALLBACK_FIELDS names no {part}.{name}."
    return None


def request_of(
    body: bytes, id_: str, settings: dict[str, str], at: int
) -> urllib.request.Request:
    """Sign what is posted as Standard Webhooks do; its id is that of the gateway's."""
    key = settings["ACCORD_SMS_CALLBACK_KEY"].removeprefix("whsec_")
    secret = base64.b64decode(key + "=" * (-len(key) % 4))
    signed = b".".join((id_.encode(), str(at).encode(), body))
    mac = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    token = Path(settings["ACCORD_CALLBACK_TOKEN"]).read_text("ascii").strip()
    return urllib.request.Request(  # noqa: S310 - The operator names the address.
        settings["ACCORD_CALLBACK_URL"],
        data=body,
        method="POST",
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(at),
            "webhook-signature": f"v1,{mac}",
        },
    )


class Stays(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: the token and what was said are for notify alone."""

    def redirect_request(self, *_args: Any, **_known: Any) -> None:  # noqa: ANN401
        """Follow nothing; the answer is then an error as any other."""


class Between(BaseHTTPRequestHandler):
    """Takes what the gateway posts, and says whether it is to post it again."""

    timeout = SECONDS
    settings: dict[str, str]
    fields: dict[str, Any]

    def do_POST(self) -> None:
        """Hand one thing over."""
        self.send_response(self.answer())
        self.send_header("content-length", "0")
        self.end_headers()

    def answer(self) -> int:
        """Say what becomes of it, as a status."""
        length = self.headers.get("content-length", "")
        digits = length.isdecimal() and len(length) <= LENGTH_DIGITS
        if not digits or int(length) > LONGEST:
            self.close_connection = True
            return TOO_LARGE
        body, proof = self.rfile.read(int(length)), self.fields["proof"]
        secret = self.settings["ACCORD_GATEWAY_SECRET"].encode()
        given = self.headers.get(proof["header"], "")
        if not is_the_gateway(body, given, secret, proof["by"]):
            return NOT_THE_GATEWAY
        try:
            posted = read(body, self.headers.get_content_type())
            told = in_notifys_words(posted, self.fields)
        except (ValueError, RecursionError):
            return UNREADABLE
        if told is None:
            return TAKEN
        at = int(time.time())
        return self.handed_over(
            told, id_of(posted, body, told["kind"], self.fields, at), at
        )

    def handed_over(self, told: dict[str, str], id_: str, at: int) -> int:
        """Post it to notify. What it does not take, the gateway posts again."""
        written = json.dumps(told).encode()
        try:
            request = request_of(written, id_, self.settings, at)
            opener = urllib.request.build_opener(Stays)
            with opener.open(request, timeout=SECONDS) as answer:
                return TAKEN if answer.status == TAKEN else LATER
        except (OSError, http.client.HTTPException, ValueError):
            return LATER

    def log_message(self, *_args: Any) -> None:  # noqa: ANN401 - http.server's own.
        """Write nothing: what is posted is about people."""


def main() -> int:
    """Listen until somebody ends it."""
    path = os.environ.get("ACCORD_CALLBACK_ENV", "/etc/accord/sms-callback.env")
    lines = Path(path).read_text("utf-8").splitlines()
    settings = dict(each.split("=", 1) for each in lines if "=" in each)
    Between.settings = settings
    fields = Path(settings["ACCORD_CALLBACK_FIELDS"]).read_text("utf-8")
    Between.fields = json.loads(fields)
    if wrong := wrong_with(Between.fields):
        sys.stderr.write(f"{wrong}\n")
        return 1
    # A setting that is missing ends it now, and not at the first receipt.
    is_the_gateway(b"", "", b"any", Between.fields["proof"]["by"])
    request_of(b"", "", settings, 0)
    if not settings["ACCORD_GATEWAY_SECRET"]:
        return 1
    port = int(settings["ACCORD_CALLBACK_PORT"])
    with ThreadingHTTPServer(("127.0.0.1", port), Between) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
