"""Saying that one knows by a link: for the portal, on behalf of whoever has it.

Following the link changes nothing: programs that look at mail follow every link in it.
The portal shows a button, and asks this when it is pressed.
"""

from functools import partial
from typing import Annotated

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part, settled
from accord_contracts.access import Purpose
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, StringConstraints

from notify.domain.link import NoSuchLink
from notify.handlers import links as using
from notify.routes.messages import Clock_

router = APIRouter(tags=["inbox"])

Links_ = Annotated[using.Links, part(using.Links)]
Portal = Annotated[Asking, Security(asking, scopes=["notify.link"])]

USE_LINK = Action("link.use", (Relation.SCOPE,), purposes=(Purpose.OPERATION,))
UNKNOWN = "unknown"


class UseLink(BaseModel):
    """What stands at the end of the link."""

    model_config = ConfigDict(extra="forbid")

    link: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{46}$")]


@router.post("/acknowledgements", status_code=204)
async def use_link(told: UseLink, links: Links_, portal: Portal, clock: Clock_) -> None:
    """Say that whoever has the link knows. Nothing is read by it, and it works once."""
    try:
        link = links.read(told.link)
    except NoSuchLink:
        await portal.permit(USE_LINK, Resource("message", UNKNOWN))
        raise
    await portal.permit(USE_LINK, Resource("message", link.notification_id))
    await settled(partial(using.use, link, at=clock.now(), links=links))
