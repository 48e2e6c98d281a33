"""Where meetings, what is said at them, and the dockets of cases are kept."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_chassis.store import EPOCH, Store
from accord_contracts.risk import RiskLevel
from pymongo.operations import IndexModel

from plans.domain.meeting.discussion import Discussion
from plans.domain.meeting.docket import Docket
from plans.domain.meeting.meeting import MOST_CASES, Meeting
from plans.domain.meeting.rules import CALLED, Rules
from plans.domain.template import Policy

WITHOUT = {"inbox": 0, "outbox": 0}


class Taken(NamedTuple):
    """The cases that a meeting takes.

    Attributes:
        left_off: How many it would take too, were it not for their number: none of
            which is graver than those that are taken.
    """

    cases: list[Docket]
    left_off: int


class Dockets(Store[Docket]):
    """What every case has to bring before a meeting."""

    entity = Docket
    collection = "dockets"
    indexes = (
        IndexModel([("rank", -1), ("wanted_from", 1)]),
        IndexModel([("meeting", 1), ("rank", -1), ("wanted_from", 1)]),
        IndexModel([("merged_into", 1)]),
    )

    async def wanted(self, by: datetime, least: RiskLevel, series: str) -> "Taken":
        """Give the cases that something brings up by a time.

        Args:
            by: When.
            least: The lowest level that is asked for.
            series: At which a case below it is spoken about if its tier says so.
        """
        return await self._gravest(least, series, {"$gt": EPOCH, "$lte": by})

    async def at_risk(self, least: RiskLevel, series: str) -> "Taken":
        """Give the cases from a level of risk on whose response has not ended.

        And those below whose tier has them spoken about in this series. Of one level
        those that nothing brings up come last.
        """
        return await self._gravest(least, series, {"$gt": EPOCH}, None)

    async def _gravest(
        self, least: RiskLevel, series: str, *wanted: Mapping[str, Any] | None
    ) -> "Taken":
        """Give as many as one meeting has, the gravest and then the longest first.

        Level by level, so that each is read from the index and the gravest are read
        whatever waits below.
        """
        cases: list[Docket] = []
        left_off = 0
        for level, times in product(reversed(RiskLevel), wanted):
            named = {} if level.rank >= least.rank else {"meeting": series}
            which = {**named, "rank": level.rank, "wanted_from": times}
            page: list[Docket] = []
            if room := MOST_CASES - len(cases):
                found = self.documents.find(which, WITHOUT).sort("wanted_from", 1)
                page = [self.load(each) async for each in found.limit(room)]
                cases += page
            if len(cases) == MOST_CASES:
                left_off += await self.documents.count_documents(which) - len(page)
        return Taken(cases, left_off)

    async def all_of(self, cases: Iterable[str]) -> list[Docket]:
        """Give some cases', those that there are."""
        found = self.documents.find({"_id": {"$in": [*cases]}}, WITHOUT)
        return [self.load(each) async for each in found]

    async def household_of(self, case_id: str) -> list[Docket]:
        """Give a case's with those of what is merged with it, the survivor's first."""
        held = await self.get(case_id)
        survivor = (held and held.merged_into) or case_id
        merged = await self.merged_with(survivor)
        return [*await self.all_of([survivor]), *merged]

    async def merged_with(
        self, survivor: str, by: datetime | None = None
    ) -> list[Docket]:
        """Give those of the cases that are merged into one, and were so by a time."""
        which: dict[str, Any] = {"merged_into": survivor}
        if by:
            which["merged_at"] = {"$lte": by}
        found = self.documents.find(which, WITHOUT)
        return [self.load(each) async for each in found]

    async def merged_into(self, case_ids: Iterable[str]) -> dict[str, list[Docket]]:
        """Give those of what is merged into some cases, by the survivor."""
        found = self.documents.find({"merged_into": {"$in": [*case_ids]}}, WITHOUT)
        merged: dict[str, list[Docket]] = {}
        async for each in found:
            held = self.load(each)
            merged.setdefault(held.merged_into or held.id, []).append(held)
        return merged

    async def take_in(self, survivor: str, case_id: str, at: datetime) -> None:
        """Write into a survivor's what a case brings that is merged into it, or not."""
        await settled(partial(self._take_in, survivor, case_id, at))

    async def _take_in(self, survivor: str, case_id: str, at: datetime) -> None:
        held = await self.get(survivor) or Docket(id=survivor)
        # Read after the survivor's: whoever saves what is older conflicts.
        other = await self.get(case_id)
        if other is not None and (new := held.take_in(other, at)) is not held:
            await self.save(new)

    async def end_with(self, case_id: str, at: datetime) -> None:
        """Note in a merged case's that the response to its survivor has ended."""
        held = await self.get(case_id)
        if held is not None and (new := held.end_with(at)) is not held:
            await self.save(new)

    async def keep_apart(self, case_id: str, agencies: Iterable[str] = ()) -> None:
        """Write into every docket of a household who is kept from any of it.

        So it stays when merged cases are taken apart, and in closed ones.
        """
        household = await self.household_of(case_id)
        kept = {*agencies, *(code for each in household for code in each.kept_from)}
        for each in household:
            await settled(partial(self._keep_from, each.id, kept))

    async def _keep_from(self, case_id: str, agencies: Iterable[str]) -> None:
        held = await self.get(case_id)
        if held is not None and (new := held.keep_from(agencies)) is not held:
            await self.save(new)


class Meetings(Store[Meeting]):
    """The meetings of which anything is to be remembered."""

    entity = Meeting
    collection = "meetings"
    due = "due_at"
    indexes = (
        IndexModel([("starts_at", 1)]),
        IndexModel([("series", 1), ("closed_at", 1)]),
        IndexModel([("agenda.case_id", 1)]),
        IndexModel([("added.case_id", 1)]),
    )

    async def about(self, case_id: str) -> list[Meeting]:
        """Give those on whose agenda a case is, or was."""
        listed = [{"agenda.case_id": case_id}, {"added.case_id": case_id}]
        found = self.documents.find({"$or": listed}, WITHOUT)
        return [self.load(each) async for each in found]

    async def between(self, since: datetime, until: datetime) -> list[Meeting]:
        """Give those that begin between two times, in order."""
        times = {"$gte": since, "$lt": until}
        found = self.documents.find({"starts_at": times}, WITHOUT)
        return [self.load(each) async for each in found.sort("starts_at", 1)]

    async def last_of(self, series: str) -> Meeting | None:
        """Give the one of a series that was closed last; of what is called, none."""
        if series == CALLED:
            return None
        found = self.documents.find(
            {"series": series, "closed_at": {"$gt": EPOCH}}, WITHOUT
        )
        async for each in found.sort("closed_at", -1).limit(1):
            return self.load(each)
        return None

    async def called_since(self, since: datetime) -> list[Meeting]:
        """Give those that were called besides and closed since a time."""
        found = self.documents.find(
            {"series": CALLED, "closed_at": {"$gte": since}}, WITHOUT
        )
        return [self.load(each) async for each in found]


class Discussions(Store[Discussion]):
    """The cases at meetings."""

    entity = Discussion
    collection = "discussions"
    due = "due_at"
    indexes = (
        IndexModel([("meeting_id", 1)]),
        IndexModel([("case_id", 1)]),
        IndexModel([("owed_by", 1)]),
    )

    async def of_meeting(self, meeting_id: str) -> list[Discussion]:
        """Give all of a meeting of which something is kept."""
        return await self._all({"meeting_id": meeting_id})

    async def of_case(self, case_id: str) -> list[Discussion]:
        """Give all of a case."""
        return await self.of_cases([case_id])

    async def of_cases(self, case_ids: Iterable[str]) -> list[Discussion]:
        """Give all of some cases."""
        named = {"case_id": {"$in": [*case_ids]}}
        found = self.documents.find(named, WITHOUT)
        return [self.load(each) async for each in found]

    async def owed_by(self, agency: str) -> list[Discussion]:
        """Give those in which an agency has something still to do."""
        return await self._all({"owed_by": agency})

    async def _all(self, which: dict[str, str]) -> list[Discussion]:
        found = self.documents.find(which, WITHOUT)
        return [self.load(each) async for each in found]


class Table(NamedTuple):
    """Everything that meetings are held with."""

    dockets: Dockets
    meetings: Meetings
    discussions: Discussions
    rules: Rules
    policy: Policy
    clock: Clock


def by_case(found: Sequence[Discussion]) -> dict[str, Discussion]:
    """Give discussions by their cases."""
    return {each.case_id: each for each in found}
