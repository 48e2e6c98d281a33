"""What an agency is told of the response to its referral, and what more it is asked."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import EPOCH
from accord_chassis.testing import COORDINATOR, NOON, eventually, message_of, new_id
from accord_contracts.access import Side
from accord_contracts.allocation import AllocationAccepted, Role
from accord_contracts.message import Lane
from accord_contracts.plans import ActionDone, ActionOutcome, PlanClosed
from accord_contracts.risk import RiskAssessed, RiskLevel
from referrals import handlers
from referrals.domain.feedback import ClosedAs
from referrals.store import Cases
from referrals_builders import JOHN, MERE, POLICY, Running, body, case, household

LATER = NOON + timedelta(minutes=3)


def done(case_id: str, action: str, outcome: ActionOutcome | None = None) -> Any:
    return message_of(
        ActionDone(
            case_id=case_id,
            plan_version=1,
            action_id=new_id(),
            action=action,
            role=Role.INDEPENDENT_VICTIM_SPECIALIST,
            worker_id=new_id(),
            done_at=LATER,
            outcome=outcome,
        )
    )


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("safety_goals_met", ClosedAs.COMPLETED),
        ("needs_met_elsewhere", ClosedAs.COMPLETED),
        ("moved_to_another_region", ClosedAs.ENDED),
        ("died", ClosedAs.ENDED),
        ("a_reason_of_tomorrow", ClosedAs.ENDED),
    ],
)
def test_how_it_ended_is_told_without_the_reason(reason: str, told: ClosedAs) -> None:
    assert POLICY.feedback.closing(reason) is told


async def test_contact_is_made_by_reaching_the_person_harmed_alone(
    running: Running,
) -> None:
    held = await running.cases.save(case(household()))
    for action in ("outreach_contact", "orders_checked"):
        await note(done(held.id, action), running.cases)
    in_vain = done(held.id, "safe_contact", ActionOutcome.NOT_REACHED)
    await note(in_vain, running.cases)
    untouched = await running.cases.get(held.id)

    reached = done(held.id, "safe_contact")
    await note(reached, running.cases)

    found = await running.cases.get(held.id)
    assert untouched
    assert found
    assert [each.contact_made_at for each in untouched.episodes] == [None]
    assert [each.contact_made_at for each in found.episodes] == [LATER]


async def note(message: Any, cases: Cases) -> None:
    await handlers.note_contact(message, cases=cases, rules=POLICY.feedback)


async def test_what_is_merged_into_a_case_is_told_that_contact_was_made(
    running: Running,
) -> None:
    survivor, gone = case(household()), case(household())
    taken = {gone.id: {"at": NOON, "children": False}}
    whole = survivor.model_validate({**survivor.model_dump(), "taken": taken})
    await running.cases.save(whole)
    await running.cases.save(gone.model_copy(update={"merged_into": survivor.id}))

    await note(done(survivor.id, "safe_contact"), running.cases)

    found = await running.cases.get(gone.id)
    assert found
    assert [each.contact_made_at for each in found.episodes] == [LATER]


async def posted(running: Running, **told: Any) -> tuple[str, str]:
    """Give a referral that has found its case, and the case."""
    answer = await running.submit(body(**told), key=new_id())
    referral_id: str = answer.json()["referral_id"]
    found = await eventually(lambda: running.cases.of_referral(referral_id))
    return referral_id, found.id


async def ask(
    running: Running, referral_id: str, groups: list[str], worker: str = COORDINATOR
) -> Any:
    return await running.http.put(
        f"/v1/referrals/{referral_id}/questions",
        headers=running.bearer("referrals.inquire", agency="", worker=worker),
        json={"groups": groups},
    )


async def wanted(running: Running, referral_id: str) -> Any:
    shown = (await running.status(referral_id)).json()
    return shown["more_information_needed"]


async def test_an_agency_is_asked_for_more_until_it_has_told_it(
    running: Running,
) -> None:
    referral_id, _ = await posted(running)

    asked = await ask(running, referral_id, ["time", "people", "contact"])

    assert asked.status_code == 200
    at = NOON.isoformat().replace("+00:00", "Z")
    groups = ["contact", "people", "time"]
    assert await wanted(running, referral_id) == {"groups": groups, "asked_at": at}
    mere = {"person": 0, "given_name": "Mera"}
    when = "2026-11-02T09:00:00Z"
    await running.amend(referral_id, {"people": [mere], "occurred_at": when})
    assert (await wanted(running, referral_id))["groups"] == ["contact"]
    phone = {"person": 0, "channel": "phone", "value": "021 555 0100"}
    changes = {"add_contact_points": [phone]}
    await running.amend(referral_id, changes, key="b", seen=1)
    assert await wanted(running, referral_id) is None


async def test_whoever_asked_may_ask_no_more(running: Running) -> None:
    referral_id, _ = await posted(running)
    await ask(running, referral_id, ["place"])

    answer = await running.http.delete(
        f"/v1/referrals/{referral_id}/questions",
        headers=running.bearer("referrals.inquire", agency="", worker=COORDINATOR),
    )

    assert answer.status_code == 204
    assert await wanted(running, referral_id) is None


async def test_an_agency_reads_all_that_it_is_asked_in_one_list(
    running: Running,
) -> None:
    one, _ = await posted(running)
    other, _ = await posted(running)
    await posted(running)
    await ask(running, other, ["place"])
    await ask(running, one, ["time", "people"])

    lists = [
        await running.http.get(
            "/v1/referrals/questions", headers=running.bearer(agency=agency)
        )
        for agency in ("police", "hospital")
    ]

    at = NOON.isoformat().replace("+00:00", "Z")
    shown = {each["referral_id"]: each for each in lists[0].json()}
    assert shown == {
        one: {"referral_id": one, "groups": ["people", "time"], "asked_at": at},
        other: {"referral_id": other, "groups": ["place"], "asked_at": at},
    }
    assert lists[1].json() == []
    which = {"sender.agency": "police", "wanted.asked_at": {"$gt": EPOCH}}
    plan = await running.referrals.documents.find(which).explain()
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])


async def test_nothing_more_is_asked_of_what_was_taken_back(running: Running) -> None:
    referral_id, _ = await posted(running)
    await ask(running, referral_id, ["place"])
    await running.withdraw(referral_id)

    again = await ask(running, referral_id, ["place"])

    assert again.status_code == 409
    assert await wanted(running, referral_id) is None


@pytest.mark.parametrize("groups", [[], ["shoe_size"], "place"])
async def test_more_is_asked_by_codes_alone(running: Running, groups: Any) -> None:
    referral_id, _ = await posted(running)

    answer = await ask(running, referral_id, groups)

    assert answer.status_code == 422
    assert await wanted(running, referral_id) is None


async def test_only_whoever_works_with_her_or_coordinates_asks_for_more(
    running: Running,
) -> None:
    referral_id, case_id = await posted(running)
    outreach, stranger = new_id(), new_id()
    using = frozenset({Side.PERSON_USING_VIOLENCE})
    running.standings.tell(outreach, case_id, sides=using)
    running.standings.tell(stranger, case_id)

    refused = [
        await ask(running, referral_id, ["place"], each)
        for each in (outreach, stranger)
    ]
    nowhere = await ask(running, new_id(), ["place"])
    worker = await ask(running, referral_id, ["place"], new_id())

    assert {each.status_code for each in (*refused, nowhere)} == {404}
    assert {each.json()["type"] for each in (*refused, nowhere)} == {
        "urn:accord:problem:not-referred"
    }
    assert worker.status_code == 200


def weighed(case_id: str, referral_id: str) -> Any:
    return message_of(
        RiskAssessed(
            case_id=case_id,
            referral_id=referral_id,
            level=RiskLevel.MEDIUM,
            previous=None,
            provisional=False,
            reasons=(),
            unknowns=(),
            policy_version="test",
            assessed_at=LATER,
            reassess_by=LATER,
            first_referred_at=NOON,
        )
    )


def accepted(case_id: str, at: datetime) -> Any:
    return message_of(
        AllocationAccepted(
            case_id=case_id,
            allocation_id=new_id(),
            role=Role.INDEPENDENT_VICTIM_SPECIALIST,
            first_referred_at=NOON,
            worker_id=new_id(),
            accepted_at=at,
        )
    )


async def test_nobody_learns_by_a_referral_that_a_family_is_helped_already(
    running: Running, clock: SimulatedClock
) -> None:
    """Whoever refers a new family sees the same, at every hour, as of a known one."""
    cases, hour = running.cases, timedelta(hours=1)
    _, helped = await posted(running)
    await handlers.note_acceptance(accepted(helped, NOON), cases=cases)
    stranger = {**MERE, "given_name": "Aroha", "family_name": "Ngata"}
    new, new_case = await posted(running, people=[stranger])
    known, known_case = await posted(running, people=[MERE, JOHN])
    assert known_case == helped

    shown = []
    for passed in range(30):
        clock.advance(NOON + passed * hour - clock.now())
        if passed == 1:
            for case_id, referral_id in ((new_case, new), (helped, known)):
                await handlers.note_assessment(
                    weighed(case_id, referral_id), cases=cases
                )
            held = await cases.get(helped)
            assert held
            assert held.episodes[-1].allocated_at == LATER
            await note(done(helped, "safe_contact"), cases)
            closing = PlanClosed(
                case_id=helped,
                plan_version=1,
                reason="died",
                assessment_revision=1,
                closed_at=LATER,
            )
            await handlers.note_closing(
                message_of(closing),
                cases=cases,
                retention=POLICY.retention,
                rules=POLICY.feedback,
            )
        if passed == 20:
            at = clock.now()
            await handlers.note_acceptance(accepted(new_case, at), cases=cases)
        told = [(await running.status(each)).json() for each in (new, known)]
        shown.append([{k: v for k, v in e.items() if k != "referral_id"} for e in told])

    hours = int(POLICY.feedback.told_of_stages[Lane.ROUTINE])
    assert [one == other for one, other in shown[:hours]] == [True] * hours
    assert [e["status"] for e, _ in shown[:hours]] == ["received"] + ["assessed"] * 26
    one, other = shown[hours]
    told_from = (NOON + hours * hour).isoformat().replace("+00:00", "Z")
    assert one["allocated_at"] == other["allocated_at"] == told_from
    assert other["contact_made_at"] == other["closed_at"] == told_from


async def test_an_agency_cannot_tell_whether_it_was_known_before(
    running: Running,
) -> None:
    """The same is told to the second agency that refers a family as to the first."""
    first, case_id = await posted(running)
    again = await running.submit(body(), key=new_id(), agency="hospital")
    second = again.json()["referral_id"]
    await eventually(lambda: running.cases.of_referral(second))

    shown = [
        (await running.status(first)).json(),
        (await running.status(second, agency="hospital")).json(),
    ]

    alone, known = ({k: v for k, v in e.items() if k != "referral_id"} for e in shown)
    assert alone == known
    named = (case_id, MERE["given_name"], JOHN["given_name"])
    assert not [each for each in named if each in str(shown)]
