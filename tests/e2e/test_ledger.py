"""The audit of the chaos tests has teeth: whatever harm is done, it finds.

Harm is done to what the services have stored, one thing at a time; and once by a
service that forgets what it has handled.
"""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.testing import new_id
from accord_contracts.message import Event, Message
from app import Region, eventually
from ledger import Audit, Ledger, flow
from outboxes import outboxes_of
from regions import Ground, in_one_process
from risk.domain.assessment import Assessment
from risk.store import Assessments
from wiretap import redeliver

SIZE = 40

Documents = dict[str, list[dict[str, Any]]]


@dataclass
class Books:
    """What was acknowledged, what is stored, and what stands in queues."""

    ledger: Ledger
    documents: Documents
    waiting: dict[str, int]

    def findings(self) -> list[str]:
        return Audit(self.ledger, self.documents, self.waiting).findings()


async def books_of(region: Region, ledger: Ledger) -> Books:
    """Take stock when all is quiet."""
    await eventually(region.is_quiet, within=60)
    stored = await region.documents()
    stored["audit.entries"] = await region.audited()
    return Books(ledger, stored, await region.parked())


async def let_flow(region: Region, size: int) -> Ledger:
    """Have referrals posted and acknowledged."""
    ledger = Ledger()
    url, police = f"{region.url}/api/referrals", region.agency("police")
    await ledger.post_all(url, police, flow(region, size), clients=4)
    return ledger


@pytest.fixture(scope="module")
async def sound(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Books]:
    """The books of a region in which nothing went wrong."""
    folder = tmp_path_factory.mktemp("ledger")
    async with in_one_process(ground, folder) as region:
        yield await books_of(region, await let_flow(region, SIZE))


@pytest.fixture
def books(sound: Books) -> Books:
    """A copy of them, to do harm to."""
    return deepcopy(sound)


def test_nothing_is_found_where_nothing_went_wrong(books: Books) -> None:
    assert books.findings() == []


Harm = Callable[[Books], object]


def lose(name: str) -> Harm:
    """Remove a document."""
    return lambda books: books.documents[name].pop()


def change(name: str, **fields: Any) -> Harm:
    """Change a field of a document by what a function makes of it."""

    def do(books: Books) -> None:
        document = books.documents[name][-1]
        for each, made in fields.items():
            document[each] = made(document[each])

    return do


def tell_again(books: Books) -> None:
    told = books.documents["notify.notifications"]
    told.append({**told[-1], "_id": new_id()})


def split_a_household(books: Books) -> None:
    cases = books.documents["referrals.cases"]
    whole = next(each for each in cases if len(each["episodes"]) > 1)
    cases.append({**whole, "_id": new_id(), "episodes": [whole["episodes"].pop()]})


def forget_who_asked(books: Books) -> None:
    entries = books.documents["audit.entries"]
    referral = entries[-1]["resource_id"]
    entries[:] = [each for each in entries if each["resource_id"] != referral]


def free_a_place(books: Books) -> None:
    held = books.documents["allocation.workers"]
    busy = next(each for each in held if each["holds"])
    busy["holds"].popitem()


def draft_again(books: Books) -> None:
    versions = books.documents["plans.plans"][-1]["versions"]
    versions.append({**versions[-1], "number": len(versions) + 1})


def twice(items: list[Any]) -> list[Any]:
    return [*items, items[-1]]


HARMS: dict[str, tuple[Harm, str]] = {
    "a referral is lost": (lose("referrals.referrals"), "is not stored"),
    "a case is lost": (lose("referrals.cases"), "is in 0 episodes"),
    "a person is lost": (lose("referrals.people"), "are stored"),
    "an assessment is lost": (lose("risk.assessments"), "was never weighed"),
    "a staffing is lost": (lose("allocation.staffings"), "staffed by nobody"),
    "an allocation is lost": (lose("allocation.allocations"), "made 0 times"),
    "a plan is lost": (lose("plans.plans"), "has no plan"),
    "a notification is lost": (lose("notify.notifications"), "told 0 times"),
    "a notification is sent twice": (tell_again, "told 2 times"),
    "an acknowledged referral was never stored": (
        lambda books: books.ledger.acknowledged.update(
            {new_id(): next(iter(books.ledger.acknowledged.values()))}
        ),
        "is not stored",
    ),
    "nobody wrote down who referred": (forget_who_asked, "not in the audit log"),
    "a referral was made up": (
        lambda books: books.ledger.acknowledged.popitem(),
        "never acknowledged",
    ),
    "a household has two cases": (split_a_household, "cases"),
    "an episode is there twice": (
        change("referrals.cases", episodes=twice),
        "is in 2 episodes",
    ),
    "an agency was not told": (
        change(
            "referrals.cases",
            episodes=lambda all_: [{**each, "assessed_at": None} for each in all_],
        ),
        "was not told of the assessment",
    ),
    "a message had its effect twice": (
        change("risk.assessments", inbox=twice),
        "had its effect twice",
    ),
    "a referral was weighed twice": (
        change("risk.assessments", repeats=lambda count: count + 1),
        "repeats",
    ),
    "a level was not heard of": (
        change("risk.assessments", level=lambda _: "extreme"),
        "has not heard the level",
    ),
    "a wish never met its assessment": (
        change("allocation.staffings", heard=lambda _: {}),
        "did not meet",
    ),
    "an offer was made twice": (
        change("allocation.allocations", offers=twice),
        "2 offers",
    ),
    "an offer was taken back": (
        change("allocation.allocations", status=lambda _: "unfilled"),
        "unfilled",
    ),
    "a place was given to nobody": (free_a_place, "no place is reserved"),
    "a plan was drafted twice": (draft_again, "drafted more often"),
    "an action stands there twice": (
        change("plans.plans", actions=twice),
        "stands in it twice",
    ),
    "something was not told": (
        change("plans.plans", outbox=lambda _: [{"type": "plan.drafted.v1"}]),
        "outboxes are not empty",
    ),
    "a message was parked": (
        lambda books: books.waiting.update({"risk.routine.parked": 1}),
        "risk.routine.parked holds 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_harm_is_done_is_found(books: Books, harm: str) -> None:
    do, expected = HARMS[harm]

    do(books)

    assert [each for each in books.findings() if expected in each]


class Forgetful(Assessments):
    """The assessments, without the memory of what was handled: a mutant."""

    async def get(
        self, entity_id: str, *, cause: Message[Event] | None = None
    ) -> Assessment | None:
        del cause
        return await super().get(entity_id)


async def test_a_service_that_forgets_what_it_has_handled_is_found_out(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("risk.app.Assessments", Forgetful)
    async with (
        in_one_process(ground, tmp_path) as region,
        outboxes_of(region) as outboxes,
    ):
        ledger = await let_flow(region, 10)
        assert (await books_of(region, ledger)).findings() == []

        await redeliver(region.broker, outboxes.told)

        findings = (await books_of(region, ledger)).findings()
        assert [each for each in findings if "its effect twice" in each]
        assert [each for each in findings if "weighed 2 times" in each]
