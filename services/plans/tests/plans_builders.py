"""Policies, assessments, messages and verbs for tests, with defaults for all else."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
from accord_chassis import topology
from accord_chassis.binding import pack, unpack
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.service import Service
from accord_chassis.testing import COORDINATOR, NOON, KnownStandings, message_of, new_id
from accord_chassis.transport import Publication
from accord_contracts.allocation import AllocationAccepted, AllocationWithdrawn, Role
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import OutcomeKind
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskAssessed, RiskLevel, Tier
from plans import handlers
from plans.domain.action import Action, Evidence, Owner, Said
from plans.domain.closing import close
from plans.domain.keeping import complete, confirm
from plans.domain.outcome import Left, Outcome
from plans.domain.plan import Plan
from plans.domain.template import Policy
from plans.domain.version import Assessment
from plans.keeping import handlers as keeping
from plans.store import Plans

IVS = Role.INDEPENDENT_VICTIM_SPECIALIST
OUTREACH = Role.PERPETRATOR_OUTREACH
WHANAU = Role.WHANAU_SUPPORT_WORKER


def policy_fields() -> dict[str, Any]:
    """A small policy as its file would give it, to be broken in one place."""
    low = {
        "mandatory": {"safe_contact": {"role": WHANAU, "within_hours": 120}},
        "complementary": {"programme": {"role": OUTREACH, "within_hours": 200}},
        "review_hours": 1440,
        "agree_within_hours": 1000,
    }
    high = {
        "mandatory": {
            "safe_contact": {"role": IVS, "within_hours": 24},
            "safety_advice": {"role": IVS, "within_hours": 48},
        },
        "complementary": {"programme": {"role": OUTREACH, "within_hours": 336}},
        "review_hours": 168,
        "agree_within_hours": 900,
    }
    return {
        "version": "test-1",
        "strands": ["immediate_safety", "behaviour_change"],
        "closing_reasons": ["safety_goals_met", "died", "opened_in_error"],
        "outcome_sources": ["said_by_person", "not_reached"],
        "agencies": {
            **dict.fromkeys((each.value for each in Role), "refuge"),
            "perpetrator_outreach": "corrections",
        },
        "left_reasons": ["carried_on", "no_longer_needed"],
        "evidence": ["contact_record"],
        "not_done_reasons": ["declined_by_person", "does_not_apply"],
        "breaches": ["came_near"],
        "working": {
            "time_zone": "Pacific/Auckland",
            "days": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "ends": "17:00",
            "holidays": ["2026-12-25"],
        },
        "reminders": {"low": 24, "medium": 24, "high": 4, "extreme": 1},
        "confirm_within_hours": 24,
        "stale_before_hours": 168,
        "unproved_reasons": ["died", "opened_in_error"],
        "actions": {
            "safe_contact": {
                "strand": "immediate_safety",
                "part": "person_harmed",
                "each_episode": True,
            },
            "safety_advice": {"strand": "immediate_safety", "part": "person_harmed"},
            "programme": {
                "strand": "behaviour_change",
                "part": "person_using_violence",
            },
        },
        "in_force": {
            "before_hours": dict.fromkeys(TriggerKind, 72),
            "at_least_hours": 12,
        },
        "needs": {
            "answer_within_hours": 48,
            "start_within_hours": 336,
            "remind_before_hours": 12,
            "refusals": ["no_capacity"],
            "ends": ["need_met"],
        },
        "levels": {
            "low": low,
            "medium": {**low, "review_hours": 720},
            "high": high,
            "extreme": {**high, "review_hours": 72},
        },
    }


POLICY = Policy.model_validate(policy_fields())


def parted_fields() -> dict[str, Any]:
    """A policy that asks for something of each child, and for some things in order."""
    fields = policy_fields()
    fields["actions"]["child_seen"] = {"strand": "behaviour_change", "part": "child"}
    fields["actions"]["advice_checked"] = {
        "strand": "immediate_safety",
        "part": "person_harmed",
        "after": ["safety_advice"],
    }
    low, high = fields["levels"]["low"], fields["levels"]["high"]
    slow = {"role": WHANAU, "within_working_days": 3}
    for each in (low, fields["levels"]["medium"]):
        each["complementary"] = {**each["complementary"], "child_seen": slow}
    for each in (high, fields["levels"]["extreme"]):
        each["mandatory"] = {
            **each["mandatory"],
            "child_seen": {"role": IVS, "within_hours": 48},
        }
        each["complementary"] = {
            **each["complementary"],
            "advice_checked": {"role": IVS, "within_hours": 24},
        }
    return fields


def parted_policy() -> Policy:
    """The policy of these fields."""
    return Policy.model_validate(parted_fields())


SHOWN = Evidence(kind="contact_record")

TOLD = [
    {"kind": kind.value, "state": "better", "source": "said_by_person"}
    for kind in OutcomeKind
]
"""What had come of a response, as it is told over HTTP."""

OUTCOMES = tuple(Outcome.model_validate(each) for each in TOLD)

SECOND = "00000000-0000-4000-8000-000000000002"
"""Who confirms what somebody else says."""


def says_done(
    held: Plan,
    action_id: str,
    worker_id: str,
    at: datetime,
    *,
    policy: Policy = POLICY,
    evidence: Evidence | None = None,
) -> Plan:
    """Have its owner say that something is done."""
    said = Said(at=at, by=worker_id, evidence=evidence)
    return complete(held, action_id, said, policy)


def confirms(
    held: Plan,
    action_id: str,
    by: str,
    policy: Policy = POLICY,
    *,
    agrees: bool = True,
    now: datetime | None = None,
) -> Plan:
    """Have somebody confirm what was said of an action last, or say that it is not."""
    said = held.action(action_id).said
    at = said.at if said else NOON
    return confirm(held, action_id, by, policy, said_at=at, agrees=agrees, at=now or at)


def does(held: Plan, action_id: str, worker_id: str, at: datetime) -> Plan:
    """Have something done, and confirmed by somebody else where that is needed."""
    said = says_done(held, action_id, worker_id, at, evidence=SHOWN)
    if not said.action(action_id).open:
        return said
    return confirms(said, action_id, SECOND)


def ends(held: Plan, at: datetime, reason: str = "safety_goals_met") -> Plan:
    """Close a plan, and say of what is open that it is needed no longer."""
    return close(held, reason, OUTCOMES, POLICY, at, left=left_of(held))


def left_of(held: Plan) -> tuple[Left, ...]:
    """Say of all that is open that it is needed no longer; or as it was said."""
    if held.current.closed_at:
        return held.current.left
    shared = (e for each in held.shares.values() for e in each.actions if e.open)
    return tuple(
        Left(id=each.id, reason="no_longer_needed")
        for each in (*held.open_actions, *shared)
    )


def told_left(plan: dict[str, Any]) -> list[dict[str, str]]:
    """Say so over HTTP, of a plan as it was read."""
    still = [
        each["action_id"]
        for each in plan["actions"]
        if not (each["done_at"] or each["undone_at"])
    ]
    still += [each["service_id"] for each in plan.get("services", ())]
    return [{"id": each, "reason": "no_longer_needed"} for each in still]


def assessment(
    level: RiskLevel = RiskLevel.HIGH,
    *,
    revision: int = 1,
    at: datetime = NOON,
    referred: datetime | None = None,
) -> Assessment:
    """An assessment as the domain knows it."""
    return Assessment(
        level=level,
        referral_id=new_id(),
        revision=revision,
        assessed_at=at,
        first_referred_at=referred or at - timedelta(minutes=1),
    )


def owner(worker_id: str | None, at: datetime, **fields: Any) -> Owner:
    """Somebody who has taken a role, or nobody since it was taken back."""
    return Owner(worker_id=worker_id, accepted_at=at, **fields)


def plan(
    *levels: RiskLevel, owners: dict[Role, str] | None = None, case_id: str = ""
) -> Plan:
    """A plan drafted for these levels one after the other, an hour apart."""
    made = Plan(id=case_id or new_id())
    for role, worker_id in (owners or {}).items():
        made = made.take_role(role, owner(worker_id, NOON))
    for revision, level in enumerate(levels or (RiskLevel.HIGH,), start=1):
        at = NOON + timedelta(hours=revision - 1)
        drawn = assessment(level, revision=revision, at=at, referred=NOON)
        made = made.draft(drawn, POLICY, at)
    return made


def assessed(
    case_id: str,
    level: RiskLevel = RiskLevel.HIGH,
    *,
    revision: int = 1,
    at: datetime = NOON,
    referred: datetime | None = None,
    tier: Tier | None = None,
) -> Message[RiskAssessed]:
    """What risk says when it has assessed a case."""
    told = RiskAssessed(
        case_id=case_id,
        referral_id=new_id(),
        level=level,
        previous=None,
        provisional=False,
        reasons=(),
        unknowns=(),
        policy_version="risk-1",
        assessed_at=at,
        reassess_by=at + timedelta(days=7),
        first_referred_at=referred or at,
        tier=tier,
    )
    lane = Lane.URGENT if level.urgent else Lane.ROUTINE
    return message_of(told, at=at, version=revision, lane=lane)


def accepted(
    case_id: str, role: Role, worker_id: str, *, at: datetime = NOON
) -> Message[AllocationAccepted]:
    """What allocation says when a worker has taken a role."""
    told = AllocationAccepted(
        case_id=case_id,
        allocation_id=new_id(),
        role=role,
        first_referred_at=NOON,
        worker_id=worker_id,
        accepted_at=at,
    )
    return message_of(told, at=at)


def withdrawn(
    taken: Message[AllocationAccepted], *, at: datetime = NOON
) -> Message[AllocationWithdrawn]:
    """What allocation says when a role is taken back from whoever had taken it."""
    same = taken.data.model_dump(exclude={"accepted_at"})
    told = AllocationWithdrawn(**same, withdrawn_at=at)
    return message_of(told, at=at, version=taken.aggregate_version + 1)


async def settle(
    case_id: str, action_id: str, worker_id: str, *, at: datetime, plans: Plans
) -> Action:
    """Have something done, and confirmed by somebody else where that is needed."""
    known: dict[str, Any] = {"plans": plans, "policy": POLICY}
    done = await handlers.complete(
        case_id, action_id, worker_id, at=at, evidence=SHOWN, **known
    )
    if not done.open:
        return done
    return await keeping.confirm(
        case_id, action_id, SECOND, said_at=at, agrees=True, at=at, **known
    )


@dataclass(frozen=True)
class Running:
    """The service while it lives, and how others speak to it."""

    service: Service
    broker: InProcessBroker
    http: httpx2.AsyncClient
    issuer: DevelopmentIssuer
    standings: KnownStandings

    @property
    def plans(self) -> Plans:
        return self.service.store(Plans)

    def bearer(self, *scopes: str, worker: str | None = COORDINATOR) -> dict[str, str]:
        given = {"worker": worker} if worker else {}
        claims: dict[str, Any] = {"region": "test", **given}
        token = self.issuer.token("somebody", *scopes, **claims)
        return {"Authorization": f"Bearer {token}"}

    async def get(
        self, path: str, *scopes: str, worker: str | None = COORDINATOR
    ) -> httpx2.Response:
        return await self.http.get(path, headers=self.bearer(*scopes, worker=worker))

    async def post(
        self,
        path: str,
        *scopes: str,
        worker: str | None = COORDINATOR,
        body: dict[str, Any] | None = None,
    ) -> httpx2.Response:
        headers = self.bearer(*scopes, worker=worker)
        return await self.http.post(path, headers=headers, json=body)

    async def hears(self, message: Message[Any]) -> None:
        """Have a message come over the bus, from whoever publishes its type."""
        producer = CATALOGUE.entries[message.type].producer
        sender = InProcessTransport(self.broker, user=producer)
        publication = Publication(topology.EVENTS, pack(message))
        assert await sender.publish([publication]) == [None]

    def told(self, listener: str, lane: Lane) -> list[Event]:
        """Give what waits in a lane of another service, which is not running."""
        queue = self.broker.queues[topology.queue_of(listener, lane)]
        return [unpack(each, CATALOGUE).data for each in queue.ready]
