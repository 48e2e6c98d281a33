"""What the mail server posts of letters that came back, over HTTP.

Two things say that it is the mail server: its token, and its signature.
"""

from typing import Annotated

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from fastapi import APIRouter, Header, Request, Security

from notify.domain.callback import Signed
from notify.handlers import bouncing
from notify.handlers.bouncing import Bouncing
from notify.routes.messages import Clock_

router = APIRouter(prefix="/bounces", tags=["operation"])

Bouncing_ = Annotated[Bouncing, part(Bouncing)]
MailServer = Annotated[Asking, Security(asking, scopes=["notify.bounce"])]
Text = Annotated[str, Header(max_length=200)]

POST_BOUNCE = Action("bounce.post", (Relation.SCOPE,), purposes=(Purpose.OPERATION,))

LETTER = {
    "requestBody": {
        "required": True,
        "description": "The letter that came back, as the mail server has it.",
        "content": {"message/rfc822": {"schema": {"type": "string"}}},
    }
}


@router.post("", status_code=204, openapi_extra=LETTER)
async def post_bounce(
    request: Request,
    *,
    webhook_id: Text,
    webhook_timestamp: Text,
    webhook_signature: Text,
    by: Bouncing_,
    server: MailServer,
    clock: Clock_,
) -> None:
    """Hand over what came back to a letter. What is no such report changes nothing."""
    body = await request.body()
    signed = Signed(webhook_id, webhook_timestamp, webhook_signature, body)
    await server.permit(POST_BOUNCE, Resource("bounce", signed.callback_id))
    await bouncing.hear(signed, at=clock.now(), by=by)
