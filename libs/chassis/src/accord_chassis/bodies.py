"""What a request's body may be before anything reads it: its shape, and its pace.

How large one may be is the framework's to keep (``max_body_size``): it counts what
arrives, so that a body whose length nobody told is cut off as well.
"""

import asyncio
import re

from accord_contracts.problem import Refusal
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

DEEPEST = 16
"""Arrays and objects within one another; the deepest request of ours has five."""

LONGEST = 1000
"""Items of one array or object; no contract of ours allows more."""

BODY_SECONDS = 20.0
"""How long a body may take to arrive, from its first byte to its last."""

LINES = b"application/x-ndjson"
"""Many JSON texts: whoever takes them apart looks at the shape of each."""

TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
"""Strings, which hide brackets, and brackets. It never goes back, so that it takes
linear time whatever is sent; a string without an end reaches to the end."""


class TooDeep(Refusal):
    """The body nests deeper, or lists more, than any request may."""

    status = 422


def check_shape(body: bytes, *, deepest: int = DEEPEST, longest: int = LONGEST) -> None:
    """Refuse a JSON text that nests too deep or lists too much, without parsing it.

    What is no JSON passes: the parser says what is wrong with it.

    Raises:
        TooDeep: It does.
    """
    # Most bodies have too few brackets and commas to be anything but fine.
    if body.count(b"[") + body.count(b"{") > deepest or body.count(b",") >= longest:
        _walk(body, deepest, longest)


def _walk(body: bytes, deepest: int, longest: int) -> None:
    items: list[int] = []
    for found in TOKENS.finditer(body):
        match body[found.start()]:
            case 0x5B | 0x7B:  # [ {
                items.append(1)
                if len(items) > deepest:
                    raise TooDeep
            case 0x5D | 0x7D:  # ] }
                if items:
                    items.pop()
            case 0x2C:  # ,
                if items:
                    items[-1] += 1
                    if items[-1] > longest:
                        raise TooDeep


class Body:
    """Receives a request's body, and refuses it as soon as it may be.

    Args:
        scope: The request.
        receive: Where the body comes from.
        seconds: How long it may take.
    """

    def __init__(self, scope: Scope, receive: Receive, *, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._deadline: float | None = None
        self._whole = False
        self._seen: list[bytes] | None = [] if _may_be_json(scope) else None

    async def __call__(self) -> Message:
        """Receive the next part.

        Raises:
            HTTPException: The body takes too long (408) or has no shape that any of
                ours has (422): the framework tells either as a problem.
        """
        if self._whole:
            # What comes now is that the client has gone, whenever that may be.
            return await self._receive()
        message = await self._next()
        if message["type"] == "http.request":
            self._look_at(message)
        return message

    async def _next(self) -> Message:
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None

    def _look_at(self, message: Message) -> None:
        self._whole = not message.get("more_body", False)
        if self._seen is None:
            return
        self._seen.append(message.get("body", b""))
        if self._whole:
            body, self._seen = b"".join(self._seen), None
            try:
                check_shape(body)
            except TooDeep:
                raise HTTPException(422) from None


def _may_be_json(scope: Scope) -> bool:
    """Tell whether a body may be parsed as one JSON text: whatever is not just lines.

    As the framework does, it goes by the first header: a second one is no way around.
    """
    kinds = (value for name, value in scope["headers"] if name == b"content-type")
    return next(kinds, b"").partition(b";")[0].strip().lower() != LINES
