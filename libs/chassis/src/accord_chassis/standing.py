"""Asking the allocation service how a worker stands to cases.

Membership is looked up, never carried in a token, and believed for a few seconds only:
whoever is taken off a case, or is named on one of its lists, sees nothing of it any
more. That a worker has nothing to do with a case is not remembered at all: whoever has
just joined sees it at once. Of an id that the directory does not know, it is; and so it
is that somebody is at work, where it is about no case.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import structlog
from accord_contracts.access import (
    CASES_OF_A_QUESTION,
    NO_CASE,
    QUESTIONS_TOGETHER,
    AskStanding,
    AskStandings,
    Standing,
    Standings,
)
from pydantic import ValidationError

from accord_chassis.asking import NoAnswer, Peer
from accord_chassis.batching import ByLane
from accord_chassis.guard import StandingAway
from accord_chassis.settings import BadConfiguration, ChassisSettings

log = structlog.get_logger()

FRESH_SECONDS = 5.0
"""How long an answer is believed (DESIGN allows 60)."""

REMEMBERED = 20_000
"""Standings that are kept, of all workers together."""


class AskedStandings:
    """What allocation says of how workers stand to cases.

    Args:
        allocation: The allocation service, as it is asked.
    """

    def __init__(self, allocation: Peer) -> None:
        self._allocation = allocation
        self._known: dict[tuple[str, str], tuple[float, Standing]] = {}
        self._asked = ByLane(self._ask, limit=QUESTIONS_TOGETHER)

    async def of(
        self, worker_id: str, case_ids: Sequence[str]
    ) -> Mapping[str, Standing]:
        """Tell how a worker stands to each of some cases.

        Raises:
            StandingAway: It cannot be known at present.
        """
        now = time.monotonic()
        found: dict[str, Standing] = {}
        for case_id in case_ids:
            known = self._known.get((worker_id, case_id))
            if known and now - known[0] < FRESH_SECONDS:
                found[case_id] = known[1]
        unknown = [each for each in case_ids if each not in found]
        try:
            questions = [
                AskStanding(worker_id=worker_id, case_ids=tuple(some))
                for some in _some(unknown, CASES_OF_A_QUESTION)
            ]
        except ValidationError:
            # Nobody of whom the directory could know.
            return found
        for told in await asyncio.gather(*map(self._asked, questions)):
            found.update((each.case_id, each) for each in told)
        return found

    async def _ask(self, asked: Sequence[AskStanding]) -> Sequence[Sequence[Standing]]:
        """Ask about many workers at once, each of whom somebody waits for."""
        # Before the question: what is changed while it is answered may not be in it.
        asked_at = time.monotonic()
        question = AskStandings(asked=tuple(asked))
        try:
            answer = await self._allocation.post("/standings", question, Standings)
        except NoAnswer as none:
            log.warning("standing.not_known", fault=none.fault)
            raise StandingAway from None
        told = answer.standings
        if len(self._known) + len(told) > REMEMBERED:
            self._known.clear()
        of_worker: dict[str, list[Standing]] = defaultdict(list)
        for each in told:
            of_worker[each.worker_id].append(each)
            at_work = each.case_id == NO_CASE
            if each.sides or each.coordinator or at_work or _unnamed(each):
                self._known[each.worker_id, each.case_id] = (asked_at, each)
        return [
            [e for e in of_worker[each.worker_id] if e.case_id in each.case_ids]
            for each in asked
        ]


def _unnamed(standing: Standing) -> bool:
    """Tell whether somebody is not at work, or in no directory, and is not excluded."""
    return not (standing.active or standing.excluded)


def _some(of: Sequence[str], many: int) -> Iterator[Sequence[str]]:
    return (of[start : start + many] for start in range(0, len(of), many))


def allocation_of(settings: ChassisSettings) -> Peer:
    """Have a service ask allocation, who works on what for one.

    Raises:
        BadConfiguration: It is not told where, or has no token.
    """
    if not settings.allocation_url:
        raise BadConfiguration(
            "Set ACCORD_ALLOCATION_URL to where the allocation service is: it knows "
            "who works on which case."
        )
    return Peer.of(settings, settings.allocation_url)
