"""What the SMS gateway posts back over HTTP: receipts and replies.

Two things say that it is the gateway: its token, and its signature on what it posts.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from fastapi import APIRouter, Body, Header, Request, Security
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from notify.domain.callback import Signed
from notify.handlers import answering
from notify.handlers.answering import Hearing, Receipt, Reply
from notify.routes.messages import Clock_

router = APIRouter(prefix="/sms-callbacks", tags=["operation"])

LOOKED_BACK = timedelta(days=7)
"""For how long it is shown that somebody has written whom nobody knows."""

Hearing_ = Annotated[Hearing, part(Hearing)]
Gateway = Annotated[Asking, Security(asking, scopes=["notify.gateway"])]
Administrator = Annotated[Asking, Security(asking, scopes=["notify.admin"])]
Text = Annotated[str, Header(max_length=200)]
Key = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f-]{36}\.([0-9]{1,4}|[0-9a-f-]{36})$")
]

POST_BACK = Action("sms.post_back", (Relation.SCOPE,), purposes=(Purpose.OPERATION,))
READ_UNKNOWN = Action(
    "unknown_replies.read", (Relation.SCOPE,), purposes=(Purpose.OPERATION,)
)


class PostReceipt(BaseModel):
    """What became of a message: the key is the one that came with it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["delivered", "failed"]
    key: Key


class PostReply(BaseModel):
    """What came from a telephone.

    Attributes:
        sender: Its number: `+64215550100`, `64215550100`, or `021 555 0100` as it is
            rung from within the locality's country.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["reply"]
    sender: Annotated[str, Field(min_length=1, max_length=40)]
    text: Annotated[str, Field(max_length=2000)]


class UnknownReplyView(BaseModel):
    """That something came from nobody who is known. What, the gateway shows."""

    reply_id: Id
    at: datetime


class UnknownRepliesView(BaseModel):
    """What came by SMS within a week from nobody who is known, the latest first."""

    replies: list[UnknownReplyView]


@router.post("", status_code=204)
async def post_back(
    told: Annotated[PostReceipt | PostReply, Body(discriminator="kind")],
    request: Request,
    *,
    webhook_id: Text,
    webhook_timestamp: Text,
    webhook_signature: Text,
    by: Hearing_,
    gateway: Gateway,
    clock: Clock_,
) -> None:
    """Say what became of a message, or what came back. Once is as good as twice."""
    signed = Signed(
        webhook_id, webhook_timestamp, webhook_signature, await request.body()
    )
    await gateway.permit(POST_BACK, Resource("callback", signed.callback_id))
    if isinstance(told, PostReceipt):
        heard: Receipt | Reply = Receipt(told.key, told.kind == "delivered")
    else:
        heard = Reply(told.sender, told.text)
    await answering.hear(heard, signed, at=clock.now(), by=by)


@router.get("/unknown")
async def read_unknown(
    by: Hearing_, clock: Clock_, administrator: Administrator
) -> UnknownRepliesView:
    """Read when something came from nobody who is known; look at it at the gateway."""
    await administrator.permit(READ_UNKNOWN, Resource("callbacks", "unknown"))
    found = await by.callbacks.unknown_since(clock.now() - LOOKED_BACK)
    replies = [UnknownReplyView(reply_id=each.id, at=each.at) for each in found]
    return UnknownRepliesView(replies=replies)
