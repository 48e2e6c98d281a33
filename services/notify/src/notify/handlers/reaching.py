"""Whom to tell: who is named, unless they may not know of the case, and who is next.

A person who is barred from a case is passed over, and whoever is next is told in their
place. How somebody stands to the case is asked each time before they are told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog
from accord_chassis.decision import ANYBODY, NOT_OUTREACH, kept_from
from accord_chassis.guard import Standings
from accord_contracts.allocation import Role
from accord_contracts.message import Event, Message
from accord_contracts.referrals import CaseTransferred

from notify.asks import Directory, NobodyOnDuty, standing_to
from notify.domain.occasion import Addressee, Eyes, Occasion
from notify.domain.policy import Next, Policy, Recipient, Rule
from notify.domain.skipped import Skip, Why
from notify.domain.team import Team
from notify.store import Teams

log = structlog.get_logger()

SEEN_FROM = {Eyes.ALL: ANYBODY, Eyes.NOT_OUTREACH: NOT_OUTREACH}
"""Whose side one must see a case from to be told."""


ROLES: dict[Recipient | Role, Role] = {
    Recipient.LEAD: Role.LEAD_AGENCY_COORDINATOR,
    **{each: each for each in Role},
}
"""Whoever of the team is meant: of the rest of those whom a rule names, all of it."""


class NoCoordinatorYet(NobodyOnDuty):
    """A coordinator is to be told as well, and none is on duty.

    Attributes:
        others: Who is told at once all the same, while it waits for a coordinator.
    """

    def __init__(self, others: list[Addressee]) -> None:
        super().__init__()
        self.others = others


async def nobody() -> tuple[str, ...]:
    """Give nobody: where no rota is heard of."""
    return ()


async def not_away(_: str) -> bool:
    """Tell that somebody is there: where no leave is heard of."""
    return False


@dataclass(frozen=True, slots=True)
class Reach:
    """What it takes to know who may be told, and who is next.

    Attributes:
        on_call: Gives who is on call in the place of the locality's coordinators.
        away: Tells whether a worker is on leave.
        skips: Where it is noted who is passed over, if that is to be known.
        step: Of the chain, at which they are.
    """

    directory: Directory
    standings: Standings
    teams: Teams
    on_call: Callable[[], Awaitable[tuple[str, ...]]] = nobody
    away: Callable[[str], Awaitable[bool]] = not_away
    skips: list[Skip] | None = None
    step: int = 0

    def skip(self, why: Why, workers: Iterable[str]) -> None:
        """Note that some are passed over."""
        if self.skips is not None:
            self.skips.extend(Skip(each, why, self.step) for each in workers)

    async def on_duty(self) -> dict[str, bool]:
        """Give the coordinators on duty, and whether they are on leave.

        Whoever is on call comes first, whoever is on leave last.

        Raises:
            DirectoryAway: It cannot be known at present.
        """
        called = await self.on_call()
        others = (each.worker_id for each in await self.directory.coordinators())
        named = list(dict.fromkeys((*called, *others)))
        away = dict(zip(named, await self.all_away(named), strict=True))
        return {each: away[each] for each in sorted(named, key=away.__getitem__)}

    async def all_away(self, workers: Iterable[str]) -> list[bool]:
        """Tell of each of some workers whether they are on leave."""
        return await asyncio.gather(*map(self.away, workers))

    async def there(self, worker_id: str, case_id: str, eyes: Eyes) -> bool:
        """Tell whether a worker is not on leave, and may be told.

        Raises:
            DirectoryAway: It cannot be known at present.
        """
        return await self.why_not(worker_id, case_id, eyes) is None

    async def why_not(self, worker_id: str, case_id: str, eyes: Eyes) -> Why | None:
        """Give why a worker is passed over; none: they are told.

        Raises:
            DirectoryAway: It cannot be known at present.
        """
        if await self.away(worker_id):
            return Why.ON_LEAVE
        barred = await self.eyes(worker_id, case_id, eyes) is None
        return Why.BARRED if barred else None

    async def eyes(self, worker_id: str, case_id: str, *eyes: Eyes) -> Eyes | None:
        """Give the first of these for which a worker may be told; none if they may not.

        Raises:
            DirectoryAway: It cannot be known at present.
        """
        standing = await standing_to(case_id, worker_id, self.standings)
        return next(
            (e for e in eyes if kept_from(standing, SEEN_FROM[e]) is None), None
        )

    async def coordinator(
        self, case_id: str, *eyes: Eyes, told: Collection[str] = ()
    ) -> Addressee:
        """Give the first coordinator on duty who may be told.

        Whoever was told already comes after all others, but before whoever is on leave:
        they are told before nobody is.

        Raises:
            NobodyOnDuty: There is none.
            DirectoryAway: It cannot be known at present.
        """
        on_duty = await self.on_duty()
        for each in sorted(on_duty, key=lambda each: (on_duty[each], each in told)):
            if found := await self.eyes(each, case_id, *eyes):
                if not on_duty[each]:
                    self.skip(Why.ON_LEAVE, (e for e in on_duty if on_duty[e]))
                return Addressee(each, found)
            self.skip(Why.BARRED, [each])
        raise NobodyOnDuty

    async def coordinators(
        self, case_id: str, *eyes: Eyes, but: str | None
    ) -> list[Addressee]:
        """Give all coordinators on duty who may be told, but for one.

        Whoever is on leave is left out, unless there are no others.

        Raises:
            NobodyOnDuty: There is none.
            DirectoryAway: It cannot be known at present.
        """
        on_duty = await self.on_duty()
        others = [each for each in on_duty if each != but]
        found = await asyncio.gather(
            *(self.eyes(each, case_id, *eyes) for each in others)
        )
        self.skip(Why.BARRED, (e for e, s in zip(others, found, strict=True) if not s))
        told = [Addressee(e, s) for e, s in zip(others, found, strict=True) if s]
        if not told:
            raise NobodyOnDuty
        there = [each for each in told if not on_duty[each.worker_id]]
        if not there:
            return told
        self.skip(Why.ON_LEAVE, (e.worker_id for e in told if e not in there))
        return there

    async def next(
        self,
        chain: Collection[Next],
        worker_id: str,
        case_id: str,
        eyes: Eyes,
        *,
        after: int = 0,
        told: Collection[str] = (),
    ) -> tuple[int, tuple[str, ...]]:
        """Give the next step of a worker's chain, and who is told at it.

        A step at which there is nobody, only somebody who was told already, is on leave
        or may not be told, is passed over; but the last one never is. If that is
        the coordinator, each on duty is told before the first is told again.

        Args:
            chain: Who is told at which step; the last is the coordinator or the hub.
            worker_id: Whose deputy and team lead are meant.
            case_id: What it is about.
            eyes: Who may know of it.
            after: The step that it has come to.
            told: Who was told already.
        """
        steps = list(enumerate(chain, start=1))
        for number, who in steps[after:-1]:
            at_step = replace(self, step=number)
            found = await at_step._people(who, worker_id, case_id, eyes)  # noqa: SLF001 - Its own.
            if new := tuple(each for each in found if each not in told):
                return number, new
        number, who = steps[-1]
        last = replace(self, step=number)
        return number, await last._people(who, worker_id, case_id, eyes, told)  # noqa: SLF001 - Its own.

    async def _people(
        self,
        who: Next,
        worker_id: str,
        case_id: str,
        eyes: Eyes,
        told: Collection[str] = (),
    ) -> tuple[str, ...]:
        if who is Next.COORDINATOR:
            coordinator = await self.coordinator(case_id, eyes, told=told)
            return (coordinator.worker_id,)
        if who is Next.HUB_DUTY:
            on_duty = await self.coordinators(case_id, eyes, but=None)
            return tuple(each.worker_id for each in on_duty)
        if who is Next.CASE_LEAD:
            now = await teams_of(case_id, self.teams)
            leads = dict.fromkeys(each for team in now for each in team.leading)
            others = [each for each in leads if each != worker_id]
            return await self._those_there(others, case_id, eyes)
        contact = await self.directory.contact(worker_id)
        if contact is None:
            return ()
        found = contact.deputy if who is Next.DEPUTY else contact.team_lead
        return await self._those_there([found] if found else [], case_id, eyes)

    async def _those_there(
        self, workers: list[str], case_id: str, eyes: Eyes
    ) -> tuple[str, ...]:
        told = []
        for each in workers:
            if why := await self.why_not(each, case_id, eyes):
                self.skip(why, [each])
            else:
                told.append(each)
        return tuple(told)


async def recipients(
    message: Message[Event],
    what: Occasion,
    rule: Rule,
    *,
    teams: Teams,
    reach: Reach,
    policy: Policy,
) -> list[Addressee]:
    """Give the first of those whom a rule names of whom anybody is there and may know.

    If all that there are may not, and somebody has to say that they know, whoever is
    next in the chain of the first of them is told in their place. Whoever is on leave
    finds it in their inbox when they are back; if all are, and nobody has to say that
    they know, the next whom the rule names are told too.

    Raises:
        NoCoordinatorYet: There is nobody but those whom it names yet.
        NobodyOnDuty: There is nobody at all yet.
        DirectoryAway: It cannot be known at present.
    """
    eyes = (what.eyes,) if what.eyes else (Eyes.NOT_OUTREACH, Eyes.ALL)
    passed_over: list[str] = []
    on_leave: dict[str, Addressee] = {}
    for who in rule.who:
        if who is Recipient.COORDINATOR:
            return await _with_coordinator(on_leave, what, eyes, reach)
        if who is Recipient.OTHER_COORDINATORS:
            asker = getattr(message.data, "asked_by", None)
            return await reach.coordinators(what.case_id, *eyes, but=asker)
        named = await _workers(who, message, teams)
        found = await asyncio.gather(
            *(reach.eyes(each, what.case_id, *eyes) for each in named)
        )
        barred = [e for e, seen in zip(named, found, strict=True) if not seen]
        reach.skip(Why.BARRED, barred)
        passed_over += barred
        away = await reach.all_away(named)
        told = {
            each: Addressee(each, seen, away=gone)
            for each, seen, gone in zip(named, found, away, strict=True)
            if seen
        }
        if who is Recipient.TEAM_AND_COORDINATOR:
            return await _with_coordinator(told, what, eyes, reach)
        if rule.chain is None and all(each.away for each in told.values()):
            on_leave |= told
        elif told:
            return [*{**on_leave, **told}.values()]
    if passed_over:
        log.info("notification.passed_over", type=message.type, count=len(passed_over))
    if not passed_over or rule.chain is None:
        return [*on_leave.values()]
    chain = policy.chain(rule.chain)
    steps = [each.tell for each in chain]
    step, instead = await reach.next(steps, passed_over[0], what.case_id, eyes[0])
    wait = chain[step - 1].wait
    return [Addressee(passed_over[0], eyes[0], told=instead[0], step=step, wait=wait)]


async def _with_coordinator(
    others: Mapping[str, Addressee],
    what: Occasion,
    eyes: Collection[Eyes],
    reach: Reach,
) -> list[Addressee]:
    try:
        coordinator = await reach.coordinator(what.case_id, *eyes)
    except NobodyOnDuty:
        if others:
            raise NoCoordinatorYet([*others.values()]) from None
        raise
    return [*{**others, coordinator.worker_id: coordinator}.values()]


async def _workers(
    who: Recipient | Role, message: Message[Event], teams: Teams
) -> tuple[str, ...]:
    event = message.data
    if who is Recipient.WORKER:
        named = getattr(event, "worker_id", None)
        return (named,) if named else ()
    if who is Recipient.NOBODY:
        return ()
    known = await teams_of(event.case_id, teams)
    if isinstance(event, CaseTransferred):
        found = [team.worked(event.transferred_at) for team in known]
    else:
        at, role = message.time, ROLES.get(who)
        found = [e.having(role, at) if role else e.workers(at) for e in known]
    # Whoever asks for a second person is none.
    asker = getattr(event, "asked_by", None)
    named = dict.fromkeys(each for some in found for each in some)
    return tuple(each for each in named if each != asker)


async def teams_of(case_id: str, teams: Teams) -> list[Team]:
    """Give who works on a case, and on the case that it is merged into."""
    team = await teams.get(case_id)
    if team is None or team.merged_into is None:
        return [team] if team else []
    survivor = await teams.get(team.merged_into)
    return [team, survivor] if survivor else [team]
