"""What was referred before about the people of a case, on one page."""

from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.message import Id
from fastapi import APIRouter, Security

from referrals.domain.case import Case
from referrals.domain.erasure import NoSuchCase
from referrals.domain.history import History
from referrals.domain.policy import Policy
from referrals.erasing import Shelves
from referrals.looking_back import heard_of, note_namesakes

router = APIRouter(tags=["history"])

Shelves_ = Annotated[Shelves, part(Shelves)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Reader = Annotated[Asking, Security(asking, scopes=["referrals.history"])]

READ_HISTORY = Action(
    "history.read",
    (Relation.TEAM, Relation.COORDINATOR, Relation.GLASS),
    parts={"record": NOT_OUTREACH},
    glass=frozenset({"record"}),
)


@router.get("/cases/{case_id}/history")
async def read_history(
    case_id: Id, shelves: Shelves_, clock: Clock_, reader: Reader, policy: Policy_
) -> History:
    """Read how often the people of a case were referred, as what, and by what trend.

    Of other cases that they are in, only what the reader may see of those counts; what
    is merged into this one is shown as its own, to whoever may see it.
    """
    await reader.permit(READ_HISTORY, history_of(case_id), otherwise=NoSuchCase)
    found = await heard_of(case_id, shelves)
    people = {each.person_id for told in found.heard for each in told.members}
    await note_namesakes(people, history_of(case_id), shelves.people, reader)
    others = [(history_of(each.id), each) for each in found.others]
    seen = await _seen(others, history_of(case_id), reader)
    heard = [
        each.in_case(case_id) if each.case_id in found.merged else each
        for each in found.heard
        if each.case_id in {case_id, *seen}
    ]
    return History.of(
        case_id,
        heard,
        at=clock.now(),
        complete=found.complete,
        rules=policy.history,
    )


async def _seen(
    others: list[tuple[Resource, Case]], of: Resource, reader: Asking
) -> set[str]:
    if not others:
        return set()
    permitted = await reader.permit_each(
        READ_HISTORY, others, of=of, otherwise=NoSuchCase
    )
    return {case.id for case, _ in permitted}


def history_of(case_id: str) -> Resource:
    """Name what was referred before about a case, for deciding about it."""
    return Resource("history", case_id, case_id)
