"""Where assessments are kept."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from math import ceil

from accord_chassis.store import Conflict, Database, Document, Store
from accord_contracts.message import Event, Lane, Message
from accord_contracts.risk import AssessmentCarried, RiskLevel
from pymongo import IndexModel

from risk.domain.assessment import Assessment
from risk.domain.edition import Edition, NoSuchPolicy, edition_id
from risk.domain.instrument_validity import Outcomes, Weighed, put_together, scored
from risk.domain.past import Past
from risk.domain.policy import Policy
from risk.domain.scoring import Result
from risk.domain.shadow import Move
from risk.domain.simulation import Group
from risk.domain.validity import Counts, counted, together

MINUTE = timedelta(minutes=1)

BREATH = timedelta(seconds=1)
"""For how long at the most is made up for, when a sweep came late."""

CHUNK = 500
"""Assessments that are looked at in one go, in a thread beside what is served."""

KEPT_BACK = {"outbox": 0, "inbox": 0, "swept": 0}
"""What a document holds that is none of the assessment."""

SAID = ("assessed_at", "case_id", "results", "revision")
"""What of a past result says how well instruments told what came."""

SIMULATED = (
    "ahead", "answers", "assessed_at", "clock_from", "counts_from", "due_at",
    "erased_at", "first_referred_at", "forms", "groups", "incidents", "level",
    "merged_into", "mistaken_at", "orders", "reassess_by", "reassessment", "repeats",
    "revision", "shares", "tellings", "tier", "transferred_at", "urged_at",
)  # fmt: skip
"""What another policy's weighing looks at, and what no assessment is without. To leave
out the rest instead costs the embedded store three times as much (measured)."""


class Pasts(Store[Past]):
    """The results that were replaced, each by its case and revision."""

    entity = Past
    collection = "past"
    indexes = (
        IndexModel([("case_id", 1), ("revision", -1)]),
        IndexModel([("rests_on", 1)], sparse=True),
    )

    async def file(self, past: Past) -> None:
        """Keep a result, unless it is there: of a revision there is one alone."""
        with contextlib.suppress(Conflict):
            await self.save(past)

    async def of_case(self, case_id: str, *, before: int, limit: int) -> list[Past]:
        """Give a case's results from before a revision, the latest first."""
        found = self.documents.find(
            {"case_id": case_id, "revision": {"$lt": before}}, projection=KEPT_BACK
        )
        return [self.load(e) async for e in found.sort("revision", -1).limit(limit)]

    async def results(self, cases: list[Document]) -> dict[str, list[Weighed]]:
        """Give what instruments said of some cases in results that were replaced."""
        ids = [each["_id"] for each in cases]
        found = self.documents.find({"case_id": {"$in": ids}}, projection=SAID)
        pasts: dict[str, list[Weighed]] = {}
        async for each in found:
            results = tuple(map(Result.model_validate, each["results"]))
            weighed = Weighed(each["assessed_at"], each["revision"], results)
            pasts.setdefault(each["case_id"], []).append(weighed)
        return pasts

    async def forget(self, case_id: str) -> None:
        """Keep no result of a case, nor any that rests on it since they were merged."""
        await self.documents.delete_many({"case_id": case_id})
        await self.documents.delete_many({"rests_on": case_id})

    async def remove(self, past_id: str) -> None:
        """Keep one result no more."""
        await self.documents.delete_one({"_id": past_id})


class Book(Store[Edition]):
    """The policies that results were weighed by."""

    entity = Edition
    collection = "policies"

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._in_force: list[Policy] = []
        self._read: dict[str, Policy] = {}

    def keep(self, policy: Policy) -> None:
        """Have a policy kept before anything is weighed by it."""
        self._in_force.append(policy)

    async def prepare(self) -> None:
        """Create the indexes, and keep what is in force."""
        await super().prepare()
        for each in self._in_force:
            with contextlib.suppress(Conflict):
                await self.save(Edition.of(each, self._database.clock.now()))

    async def before(self, fingerprint: str) -> list[str]:
        """Give the fingerprints of the policies that came into force before one did.

        Raises:
            NoSuchPolicy: That one never has.
        """
        since = (await self.edition(fingerprint)).since
        shown = {"fingerprint": 1, "since": 1}
        editions = await self.documents.find({}, projection=shown).to_list()
        return [each["fingerprint"] for each in editions if each["since"] < since]

    async def edition(self, fingerprint: str) -> Edition:
        """Give a policy as it was.

        Raises:
            NoSuchPolicy: Nothing was weighed by such a one.
        """
        found = await self.get(edition_id(fingerprint))
        if found is None:
            raise NoSuchPolicy
        return found

    async def policy(self, fingerprint: str) -> Policy:
        """Give a policy to weigh by as it was.

        Raises:
            NoSuchPolicy: There is none such, or its text was changed in the store.
        """
        if fingerprint not in self._read:
            edition = await self.edition(fingerprint)
            self._read[fingerprint] = await asyncio.to_thread(edition.policy)
        return self._read[fingerprint]


class Assessments(Store[Assessment]):
    """The assessments, by case; results that are replaced go to ``pasts``."""

    entity = Assessment
    collection = "assessments"
    due = "wakes_at"
    indexes = (
        IndexModel(
            [
                ("shadow.version", 1),
                ("shadow.found", 1),
                ("shadow.would", 1),
                ("shadow.in_force", 1),
                ("merged_into", 1),
                ("transferred_at", 1),
            ]
        ),
        IndexModel([("open_by", 1), ("_id", 1)]),
    )

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.pasts = Pasts(database)

    async def prepare(self) -> None:
        """Create the indexes, also of the results that were replaced."""
        await super().prepare()
        await self.pasts.prepare()

    async def save(
        self,
        entity: Assessment,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> Assessment:
        """Save an assessment; of what changes in a merged case, its survivor hears.

        The result that it replaces is filed before, so that none is ever lost; if it
        was filed while its case was erased, it is forgotten again.
        """
        if survivor := entity.merged_into:
            carried = AssessmentCarried(case_id=survivor, from_id=entity.id)
            events = (*events, carried)
        past = entity.replaced
        if past is None:
            return await super().save(entity, *events, cause=cause, lane=lane)
        await self.pasts.file(past)
        filed = entity.model_copy(update={"replaced": None})
        try:
            return await super().save(filed, *events, cause=cause, lane=lane)
        except Conflict:
            about = [await self.get(each) for each in (past.case_id, *past.rests_on)]
            if any(each and each.erased_at for each in about):
                await self.pasts.remove(past.id)
            raise

    async def count_moves(self, version: str, in_force: str) -> Mapping[Move, int]:
        """Count what a second version finds, beside the one in force.

        A merged case counts in its survivor, one that another region has in none, and
        one that an older policy has weighed once it is looked over or weighed again.
        """
        moves = list(itertools.product(RiskLevel, RiskLevel))
        queries = (moved(version, in_force, each) for each in moves)
        counts = (self.documents.count_documents(each) for each in queries)
        return dict(zip(moves, await asyncio.gather(*counts), strict=True))

    async def count_outcomes(
        self, days: int, at: datetime, policy: Policy
    ) -> tuple[Mapping[Group, Counts], Outcomes]:
        """Count what came within so many days of each referral, by group.

        Every assessment there is is read once, and every past result of it, so it takes
        its time.

        Returns:
            By the level at which it was held, and by what each instrument said.
        """
        counts: dict[Group, Counts] = {}
        scores: Outcomes = {}
        async for chunk in self._chunks():
            cases, pasts = await asyncio.gather(
                asyncio.to_thread(_cases, chunk), self.pasts.results(chunk)
            )
            found = await asyncio.to_thread(counted, cases, days, at)
            counts = together(counts, found)
            more = await asyncio.to_thread(scored, cases, pasts, policy, days, at)
            scores = put_together(scores, more)
        return counts, scores

    async def _chunks(self) -> AsyncIterator[list[Document]]:
        """Read all assessments, some at a time."""
        chunk: list[Document] = []
        async for each in self.documents.find({}, projection=KEPT_BACK):
            chunk.append(each)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        yield chunk


class Outdated(Assessments):
    """The open assessments that an older policy looked over last, claimed at a pace.

    Older is what came into force before: a replica that still runs by an older one, or
    is started by it once more, takes nothing back.
    """

    def __init__(self, database: Database, book: Book, policy: Policy) -> None:
        super().__init__(database)
        self._book = book
        self._policy = policy
        self._older: list[str] | None = None
        self._from: datetime | None = None

    def may_be_due(self, at: datetime) -> bool:  # noqa: ARG002 - By no field.
        """Tell that it is time to look: the pace says how many, and mostly none."""
        return True

    async def due_now(self, at: datetime, *, limit: int = 100) -> list[Assessment]:
        """Claim as many as the locality's pace allows since the last time."""
        if self._older is None:
            self._older = await self._book.before(self._policy.fingerprint)
        since, self._from = self._from or at - BREATH, at
        minutes = min(at - since, BREATH) / MINUTE
        most = min(limit, ceil(self._policy.reweigh_a_minute * minutes))
        if not self._older or most <= 0:
            return []
        which = {"open_by": {"$in": self._older}}
        return await self.claim(which, order="_id", limit=most)


def moved(version: str, in_force: str, move: Move) -> Document:
    """Look for the cases that a second version moves so from the one in force."""
    found, would = move
    return {
        "shadow.version": version,
        "shadow.found": found.value,
        "shadow.would": would.value,
        "shadow.in_force": in_force,
        "merged_into": None,
        "transferred_at": None,
    }


def _cases(chunk: list[Document]) -> list[Assessment]:
    return [Assessment.model_validate({**each, "id": each["_id"]}) for each in chunk]
