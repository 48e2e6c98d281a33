"""What is added to a plan's template by how things are in a case."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, message_of, new_id, published
from accord_contracts.plans import ActionAssigned, PlanCarried
from accord_contracts.referrals import (
    AgencyKind,
    Answer,
    CaseMerged,
    CaseUnmerged,
    FieldGroup,
    IncidentKind,
    Party,
    PersonRole,
    ReferralAmended,
    ReferralReceived,
    Relationship,
    TriggerCancelled,
    TriggerKind,
    TriggerScheduled,
    Wishes,
)
from accord_contracts.risk import RiskLevel
from plans import handlers, merging
from plans.domain.template import Policy
from plans.store import Plans
from plans_builders import (
    IVS,
    OUTREACH,
    SECOND,
    SHOWN,
    WHANAU,
    accepted,
    assessed,
    confirms,
    policy_fields,
    says_done,
)
from pydantic import ValidationError

HIGH, LOW = RiskLevel.HIGH, RiskLevel.LOW
PARTED = Relationship.FORMER_PARTNER
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HARMED, USING = new_id(), new_id()
LOCALITIES = Path(__file__).parents[3] / "localities"


def added_fields() -> dict[str, Any]:
    """A policy that adds something for each kind of circumstance."""
    fields = policy_fields()
    for code in ("doctor_offered", "release_planned", "handovers_safe"):
        fields["actions"][code] = {
            "strand": "immediate_safety",
            "part": "person_harmed",
        }
    fields["actions"]["met_in_prison"] = {
        "strand": "behaviour_change",
        "part": "person_using_violence",
    }

    def at_each(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
        return {"low": low, "medium": low, "high": high, "extreme": high}

    fields["additions"] = {
        "strangled": {
            "when": {"told": ["strangulation", "incident_strangulation"]},
            "levels": at_each(
                {"mandatory": {"doctor_offered": {"role": WHANAU, "within_hours": 24}}},
                {"mandatory": {"doctor_offered": {"role": IVS, "within_hours": 8}}},
            ),
        },
        "parted": {
            "when": {"relationships": ["former_partner"]},
            "levels": {
                "high": {
                    "complementary": {
                        "handovers_safe": {"role": IVS, "within_hours": 72},
                        "safe_contact": {"role": IVS, "within_hours": 96},
                    }
                }
            },
        },
        "release": {
            "when": {"dates": ["prison_release", "bail_change"]},
            "levels": at_each(
                {"mandatory": {"safety_advice": {"role": WHANAU, "within_hours": 60}}},
                {
                    "mandatory": {
                        "release_planned": {"role": IVS, "within_hours": 48},
                        "safety_advice": {"role": IVS, "within_hours": 24},
                    },
                    "complementary": {
                        "met_in_prison": {"role": OUTREACH, "within_hours": 72}
                    },
                },
            ),
        },
    }
    return fields


POLICY = Policy.model_validate(added_fields())


def referred(
    case_id: str,
    *,
    related: Relationship | None = None,
    at: datetime = NOON,
    **fields: Any,
) -> Any:
    """What referrals says of a referral, with what it tells of circumstances."""
    told = {
        "case_id": case_id,
        "referral_id": new_id(),
        "agency_kind": AgencyKind.POLICE,
        "incidents": (),
        "answers": {},
        "parties": parties(related),
        "wishes": Wishes(),
        "repeat": False,
        "occurred_at": NOON,
        "first_referred_at": NOON,
    }
    return message_of(ReferralReceived.model_validate({**told, **fields}), at=at)


def parties(related: Relationship | None) -> tuple[Party, ...]:
    harmed = Party(person_id=HARMED, role=PersonRole.PERSON_HARMED)
    role = PersonRole.PERSON_USING_VIOLENCE
    return (harmed, Party(person_id=USING, role=role, relationship=related))


def amended(
    message: Any,
    number: int,
    group: FieldGroup,
    *,
    related: Relationship | None = None,
    at: datetime = NOON,
    **fields: Any,
) -> Any:
    """What referrals says of a change of a referral: all of it, and what changed."""
    told = {
        "case_id": message.data.case_id,
        "referral_id": message.data.referral_id,
        "number": number,
        "groups": (group,),
        "incidents": (),
        "answers": {},
        "parties": parties(related),
        "occurred_at": NOON,
        "amended_at": at,
    }
    return message_of(ReferralAmended.model_validate({**told, **fields}), at=at)


def release(
    case_id: str,
    happens: datetime,
    *,
    trigger_id: str,
    at: datetime = NOON,
    version: int = 1,
    off: bool = False,
) -> Any:
    """What referrals says of a release, or that it was called off."""
    event = (TriggerCancelled if off else TriggerScheduled)(
        case_id=case_id,
        trigger_id=trigger_id,
        kind=TriggerKind.PRISON_RELEASE,
        due_at=happens,
    )
    return message_of(event, at=at, version=version)


@pytest.fixture
def known(plans: Plans, clock: SimulatedClock) -> dict[str, Any]:
    return {"plans": plans, "policy": POLICY, "clock": clock}


async def drafted(
    case_id: str, known: dict[str, Any], level: RiskLevel = HIGH, **fields: Any
) -> None:
    await handlers.draft_plan(assessed(case_id, level, **fields), **known)


async def hears(message: Any, known: dict[str, Any]) -> None:
    told = {"plans": known["plans"], "policy": known["policy"]}
    if isinstance(message.data, ReferralReceived | ReferralAmended):
        await handlers.meet_people(message, **told)
    else:
        await handlers.foresee(message, **told)


async def codes(case_id: str, plans: Plans) -> list[str]:
    held = await plans.get(case_id)
    assert held
    return sorted(each.code for each in held.open_actions)


USUAL = ["programme", "safe_contact", "safety_advice"]


@pytest.mark.parametrize("first", ["referral", "assessment"])
@pytest.mark.parametrize(
    "told",
    [
        {"answers": {"strangulation": Answer.YES}},
        {"incidents": (IncidentKind.STRANGULATION,)},
    ],
    ids=["answer", "incident"],
)
async def test_what_was_told_adds_to_the_plan_in_whatever_order_it_is_heard(
    known: dict[str, Any], told: dict[str, Any], first: str
) -> None:
    case_id, plans = new_id(), known["plans"]
    referral = referred(case_id, **told)

    if first == "referral":
        await hears(referral, known)
    await drafted(case_id, known)
    if first == "assessment":
        await hears(referral, known)

    assert await codes(case_id, plans) == sorted([*USUAL, "doctor_offered"])
    held = await plans.get(case_id)
    [added] = [e for e in held.actions if e.code == "doctor_offered"]
    assert added.mandatory
    assert added.due_at == NOON + 8 * HOUR


async def test_what_is_not_so_adds_nothing(known: dict[str, Any]) -> None:
    case_id = new_id()
    await drafted(case_id, known)
    unsure = {
        "strangulation": Answer.UNKNOWN,
        "pregnancy": Answer.YES,
        "incident_strangulation": Answer.NO,
    }

    await hears(referred(case_id, related=Relationship.PARTNER, answers=unsure), known)

    assert await codes(case_id, known["plans"]) == USUAL
    held = await known["plans"].get(case_id)
    assert not held.known.heard


async def test_a_redraft_adds_nothing_twice(known: dict[str, Any]) -> None:
    case_id, plans = new_id(), known["plans"]
    told = {"answers": {"strangulation": Answer.YES}}
    for revision in (1, 2, 3):
        await hears(referred(case_id, related=PARTED, **told), known)
        await drafted(case_id, known, revision=revision)

    assert await codes(case_id, plans) == sorted(
        [*USUAL, "doctor_offered", "handovers_safe"]
    )


async def test_an_addition_takes_nothing_out_and_makes_nothing_later(
    known: dict[str, Any],
) -> None:
    case_id, plans = new_id(), known["plans"]
    await hears(referred(case_id, related=PARTED), known)
    coming = release(case_id, NOON + 40 * DAY, trigger_id=new_id())
    await hears(coming, known)
    await drafted(case_id, known)

    held = await plans.get(case_id)
    by_code = {each.code: each for each in held.actions}
    assert by_code["safe_contact"].mandatory
    assert by_code["safe_contact"].due_at == NOON + 24 * HOUR
    assert by_code["safety_advice"].due_at == NOON + 24 * HOUR
    assert not by_code["handovers_safe"].mandatory


async def test_a_date_told_later_adds_at_once_and_its_owner_is_told(
    known: dict[str, Any],
) -> None:
    case_id, plans, specialist = new_id(), known["plans"], new_id()
    await handlers.assign_actions(accepted(case_id, IVS, specialist), plans=plans)
    await drafted(case_id, known)
    await handlers.agree(case_id, 1, at=NOON, plans=plans)
    before = await to_tell(plans, ActionAssigned)
    there, trigger = NOON + 30 * HOUR, new_id()

    for _ in range(2):
        coming = release(case_id, there, trigger_id=trigger, at=NOON + HOUR)
        await hears(coming, known)

    held = await plans.get(case_id)
    [added] = [e for e in held.open_actions if e.code == "release_planned"]
    # Before he is out, though the locality would give two days.
    assert added.due_at == there
    assert added.worker_id == specialist
    assert held.in_force
    assert held.current.intact
    new = (await to_tell(plans, ActionAssigned))[len(before) :]
    # What the plan had already, and now sooner, is told too.
    [sooner] = [e for e in held.open_actions if e.code == "safety_advice"]
    assert sooner.due_at == NOON + 25 * HOUR
    assert {e.action_id for e in new if e.worker_id} == {added.id, sooner.id}


async def test_for_the_next_date_it_is_asked_for_anew(known: dict[str, Any]) -> None:
    case_id, plans, specialist = new_id(), known["plans"], new_id()
    await handlers.assign_actions(accepted(case_id, IVS, specialist), plans=plans)
    await drafted(case_id, known)
    first, second = new_id(), new_id()
    await hears(release(case_id, NOON + 9 * DAY, trigger_id=first), known)
    held = await plans.get(case_id)
    [one] = [e for e in held.open_actions if e.code == "release_planned"]
    told = {"policy": POLICY, "evidence": SHOWN}
    said = says_done(held, one.id, specialist, NOON + DAY, **told)
    await plans.save(confirms(said, one.id, SECOND, POLICY))

    moved = release(
        case_id, NOON + 10 * DAY, trigger_id=first, at=NOON + 2 * DAY, version=2
    )
    await hears(moved, known)
    assert "release_planned" not in await codes(case_id, plans)

    later = release(case_id, NOON + 90 * DAY, trigger_id=second, at=NOON + 3 * DAY)
    await hears(later, known)
    held = await plans.get(case_id)
    [other] = [e for e in held.open_actions if e.code == "release_planned"]
    assert other.id != one.id
    assert [each.action_id for each in other.past] == [one.id]


async def test_what_was_added_stays_when_it_is_so_no_longer(
    known: dict[str, Any],
) -> None:
    case_id, plans, trigger = new_id(), known["plans"], new_id()
    await drafted(case_id, known)
    happens = NOON + 9 * DAY
    await hears(release(case_id, happens, trigger_id=trigger), known)

    off = release(case_id, happens, trigger_id=trigger, version=2, off=True)
    await hears(off, known)
    await drafted(case_id, known, revision=2)

    assert "release_planned" in await codes(case_id, plans)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
async def test_a_yes_stands_until_its_own_agency_takes_it_back(
    known: dict[str, Any], order: tuple[int, ...]
) -> None:
    case_id, plans = new_id(), known["plans"]
    yes, no = ({"strangulation": each} for each in (Answer.YES, Answer.NO))
    first = referred(case_id, answers=yes)
    told = [
        first,
        referred(case_id, answers=no, at=NOON + HOUR),
        amended(first, 1, FieldGroup.PLACE, answers={}, at=NOON + 2 * HOUR),
    ]

    for each in order:
        await hears(told[each], known)

    held = await plans.get(case_id)
    assert held.circumstances.told == {"strangulation"}
    # Nor does it become another day's because something else of it is changed.
    [at] = [e.at for by in held.known.heard.values() for e in by.values()]
    assert at == NOON

    back = amended(first, 3, FieldGroup.ANSWERS, answers=no, at=NOON + 3 * HOUR)
    again = amended(first, 2, FieldGroup.ANSWERS, answers=yes, at=NOON + 2 * HOUR)
    other = referred(case_id, answers=yes, at=NOON + HOUR)
    for each in (other, back, again):
        await hears(each, known)
    held = await plans.get(case_id)
    assert held.circumstances.told == {"strangulation"}

    await hears(amended(other, 1, FieldGroup.ANSWERS, answers=no), known)
    held = await plans.get(case_id)
    assert not held.circumstances.told


@pytest.mark.parametrize("order", [1, -1], ids=["as_told", "the_other_way_round"])
async def test_what_did_not_happen_after_all_is_so_no_longer(
    known: dict[str, Any], order: int
) -> None:
    case_id, plans = new_id(), known["plans"]
    first = referred(case_id, incidents=(IncidentKind.STRANGULATION,), related=PARTED)
    changed = amended(
        first, 1, FieldGroup.INCIDENTS, related=Relationship.PARTNER, at=NOON + HOUR
    )

    for each in (first, changed)[::order]:
        await hears(each, known)

    held = await plans.get(case_id)
    assert not held.circumstances.told
    # How they are related was not changed by it.
    assert held.circumstances.relationships == {PARTED}


async def test_what_was_told_does_not_outlive_the_closing(
    known: dict[str, Any],
) -> None:
    plans, yes = known["plans"], {"strangulation": Answer.YES}
    other = new_id()
    await hears(referred(other, answers=yes, related=PARTED), known)
    held = await plans.get(other)
    assert held
    await drafted(other, known, LOW)
    held = await plans.get(other)
    ended = held.with_current(closed_at=NOON + DAY, closed_for="died")
    await plans.save(ended)
    later = NOON + 2 * DAY
    await drafted(other, known, revision=2, at=later, referred=later)
    # How two people are related is so still, what was told then was of then.
    assert await codes(other, plans) == sorted([*USUAL, "handovers_safe"])


async def test_of_a_merged_case_its_survivor_asks_and_it_alone(
    known: dict[str, Any],
) -> None:
    survivor, merged, plans = new_id(), new_id(), known["plans"]
    specialist = new_id()
    rest = {"plans": plans, "policy": POLICY}
    await handlers.assign_actions(accepted(merged, IVS, specialist), plans=plans)
    await drafted(survivor, known)
    await drafted(merged, known)
    told = CaseMerged(case_id=merged, survivor_id=survivor, merged_at=NOON)
    await merging.note_merging(message_of(told, version=2), **rest)
    await hears(referred(merged, answers={"strangulation": Answer.YES}), known)

    for each in await to_tell(plans, PlanCarried):
        await merging.carry(message_of(each), **rest)

    assert "doctor_offered" in await codes(survivor, plans)
    assert "doctor_offered" not in await codes(merged, plans)

    back = CaseUnmerged(case_id=merged, survivor_id=survivor, unmerged_at=NOON)
    await merging.note_merging(message_of(back, version=3), **rest)
    assert "doctor_offered" in await codes(merged, plans)


async def to_tell(plans: Plans, kind: type[Any]) -> list[Any]:
    found = [each.data for each in await published(plans)]
    return [each for each in found if isinstance(each, kind)]


def broken(change: Any) -> str:
    fields = added_fields()
    change(fields)
    with pytest.raises(ValidationError) as wrong:
        Policy.model_validate(fields)
    return str(wrong.value)


def test_what_was_told_adds_nothing_to_the_part_of_who_uses_violence() -> None:
    def tell_him(fields: dict[str, Any]) -> None:
        levels = fields["additions"]["strangled"]["levels"]
        levels["high"] = {
            **levels["high"],
            "complementary": {"met_in_prison": {"role": OUTREACH, "within_hours": 72}},
        }

    assert "nothing that was told may add to the part" in broken(tell_him)


def test_an_addition_asks_no_less_of_a_higher_level() -> None:
    def later(fields: dict[str, Any]) -> None:
        levels = fields["additions"]["strangled"]["levels"]
        levels["high"]["mandatory"]["doctor_offered"]["within_hours"] = 30

    def gone(fields: dict[str, Any]) -> None:
        del fields["additions"]["strangled"]["levels"]["extreme"]

    for each in (later, gone):
        assert "doctor_offered: mandatory at" in broken(each)
        assert "with strangled" in broken(each)


def test_an_addition_that_cannot_be_right_stops_the_start() -> None:
    def add(**fields: Any) -> Any:
        return lambda policy: policy["additions"].update(odd=fields)

    levels = {"low": {"mandatory": {"surprise": {"role": WHANAU, "within_hours": 1}}}}
    assert "give relationships, told or dates" in broken(add(when={}, levels=levels))
    dates = {"dates": ["hearing"]}
    assert "surprise: not an action" in broken(add(when=dates, levels=levels))
    assert "prison_relase" in broken(
        add(when={"dates": ["prison_relase"]}, levels=levels)
    )


@pytest.mark.parametrize("name", ["canterbury", "waikato"])
def test_a_locality_adds_for_what_its_risk_policy_knows(name: str) -> None:
    read = {
        each: yaml.safe_load((LOCALITIES / name / f"{each}.yaml").read_text())
        for each in ("plans", "risk", "documents")
    }
    policy = Policy.model_validate(read["plans"])

    told = {each for each in policy.heeds if not each.startswith("incident_")}
    assert told <= read["risk"]["triggers"].keys()
    happened = {f"incident_{each}" for each in IncidentKind}
    assert policy.heeds - told <= happened
    assert policy.actions.keys() <= read["documents"]["words"].keys()
    asked = {e for a in policy.additions.values() for e in a.when.dates}
    assert asked >= {TriggerKind.PRISON_RELEASE, TriggerKind.ORDER_ENDS}
