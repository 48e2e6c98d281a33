"""Where assessments are kept."""

import asyncio
import itertools
from collections.abc import Mapping
from datetime import datetime

from accord_chassis.store import Document, Store
from accord_contracts.message import Event, Lane, Message
from accord_contracts.risk import AssessmentCarried, RiskLevel
from pymongo import IndexModel

from risk.domain.assessment import Assessment
from risk.domain.shadow import Move
from risk.domain.simulation import Group
from risk.domain.validity import Counts, counted, together

CHUNK = 500
"""Assessments that are looked at in one go, in a thread beside what is served."""

KEPT_BACK = {"outbox": 0, "inbox": 0, "swept": 0}
"""What a document holds that is none of the assessment."""

SIMULATED = (
    "ahead", "answers", "assessed_at", "due_at", "erased_at", "first_referred_at",
    "forms", "groups", "incidents", "level", "merged_into", "mistaken_at",
    "reassess_by", "reassessment", "repeats", "revision", "shares", "tellings", "tier",
    "transferred_at",
)  # fmt: skip
"""What another policy's weighing looks at, and what no assessment is without. To leave
out the rest instead costs the embedded store three times as much (measured)."""


class Assessments(Store[Assessment]):
    """The assessments, by case."""

    entity = Assessment
    collection = "assessments"
    due = "wakes_at"
    indexes = (
        IndexModel(
            [
                ("shadow.version", 1),
                ("shadow.found", 1),
                ("shadow.would", 1),
                ("policy_version", 1),
                ("merged_into", 1),
                ("transferred_at", 1),
            ]
        ),
    )

    async def save(
        self,
        entity: Assessment,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> Assessment:
        """Save an assessment; of what changes in a merged case, its survivor hears."""
        if survivor := entity.merged_into:
            carried = AssessmentCarried(case_id=survivor, from_id=entity.id)
            events = (*events, carried)
        return await super().save(entity, *events, cause=cause, lane=lane)

    async def count_moves(self, version: str, in_force: str) -> Mapping[Move, int]:
        """Count what a second version finds, beside the one in force.

        A merged case counts in its survivor, one that another region has in none, and
        one that was last weighed by an older policy when it is weighed again.
        """
        moves = list(itertools.product(RiskLevel, RiskLevel))
        queries = (moved(version, in_force, each) for each in moves)
        counts = (self.documents.count_documents(each) for each in queries)
        return dict(zip(moves, await asyncio.gather(*counts), strict=True))

    async def count_outcomes(self, days: int, at: datetime) -> Mapping[Group, Counts]:
        """Count what came within so many days of each referral, by group.

        Every assessment there is is read once, so it takes its time.
        """
        counts: dict[Group, Counts] = {}
        chunk: list[Document] = []
        async for each in self.documents.find({}, projection=KEPT_BACK):
            chunk.append(each)
            if len(chunk) == CHUNK:
                counts = await asyncio.to_thread(_counted, counts, chunk, days, at)
                chunk = []
        return _counted(counts, chunk, days, at)


def moved(version: str, in_force: str, move: Move) -> Document:
    """Look for the cases that a second version moves so from the one in force."""
    found, would = move
    return {
        "shadow.version": version,
        "shadow.found": found.value,
        "shadow.would": would.value,
        "policy_version": in_force,
        "merged_into": None,
        "transferred_at": None,
    }


def _counted(
    counts: Mapping[Group, Counts], chunk: list[Document], days: int, at: datetime
) -> dict[Group, Counts]:
    cases = [Assessment.model_validate({**each, "id": each["_id"]}) for each in chunk]
    return together(counts, counted(cases, days, at))
