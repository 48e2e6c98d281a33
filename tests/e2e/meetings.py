"""A meeting that is called about one case, at which somebody sits and decides."""

from dataclasses import dataclass
from datetime import timedelta

import yaml
from accord_chassis.testing import new_id
from app import LOCALITY, Region, eventually
from people import EVERY_SCOPE, Somebody
from plans.domain.meeting.rules import Statement

STATEMENT = Statement.model_validate(
    yaml.safe_load((LOCALITY / "meetings.yaml").read_text("utf-8"))["statement"]
)
SIGNED = {"statement": STATEMENT.version, "digest": STATEMENT.digest}

PATH = "/api/plans/v1/meetings"


@dataclass(frozen=True)
class Held:
    """A meeting, and something that the Police promised there."""

    meeting_id: str
    case_id: str
    task_id: str

    @property
    def case_path(self) -> str:
        """Where what was decided on its case is."""
        return f"{PATH}/{self.meeting_id}/cases/{self.case_id}"


async def is_on_the_docket(region: Region, case: str) -> None:
    """Wait until meetings have heard of a case."""
    dockets = region.database("plans")["dockets"]

    async def look() -> bool:
        return await dockets.count_documents({"_id": case, "open": True}) == 1

    await eventually(look)


async def called(region: Region, case: str, leads: Somebody, *seats: Somebody) -> Held:
    """Have a meeting called about a case, begun, and one task promised there."""
    await is_on_the_docket(region, case)
    meeting = new_id()
    starts = (region.clock.now() + timedelta(minutes=1)).isoformat()
    told = {"starts_at": starts, "cases": [case]}
    answers = [await leads.sends("PUT", f"{PATH}/{meeting}", told)]
    path = f"{PATH}/{meeting}/attendance"
    answers += [await each.sends("POST", path, SIGNED) for each in (leads, *seats)]
    answers.append(await leads.sends("POST", f"{PATH}/{meeting}/beginning"))
    task = {"action": "patrols_asked_for", "agency": "police", "within_hours": 24}
    wanted = {"level": "high", "lead": "refuge", "tasks": [task]}
    path = f"{PATH}/{meeting}/cases/{case}/decision"
    decided = await leads.sends("POST", path, wanted)
    answers.append(decided)
    assert all(each.ok for each in answers), [each.body for each in answers]
    [promised] = decided.json()["tasks"]
    return Held(meeting, case, promised["task_id"])


def police_officer(region: Region, worker_id: str) -> Somebody:
    """Give a worker who sits at the table for the Police."""
    claims = region.agency("police").agency.claims
    return Somebody(
        region, f"officer-{worker_id}", *EVERY_SCOPE, worker=worker_id, **claims
    )
