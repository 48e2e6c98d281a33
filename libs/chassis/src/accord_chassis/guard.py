"""Deciding on every record before anything leaves or changes.

Every route decides on the record that it has in hand, and what was decided is in the
audit log first. An answer of success for which nothing was decided is never sent.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, NamedTuple, Protocol, TypeVar

import structlog
from accord_contracts.access import Purpose, Standing
from accord_contracts.problem import Refusal
from fastapi import Header, Request, Security
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accord_chassis.access import Caller, caller
from accord_chassis.audit import PERMITTED, REFUSED, AuditLog, Entry
from accord_chassis.clock import Clock
from accord_chassis.decision import (
    Action,
    Denial,
    Permit,
    Resource,
    asked_about,
    decide,
)
from accord_chassis.entries import LISTED
from accord_chassis.oddities import BARS, OWN_NAME, bare
from accord_chassis.problems import http_response
from accord_chassis.telemetry import current_trace_id

log = structlog.get_logger()

READING = frozenset({"GET", "HEAD", "OPTIONS"})

STEP_UP = timedelta(minutes=5)
"""How recently somebody must have logged in for what needs them to be themselves."""


class LogInAgain(Refusal):
    """This needs somebody who has logged in within the past five minutes."""

    status = 401


class NoSuchRecord(Refusal):
    """There is no such record, or none for you."""

    status = 404


class StandingAway(Refusal):
    """Who works on the case cannot be asked at present: try again soon."""

    status = 503


class Standings(Protocol):
    """Knows how workers stand to cases."""

    async def of(
        self, worker_id: str, case_ids: Sequence[str]
    ) -> Mapping[str, Standing]:
        """Tell how a worker stands to each of some cases.

        Raises:
            StandingAway: It cannot be known at present.
        """
        ...


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides for a service, and has every decision in the audit log first.

    Args:
        standings: How workers stand to cases.
        audit: Where decisions are kept.
        clock: Tells when.
    """

    standings: Standings
    audit: AuditLog
    clock: Clock

    async def decide(
        self,
        who: Caller,
        asked: Sequence[tuple[Action, Resource]],
        purpose: Purpose,
        *,
        changes: bool = False,
    ) -> list[Permit | Denial]:
        """Decide on what would be done with each of some records, one by one."""
        about = [asked_about(who, each) for _, each in asked]
        known: Mapping[str, Standing] = {}
        # A program is nobody's relative, and what it brings waits for no answer.
        if cases := {*filter(None, about)}:
            known = await self._standings_of(who, sorted(cases))
        at = self.clock.now()
        return [
            decide(
                who,
                action,
                each,
                purpose,
                standing=known.get(case_id or ""),
                at=at,
                changes=changes,
            )
            for (action, each), case_id in zip(asked, about, strict=True)
        ]

    async def _standings_of(
        self, who: Caller, cases: Sequence[str]
    ) -> Mapping[str, Standing]:
        """Tell how somebody stands to cases, by every id that lists may name them by.

        A case of which not all is answered is not known.
        """
        asked = (self.standings.of(each, cases) for each in who.listed_as)
        own, *besides = await asyncio.gather(*asked)
        return {
            case_id: _excluded(standing, by=(each[case_id] for each in besides))
            for case_id, standing in own.items()
            if all(case_id in each for each in besides)
        }

    async def record(
        self,
        who: Caller,
        action: Action,
        resource: Resource,
        purpose: Purpose,
        decision: Permit | Denial,
        *,
        channel: str = "http",
    ) -> None:
        """Put a decision into the audit log.

        Args:
            who: Who asked.
            action: For what.
            resource: With which record.
            purpose: What for.
            decision: What was decided.
            channel: How it was asked.

        Raises:
            AuditAway: It cannot be kept, so nothing may leave or change.
        """
        permit = decision if isinstance(decision, Permit) else None
        await self.audit.write(
            Entry(
                action=action.name,
                outcome=PERMITTED if permit else REFUSED,
                rule=decision.rule,
                purpose=purpose.value,
                resource=resource.kind,
                resource_id=resource.id,
                case_id=resource.case_id,
                fields=tuple(sorted(permit.parts)) if permit else (),
                issuer=who.issuer,
                subject=who.subject,
                agency=who.agency,
                worker=who.worker,
                channel=channel,
                break_glass=permit.glass_id if permit else None,
                request_id=current_trace_id(),
            )
        )


def _told_of_last(denial: Denial) -> tuple[bool, bool]:
    return denial.told is not None, denial.rule not in BARS


def _excluded(standing: Standing, *, by: Iterable[Standing]) -> Standing:
    excluded = standing.excluded or any(each.excluded for each in by)
    return standing.model_copy(update={"excluded": excluded})


class Permitted(NamedTuple):
    """What somebody may do with a record, as being about one case.

    Attributes:
        action: What was asked for, or what is enough besides.
        resource: The record, as being about that case.
        permit: By what, and which of its parts.
    """

    action: Action
    resource: Resource
    permit: Permit


NAMESAKE = Action(OWN_NAME, ())
"""Not done by anybody: it is noticed."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody who asks something of a service, and what for.

    A route takes it in the place of ``Caller``.
    """

    who: Caller
    named: Purpose | None
    _guard: Guard
    _request: Request

    @property
    def worker(self) -> str | None:
        """The worker's id in the directory."""
        return self.who.worker

    def purpose(self, action: Action) -> Purpose:
        """Say what an action is done for."""
        return self.named or action.purposes[0]

    async def permit(
        self,
        action: Action,
        resource: Resource,
        *,
        purpose: Purpose | None = None,
        otherwise: type[Refusal] = NoSuchRecord,
    ) -> Permit:
        """Let somebody do something with a record that the route has in hand.

        Args:
            action: What.
            resource: With which record; ``absent`` names one that there is not, so that
                the same is done and takes as long.
            purpose: What for, where what was sent says so itself.
            otherwise: How it is told that there is no such record; a denial that
                protects whether there is looks the same.

        Raises:
            Refusal: They may not, as ``otherwise``; or not for this purpose.
            ClosedToChange: They might, but the case was transferred.
            StandingAway: It cannot be known at present.
            AuditAway: The decision cannot be kept.
        """
        purpose = purpose or self.purpose(action)
        [decision] = await self._guard.decide(
            self.who,
            [(action, resource)],
            purpose,
            changes=self._request.method not in READING,
        )
        await self._guard.record(self.who, action, resource, purpose, decision)
        self._request.state.decided = True
        if isinstance(decision, Denial):
            log.info("access.refused", reason=decision.rule, type=action.name)
            raise decision.told or otherwise
        return decision

    async def permit_all(
        self,
        asked: Sequence[tuple[Action, Resource]],
        *,
        purpose: Purpose | None = None,
        otherwise: type[Refusal] = NoSuchRecord,
        besides: Sequence[Action] = (),
    ) -> list[Permitted]:
        """Let somebody do something with a record that is about several cases.

        All are decided on at once. A refusal is one entry and one answer, however many
        cases there are: otherwise it would show that, and whether there are any.

        Args:
            asked: What, with the record as being about each case; at least one, as
                ``absent`` if there is none.
            purpose: As for ``permit``.
            otherwise: As for ``permit``.
            besides: For each case what is enough if they may not do it there, as long
                as they may in one. If none, they must be allowed it in all.

        Raises:
            Refusal: As ``permit`` does.
            StandingAway: It cannot be known at present.
            AuditAway: The decisions cannot be kept.
        """
        what, about = asked[0]
        purpose = purpose or self.purpose(what)
        # In one pass, so that standings are asked for once.
        enough = [(act, of) for act, (_, of) in zip(besides, asked, strict=False)]
        decisions = await self._guard.decide(
            self.who,
            [*asked, *enough],
            purpose,
            changes=self._request.method not in READING,
        )
        self._request.state.decided = True
        whole = [*zip(asked, decisions, strict=False)]
        if enough:
            instead = zip(enough, decisions[len(asked) :], strict=True)
            whole = [
                one if isinstance(one[1], Permit) else other
                for one, other in zip(whole, instead, strict=True)
            ]
        first = decisions[: len(asked)]
        denied = [(of, no) for (_, of), no in whole if isinstance(no, Denial)]
        if not any(isinstance(each, Permit) for each in first):
            denied = denied or [(about, e) for e in first if isinstance(e, Denial)]
        if denied:
            # What protects that there is a record goes before what may be said of it,
            # and a bar before all: it is the one that is noticed.
            of, denial = min(denied, key=lambda each: _told_of_last(each[1]))
            await self._guard.record(self.who, what, of, purpose, denial)
            log.info("access.refused", reason=denial.rule, type=what.name)
            raise denial.told or otherwise
        permitted = [
            Permitted(act, of, permit)
            for (act, of), permit in whole
            if isinstance(permit, Permit)
        ]
        await asyncio.gather(
            *(
                self._guard.record(self.who, act, of, purpose, permit)
                for act, of, permit in permitted
            )
        )
        return permitted

    async def note_namesakes(self, names: Iterable[str], of: Resource) -> None:
        """Raise the alarm where somebody looks up people of their own family name.

        It is no denial, for many share a name: it is for whoever reviews look-ups. The
        provider must tell the name (the claim ``family_name``), or nothing is compared.

        Args:
            names: The family names of those whom they look up.
            of: What they look at, which they may.

        Raises:
            AuditAway: It cannot be kept.
        """
        own = bare(self.who.family_name or "")
        if not own or own not in map(bare, names):
            return
        seen = Permit(rule="own_name", parts=frozenset())
        purpose = self.purpose(NAMESAKE)
        await self._guard.record(self.who, NAMESAKE, of, purpose, seen)

    async def permit_each(
        self,
        action: Action,
        found: Sequence[tuple[Resource, T]],
        *,
        of: Resource,
        otherwise: type[Refusal] = NoSuchRecord,
    ) -> list[tuple[T, Permit]]:
        """Give those of some records that somebody may see, and what of each.

        What is left out is not counted or told of.

        Args:
            action: What is done with each.
            found: The records, and what each is decided on as.
            of: What the list itself is, which is decided on first.
            otherwise: How it is told that they may not have it.

        Raises:
            Refusal: They may not have the list at all.
            StandingAway: It cannot be known at present.
            AuditAway: The decisions cannot be kept.
        """
        await self.permit(action, of, otherwise=otherwise)
        purpose = self.purpose(action)
        resources = [resource for resource, _ in found]
        decisions = await self._guard.decide(
            self.who, [(action, each) for each in resources], purpose
        )
        await asyncio.gather(
            *(
                self._guard.record(
                    self.who, action, resource, purpose, decision, channel=LISTED
                )
                for resource, decision in zip(resources, decisions, strict=True)
            )
        )
        return [
            (record, decision)
            for (_, record), decision in zip(found, decisions, strict=True)
            if isinstance(decision, Permit)
        ]

    def logged_in_lately(self) -> None:
        """See that it is really they who ask (RFC 9470's step-up).

        Raises:
            LogInAgain: They logged in too long ago, or nobody knows when.
        """
        at = self.who.authenticated_at
        if at is None or self._guard.clock.now() - at > STEP_UP:
            raise LogInAgain


def absent(kind: str, id_: str) -> Resource:
    """Stand for a record that there is not.

    What is asked and kept about it is the same as about one that there is.
    """
    return Resource(kind, id_, case_id=id_)


async def asking(
    request: Request,
    who: Annotated[Caller, Security(caller)],
    purpose: Annotated[
        Purpose | None,
        Header(
            alias="Accord-Purpose",
            description="What this is done for, if not for what it mostly is.",
        ),
    ] = None,
) -> Asking:
    """Tell a route who is asking, and have it decide with ``permit``."""
    guard: Guard = request.app.state.service.parts[Guard]
    return Asking(who, purpose, guard, request)


UNDECIDED = 500

PREFIX = "/v1/"
"""Below which everything is decided on."""


class NothingUndecided:
    """Sends no success below ``/v1`` for which nothing was decided.

    A route that forgets to decide is a hole that no test may have looked into: it fails
    closed.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _decided_on(scope):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        replaced = False

        async def send_decided(message: Message) -> None:
            nonlocal replaced
            if replaced:
                return
            began = message["type"] == "http.response.start"
            if began and message["status"] < REDIRECT and not state.get("decided"):
                replaced = True
                log.critical("access.undecided", method=scope["method"])
                await http_response(UNDECIDED)(scope, receive, send)
                return
            await send(message)

        await self._app(scope, receive, send_decided)


REDIRECT = 300


def _decided_on(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path.startswith(PREFIX)
