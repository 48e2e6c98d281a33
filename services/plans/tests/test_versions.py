"""Versions over HTTP: whole, side by side, and each part for those who may see it."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.decision import Permit
from accord_chassis.testing import NOON, message_of, new_id, published, sent_by
from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.plans import (
    ActionAssigned,
    ActionDone,
    ActionDueSoon,
    ActionNotConfirmed,
    ActionNotDone,
    ActionToConfirm,
    PlanBreached,
    PlanStale,
    StaleReason,
)
from accord_contracts.referrals import (
    AgencyKind,
    Party,
    PersonRole,
    ReferralReceived,
    RolesDecided,
    Wishes,
)
from accord_contracts.risk import RiskLevel
from plans import handlers
from plans.domain.merging import carry
from plans.domain.plan import Plan
from plans.domain.share import Share
from plans.keeping.versions import WholeVersionView
from plans.store import Plans
from plans_builders import (
    IVS,
    POLICY,
    Running,
    accepted,
    assessed,
    assessment,
    parted_policy,
    withdrawn,
)
from plans_builders import SHOWN as RECORD

LOW, _, HIGH, _ = RiskLevel
HOUR = timedelta(hours=1)
READ, WORK = "plans.read", "plans.work"
SHOWN = {"evidence": {"kind": "contact_record"}}
CAME_NEAR = {"kind": "came_near", "happened_at": "2026-11-02T11:00:00Z"}


async def draft(running: Running, case_id: str, *levels: RiskLevel) -> None:
    """Draft a version of a plan for each level, an hour apart."""
    for revision, level in enumerate(levels, start=1):
        at = NOON + (revision - 1) * HOUR
        message = assessed(case_id, level, revision=revision, at=at, referred=NOON)
        await handlers.draft_plan(
            message, plans=running.plans, policy=POLICY, clock=running.service.clock
        )


async def given(
    running: Running, *levels: RiskLevel, owners: dict[Role, str] | None = None
) -> str:
    """Draft a plan whose first version is agreed to, and give its case."""
    case_id = new_id()
    for role, worker_id in (owners or {}).items():
        message = accepted(case_id, role, worker_id)
        await handlers.assign_actions(message, plans=running.plans)
    await draft(running, case_id, *levels[:1])
    path = f"/v1/plans/{case_id}/agreement"
    answer = await running.post(path, WORK, body={"plan_version": 1})
    assert answer.status_code == 200
    await draft(running, case_id, *levels)
    return case_id


def serves_him(running: Running, case_id: str) -> str:
    """Have a worker who serves the person using violence, and give who it is."""
    worker_id = new_id()
    sides = frozenset({Side.PERSON_USING_VIOLENCE})
    running.standings.tell(
        worker_id, case_id, sides=sides, own_side=Side.PERSON_USING_VIOLENCE
    )
    return worker_id


async def shown(running: Running, path: str, **who: Any) -> Any:
    answer = await running.get(f"/v1/plans/{path}", READ, **who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def to_tell(plans: Plans, kind: type[Any]) -> list[Any]:
    found = [each.data for each in await published(plans)]
    return [each for each in found if isinstance(each, kind)]


async def told(running: Running, kind: type[Any]) -> list[Any]:
    sent = await sent_by(running.service, running.broker)
    found = [each.data for each in sent]
    return [each for each in found if isinstance(each, kind)]


async def test_what_was_agreed_to_is_kept_whole_with_who_agreed(
    running: Running,
) -> None:
    specialist = new_id()
    case_id = await given(running, LOW, HIGH, owners={IVS: specialist})

    first = await shown(running, f"{case_id}/versions/1")
    draft_ = await shown(running, f"{case_id}/versions/2")
    listed = await shown(running, f"{case_id}/versions")

    assert [each["action"] for each in first["promises"]] == [
        "safe_contact",
        "programme",
    ]
    assert (first["intact"], draft_["intact"]) == (True, None)
    assert first["agreed_by"]
    assert len(first["digest"]) == 64
    assert len(draft_["promises"]) == 3
    assert [each["plan_version"] for each in listed] == [1, 2]
    missing = await running.get(f"/v1/plans/{case_id}/versions/3", READ)
    assert problem(missing) == (404, "no-such-version")


async def test_whoever_changes_what_was_agreed_to_is_found_out(
    running: Running,
) -> None:
    case_id = await given(running, LOW)
    late = {"versions.0.promises.0.due_at": NOON + 900 * HOUR}
    await running.plans.documents.update_one({"_id": case_id}, {"$set": late})

    assert (await shown(running, f"{case_id}/versions/1"))["intact"] is False


async def test_two_versions_stand_side_by_side(running: Running) -> None:
    specialist = new_id()
    case_id = await given(running, LOW, HIGH, owners={IVS: specialist})

    found = await shown(running, f"{case_id}/comparison?from=1&to=2")

    assert (found["versions"], found["levels"]) == ([1, 2], ["low", "high"])
    hers = found["parts"]["person_harmed"]
    by_code = {(e["after"] or e["before"])["action"]: e for e in hers}
    assert by_code["safety_advice"]["before"] is None
    sooner = by_code["safe_contact"]
    assert sooner["before"]["due_at"] > sooner["after"]["due_at"]
    assert sooner["after"]["worker_id"] == specialist
    # It is due when it was due before, and nobody has taken it on.
    assert found["parts"]["person_using_violence"] == []


@pytest.mark.parametrize("path", ["", "/versions/1", "/versions/2"])
async def test_whoever_serves_the_person_using_violence_sees_their_part_alone(
    running: Running, path: str
) -> None:
    case_id = await given(running, LOW, HIGH)
    outreach = serves_him(running, case_id)
    await running.post(f"/v1/plans/{case_id}/breaches", WORK, body=CAME_NEAR)

    found = await shown(running, f"{case_id}{path}", worker=outreach)

    parts = {each["part"] for each in found.get("actions", found.get("promises"))}
    assert parts == {"person_using_violence"}
    assert not found.get("stale")
    assert not found.get("breaches")
    assert not found.get("first")
    versions = found.get("versions", [found])
    assert {each["agreed_by"] for each in versions} == {None}


@pytest.mark.parametrize("care", [True, False])
def test_an_old_version_tells_nothing_of_a_household_merged_by_mistake(
    *, care: bool
) -> None:
    child, theirs, other = new_id(), new_id(), new_id()
    share = Share(
        plan_version=3,
        revision=1,
        closed=False,
        actions=(),
        owners={},
        children=(theirs,),
    )
    policy = parted_policy()
    held = Plan(id=new_id(), shares={other: share}).meet([child], policy, NOON)
    agreed = held.draft(assessment(HIGH), policy, NOON).agree(1, NOON)
    apart = carry(agreed, other, None, {}, policy=policy, at=NOON)
    parts = frozenset({"actions_child", *(["care"] if care else [])})
    seen = Permit("team", parts)

    told = [WholeVersionView.whole(e, e.versions[0], seen) for e in (agreed, apart)]

    assert [each.merged for each in told] == [{other: 3} if care else {}, {}]
    people = [{e.person_id for e in each.promises} for each in told]
    assert people == [{child, theirs}, {child}]
    assert all(each.intact for each in told)


async def test_whoever_serves_them_compares_their_part_alone(running: Running) -> None:
    case_id = await given(running, LOW, HIGH)
    outreach = serves_him(running, case_id)
    path = f"{case_id}/comparison?from=1&to=2"

    found = await shown(running, path, worker=outreach)

    assert set(found["parts"]) == {"person_using_violence"}


async def test_at_high_risk_a_second_person_settles_what_the_owner_says(
    running: Running, clock: SimulatedClock
) -> None:
    specialist = new_id()
    case_id = await given(running, HIGH, owners={IVS: specialist})
    action_id = (await shown(running, case_id))["actions"][0]["action_id"]
    path = f"/v1/plans/{case_id}/actions/{action_id}"

    bare = await running.post(f"{path}/completion", WORK, worker=specialist)
    said = await running.post(f"{path}/completion", WORK, worker=specialist, body=SHOWN)
    clock.advance(HOUR)
    confirmed = {"said_at": said.json()["said"]["at"], "confirmed": True}
    alone = await running.post(
        f"{path}/confirmation", WORK, worker=specialist, body=confirmed
    )
    settled = await running.post(f"{path}/confirmation", WORK, body=confirmed)
    again = await running.post(f"{path}/confirmation", WORK, body=confirmed)

    assert problem(bare) == (422, "evidence-missing")
    assert said.json()["done_at"] is None
    assert problem(alone) == (403, "not-the-second-person")
    assert settled.json() == again.json()
    assert settled.json()["done_at"].startswith("2026-11-02T12:00")
    [asked] = await told(running, ActionToConfirm)
    assert (asked.asked_by, asked.confirm_by) == (specialist, NOON + 24 * HOUR)
    [done] = await told(running, ActionDone)
    assert (done.worker_id, done.done_at) == (specialist, NOON)


async def test_outreach_settles_nothing_that_is_done_for_others(
    running: Running,
) -> None:
    case_id = await given(running, HIGH)
    outreach = serves_him(running, case_id)
    actions = (await shown(running, case_id))["actions"]
    hers, theirs = actions[0]["action_id"], actions[2]["action_id"]
    reason = {"reason": "does_not_apply"}

    for action_id, status in ((hers, 404), (new_id(), 404), (theirs, 200)):
        path = f"/v1/plans/{case_id}/actions/{action_id}/undone"
        answer = await running.post(path, WORK, worker=outreach, body=reason)
        assert answer.status_code == status


async def test_what_will_not_be_done_is_told_with_its_reason_once_it_is_settled(
    running: Running,
) -> None:
    specialist = new_id()
    case_id = await given(running, HIGH, owners={IVS: specialist})
    action_id = (await shown(running, case_id))["actions"][1]["action_id"]
    path = f"/v1/plans/{case_id}/actions/{action_id}"
    reason = {"reason": "declined_by_person"}

    left = await running.post(f"{path}/undone", WORK, worker=specialist, body=reason)
    assert left.json()["undone_at"] is None
    assert not await told(running, ActionNotDone)
    meant = {"said_at": left.json()["said"]["at"], "confirmed": True}
    await running.post(f"{path}/confirmation", WORK, body=meant)

    [settled] = await told(running, ActionNotDone)
    assert (settled.action_id, settled.reason) == (action_id, "declined_by_person")


async def test_a_vacant_role_makes_a_plan_stale_until_it_is_reviewed(
    running: Running, clock: SimulatedClock
) -> None:
    case_id = new_id()
    taken = accepted(case_id, IVS, new_id())
    await handlers.assign_actions(taken, plans=running.plans)
    await draft(running, case_id, HIGH)
    await running.post(f"/v1/plans/{case_id}/agreement", WORK, body={"plan_version": 1})

    await handlers.release_actions(withdrawn(taken), plans=running.plans)
    [said] = await told(running, PlanStale)
    stale = await shown(running, case_id)
    path = f"/v1/plans/{case_id}/review"
    read = {key: stale[key] for key in ("plan_version", "review_by", "stale")}
    clock.advance(HOUR)
    blind = await running.post(path, WORK, body={**read, "stale": {}})
    reviewed = await running.post(path, WORK, body=read)
    before = await running.plans.get(case_id)
    again = await running.post(path, WORK, body=read)

    assert problem(blind) == (409, "more-to-read")
    assert again.json() == reviewed.json()
    # Nothing is saved, so nothing is told.
    assert await running.plans.get(case_id) == before
    assert list(stale["stale"]) == ["role_vacant"]
    assert reviewed.json()["stale"] == {}
    assert (said.reasons, said.level) == ((StaleReason.ROLE_VACANT,), HIGH)
    assert "reviewed" in reviewed.json()["first"]


async def test_a_breach_is_told_once_and_is_no_secret_among_those_who_help(
    running: Running,
) -> None:
    case_id = await given(running, HIGH)
    outreach = serves_him(running, case_id)
    path = f"/v1/plans/{case_id}/breaches"

    noted = await running.post(path, WORK, worker=outreach, body=CAME_NEAR)
    await running.post(path, WORK, body=CAME_NEAR)

    assert noted.json()["breaches"] == []
    [seen] = (await shown(running, case_id))["breaches"]
    assert seen["kind"] == "came_near"
    assert len(await told(running, PlanBreached)) == 1


def referred(case_id: str, *children: str) -> Any:
    """What referrals says of a referral that names children."""
    parties = [Party(person_id=each, role=PersonRole.CHILD) for each in children]
    event = ReferralReceived(
        case_id=case_id,
        referral_id=new_id(),
        agency_kind=AgencyKind.POLICE,
        incidents=(),
        answers={},
        parties=(
            Party(person_id=new_id(), role=PersonRole.PERSON_HARMED),
            *parties,
        ),
        wishes=Wishes(),
        repeat=False,
        occurred_at=NOON,
        first_referred_at=NOON,
    )
    return message_of(event)


async def test_a_child_who_becomes_known_makes_what_was_agreed_to_stale(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, child = new_id(), new_id()
    message = assessed(case_id, HIGH)
    await handlers.draft_plan(message, plans=plans, policy=POLICY, clock=clock)
    await handlers.agree(case_id, 1, at=NOON, plans=plans)

    for _ in range(2):
        await handlers.meet_people(referred(case_id, child), plans=plans, policy=POLICY)

    held = await plans.get(case_id)
    assert held
    assert held.children == (child,)
    assert list(held.stale) == [StaleReason.CHILD_KNOWN]
    assert len(await to_tell(plans, PlanStale)) == 1


async def test_a_second_person_harmed_is_asked_for_and_whoever_serves_them_told(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, second = new_id(), new_id()
    await handlers.meet_people(referred(case_id), plans=plans, policy=POLICY)
    taken = accepted(case_id, IVS, new_id())
    await handlers.assign_actions(taken, plans=plans)
    message = assessed(case_id, HIGH)
    await handlers.draft_plan(message, plans=plans, policy=POLICY, clock=clock)
    before = await to_tell(plans, ActionAssigned)
    roles = RolesDecided(
        case_id=case_id,
        harmed=second,
        using_violence=new_id(),
        corrected=False,
        decided_at=NOON,
    )

    await handlers.note_harmed(message_of(roles), plans=plans, policy=POLICY)

    held = await plans.get(case_id)
    assert held
    theirs = {e.id for e in held.open_actions if e.person_id == second}
    assert len(theirs) == 2
    new = (await to_tell(plans, ActionAssigned))[len(before) :]
    assert {each.action_id for each in new} == theirs


async def test_what_is_not_to_be_confirmed_any_more_is_told_to_its_owner(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, him, worker = new_id(), new_id(), new_id()
    await handlers.assign_actions(accepted(case_id, IVS, worker), plans=plans)
    message = assessed(case_id, HIGH)
    await handlers.draft_plan(message, plans=plans, policy=POLICY, clock=clock)
    held = await plans.get(case_id)
    assert held
    held = await plans.save(held.protects([him]))
    first = next(e for e in held.actions if e.code == "safe_contact")
    known: dict[str, Any] = {"plans": plans, "policy": POLICY}
    done = {"at": NOON, "evidence": RECORD}
    await handlers.complete(case_id, first.id, worker, **done, **known)
    roles = RolesDecided(
        case_id=case_id,
        harmed=new_id(),
        using_violence=him,
        corrected=True,
        decided_at=NOON,
    )

    await handlers.note_harmed(message_of(roles), **known)

    [told] = await to_tell(plans, ActionNotConfirmed)
    assert told.action_id == first.id
    last = (await to_tell(plans, ActionAssigned))[-1]
    assert (last.action_id, last.worker_id) == (first.id, worker)


async def test_a_referral_that_names_nobody_new_costs_the_plan_nothing(
    plans: Plans,
) -> None:
    case_id = new_id()
    told = referred(case_id)

    for each in (told, message_of(told.data)):
        await handlers.meet_people(each, plans=plans, policy=POLICY)

    held = await plans.get(case_id)
    assert held
    assert (held.version, held.children) == (1, ())
    assert len(held.harmed) == 1


async def test_the_sweep_reminds_of_what_is_due_soon(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, specialist = new_id(), new_id()
    await handlers.assign_actions(accepted(case_id, IVS, specialist), plans=plans)
    message = assessed(case_id, HIGH)
    await handlers.draft_plan(message, plans=plans, policy=POLICY, clock=clock)
    now = clock.advance(21 * HOUR)

    for due in await plans.due_now(now):
        await handlers.tell_overdue(due, at=now, plans=plans)

    [soon] = await to_tell(plans, ActionDueSoon)
    assert (soon.case_id, soon.worker_id) == (case_id, specialist)
    assert soon.due_at == NOON + 24 * HOUR
