"""The page behind the link in an e-mail, by which one answers without logging in.

It stands beside ``/v1``, because no token opens it. Getting it does nothing, whatever
its address: programs that look at mail follow every link. What is pressed is decided on
as if whom the link was sent to had asked, and is in the audit log first.
"""

from datetime import datetime
from functools import partial
from typing import Annotated

import structlog
from accord_chassis.access import Caller
from accord_chassis.guard import Asking, Guard
from accord_chassis.limits import Limits, Who
from accord_chassis.service import PASSING, part, settled
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from notify.domain import page
from notify.domain.link import Link, NoSuchLink
from notify.domain.page import Chosen, NothingChosen, PageText, Verb
from notify.domain.wording import Wording
from notify.handlers import links as using
from notify.routes.inbox import (
    ACKNOWLEDGE,
    CANNOT_TAKE,
    HAND_OVER,
    Languages,
    Wording_,
    preferred,
)
from notify.routes.messages import Clock_, opened

log = structlog.get_logger()

router = APIRouter(include_in_schema=False)

BY_LINK = "urn:accord:link"
"""Vouches for whoever has the link that was sent to a worker, and for no more."""

DONE = {
    Verb.KNOWN: ACKNOWLEDGE,
    Verb.CANNOT_TAKE: CANNOT_TAKE,
    Verb.HAND_OVER: HAND_OVER,
}
NOT_NOW = frozenset({429, 503})

Links_ = Annotated[using.Links, part(using.Links)]
Guard_ = Annotated[Guard, part(Guard)]
Written = Annotated[str, Path(max_length=200)]


@router.get("/acknowledge/{link}")
async def show_page(
    _: Annotated[Written, Path(alias="link")],
    wording: Wording_,
    languages: Languages = "",
) -> HTMLResponse:
    """Show what may be pressed: the same behind every link, and behind none."""
    text, language = _spoken(wording, languages)
    return _shown(page.asking(text, language), 200)


@router.post("/acknowledge/{link}")
async def answer(
    link: Written,
    request: Request,
    *,
    links: Links_,
    guard: Guard_,
    wording: Wording_,
    clock: Clock_,
    languages: Languages = "",
) -> HTMLResponse:
    """Note what was pressed. What stands in the way is not said."""
    text, language = _spoken(wording, languages)
    try:
        chosen = Chosen.read(await request.body())
    except NothingChosen:
        return _shown(page.asking(text, language), 422)
    try:
        found = _read(link, links, request)
        owner = await _owner(found, links, guard, request, clock.now())
        await opened(
            found.notification_id, DONE[chosen.verb], links.notifications, owner
        )
        say = partial(using.answer, found, chosen, at=clock.now(), links=links)
        await settled(say)
    except Refusal as refusal:
        log.info("link.refused", reason=type(refusal).__name__)
        later = refusal.status in NOT_NOW
        said = text.later if later else text.not_done
        return _shown(page.saying(said, language), refusal.status if later else 404)
    except PASSING as fault:
        log.warning("request.put_off", fault=type(fault).__name__)
        return _shown(page.saying(text.later, language), 503)
    return _shown(page.saying(text.done, language), 200)


def _read(written: str, links: using.Links, request: Request) -> Link:
    """Read a link; one that is none counts like a token that is none."""
    limits: Limits = request.app.state.limits
    try:
        return links.read(written)
    except NoSuchLink:
        # Not before: good ones are not refused for what others try from the same place.
        limits.before_looking(request)
        limits.was_bad(request)
        raise


async def _owner(
    link: Link, links: using.Links, guard: Guard, request: Request, at: datetime
) -> Asking:
    """Give whoever has a link as whom it was sent to, with nothing else they may do.

    Raises:
        NoSuchLink: It is over, used, or too old: nothing is permitted, so nothing is in
            the audit log.
    """
    held = await links.message(link)
    limits: Limits = request.app.state.limits
    limits.admit(request, Who(BY_LINK, held.told[link.number].worker_id), ())
    worker_id = link.opener(held, at, links.lasts)
    region = request.app.state.service.settings.region
    who = Caller(
        issuer=BY_LINK,
        subject=worker_id,
        region=region,
        scopes=frozenset(),
        worker=worker_id,
    )
    return Asking(who, None, guard, request)


def _spoken(wording: Wording, languages: str) -> tuple[PageText, str]:
    return wording.page(preferred(languages))


def _shown(html: str, status: int) -> HTMLResponse:
    headers = {"Content-Security-Policy": page.POLICY, "Vary": "Accept-Language"}
    return HTMLResponse(html, status, headers)
