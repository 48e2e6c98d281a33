"""What was acknowledged to agencies, and whether the platform has kept its word.

The ledger stands outside of the platform. After faults, when all is quiet again, every
database is compared with it: nothing acknowledged may be lost, nothing may have taken
effect twice, and nothing may be left half done.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import yaml
from accord.client import Client, Gone
from app import LOCALITY, Region
from people import OFFERED, ReferringAgency, Told

Document = dict[str, Any]
Documents = Mapping[str, Sequence[Document]]

ROLES: dict[str, list[str]] = yaml.safe_load(
    (LOCALITY / "allocation.yaml").read_bytes()
)["roles"]
"""The roles that each level needs."""

ACCEPTED = 202
SERVER_FAULT = 500

PAUSE = 0.05
"""Seconds after which an agency that got no answer tries again."""

_numbers = count(1)


def household(region: Region, **told: Any) -> Told:
    """Make a referral of people whom no register knows by another's number."""
    made = region.referral(**told)
    for person in made["people"]:
        value = f"ZZ-{next(_numbers):07}"
        person["identifiers"] = [{"system": "police_person_record", "value": value}]
    return made


def flow(region: Region, size: int) -> list[Told]:
    """Make referrals as they come: some grave, some of a household known already."""
    made: list[Told] = []
    for number in range(size):
        if number % 10 == 9:
            known = made[-5]
            # Who wished something else would have somebody else asked.
            said = ("people", "answers", "incidents", "wishes")
            made.append(region.referral(**{name: known[name] for name in said}))
        elif number % 5 == 3:
            grave = {"yes": ("threat_to_kill",), "incidents": ("threats_of_harm",)}
            made.append(household(region, **grave))
        else:
            made.append(household(region))
    return made


@dataclass
class Ledger:
    """Who was told that what has been taken.

    Attributes:
        acknowledged: What was told, by the referral's id.
        unanswered: How often no answer came, or none that helps.
    """

    acknowledged: dict[str, Told] = field(default_factory=dict)
    unanswered: int = 0

    def has(self, least: int) -> Callable[[], Awaitable[bool]]:
        """Look whether so many were acknowledged."""

        async def look() -> bool:
            return len(self.acknowledged) >= least

        return look

    async def post_all(
        self, url: str, agency: ReferringAgency, told: Sequence[Told], *, clients: int
    ) -> None:
        """Have every referral posted until it is acknowledged, under one key each."""
        waiting = iter(told)
        posting = (self._post_some(url, agency, waiting) for _ in range(clients))
        await asyncio.gather(*posting)

    async def _post_some(
        self, url: str, agency: ReferringAgency, waiting: Iterator[Told]
    ) -> None:
        async with Client(url, token=agency.token) as client:
            for told in waiting:
                while not await self._is_acknowledged(client, told):
                    self.unanswered += 1
                    await asyncio.sleep(PAUSE)

    async def _is_acknowledged(self, client: Client, told: Told) -> bool:
        key = told["reference"]
        try:
            answer = await client.send("POST", "/v1/referrals", told, key=key)
        except Gone:
            return False
        if answer.status >= SERVER_FAULT:
            return False
        assert answer.status == ACCEPTED, answer.body
        self.acknowledged[answer.json()["referral_id"]] = told
        return True


class Audit:
    """Compares a ledger with what the services have stored.

    Args:
        ledger: What was acknowledged.
        documents: Everything stored, by service and collection; what the audit log
            says of referrals is ``audit.entries``.
        waiting: What stands in queues, by queue.
    """

    def __init__(
        self, ledger: Ledger, documents: Documents, waiting: Mapping[str, int]
    ) -> None:
        self._ledger = ledger.acknowledged
        self._documents = documents
        self._waiting = waiting
        self._cases = {each["_id"]: each for each in self._all("referrals.cases")}
        self._allocations = self._all("allocation.allocations")

    def findings(self) -> list[str]:
        """Say everything that is not as it was promised."""
        return [
            *self._under_way(),
            *self._stored(),
            *self._audited(),
            *self._in_cases(),
            *self._handled(),
            *self._assessed(),
            *self._staffed(),
            *self._offered(),
            *self._planned(),
            *self._told(),
        ]

    def _all(self, name: str) -> Sequence[Document]:
        return self._documents.get(name, ())

    def _by_id(self, name: str) -> dict[str, Document]:
        return {each["_id"]: each for each in self._all(name)}

    def _under_way(self) -> Iterator[str]:
        for queue, held in self._waiting.items():
            yield f"queue {queue} holds {held}"
        for name, documents in self._documents.items():
            if full := sum(bool(each.get("outbox")) for each in documents):
                yield f"{name}: {full} outboxes are not empty"

    def _stored(self) -> Iterator[str]:
        stored = self._by_id("referrals.referrals")
        for missing in self._ledger.keys() - stored.keys():
            yield f"referral {missing} was acknowledged and is not stored"
        for stray in stored.keys() - self._ledger.keys():
            yield f"referral {stray} is stored and was never acknowledged"
        people = {
            p["value"] for told in self._ledger.values() for p in _numbers_in(told)
        }
        if (found := len(self._all("referrals.people"))) != len(people):
            yield f"{len(people)} people were told of and {found} are stored"

    def _audited(self) -> Iterator[str]:
        written = {
            each["resource_id"]
            for each in self._all("audit.entries")
            if each["outcome"] == "permitted"
        }
        for missing in self._ledger.keys() - written:
            yield f"referral {missing} was acknowledged and is not in the audit log"

    def _in_cases(self) -> Iterator[str]:
        episodes = Counter(
            each["referral_id"]
            for case in self._cases.values()
            for each in case["episodes"]
        )
        for referral in self._ledger:
            if (times := episodes[referral]) != 1:
                yield f"referral {referral} is in {times} episodes"
        households = {_household(each) for each in self._ledger.values()}
        if len(households) != len(self._cases):
            yield f"{len(households)} households are in {len(self._cases)} cases"

    def _handled(self) -> Iterator[str]:
        for name, documents in self._documents.items():
            for each in documents:
                inbox = each.get("inbox", ())
                if len({*inbox}) != len(inbox):
                    yield f"{name} {each['_id']}: one message had its effect twice"

    def _assessed(self) -> Iterator[str]:
        held = self._by_id("risk.assessments")
        for case_id, case in self._cases.items():
            count_ = len(case["episodes"])
            assessment = held.pop(case_id, None)
            if assessment is None:
                yield f"case {case_id} was never weighed"
                continue
            if (weighed := len(assessment["inbox"])) != count_:
                yield f"case {case_id}: {count_} referrals, weighed {weighed} times"
            if (repeats := assessment["repeats"]) != count_ - 1:
                yield f"case {case_id}: {count_} referrals, {repeats} repeats"
            if case["level"] != assessment["level"]:
                yield f"case {case_id}: referrals has not heard the level"
            if not all(each["assessed_at"] for each in case["episodes"]):
                yield f"case {case_id}: an agency was not told of the assessment"
        for stray in held:
            yield f"assessment {stray} is of no case"

    def _staffed(self) -> Iterator[str]:
        held = self._by_id("allocation.staffings")
        for case_id, case in self._cases.items():
            staffing = held.pop(case_id, None)
            if staffing is None:
                yield f"case {case_id} is staffed by nobody"
                continue
            referrals = {each["referral_id"] for each in case["episodes"]}
            assessed = {r for r, each in staffing["heard"].items() if each["assessed"]}
            if assessed != referrals or staffing["awaited"]:
                yield f"case {case_id}: wishes and assessments did not meet"
            if staffing["roles"].keys() != {*ROLES[case["level"]]}:
                yield f"case {case_id}: the wrong roles are wanted"
        for stray in held:
            yield f"staffing {stray} is of no case"

    def _offered(self) -> Iterator[str]:
        wanted = Counter(
            each["allocation_id"]
            for staffing in self._all("allocation.staffings")
            for each in staffing["roles"].values()
        )
        made = Counter(each["_id"] for each in self._allocations)
        for allocation in wanted.keys() | made.keys():
            if wanted[allocation] != made[allocation]:
                yield (
                    f"allocation {allocation} is wanted {wanted[allocation]} and made "
                    f"{made[allocation]} times"
                )
        for each in self._allocations:
            if each["status"] != "offered" or len(each["offers"]) != 1:
                offers = len(each["offers"])
                yield f"allocation {each['_id']} is {each['status']}, {offers} offers"
        yield from self._reserved()

    def _reserved(self) -> Iterator[str]:
        workers = self._by_id("allocation.workers")
        for each in self._allocations:
            worker = workers.get(each["worker_id"] or "")
            if worker is None or each["_id"] not in worker["holds"]:
                yield f"allocation {each['_id']}: no place is reserved"
        for worker_id, worker in workers.items():
            points = sum(each["points"] for each in worker["holds"].values())
            if points != worker["load"]:
                yield f"worker {worker_id}: load and places do not agree"

    def _planned(self) -> Iterator[str]:
        held = self._by_id("plans.plans")
        for case_id, case in self._cases.items():
            plan = held.pop(case_id, None)
            if plan is None:
                yield f"case {case_id} has no plan"
                continue
            versions = plan["versions"]
            if [each["number"] for each in versions] != [*range(1, len(versions) + 1)]:
                yield f"plan {case_id}: versions are missing"
            if len(versions) > len(case["episodes"]):
                yield f"plan {case_id}: drafted more often than referred"
            if versions[-1]["assessment"]["level"] != case["level"]:
                yield f"plan {case_id} is for another level"
            kinds = [(e["code"], e["person_id"]) for e in plan["actions"]]
            if len({*kinds}) != len(kinds):
                yield f"plan {case_id}: an action stands in it twice"
        for stray in held:
            yield f"plan {stray} is of no case"

    def _told(self) -> Iterator[str]:
        told: dict[str, list[Document]] = defaultdict(list)
        for each in self._all("notify.notifications"):
            told[each["about_id"] if each["event"] == OFFERED else ""].append(each)
        for surprise in told.pop("", ()):
            yield f"somebody was told of {surprise['event']}"
        for each in self._allocations:
            found = [n["worker_id"] for n in told.pop(each["_id"], ())]
            if found != [each["worker_id"]]:
                yield f"allocation {each['_id']}: told {len(found)} times, or another"
        for stray in told:
            yield f"somebody was told of allocation {stray}, which there is not"


def _numbers_in(told: Told) -> Iterator[Document]:
    for person in told["people"]:
        yield from person["identifiers"]


def _household(told: Told) -> str:
    """Tell households apart by the number of the person harmed."""
    return str(told["people"][0]["identifiers"][0]["value"])
