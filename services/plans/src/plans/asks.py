"""What plans asks of other services, in the middle of what somebody does.

An answer is never remembered: what is found meanwhile may speak against it. Where there
is none, what it was asked for is not done.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import structlog
from accord_chassis.asking import NoAnswer, Peer
from accord_chassis.guard import Standings
from accord_contracts.access import AGENCIES, listed_id
from accord_contracts.allocation import OfferOfHelp
from accord_contracts.papers import (
    LONGEST_TEXT,
    TEXTS_OF_A_QUESTION,
    AskScreening,
    Screening,
)
from accord_contracts.problem import Refusal
from accord_contracts.risk import AskClosing, ClosingProof
from pydantic import TypeAdapter

from plans.documents.audience import Addressed

log = structlog.get_logger()

OFFERS = TypeAdapter(tuple[OfferOfHelp, ...])

BYTES_OF_A_QUESTION = 20_000
"""Of texts, so that a body stays below 64 KiB however its letters are written."""


class ProofAway(Refusal):
    """Whether the response may end cannot be known at present: try again soon."""

    status = 503


class ScreeningAway(Refusal):
    """Whether this paper tells too much cannot be known at present: try again soon."""

    status = 503


class HelpAway(Refusal):
    """Who meets this need cannot be known at present: try again soon."""

    status = 503


class Helpers:
    """What allocation says of who meets which needs, and of whom a case is kept from.

    Args:
        allocation: The allocation service, as it is asked.
        standings: How agencies stand to cases.
    """

    def __init__(self, allocation: Peer, standings: Standings) -> None:
        self._allocation = allocation
        self._standings = standings

    async def who_meet(self, need: str, case_id: str) -> tuple[OfferOfHelp, ...]:
        """Give the providers of the directory that may be asked to meet a need.

        Args:
            need: One of the locality's codes, and so nothing but letters and digits.
            case_id: In which case; whom its lists name is not asked.

        Raises:
            HelpAway: Allocation does not answer, or not what can be understood.
            StandingAway: It cannot be known now whom the lists name.
        """
        try:
            found = await self._allocation.get(f"/offers-of-help?need={need}", OFFERS)
        except NoAnswer as none:
            log.warning("help.not_known", fault=none.fault)
            raise HelpAway from None
        barred = await asyncio.gather(
            *(self.barred(each.provider, [case_id]) for each in found)
        )
        return tuple(e for e, cases in zip(found, barred, strict=True) if not cases)

    async def barred(self, provider: str, case_ids: Iterable[str]) -> frozenset[str]:
        """Give those of some cases whose lists keep a provider from them.

        Of which nothing is known, it is kept from it.

        Raises:
            StandingAway: That cannot be known at present.
        """
        asked = sorted({*case_ids})
        known = await self._standings.of(listed_id(AGENCIES, provider), asked)
        return frozenset(e for e in asked if e not in known or known[e].excluded)


class Proofs:
    """What risk says of whether responses may end.

    Args:
        risk: The risk service, as it is asked.
    """

    def __init__(self, risk: Peer) -> None:
        self._risk = risk

    async def missing(self, case_id: str, closed_by: str) -> tuple[str, ...]:
        """Give the codes of what is missing before a worker may end a response.

        Raises:
            ProofAway: Risk does not answer, or not what can be understood.
        """
        asked = AskClosing(case_id=case_id, closed_by=closed_by)
        try:
            told = await self._risk.post("/proofs", asked, ClosingProof)
        except NoAnswer as none:
            log.warning("proof.not_known", fault=none.fault)
            raise ProofAway from None
        if told.case_id != case_id:
            raise ProofAway
        return told.missing


class Screens:
    """What referrals says of whether texts name or place somebody of a case.

    Args:
        referrals: The referrals service, as it is asked.
    """

    def __init__(self, referrals: Peer) -> None:
        self._referrals = referrals

    async def found(
        self, case_id: str, to: Addressed, texts: Sequence[str]
    ) -> tuple[int, ...]:
        """Give the places, from 0, of those texts that a paper must not have.

        Raises:
            ScreeningAway: Referrals does not answer, or not what can be understood.
        """
        found: list[int] = []
        first = 0
        for some in _parted(texts):
            asked = AskScreening(
                case_id=case_id,
                audience=to.audience,
                person_id=to.person_id,
                texts=some,
            )
            try:
                told = await self._referrals.post("/screenings", asked, Screening)
            except NoAnswer as none:
                log.warning("screening.not_known", fault=none.fault)
                raise ScreeningAway from None
            if told.case_id != case_id or any(e >= len(some) for e in told.found):
                raise ScreeningAway
            found += [first + each for each in told.found]
            first += len(some)
        return tuple(found)


def _parted(texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Part texts into questions that are small enough.

    Raises:
        ScreeningAway: One is too long to be asked about.
    """
    some: list[str] = []
    size = 0
    for each in texts:
        if len(each) > LONGEST_TEXT:
            raise ScreeningAway
        bytes_ = len(each.encode())
        full = len(some) >= TEXTS_OF_A_QUESTION or size + bytes_ > BYTES_OF_A_QUESTION
        if some and full:
            yield tuple(some)
            some, size = [], 0
        some.append(each)
        size += bytes_
    if some:
        yield tuple(some)
