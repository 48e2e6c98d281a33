"""The rules of intake, of recognising people and of cases. Pure."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from accord_chassis.settings import BadConfiguration, policy_of
from accord_chassis.testing import NOON, new_id
from accord_contracts.message import Lane
from accord_contracts.risk import RiskLevel
from hypothesis import given
from hypothesis.strategies import text
from pydantic import ValidationError
from referrals.domain.amendment import Change
from referrals.domain.case import (
    EPISODES_KEPT,
    PEOPLE_KEPT,
    Case,
    Episode,
    Stage,
    find_case,
    is_repeat,
)
from referrals.domain.feedback import ClosedAs
from referrals.domain.household import Household
from referrals.domain.naming import folded
from referrals.domain.policy import Policy
from referrals.domain.recognition import (
    KEYS_KEPT,
    Person,
    Recognised,
    recognise,
    sightings,
)
from referrals.domain.referral import NoKey
from referrals.domain.telling import DescribedPerson, Telling
from referrals_builders import (
    CHILD,
    HARMED,
    JOHN,
    LOCALITIES,
    MERE,
    OTHER,
    POLICE,
    POLICY,
    RULES,
    USING,
    body,
    case,
    household,
    nhi,
    person,
    plain_id,
    referral,
    telling,
)

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

TWINS = {**MERE, "role": "child", "given_name": "Baby", "date_of_birth": "2026-10-30"}


def broken(told: dict[str, Any]) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as wrong:
        Telling.model_validate(told)
    return [(each["loc"], each["type"]) for each in wrong.value.errors()]


@pytest.mark.parametrize(
    ("told", "loc", "rule"),
    [
        (body(people=[JOHN]), ("people",), "nobody_harmed"),
        (body(people=[]), ("people",), "nobody_harmed"),
        (body(people=[{"role": "person_harmed"}]), ("people", 0), "name_missing"),
        (body(incidents=[]), ("incidents",), "too_short"),
        (body(occurred_at="2026-11-02T09:30:00"), ("occurred_at",), "timezone_aware"),
        (
            body(occurred_at="0001-01-01T00:00:00+13:00"),
            ("occurred_at",),
            "greater_than_equal",
        ),
        (
            body(sharing={"purpose": "fva20_b", "consulted": False}),
            ("sharing",),
            "consulted_or_why_not_safe",
        ),
        (
            body(people=[{**MERE, "identifiers": [nhi("unknown")]}]),
            ("people", 0, "identifiers", 0, "value"),
            "string_pattern_mismatch",
        ),
        (
            body(people=[{**MERE, "identifiers": [nhi("000 0000")]}]),
            ("people", 0, "identifiers", 0, "value"),
            "string_pattern_mismatch",
        ),
        (
            body(people=[{**MERE, "date_of_birth": "1991-02-29"}]),
            ("people", 0, "date_of_birth"),
            "no_such_day",
        ),
        (
            body(people=[{**MERE, "date_of_birth": "1899-12~"}]),
            ("people", 0, "date_of_birth"),
            "before_1900",
        ),
        (
            body(people=[{**MERE, "date_of_birth": "about 1985"}]),
            ("people", 0, "date_of_birth"),
            "string_pattern_mismatch",
        ),
        (body(narrative="x" * 20_001), ("narrative",), "string_too_long"),
        (body(colour="blue"), ("colour",), "extra_forbidden"),
    ],
)
def test_a_telling_that_breaks_a_rule_is_refused_where_it_does(
    told: dict[str, Any], loc: tuple[int | str, ...], rule: str
) -> None:
    assert broken(told) == [(loc, rule)]


def test_a_contact_point_denies_what_is_not_told() -> None:
    told = person(contact_points=[{"channel": "text", "value": "021 000 000"}])

    [point] = told.contact_points
    assert (point.safety, point.leave_message, point.say_who) == (
        "unknown",
        False,
        False,
    )


def test_the_same_answers_in_another_order_are_the_same_telling() -> None:
    one = telling(answers={"injury": "yes", "escalation": "no"})
    other = telling(answers={"escalation": "no", "injury": "yes"})

    assert one.canonical == other.canonical
    assert one.canonical != telling(answers={"injury": "no"}).canonical


def test_what_is_left_out_is_the_same_as_its_default() -> None:
    plain, spelt = telling(), telling(wishes={}, narrative=None, reference=None)

    assert plain.canonical == spelt.canonical


def test_a_key_and_a_reference_never_name_the_same_referral() -> None:
    names = {
        POLICE.names("17", None),
        POLICE.names(None, "17"),
        POLICE.model_copy(update={"agency": "hospital"}).names("17", None),
        POLICE.model_copy(update={"issuer": "urn:other"}).names("17", None),
    }

    assert len(names) == 4
    assert POLICE.names("17", "another") in names
    with pytest.raises(NoKey):
        POLICE.names(None, None)


@pytest.mark.parametrize(
    ("fields", "lane"),
    [
        ({}, Lane.ROUTINE),
        ({"answers": {"strangulation": "yes"}}, Lane.URGENT),
        ({"answers": {"strangulation": "unknown"}}, Lane.ROUTINE),
        ({"answers": {"strangulation": "refused"}}, Lane.ROUTINE),
        ({"answers": {"financial_stress": "yes"}}, Lane.ROUTINE),
        ({"incidents": ["verbal_abuse", "strangulation"]}, Lane.URGENT),
    ],
)
def test_what_was_told_decides_the_lane(fields: dict[str, Any], lane: Lane) -> None:
    posted = referral(**fields)

    hours = POLICY.expected_hours[lane]
    assert posted.lane is lane
    assert posted.expected.assessed_by == NOON + timedelta(hours=hours.assessed)
    assert posted.expected.allocated_by == NOON + timedelta(hours=hours.allocated)
    assert posted.expected.contacted_by == NOON + timedelta(hours=hours.contacted)


BORN_SINCE = {"role": "child", "given_name": "Moana", "date_of_birth": "2026-02-01"}


IN_THE_FUTURE = [
    (("people", 0, "date_of_birth"), "in_the_future"),
    (("people", 0, "date_of_birth"), "born_after_it_happened"),
    (("occurred_at",), "born_after_it_happened"),
]


@pytest.mark.parametrize(
    ("fields", "misfits"),
    [
        ({"occurred_at": NOON + timedelta(seconds=60)}, []),
        (
            {"occurred_at": NOON + timedelta(seconds=61)},
            [(("occurred_at",), "in_the_future")],
        ),
        (
            {"answers": {"escalation": "yes", "shoe_size": "no"}},
            [(("answers", "shoe_size"), "unknown_question")],
        ),
        (
            {"instruments": [{"instrument": "dash", "answers": {"dash_01": "yes"}}]},
            [],
        ),
        (
            {
                "instruments": [
                    {"instrument": "dyra", "total": 3},
                    {"instrument": "tea_leaves", "total": 3},
                    {
                        "instrument": "dash",
                        "answers": {
                            "dash_99": "no",
                            "dash_incidents_in_12_months": "no",
                        },
                        "numbers": {"dash_01": 1},
                    },
                    {"instrument": "lap", "total": 3},
                ]
            },
            [
                (("instruments", 1, "instrument"), "unknown_instrument"),
                (("instruments", 2, "answers", "dash_99"), "unknown_item"),
                (
                    ("instruments", 2, "answers", "dash_incidents_in_12_months"),
                    "answered_otherwise",
                ),
                (("instruments", 2, "numbers", "dash_01"), "answered_otherwise"),
                (("instruments", 3, "total"), "has_no_total"),
            ],
        ),
        # Whoever was harmed was there; a child may have been born since.
        (
            {"occurred_at": "2026-01-01T09:00Z", "people": [MERE, BORN_SINCE]},
            [],
        ),
        (
            {
                "occurred_at": "2026-01-01T09:00Z",
                "people": [{**BORN_SINCE, "role": "person_harmed"}],
            },
            [
                (("people", 0, "date_of_birth"), "born_after_it_happened"),
                (("occurred_at",), "born_after_it_happened"),
            ],
        ),
        # In this year, perhaps before it happened.
        ({"people": [{**MERE, "date_of_birth": "2026"}]}, []),
        ({"people": [{**MERE, "date_of_birth": "2030~"}]}, IN_THE_FUTURE[:1]),
        ({"people": [{**MERE, "date_of_birth": "2027-01"}]}, IN_THE_FUTURE),
        ({"people": [MERE, {**JOHN, "date_of_birth": "2016"}]}, []),
        ({"people": [MERE, {**JOHN, "date_of_birth": "2017~"}]}, []),
        (
            {"people": [MERE, {**JOHN, "date_of_birth": "2017"}]},
            [
                (("people", 1, "role"), "too_young_to_use_violence"),
                (("people", 1, "date_of_birth"), "too_young_to_use_violence"),
            ],
        ),
        # It is the third of November in New Zealand already.
        ({"people": [{**MERE, "date_of_birth": "2026-11-03"}]}, []),
        ({"people": [{**MERE, "date_of_birth": "2026-11-04"}]}, IN_THE_FUTURE),
    ],
)
def test_what_the_locality_cannot_take_is_named(
    fields: dict[str, Any], misfits: list[Any]
) -> None:
    found = POLICY.misfits(telling(**fields), NOON)

    assert [(each.at, each.rule) for each in found] == misfits


TRIAGE = LOCALITIES.parent / "services/risk/src/risk/domain/instruments/triage.yaml"


@pytest.mark.parametrize("name", [each.name for each in LOCALITIES.iterdir()])
def test_every_locality_takes_what_its_risk_policy_weighs_or_keeps(name: str) -> None:
    taken = policy_of(Policy, LOCALITIES / name, "referrals").instruments
    risk = yaml.safe_load((LOCALITIES / name / "risk.yaml").read_text())
    held = {
        key: yaml.safe_load((TRIAGE.parent / f"{key}.yaml").read_text())
        for key in risk["instruments"]
    }
    filled_in = {key: told for key, told in held.items() if not told.get("asked")}

    assert set(taken) == set(filled_in)
    for key, told in filled_in.items():
        asked = told.get("items", {})
        items = {k: (each or {}).get("most", 1) for k, each in asked.items()}
        yes_or_no = {k for k, most in items.items() if most == 1}
        assert taken[key].items == yes_or_no.union(told.get("applies_if", ()))
        assert taken[key].numbers == {k for k, most in items.items() if most > 1}
        assert taken[key].total == ("total" in told or told.get("evidence_only", False))


INCIDENT = "incident_"
"""Before what is a trigger because it happened, not because it was answered."""


@pytest.mark.parametrize("name", [each.name for each in LOCALITIES.iterdir()])
def test_every_locality_asks_what_its_risk_policy_weighs(name: str) -> None:
    policy = policy_of(Policy, LOCALITIES / name, "referrals")
    risk = yaml.safe_load((LOCALITIES / name / "risk.yaml").read_text())
    triage = yaml.safe_load(TRIAGE.read_text())
    high = {key for key, level in risk["triggers"].items() if level == "high"}

    assert set(policy.questions) == set(triage["items"])
    told = {key for key in high if key.startswith(INCIDENT)}
    assert policy.urgent_answers >= high - told
    assert policy.urgent_incidents >= {key.removeprefix(INCIDENT) for key in told}
    assert policy.version.startswith(name)


@pytest.mark.parametrize("name", [each.name for each in LOCALITIES.iterdir()])
def test_every_locality_tells_agencies_what_its_plans_can_tell(name: str) -> None:
    policy = policy_of(Policy, LOCALITIES / name, "referrals")
    plans = yaml.safe_load((LOCALITIES / name / "plans.yaml").read_text())

    told = [each for some in policy.feedback.closed_as.values() for each in some]
    assert sorted(told) == sorted(plans["closing_reasons"])
    actions = policy.feedback.contact_actions
    assert actions <= set(plans["actions"])
    within = {
        level: max(told["mandatory"][each]["within_hours"] for each in actions)
        for level, told in plans["levels"].items()
    }
    urgent = policy.expected_hours[Lane.URGENT]
    routine = policy.expected_hours[Lane.ROUTINE]
    assert urgent.contacted >= urgent.assessed + within["high"]
    assert routine.contacted >= routine.assessed + max(within.values())


TOLD_BACK = {
    "told_of_stages": {"urgent": 2, "routine": 27},
    "contact_actions": ["safe_contact"],
    "closed_as": {"completed": ["a", "b"], "ended": ["c", "d"]},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"urgent_answers": ["shoe_size"]}, "shoe_size: not a question"),
        ({"questions": ["injury", "injury"], "urgent_answers": []}, "stands twice"),
        (
            {
                "expected_hours": {
                    "urgent": {"assessed": 1, "allocated": 2, "contacted": 3}
                }
            },
            "expected_hours lacks routine",
        ),
        (
            {
                "expected_hours": {
                    "urgent": {"assessed": 3, "allocated": 4, "contacted": 5},
                    "routine": {"assessed": 2, "allocated": 4, "contacted": 5},
                }
            },
            "urgent may not be slower",
        ),
        (
            {
                "expected_hours": {
                    "routine": {"assessed": 3, "allocated": 2, "contacted": 4}
                }
            },
            "nothing is allocated before it is assessed",
        ),
        (
            {
                "expected_hours": {
                    "routine": {"assessed": 1, "allocated": 2, "contacted": 1}
                }
            },
            "nobody is reached before",
        ),
        (
            {"feedback": {**TOLD_BACK, "closed_as": {"completed": ["a", "b"]}}},
            "closed_as lacks ended",
        ),
        (
            {
                "feedback": {
                    **TOLD_BACK,
                    "closed_as": {"completed": ["a", "b"], "ended": ["died"]},
                }
            },
            "ended tells the one reason",
        ),
        (
            {
                "feedback": {
                    **TOLD_BACK,
                    "closed_as": {"completed": ["a", "b"], "ended": ["b", "c"]},
                }
            },
            "b stands twice",
        ),
        (
            {"feedback": {**TOLD_BACK, "told_of_stages": {"urgent": 2}}},
            "told_of_stages lacks routine",
        ),
        (
            {"feedback": {**TOLD_BACK, "told_of_stages": {"urgent": 2, "routine": 26}}},
            "routine is before a new family's case is allocated",
        ),
        ({"quality": {"late_hours": {"urgent": 1}}}, "late_hours lacks routine"),
        ({"colour": "blue"}, "colour"),
        ({"time_zone": "Nowhere"}, "time_zone: "),
        ({"contacts": {"time_zone": "Pacific/Auckland"}}, "say time_zone once"),
    ],
)
def test_a_wrong_policy_stops_the_start_with_one_sentence(
    tmp_path: Any, change: dict[str, Any], said: str
) -> None:
    path = LOCALITIES / "canterbury" / "referrals.yaml"
    fields = {**yaml.safe_load(path.read_text()), **change}
    (tmp_path / "referrals.yaml").write_text(yaml.safe_dump(fields))

    with pytest.raises(BadConfiguration, match=said):
        policy_of(Policy, tmp_path, "referrals")


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Tāmihana", "TAMIHANA"),
        ("  Anne-Marie ", "anne marie"),
        ("Anne\u2010Marie", "Anne  Marie"),
        ("O\u2019Brien", "O'Brien"),
        ("O\u00b4Brien", "OBrien"),
        ("\u210ben\u0113", "Hene"),
        ("Mt. Eden", "mt eden"),
        ("ﬁona", "FIONA"),
        ("Strauß", "STRAUSS"),
        ("T\u0101ne", "Ta\u0304ne"),
    ],
)
def test_names_compare_without_case_macrons_and_punctuation(
    name: str, same: str
) -> None:
    assert folded(name) == folded(same)


@given(text())
def test_a_name_that_is_folded_is_not_folded_further(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({}, ("name:tamihana|mere|1991-03-07",)),
        (
            {"identifiers": [nhi("zzz 00-16")]},
            ("nhi:zzz0016", "name:tamihana|mere|1991-03-07"),
        ),
        ({"date_of_birth": None}, ()),
        ({"date_of_birth": "1991"}, ()),
        ({"date_of_birth": "1991-03"}, ()),
        ({"date_of_birth": "1991-03-07~"}, ()),
        ({"given_name": None}, ()),
        ({"given_name": "Baby"}, ()),
        ({"family_name": "UNKNOWN"}, ()),
        ({"given_name": "-"}, ()),
        (
            {
                "identifiers": [{"system": "loyalty_card", "value": "12"}],
                "given_name": None,
            },
            (),
        ),
    ],
)
def test_a_person_is_recognised_by_codes_and_by_a_whole_name_with_a_birthday(
    fields: dict[str, Any], keys: tuple[str, ...]
) -> None:
    assert RULES.keys_of(person(**fields)) == keys


def met(*people: dict[str, Any], known: tuple[Person, ...] = ()) -> Recognised:
    described = [DescribedPerson.model_validate(each) for each in people]
    held = {key: each for each in known for key in each.keys}
    seen = sightings(new_id(), described, RULES, blind=str, id_of=plain_id)
    return recognise(seen, held, NOON)


def known_as(*described: dict[str, Any]) -> Person:
    [known] = met({**MERE, **described[0]}).changed
    return known.model_copy(update={"version": 1})


def test_nobody_known_makes_new_people() -> None:
    found = met(MERE, JOHN)

    assert len({*found.ids}) == 2
    assert [each.id for each in found.changed] == [*found.ids]
    assert {each.version for each in found.changed} == {0}


def test_a_known_person_of_whom_nothing_new_is_learned_does_not_change() -> None:
    mere = known_as({})

    found = met({**MERE, "family_name": "TAMIHANA"}, known=(mere,))

    assert found == Recognised((mere.id,), ())


def test_a_new_key_is_learned() -> None:
    mere = known_as({})

    found = met({**MERE, "identifiers": [nhi("ZZZ0016")]}, known=(mere,))

    assert found.ids == (mere.id,)
    assert found.changed == (mere.learn(["nhi:zzz0016"]),)


def test_an_identifier_beats_a_name_and_two_known_people_stay_two() -> None:
    by_code = known_as({"given_name": None, "identifiers": [nhi("ZZZ0016")]})
    by_name = known_as({})

    found = met({**MERE, "identifiers": [nhi("ZZZ0016")]}, known=(by_code, by_name))

    assert found == Recognised((by_code.id,), ())


def test_the_first_of_two_identifiers_decides() -> None:
    one = known_as({"given_name": None, "identifiers": [nhi("ZZZ0016")]})
    passport = {"system": "passport", "value": "LA123456"}
    two = known_as({"given_name": None, "identifiers": [passport]})

    found = met({**MERE, "identifiers": [passport, nhi("ZZZ0016")]}, known=(one, two))

    assert found.ids == (two.id,)
    [changed] = found.changed
    assert "nhi:zzz0016" not in changed.keys


def test_the_same_name_with_another_code_is_somebody_else() -> None:
    mere = known_as({"identifiers": [nhi("ZZZ0016")]})

    found = met({**MERE, "identifiers": [nhi("ZZZ0024")]}, known=(mere,))

    assert found.ids != (mere.id,)
    [new] = found.changed
    assert new.keys == ("nhi:zzz0024",)


def test_one_person_described_twice_is_one_person() -> None:
    found = met(MERE, JOHN, {**MERE, "role": "other"})

    assert found.ids[0] == found.ids[2] != found.ids[1]
    assert len(found.changed) == 2


def test_people_whom_nothing_tells_apart_are_new_each_time() -> None:
    found = met(TWINS, TWINS)

    assert len({*found.ids}) == 2
    assert all(each.keys == (f"alone:{each.id}",) for each in found.changed)


def test_a_person_is_not_known_by_ever_more_keys() -> None:
    mere = known_as({}).learn(f"driver_licence:{each}" for each in range(100))

    assert len(mere.keys) == KEYS_KEPT
    assert mere.learn(["nhi:zzz0016"]).keys == mere.keys


A, B, C, D = (f"{each}000" for each in "abcd")
COUPLE = household((A, HARMED), (B, USING), (C, CHILD))


def test_a_pair_joins_its_case_whoever_was_harmed_this_time() -> None:
    held, other = case(COUPLE), case(household((A, HARMED), (D, USING)))

    assert find_case([other, held], COUPLE) is held
    assert find_case([held], household((B, HARMED), (A, USING))) is held


def test_of_several_cases_with_a_pair_the_oldest_is_joined() -> None:
    old = case(COUPLE, opened_at=NOON - DAY)
    young = case(household((A, HARMED), (D, USING)))
    both = household((A, HARMED), (B, USING), (D, USING))

    assert find_case([young, old], both) is old


def test_the_person_harmed_joins_their_only_case_and_the_pair_is_added() -> None:
    held = case(COUPLE)
    new = household((A, HARMED), (D, USING))

    found = find_case([held], new)
    assert found is held
    joined, _ = held.join(new_id(), new, ())
    assert [(each.harmed, each.using_violence) for each in joined.pairs] == [
        (A, B),
        (A, D),
    ]
    assert f"{A}:{D}" in joined.keys


@pytest.mark.parametrize(
    ("cases", "new"),
    [
        # Nobody has a case.
        ([], COUPLE),
        # The person harmed is in two cases, neither of them with this pair.
        ([case(COUPLE), case(COUPLE)], household((A, HARMED), (D, USING))),
        # A child of one case is harmed by a partner of their own.
        ([case(COUPLE)], household((C, HARMED), (D, USING))),
        # One who used violence is harmed by somebody else.
        ([case(COUPLE)], household((B, HARMED), (D, USING))),
    ],
)
def test_without_a_pair_or_an_only_case_a_case_is_opened(
    cases: list[Case], new: Any
) -> None:
    assert find_case(cases, new) is None


def test_nobody_is_a_pair_with_themselves() -> None:
    assert household((A, HARMED), (A, USING), (B, USING)).couples == {f"{A}:{B}"}


def test_a_case_claims_its_couples_and_whoever_has_no_other_case() -> None:
    first = case(COUPLE)
    second, _ = Case(id=new_id(), opened_at=NOON).join(
        new_id(), household((A, HARMED), (B, USING), (D, USING)), [first]
    )

    assert {*first.keys} == {A, f"{A}:{B}"}
    assert {*second.keys} == {f"{A}:{D}"}


def test_a_case_that_may_claim_nothing_is_its_own_key() -> None:
    first = case(COUPLE)

    second, _ = Case(id=new_id(), opened_at=NOON).join(new_id(), COUPLE, [first])

    assert second.keys == (second.id,)


NIGHT = timedelta(hours=12)


@pytest.mark.parametrize(
    ("after", "repeat"),
    [
        (365 * DAY, True),
        (365 * DAY + timedelta(milliseconds=1), False),
        (timedelta(), True),
        (-DAY, True),
    ],
)
def test_the_same_pair_within_a_year_is_a_repeat(
    after: timedelta,
    repeat: bool,  # noqa: FBT001 - A table's column.
) -> None:
    again = household((A, HARMED), (B, USING), at=NOON + after)

    assert is_repeat([case(COUPLE)], again, {}, NIGHT) is repeat


@pytest.mark.parametrize(
    "again",
    [
        household((A, HARMED), (D, USING)),
        household((B, HARMED), (A, USING)),
        household((A, HARMED)),
    ],
)
def test_another_pair_is_no_repeat(again: Any) -> None:
    assert not is_repeat([case(COUPLE)], again, {}, NIGHT)


def test_a_repeat_counts_from_the_latest_referral() -> None:
    later = household((A, HARMED), (B, USING), at=NOON + 300 * DAY)
    again = household((A, HARMED), (B, USING), at=NOON + 600 * DAY)

    assert is_repeat([case(COUPLE, later)], again, {}, NIGHT)
    assert is_repeat([case(later, COUPLE)], again, {}, NIGHT)


HOUR = timedelta(hours=1)


def told(agency: str, hours: float) -> Household:
    return household((A, HARMED), (B, USING), at=NOON + hours * HOUR, agency=agency)


@pytest.mark.parametrize(
    ("tellings", "repeats"),
    [
        # One night, told by two and by three.
        ([("police", 0), ("hospital", 12)], 0),
        ([("police", 0), ("hospital", 3), ("school", 9)], 0),
        # The next night.
        ([("police", 0), ("hospital", 12.5)], 1),
        # One agency tells of two that happened, and another of one of them.
        ([("police", 0), ("police", 2)], 1),
        ([("police", 0), ("police", 2), ("hospital", 1)], 1),
        # The night is told by two, and it came again.
        ([("police", 0), ("hospital", 3), ("police", 300), ("school", 301)], 1),
        # An old one that is told of late is none of the past year.
        ([("police", 0), ("hospital", -24 * 366)], 0),
    ],
)
def test_what_two_agencies_tell_of_one_incident_is_no_repeat_in_any_order(
    tellings: list[tuple[str, float]], repeats: int
) -> None:
    for order in itertools.permutations(told(*each) for each in tellings):
        held = Case(id=new_id(), opened_at=NOON)
        found = 0
        for each in order:
            found += is_repeat([held], each, {}, NIGHT)
            held, _ = held.join(each.told.referral_id, each, ())
        assert found == repeats


def test_of_a_pair_the_latest_tellings_are_kept_each_once() -> None:
    many = [told("police", hours) for hours in range(40)]
    pair = many[0].pairs[0]
    for each in (*many, *many):
        pair = pair.with_told(each.pairs[0].told)

    assert [each.occurred_at for each in pair.told] == [
        NOON + hours * HOUR for hours in range(20, 40)
    ]


def test_a_family_that_is_referred_hundreds_of_times_stays_bounded() -> None:
    held = Case(id=new_id(), opened_at=NOON)
    first = new_id()
    held, _ = held.join(first, COUPLE, ())
    left = []
    for day in range(348):
        stranger = new_id()
        held, gone = held.join(
            new_id(),
            household((A, HARMED), (B, USING), (stranger, OTHER), at=NOON + day * DAY),
            (),
        )
        left.append(gone)

    assert len(held.episodes) == EPISODES_KEPT
    assert len(held.people) == PEOPLE_KEPT
    assert {*held.keys} == {A, f"{A}:{B}"}
    assert next(each for each in left if each).referral_id == first


def test_a_closed_episode_leaves_first() -> None:
    held = Case(id=new_id(), opened_at=NOON)
    ids = [new_id() for _ in range(EPISODES_KEPT)]
    for each in ids:
        held, _ = held.join(each, COUPLE, ())
    episodes = list(held.episodes)
    episodes[7] = episodes[7].reached(Stage.CLOSED, NOON)

    _, left = held.with_episodes(episodes).join(new_id(), COUPLE, ())

    assert left == episodes[7]


def test_pairs_of_people_who_are_let_go_are_let_go() -> None:
    held = case(household((A, HARMED), (D, USING)))

    for _ in range(4):
        strangers = [(new_id(), OTHER) for _ in range(29)]
        held, _ = held.join(new_id(), household((A, HARMED), *strangers), ())

    assert held.pairs == ()
    assert held.keys == (A,)


def at(minutes: int) -> datetime:
    return NOON + minutes * MINUTE


def test_a_stage_is_written_once_with_its_first_time() -> None:
    begun = Episode(referral_id=new_id(), received_at=NOON)

    reached = begun.reached(Stage.ASSESSED, at(5)).reached(Stage.ASSESSED, at(9))

    assert (reached.assessed_at, reached.stage) == (at(5), Stage.ASSESSED)
    assert reached.reached(Stage.ASSESSED, at(4)).assessed_at == at(4)


STEPS: dict[str, Callable[[Case, str], Case]] = {
    "assess": lambda case, only: case.assess(only, RiskLevel.HIGH, at(1), revision=1),
    "staff": lambda case, _: case.staff(at(2)),
    "staff again": lambda case, _: case.staff(at(3)),
    "agree": lambda case, _: case.agree(at(4)),
    "contact": lambda case, _: case.contact(at(5)),
    "close": lambda case, _: case.close(at(6), ClosedAs.COMPLETED),
}


def test_stages_told_in_any_order_and_twice_end_the_same() -> None:
    begun = case(COUPLE)
    [only] = begun.episodes
    endings = set()
    for order in itertools.permutations(STEPS):
        held = begun
        for step in (*order, *order):
            held = STEPS[step](held, only.referral_id)
        endings.add(held.model_dump_json())

    assert len(endings) == 1
    [episode] = held.episodes
    assert episode.stage is Stage.CLOSED
    times = [NOON, *map(at, (1, 2, 4, 5, 6))]
    assert [episode.at(each) for each in Stage] == times
    assert episode.closed_as is ClosedAs.COMPLETED


def test_what_tells_nothing_new_changes_nothing() -> None:
    held = case(COUPLE)
    [only] = held.episodes
    for step in STEPS.values():
        held = step(held, only.referral_id)

    assert all(step(held, only.referral_id) is held for step in STEPS.values())


def test_whoever_works_on_the_case_works_on_its_next_referral_too() -> None:
    held = case(COUPLE).staff(at(2))
    again = new_id()
    held, _ = held.join(again, household((A, HARMED), (B, USING), at=at(10)), ())

    waiting = held.episode(again)
    assessed = held.assess(again, RiskLevel.LOW, at(11), revision=1).episode(again)

    assert waiting
    assert waiting.stage is Stage.RECEIVED
    assert assessed
    assert assessed.allocated_at == at(11)


def test_no_agency_sees_a_stage_before_its_hour_nor_that_it_was_earlier() -> None:
    [held] = case(COUPLE).episodes
    early = held.reached(Stage.ASSESSED, at(1)).reached(Stage.ALLOCATED, at(2))
    closed = early.reached(Stage.CONTACT_MADE, at(9)).ended(at(3), ClosedAs.ENDED)

    before, then = (closed.told(at(8), at(minute)) for minute in (7, 9))

    assert (before.stage, before.assessed_at) == (Stage.ASSESSED, at(1))
    assert before.closed_as is None
    assert (then.assessed_at, then.allocated_at) == (at(1), at(8))
    assert (then.being_acted_on_at, then.contact_made_at) == (None, at(9))
    assert (then.closed_at, then.closed_as) == (at(8), ClosedAs.ENDED)


def test_made_urgent_afterwards_a_referral_is_told_of_no_sooner() -> None:
    posted = referral()
    change = Change(id=new_id(), fingerprint="f", at=at(1), by="desk")

    urgent = posted.amended(
        telling(answers={"threat_to_kill": "yes"}), change, by=POLICY
    )

    assert urgent.lane is Lane.URGENT
    assert urgent.told_from == posted.told_from


def test_closing_ends_what_was_referred_until_then_and_no_more() -> None:
    held = case(COUPLE, household((A, HARMED), (B, USING), at=at(20))).staff(at(2))

    closed = held.close(at(10))

    first, second = closed.episodes
    assert (first.stage, second.stage) == (Stage.CLOSED, Stage.ALLOCATED)
    assert closed.staffed_since is None


def test_who_was_reached_before_is_not_reached_for_what_was_referred_since() -> None:
    held = case(COUPLE, household((A, HARMED), (B, USING), at=at(20)))

    first, second = held.contact(at(10)).episodes

    assert (first.stage, second.stage) == (Stage.CONTACT_MADE, Stage.RECEIVED)


def test_closed_again_it_is_told_as_it_was_first() -> None:
    held = case(COUPLE).close(at(5), ClosedAs.COMPLETED).close(at(9), ClosedAs.ENDED)

    assert [each.closed_as for each in held.episodes] == [ClosedAs.COMPLETED]


def test_a_late_acceptance_does_not_staff_a_case_that_was_closed() -> None:
    held = case(COUPLE).close(at(10)).staff(at(9))
    again = new_id()
    held, _ = held.join(again, household((A, HARMED), (B, USING), at=at(20)), ())

    episode = held.assess(again, RiskLevel.LOW, at(21), revision=1).episode(again)

    assert episode
    assert episode.stage is Stage.ASSESSED


def test_the_level_last_told_holds_however_late_an_older_one_comes() -> None:
    held = case(COUPLE)

    held = held.assess(None, RiskLevel.HIGH, at(9), revision=2)
    held = held.assess(None, RiskLevel.LOW, at(5), revision=1)

    assert (held.level, held.level_version) == (RiskLevel.HIGH, 2)


def test_a_referral_weighed_last_tells_the_level_though_it_is_the_older_one() -> None:
    held = case(COUPLE)

    held = held.assess(None, RiskLevel.LOW, at(9), revision=1)
    held = held.assess(None, RiskLevel.HIGH, at(5), revision=2)

    assert held.level is RiskLevel.HIGH


def test_times_before_the_store_could_keep_them_are_refused() -> None:
    early = datetime(1899, 12, 31, tzinfo=UTC)

    assert broken(body(occurred_at=early.isoformat()))


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("2021-11-03", 4),
        ("2021-11-02", 5),
        ("2021", 4),
        ("2021-11", 4),
        ("2021-10", 5),
        ("2026-12-24", 0),
        ("2021~", None),
        (None, None),
    ],
)
def test_a_child_is_as_young_as_it_may_have_been_when_it_happened(
    born: str | None, age: int | None
) -> None:
    child = {"role": "child", "given_name": "Ana", "family_name": "Carter"}
    child |= {"date_of_birth": born} if born else {}
    ids = tuple(new_id() for _ in range(3))

    told = referral(people=[MERE, JOHN, child]).recognised(ids).parties

    assert [each.age for each in told] == [None, None, age]
