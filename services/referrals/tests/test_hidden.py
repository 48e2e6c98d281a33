"""Whoever may know nothing of a person cannot tell whether there is one.

Not by the answer, and not by how much was done for it: how often the audit log was
written and the store was asked, which shows in how long an answer takes.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import httpx2
import pytest
from accord_chassis.audit import ENTRIES
from accord_chassis.testing import eventually, new_id
from pymongo import monitoring
from referrals.domain.case import Case
from referrals_builders import JOHN, MERE, Running, body

LOOKS = 5
"""What a service does by itself is counted too: it only adds, so the least counts."""

BY_ITSELF = frozenset({"hello", "ping", "endSessions", "abortTransaction"})


class Commands(monitoring.CommandListener):
    """Counts what the store is asked, and the entries that the audit log gets."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count a command."""
        name, of = event.command_name, event.command.get(event.command_name)
        if name == "insert" and of == ENTRIES:
            self.seen["audit entries"] += len(event.command["documents"])
        if name not in BY_ITSELF:
            self.seen[f"{name} {of}"] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Count nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Count nothing."""


COMMANDS = Commands()
monitoring.register(COMMANDS)

ROUTES: dict[str, tuple[str, str, Any]] = {
    "contacts": ("GET", "/v1/people/{}/contacts?purpose=fva20_b", None),
    "ledger": ("GET", "/v1/people/{}/disclosures", None),
    "notice": ("GET", "/v1/people/{}/notice", None),
    "erasure": ("POST", "/v1/people/{}/erasure", {"reason": "court"}),
}
SCOPES = tuple(
    f"referrals.{each}" for each in ("contacts", "disclosures", "rights", "erase")
)


async def asked(running: Running, who: str, person: str, route: str) -> httpx2.Response:
    method, path, told = ROUTES[route]
    at = int(running.service.clock.now().timestamp())
    headers = running.bearer(*SCOPES, agency="", worker=who, auth_time=at)
    return await running.http.request(
        method, path.format(person), headers=headers, json=told
    )


async def least(look: Callable[[], Awaitable[httpx2.Response]]) -> Counter[str]:
    """Count what an answer takes at the least."""
    found: list[Counter[str]] = []
    for _ in range(LOOKS):
        COMMANDS.seen = Counter()
        assert (await look()).status_code == 404
        found.append(COMMANDS.seen)
    fewest = found[0]
    for each in found[1:]:
        fewest &= each
    return fewest


@pytest.mark.parametrize(
    ("route", "barred_from"),
    [
        *product(ROUTES, ("all", "the last")),
        # Of the others the scope is enough for whoever is not barred.
        ("contacts", "none"),
    ],
)
async def test_as_much_is_done_for_whom_one_may_not_know_as_for_nobody(
    running: Running, route: str, barred_from: str
) -> None:
    for mere in (MERE, {**MERE, "given_name": "Aroha", "family_name": "Ngata"}):
        await running.submit(body(people=[mere, JOHN]), key=new_id())

    async def in_two_cases() -> list[Case]:
        found = running.cases.documents.find({}, projection={"outbox": 0})
        cases = [running.cases.load(each) async for each in found]
        return cases if len(cases) > 1 else []

    held = await eventually(in_two_cases)
    both = [{each.person_id for each in case.people} for case in held]
    [person] = set.intersection(*both)
    # A coordinator who is barred, or a colleague who has to do with neither.
    who = new_id()
    barred = {"all": held, "the last": held[-1:], "none": held}[barred_from]
    for case in held:
        coordinates = barred_from != "none"
        conflict = coordinates and case in barred
        running.standings.tell(who, case.id, coordinator=coordinates, conflict=conflict)
    nobody = new_id()
    running.standings.tell(who, nobody, coordinator=barred_from != "none")
    hidden = await least(lambda: asked(running, who, person, route))
    absent = await least(lambda: asked(running, who, nobody, route))

    assert hidden["audit entries"] == 1
    assert hidden == absent
