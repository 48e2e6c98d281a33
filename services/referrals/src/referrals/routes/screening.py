"""Telling plans whether what is to leave names or places somebody whom it must not."""

import asyncio
from typing import Annotated

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.papers import AskScreening, Screening
from fastapi import APIRouter, Security

from referrals.domain.erasure import NoSuchCase
from referrals.domain.screening import screen
from referrals.screening import known_of
from referrals.transferring import Handing

router = APIRouter(tags=["screenings"])

Handing_ = Annotated[Handing, part(Handing)]
Service = Annotated[Asking, Security(asking, scopes=["referrals.screen"])]

SCREEN = Action(
    "texts.screen",
    (Relation.SCOPE,),
    purposes=(Purpose.OPERATION,),
    # It shows nothing and changes nothing.
    outlasts=True,
)
NOT_A_SERVICE = Action("texts.screen", (), purposes=(Purpose.OPERATION,))
"""Whoever could ask this of any text would find anybody by guessing."""


@router.post("/screenings")
async def screen_texts(
    asked: AskScreening, *, handing: Handing_, service: Service
) -> Screening:
    """Tell a service which of some texts must not stand on a paper; never why."""
    machine = service.who.worker is None and service.who.agency is None
    action = SCREEN if machine else NOT_A_SERVICE
    about = Resource("texts", asked.case_id, asked.case_id)
    await service.permit(action, about, otherwise=NoSuchCase)
    known = await known_of(asked.case_id, handing)
    # Of a large family it takes a while, and others are not to wait for it.
    found = await asyncio.to_thread(
        screen, asked.texts, known, asked.audience, asked.person_id
    )
    return Screening(case_id=asked.case_id, found=found)
