"""Going through what was recorded of look-ups, and asking what odd ones were for."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from accord_chassis.audit import AuditLog, Glance
from accord_chassis.clock import Clock
from accord_chassis.oddities import OWN_NAME
from accord_contracts.allocation import LookUpQuestioned, LookUpReason

from allocation.domain.lookups import (
    NO_PART,
    Look,
    LookUpRules,
    Odd,
    Round,
    odd_off_duty,
    odd_strangers,
)
from allocation.handlers.rota import Calls, on_call
from allocation.store.kept import Rounds


@dataclass(frozen=True, slots=True)
class Reviewing:
    """What it takes to go through look-ups."""

    audit: AuditLog
    rounds: Rounds
    calls: Calls
    rules: LookUpRules
    clock: Clock


async def go_through(due: Round, *, reviewing: Reviewing) -> None:
    """Go through what workers looked at since the last round.

    How far it has come and what is told of it are one write, so that nothing is told
    twice, and nothing is left out.
    """
    now = reviewing.clock.now()
    since, until = due.next(now)
    by_worker = defaultdict[str, list[Glance]](list)
    for each in await reviewing.audit.glances(since, until):
        by_worker[each.worker].append(each)
    questions = [
        LookUpQuestioned(
            case_id=each.look.case_id,
            asked_by=worker_id,
            reason=each.reason,
            count=each.number,
            looked_at=each.look.at,
            questioned_at=now,
        )
        for worker_id, glances in by_worker.items()
        for each in await _odd(worker_id, glances, since, until, reviewing)
    ]
    new = due.read(until, now, reviewing.rules)
    await reviewing.rounds.save(new, *questions)


async def _odd(
    worker_id: str,
    new: Sequence[Glance],
    since: datetime,
    until: datetime,
    reviewing: Reviewing,
) -> list[Odd]:
    """Give what is odd of somebody's look-ups; older ones are read if they count."""
    own = (e for e in new if e.action == OWN_NAME)
    found = [Odd(each, LookUpReason.OWN_NAME, 1) for each in _looks(own)]
    strange = any(each.rule in NO_PART for each in new)
    off_duty = bool(await _off_duty(worker_id, new, reviewing))
    if not strange and not off_duty:
        return found
    rules = reviewing.rules
    known = await reviewing.audit.glances(since - rules.back, until, worker=worker_id)
    looks = _looks(each for each in known if each.rule in NO_PART)
    found += odd_strangers([*looks], since, rules)
    if off_duty:
        lately = since - rules.off_duty.within
        known = [each for each in known if each.at > lately]
        off = await _off_duty(worker_id, known, reviewing)
        found += odd_off_duty([*_looks(off)], since, rules)
    return found


async def _off_duty(
    worker_id: str, glances: Sequence[Glance], reviewing: Reviewing
) -> list[Glance]:
    """Give what somebody looked at while they were not at work."""
    calls = reviewing.calls
    worker = await calls.workers.get(worker_id)
    if worker is None or not (worker.hours or worker.absences) or not glances:
        return []
    first, last = glances[0].at, glances[-1].at
    shifts = await on_call(worker_id, first, last, calls=calls)
    return [e for e in glances if not worker.on_duty_at(e.at, shifts, calls.zone)]


def _looks(glances: Iterable[Glance]) -> Iterator[Look]:
    for each in glances:
        if each.case_id is not None:
            yield Look(each.case_id, each.at)
