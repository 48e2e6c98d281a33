"""What Schemathesis has to be told: how bodies are written that it does not know."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "message/rfc822")
def text(_: Any, value: Any) -> bytes:
    return str(value).encode(errors="replace")
