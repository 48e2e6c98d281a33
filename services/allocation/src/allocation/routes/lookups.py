"""Who looked at a case, over HTTP: for whoever coordinates, and a privacy officer."""

from datetime import datetime
from typing import Annotated, Self

from accord_chassis.audit import AuditLog, Recorded
from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, NoSuchRecord, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from fastapi import APIRouter, Query, Security
from pydantic import BaseModel, StringConstraints

from allocation.handlers.access import Door

router = APIRouter(tags=["access"])

Door_ = Annotated[Door, part(Door)]
Audit_ = Annotated[AuditLog, part(AuditLog)]
Reviewer = Annotated[Asking, Security(asking, scopes=["allocation.lookups"])]
EntryId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_/-]{1,100}$")]

PARTS = {"record": NOT_OUTREACH}
OPERATION = (Purpose.OPERATION,)
BY_COORDINATOR = Action(
    "looked_at.read", (Relation.COORDINATOR,), parts=PARTS, purposes=OPERATION
)
BY_OFFICER = Action(
    "looked_at.read", (Relation.SCOPE,), parts=PARTS, purposes=OPERATION
)
"""A privacy officer is in no directory, and acts for no agency."""


class LookView(BaseModel):
    """That somebody looked at something of a case, or changed it, or was refused.

    Of an entry that somebody changed nothing may be left to read: it is shown all the
    same.

    Attributes:
        entry_id: Of the audit log.
        intact: It is as it was sealed; one that is not proves nothing but that.
        worker_id: Who, if they are in the directory.
        subject: Who, by the provider's id.
        agency: For which agency.
        action: What was done: ``plan.read``.
        ground: By which rule it was decided: ``team``, ``glass``, ``no_relation``.
        purpose: What for, by its code.
        parts: Which parts of the record were seen.
        glass_id: The broken glass through which it was.
    """

    entry_id: str
    intact: bool
    at: datetime
    case_id: str | None
    worker_id: str | None
    subject: str | None
    agency: str | None
    action: str | None
    outcome: str | None
    ground: str | None
    purpose: str | None
    resource: str | None
    resource_id: str | None
    parts: tuple[str, ...]
    glass_id: str | None

    @classmethod
    def of(cls, found: Recorded) -> Self:
        """Show an entry."""
        entry = found.entry
        return cls(
            entry_id=found.id,
            intact=found.intact,
            at=found.at,
            case_id=entry.case_id,
            worker_id=entry.worker,
            subject=entry.subject,
            agency=entry.agency,
            action=entry.action,
            outcome=entry.outcome,
            ground=entry.rule,
            purpose=entry.purpose,
            resource=entry.resource,
            resource_id=entry.resource_id,
            parts=tuple(map(str, entry.fields)),
            glass_id=entry.break_glass,
        )


@router.get("/cases/{case_id}/looked-at")
async def read_looked_at(
    case_id: Id,
    door: Door_,
    audit: Audit_,
    reviewer: Reviewer,
    *,
    after: Annotated[EntryId | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> list[LookView]:
    """Read who looked at a case, when and on what ground, the latest first.

    At what is one with it since they were merged, too. It goes on after the last entry
    that was seen. That it is read stands first.
    """
    who = reviewer.who
    outside = who.worker is None and who.agency is None and not who.is_machine
    action = BY_OFFICER if outside else BY_COORDINATOR
    await reviewer.permit(action, Resource("looked_at", case_id, case_id))
    family = await door.family_of(case_id)
    if not family:
        raise NoSuchRecord
    found = await audit.looked_at(*family, after=after, limit=limit)
    return [LookView.of(each) for each in found]
