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
    # Whoever else could ask this of any text would find anybody by guessing.
    (Relation.SERVICE,),
    purposes=(Purpose.OPERATION,),
    # It shows nothing and changes nothing.
    outlasts=True,
)


@router.post("/screenings")
async def screen_texts(
    asked: AskScreening, *, handing: Handing_, service: Service
) -> Screening:
    """Tell a service which of some texts must not stand on a paper; never why."""
    about = Resource("texts", asked.case_id, asked.case_id)
    await service.permit(SCREEN, about, otherwise=NoSuchCase)
    known = await known_of(asked.case_id, handing)
    # Of a large family it takes a while, and others are not to wait for it.
    found = await asyncio.to_thread(
        screen, asked.texts, known, asked.audience, asked.person_id
    )
    return Screening(case_id=asked.case_id, found=found)
