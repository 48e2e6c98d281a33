"""Posting a file of referrals as an agency's system would; what became of each.

Each line is one referral with the agency's own reference, which stands in for an
``Idempotency-Key``: the same file can be posted again without a second effect. What is
said of a line that is refused is where it broke which rule, never what it holds.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.client import Answer, Client, Gone
from accord.deployment import Asker
from accord.faults import CannotGoOn

PATH = "/api/referrals/v1/referrals"

TRIES = 5
"""How often a referral is posted while the service is away or asks to come back."""

FOLLOWED = 8
"""How many referrals at a time are followed until they are assessed: a sample."""

FOLLOW_SECONDS = 30.0
POLL_SECONDS = 0.2

BUSY = frozenset({429, 502, 503, 504})

Progress = Callable[[], None]


ASKER = Asker(
    "police",
    "Where to post, or as whom,",
    "an agency's, with the scopes referrals.submit and referrals.read",
)


@dataclass(slots=True)
class Summary:
    """What became of a file.

    Attributes:
        accepted: Lines that were new.
        repeated: Lines that had been posted before.
        refused: Lines that were refused, by reason.
        failed: Lines that could not be posted, by reason.
        seconds: From POST to answer, of all; and from when the service received a
            referral until it was assessed, of those that were followed. Of later stages
            an agency is told hours later.
        unfinished: Of those that were followed, how many were not assessed in time.
        took: Seconds for the whole file.
    """

    accepted: int = 0
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    first_refused: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    unfinished: int = 0
    took: float = 0.0

    @property
    def posted(self) -> int:
        """Lines that were answered."""
        return self.accepted + self.repeated + self.refused.total()

    def note(self, stage: str, seconds: float) -> None:
        """Note a time."""
        self.seconds.setdefault(stage, []).append(seconds)

    def refuse(self, line: int, reasons: Iterable[str]) -> None:
        """Note why a line was refused, and which was the first refused for that."""
        reason = "; ".join(reasons)
        self.refused[reason] += 1
        self.first_refused.setdefault(reason, line)

    def times(self) -> dict[str, dict[str, float]]:
        """Give the quantiles of every stage's times, in milliseconds."""
        return {stage: quantiles(taken) for stage, taken in self.seconds.items()}

    def document(self) -> dict[str, Any]:
        """Give it for a machine."""
        return {
            "accepted": self.accepted,
            "repeated": self.repeated,
            "refused": [
                {
                    "count": count,
                    "reason": reason,
                    "first_line": self.first_refused[reason],
                }
                for reason, count in self.refused.most_common()
            ],
            "failed": dict(self.failed),
            "not_finished": self.unfinished,
            "milliseconds": self.times(),
            "seconds": round(self.took, 3),
            "per_second": round(self.posted / self.took, 1) if self.took else 0.0,
        }


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Give the median, the 99th percentile and the greatest, in milliseconds."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        "p50": round(ordered[round(last * 0.5)] * 1000, 1),
        "p99": round(ordered[round(last * 0.99)] * 1000, 1),
        "max": round(ordered[-1] * 1000, 1),
        "count": float(len(ordered)),
    }


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, with its number."""

    number: int
    text: bytes


def lines(file: Path) -> Iterator[Line]:
    """Read the lines of a file that hold something.

    Raises:
        CannotGoOn: The file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            for number, text in enumerate(opened, 1):
                if text.strip():
                    yield Line(number, text.strip())
    except OSError as fault:
        raise CannotGoOn(f"{file} cannot be read: {fault.strerror}.") from None


class Replay:
    """Posts lines, some at the same time.

    Args:
        url: Where the services are.
        token: An agency's, with the scopes to submit and to read.
        concurrency: Connections at a time.
        progress: Called for every line that is done with.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        concurrency: int = 8,
        progress: Progress = lambda: None,
    ) -> None:
        self._url = url
        self._token = token
        self._concurrency = concurrency
        self._progress = progress
        self._seen: set[str] = set()
        self._following: set[asyncio.Task[None]] = set()
        self._followed: list[str] = []
        self._began = datetime.now(UTC)
        self.summary = Summary()

    async def run(self, given: Iterable[Line]) -> Summary:
        """Post every line, follow some, and say what became of them."""
        started = time.perf_counter()
        waiting = iter(given)
        await asyncio.gather(
            *(self._post_all(waiting) for _ in range(self._concurrency))
        )
        self.summary.took = time.perf_counter() - started
        await asyncio.gather(*self._following)
        await self._look_back()
        return self.summary

    async def _post_all(self, waiting: Iterator[Line]) -> None:
        async with Client(self._url, token=self._token) as client:
            for line in waiting:
                await self._post(client, line)
                self._progress()

    async def _post(self, client: Client, line: Line) -> None:
        started = time.perf_counter()
        answer = await self._answer(client, line.text)
        if answer is None:
            return
        self.summary.note("answered", time.perf_counter() - started)
        if answer.ok:
            self._accepted(answer.json())
        else:
            self.summary.refuse(line.number, reasons(answer))

    async def _answer(self, client: Client, body: bytes) -> Answer | None:
        """Post, and post again while the service is away: a reference makes it safe."""
        headers = {"content-type": "application/json"}
        told = "the service does not answer"
        for attempt in range(TRIES):
            with suppress(*Gone):
                answer = await client.request("POST", PATH, body=body, headers=headers)
                if answer.status not in BUSY:
                    return answer
                told = f"the service answers {answer.status}"
            await asyncio.sleep(0.2 * 2**attempt)
        self.summary.failed[told] += 1
        return None

    def _accepted(self, receipt: Mapping[str, Any]) -> None:
        referral = receipt["referral_id"]
        received = datetime.fromisoformat(receipt["received_at"])
        # The answer to a repeated referral is the first one's: only its time tells.
        if referral in self._seen or received < self._began:
            self.summary.repeated += 1
            return
        self._seen.add(referral)
        self.summary.accepted += 1
        if len(self._following) < FOLLOWED:
            task = asyncio.create_task(self._follow(referral))
            self._following.add(task)
            task.add_done_callback(self._following.discard)

    async def _follow(self, referral: str) -> None:
        """Ask after a referral until it is assessed."""
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(FOLLOW_SECONDS),
                Client(self._url, token=self._token) as client,
            ):
                while not (await status_of(client, referral)).get("assessed_at"):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)
        self._followed.append(referral)

    async def _look_back(self) -> None:
        """Read how far each of those that were followed has come by now, and when."""
        async with Client(self._url, token=self._token) as client:
            for referral in self._followed:
                told = await status_of(client, referral)
                if told.get("assessed_at"):
                    self.summary.note("assessed", _between(told, "assessed_at"))
                else:
                    self.summary.unfinished += 1


def _between(told: Mapping[str, str], stage: str) -> float:
    """Count the seconds from when a referral was received to a stage."""
    received, reached = (
        datetime.fromisoformat(told[each]) for each in ("received_at", stage)
    )
    return (reached - received).total_seconds()


async def status_of(client: Client, referral: str) -> dict[str, Any]:
    """Ask how far the response to a referral has come; nothing without an answer."""
    with suppress(*Gone, ValueError):
        answer = await client.get(f"{PATH}/{referral}")
        if answer.ok:
            told: dict[str, Any] = answer.json()
            return told
    return {}


def reasons(answer: Answer) -> list[str]:
    """Say why a referral was refused: which fields broke which rules, no values."""
    try:
        told = answer.json()
        broken = [
            f"{each['pointer']} {each['rule']}" for each in told.get("errors", ())
        ]
        return broken or [f"{answer.status} {told['title']}"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return [f"{answer.status}"]
