"""What another policy would make of cases, and how well levels told what came."""

import asyncio
import json
import pickle
from collections import Counter
from datetime import datetime, timedelta
from math import log, sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import pytest
from accord.deployment import Deployment
from accord.faults import CannotGoOn
from accord.main import app
from accord.rescoring import (
    document,
    follow_heads,
    follow_rows,
    of_file,
    parts_of,
    role_rows,
    rows,
    run,
    run_stored,
    versions,
    weigh_part,
    written,
)
from accord_chassis.development.backing import Backing
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Role
from accord_contracts.cells import LEAST_CELL
from accord_contracts.referrals import (
    IncidentKind,
    Party,
    PersonRole,
    Relationship,
    TriggerKind,
)
from accord_contracts.risk import RiskLevel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from risk.domain.ahead import Ahead
from risk.domain.assessment import Assessment
from risk.domain.form import Form
from risk.domain.judgement.acts import look_anew
from risk.domain.judgement.record import Contact
from risk.domain.policy import Policy
from risk.domain.reassessment import Reassessment
from risk.domain.simulation import ALL, HELD, Tally, groups_of, simulate
from risk.domain.simulation import together as put_together
from risk.domain.tellable import MOVES, tellable
from risk.domain.telling import Telling
from risk.domain.validity import (
    LEAST_OUTCOMES,
    Counts,
    assess,
    counted,
    held_at,
    together,
    wilson,
)
from risk.handlers import assess_referral
from risk.plot import svg
from risk.store import Assessments
from risk_builders import LOCALITIES, POLICY, answers, policy, referral
from typer.testing import CliRunner

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
DAY = timedelta(days=1)
TIERS = POLICY.model_dump(mode="json")["tiers"]
SHARPER = policy(
    version="test-sharper",
    tiers=[{**TIERS[0], "triggers": ["prior_violence"]}, *TIERS[1:]],
    instruments={"triage": {"cutoffs": {"medium": 3}}},
    reassess_hours={"low": 168, "medium": 168, "high": 72, "extreme": 72},
)


def case(
    *yes: str, referred: tuple[datetime, ...] = (NOON,), **groups: str
) -> Assessment:
    """A case, referred at these times with these questions answered with yes."""
    held = Assessment.new(new_id(), NOON)
    for at in referred:
        telling = Telling(
            occurred_at=at,
            received_at=at,
            incidents=frozenset({IncidentKind.VERBAL_ABUSE}),
            answers=answers(*yes),
            people={},
        )
        held = held.told(new_id(), telling)
        held = held.weigh(telling.answers, telling.incidents, POLICY, at)
        held = held.model_copy(update={"version": held.version + 1})
    return held.model_copy(update={"groups": groups})


def test_it_says_how_levels_clocks_and_overdue_reviews_would_move() -> None:
    light, grave = case("prior_violence"), case("threat_to_kill")
    closed = case().model_copy(update={"reassessment": Reassessment.STOPPED})

    report = simulate([light, grave, closed], [POLICY, SHARPER], NOON + 8 * DAY)
    now, then = report[POLICY.version][ALL], report[SHARPER.version][ALL]
    before = report[HELD][ALL]

    assert now.moves == Counter({(LOW, LOW): 2, (HIGH, HIGH): 1})
    assert then.moves == Counter({(LOW, LOW): 1, (LOW, MEDIUM): 1, (HIGH, HIGH): 1})
    assert before.moves == now.moves
    assert before.reassessments_a_week == pytest.approx(now.reassessments_a_week)
    assert now.reassessments_a_week == pytest.approx(168 / 1440 + 1)
    assert then.reassessments_a_week == pytest.approx(1 + 168 / 72)
    assert (now.due, now.overdue) == (0, 1)
    assert (then.due, then.overdue) == (0, 2)
    assert (before.due, before.overdue) == (0, 0), "nobody was called yet"
    specialist = "independent_victim_specialist"
    assert [each.roles[specialist] for each in (before, now, then)] == [1, 1, 2]
    assert before.tiers == now.tiers == Counter({"low": 1, "high": 1})
    assert then.tiers == Counter({"extreme": 1, "high": 1})
    intensive, triage = "intensive_case_management", "daily_triage"
    for each in (before, now):
        assert (each.at_meeting(intensive), each.at_meeting(triage)) == (1, 0)
        assert each.meeting_a_week(intensive) == pytest.approx(1)
    assert then.meeting_a_week(intensive) == pytest.approx(168 / 72)
    assert then.meeting_a_week(triage) == pytest.approx(1)


HAPPENS = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(["referral", "answer", "look", "no contact", "urged"]),
        st.sampled_from(["escalation", "strangulation", "prior_violence"]),
    ),
    max_size=6,
)


@given(HAPPENS, st.integers(0, 40))
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_the_policy_in_force_finds_due_and_overdue_what_is_held_so(
    happens: list[tuple[int, str, str]], last: int
) -> None:
    at = NOON
    held = case()
    for days, kind, yes in happens:
        at += days * DAY
        held = swept(after(swept(held, at), kind, yes, at), at)
    at += last * DAY
    held = swept(held, at)

    report = simulate([held], [POLICY], at)

    now, then = report[HELD][ALL], report[POLICY.version][ALL]
    assert (then.due, then.overdue) == (now.due, now.overdue)


def swept(held: Assessment, at: datetime) -> Assessment:
    """A case whose people were called as often as its clock said."""
    while held.due_at and held.due_at <= at:
        held = held.fall_due(POLICY)
    return held


def after(held: Assessment, kind: str, yes: str, at: datetime) -> Assessment:
    """A case in which something has happened."""
    said = answers(yes)
    match kind:
        case "referral":
            telling = Telling(
                occurred_at=at,
                received_at=at,
                asked_at=at,
                incidents=frozenset({IncidentKind.VERBAL_ABUSE}),
                answers=said,
                people={},
            )
            told = held.told(new_id(), telling)
            new = told.weigh(said, telling.incidents, POLICY, at, begins=True)
        case "answer":
            new = held.weigh(said, frozenset(), POLICY, at)
        case "urged":
            new = held.due_now(at)
        case _:
            contact = Contact.REMOTE if kind == "look" else Contact.NONE
            new = look_anew(held, said, contact, by="anne", policy=POLICY, at=at)
    return new.model_copy(update={"version": held.version + 1})


def test_what_would_be_found_lower_keeps_its_clock() -> None:
    held = case("threat_to_kill").model_copy(update={"level": EXTREME})

    tally = simulate([held], [POLICY], NOON)[POLICY.version][ALL]

    assert tally.moves == Counter({(EXTREME, HIGH): 1})
    assert tally.reassessments_a_week == pytest.approx(168 / 72)


def test_a_date_comes_near_as_the_new_version_has_it() -> None:
    release = Ahead(
        kind=TriggerKind.PRISON_RELEASE,
        happens_at=NOON + 40 * DAY,
        near_from=NOON + 12 * DAY,
        revision=1,
    )
    held = case("escalation").foresee(new_id(), release)
    leads = {each: {"days": 40} for each in TriggerKind}
    sooner = policy(version="test-sooner", ahead=leads)

    report = simulate([held], [POLICY, sooner], NOON)

    assert report[POLICY.version][ALL].moves[held.level, MEDIUM] == 0
    assert report["test-sooner"][ALL].moves[held.level, MEDIUM] == 1


@pytest.mark.parametrize(
    "gone",
    [{"transferred_at": NOON}, {"mistaken_at": NOON}, {"merged_into": new_id()}],
    ids=lambda each: next(iter(each)),
)
def test_what_is_not_the_localitys_own_or_nobodys_counts_not(
    gone: dict[str, Any],
) -> None:
    report = simulate([case().model_copy(update=gone)], [POLICY], NOON)

    assert [dict(each) for each in report.values()] == [{}, {}]


def test_a_child_of_a_merged_case_counts_in_its_survivor() -> None:
    share = case().share().model_copy(update={"child": True})
    held = case().model_copy(update={"shares": {new_id(): share}})

    assert ("children", "yes") in groups_of(held)


def test_how_they_are_related_is_what_was_referred_until_she_says_otherwise() -> None:
    held = case()
    for day, relationship in ((2, Relationship.FORMER_PARTNER), (1, None)):
        at = NOON + day * DAY
        telling = Telling(
            occurred_at=at,
            received_at=at,
            incidents=frozenset(),
            answers={},
            people={},
            relationship=relationship,
        )
        held = held.told(new_id(), telling)

    assert ("relationship", "former_partner") in groups_of(held)
    said = held.model_copy(update={"groups": {"relationship": "partner"}})
    assert ("relationship", "partner") in groups_of(said)
    assert ("relationship", "former_partner") not in groups_of(said)


async def test_a_referral_tells_how_they_are_related(assessments: Assessments) -> None:
    party = Party(
        person_id=new_id(),
        role=PersonRole.PERSON_HARMED,
        relationship=Relationship.CARER,
    )
    message = referral(parties=(party,))

    await assess_referral(message, assessments=assessments, policy=POLICY)

    held = await assessments.get(message.data.case_id)
    assert held
    assert ("relationship", "carer") in groups_of(held)


def test_of_a_tier_and_a_meeting_with_few_cases_nothing_is_told() -> None:
    many = [case("threat_to_kill") for _ in range(LEAST_CELL)]
    rest = [case() for _ in range(LEAST_CELL)]
    one = case().model_copy(update={"level": EXTREME})

    few = run([POLICY], iter([*many, *rest, one]), NOON)
    none = run([POLICY], iter([*many, *rest]), NOON)

    assert few[POLICY.version][ALL].tiers == {"high": 10, "low": 10}
    assert few[POLICY.version][ALL].meetings == {"intensive_case_management": 10}
    assert follow_heads(few) == (
        "version", "group", "tier high", "tier low", "intensive_case_management a week"
    )  # fmt: skip
    assert follow_rows(few)[0] == (HELD, "all", "10", "10", "10")
    for name in (HELD, POLICY.version):
        assert few[name][ALL].tiers == none[name][ALL].tiers
        assert few[name][ALL].meetings == none[name][ALL].meetings


def test_a_file_of_cases_is_weighed_by_group_before_and_after(tmp_path: Path) -> None:
    few = [case(ethnicity="asian") for _ in range(9)]
    some = [case("threat_to_kill", ethnicity="maori") for _ in range(20)]
    some += [case(ethnicity="maori") for _ in range(10)]
    many = [case("threat_to_kill", ethnicity="european") for _ in range(30)]
    plain = [case(ethnicity="european") for _ in range(40)]
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(written(each) for each in (*few, *some, *many, *plain)))
    read = versions([LOCALITIES / "canterbury/risk.yaml"])

    report = run(read, of_file(file), NOON)

    assert list(report) == [HELD, POLICY.version]
    for groups in report.values():
        assert groups[ALL].cases == 109
        assert groups[ALL].found == {LOW: 59, MEDIUM: 0, HIGH: 50, EXTREME: 0}
        assert ("ethnicity", "asian") not in groups
        # 109 - 70 - 30 would tell of the nine.
        assert ("ethnicity", "maori") not in groups
        assert groups["ethnicity", "european"].found[HIGH] == 30
    assert rows(report)[0][:3] == (HELD, "all", "109")
    told = json.loads(json.dumps(document(report)))[POLICY.version][0]
    assert told["moves"] == [
        {"held": "high", "found": "high", "cases": 50},
        {"held": "low", "found": "low", "cases": 59},
    ]
    assert told["roles"]["independent_victim_specialist"] == 50
    assert (told["higher"], told["due"], told["reassessments_a_week"]) == (0, 0, 60)


def test_nobody_and_a_few_for_a_role_are_told_alike() -> None:
    rest = [case() for _ in range(LEAST_CELL)]

    nobody = run([POLICY], iter(rest), NOON)
    few = run([POLICY], iter([*rest, case("threat_to_kill")]), NOON)

    for name in (HELD, POLICY.version):
        assert nobody[name][ALL].roles == few[name][ALL].roles
        assert nobody[name][ALL].roles.keys() == {*Role}


def test_of_fewer_cases_than_may_be_told_nothing_is() -> None:
    report = run([POLICY], iter([case() for _ in range(LEAST_CELL - 1)]), NOON)

    assert report == {HELD: {}, POLICY.version: {}}
    assert (rows(report), role_rows(report)) == ([], [])


def test_a_move_of_one_case_is_not_told_and_not_had_from_the_others() -> None:
    moved = [case("threat_to_kill").model_copy(update={"level": EXTREME})]
    rest = [case("threat_to_kill") for _ in range(30)] + [case() for _ in range(40)]

    report = run([POLICY], iter([*moved, *rest]), NOON)

    now, then = report[HELD][ALL], report[POLICY.version][ALL]
    assert then.moves[EXTREME, HIGH] is then.moves[HIGH, HIGH] is None
    assert then.moves[LOW, LOW] == now.moves[LOW, LOW] == 40
    assert now.moves[EXTREME, EXTREME] is now.moves[HIGH, HIGH] is None
    assert (then.lower, then.found[HIGH], now.found[HIGH]) == (None, None, None)
    assert then.found[LOW] == 40
    assert "few" in rows(report)[1]
    assert then.reassessments_a_week % LEAST_CELL == 0


TALLIES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(MOVES), st.integers(1, 30), min_size=1),
    min_size=1,
)


@settings(deadline=None)
@given(TALLIES)
def test_what_is_left_out_is_nothing_or_no_small_cell(
    given_: dict[str, dict[tuple[RiskLevel, RiskLevel], int]],
) -> None:
    """Also level by level, for how many are held at each is the same for any version.

    And in what is left of the whole beside the groups that are told.
    """
    made = {
        ("some", each): Tally(sum(moves.values()), Counter(moves))
        for each, moves in given_.items()
    }
    whole = Tally()
    for each in made.values():
        whole.add(each)

    told = tellable({"x": {**made, ALL: whole}})["x"]

    if not told:
        assert whole.cases < LEAST_CELL
        return
    left, rows_ = Counter(whole.moves), [(told[ALL], whole.moves)]
    for key in told.keys() - {ALL}:
        left.subtract(made[key].moves)
        rows_.append((told[key], made[key].moves))
    assert not 0 < left.total() < LEAST_CELL
    shown = next((told[e] for e in told.keys() - {ALL}), told[ALL])
    for one, moves in [*rows_, (shown, left)]:
        assert not any(0 < moves[m] < LEAST_CELL for m, n in one.moves.items() if n)
        out = {
            was: sum(
                moves[m] for m, n in one.moves.items() if m[0] is was and n is None
            )
            for was in RiskLevel
        }
        whole_rows = {
            was for was in RiskLevel if not any(one.moves[was, to] for to in RiskLevel)
        }
        for was in set(RiskLevel) - whole_rows:
            assert not 0 < out[was] < LEAST_CELL
        assert not 0 < sum(out[was] for was in whole_rows) < LEAST_CELL


def by_pairs(counts: Counts) -> tuple[float, float]:
    """The area and its variance by looking at every pair, as DeLong wrote them."""
    again = [level.rank for level, n in counts.again.items() for _ in range(n)]
    quiet = [
        level.rank
        for level, n in counts.held.items()
        for _ in range(n - counts.again[level])
    ]

    def won(one: int, other: int) -> float:
        return (one > other) + (one == other) / 2

    of_again = [fmean(won(a, q) for q in quiet) for a in again]
    of_quiet = [fmean(won(a, q) for a in again) for q in quiet]
    spread = variance(of_again) / len(again) + variance(of_quiet) / len(quiet)
    return fmean(of_again), spread


def of(held: tuple[int, ...], again: tuple[int, ...]) -> Counts:
    return Counts(
        dict(zip(RiskLevel, held, strict=True)),
        dict(zip(RiskLevel, again, strict=True)),
    )


@pytest.mark.parametrize(
    "counts",
    [
        # Hanley and McNeil (1982), table I, the two lowest of five ratings as one.
        ((44, 8, 22, 35), (5, 2, 11, 33)),
        ((400, 100, 60, 40), (40, 20, 20, 30)),
        ((40, 60, 100, 400), (30, 20, 20, 40)),
    ],
)
def test_the_area_is_that_of_all_pairs_and_its_variance_delongs(
    counts: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    found = of(*counts).auc()

    area, spread = by_pairs(of(*counts))
    assert found
    assert found.value == pytest.approx(area)
    middle, width = log(area / (1 - area)), 1.959964 * sqrt(spread) / area / (1 - area)
    for end, at in ((found.low, middle - width), (found.high, middle + width)):
        assert log(end / (1 - end)) == pytest.approx(at, rel=1e-5)


def test_hanleys_and_mcneils_table_has_nearly_their_area() -> None:
    """Their area is 0.893 (table I); to put two ratings together costs a little."""
    found = of((44, 8, 22, 35), (5, 2, 11, 33)).auc()

    assert found
    assert found.value == pytest.approx(0.893, abs=0.01)


def test_levels_that_tell_nothing_have_an_area_of_a_half_within() -> None:
    found = of((100, 100, 100, 100), (30, 30, 30, 30)).auc()

    assert found
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.5 < found.high


def test_with_nothing_to_tell_apart_there_is_no_area() -> None:
    assert of((10, 0, 0, 0), (0, 0, 0, 0)).auc() is None
    assert of((50, 0, 0, 50), (0, 0, 0, 50)).auc() is None


def test_wilsons_interval_is_his() -> None:
    """Newcombe (1998), table I: 81 of 263, 0.2553 to 0.3662; 0 of 20, 0 to 0.1611."""
    some, none = wilson(81, 263), wilson(0, 20)

    assert some
    assert (some.low, some.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert none
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_only_who_was_followed_long_enough_counts_and_a_repeat_within_it() -> None:
    repeated = case("threat_to_kill", referred=(NOON, NOON + 90 * DAY))
    later = case(referred=(NOON, NOON + 91 * DAY))
    new = case(referred=(NOON + 50 * DAY,))

    counts = counted([repeated, later, new], 90, NOON + 139 * DAY)[ALL]

    assert counts.held == {LOW: 1, MEDIUM: 0, HIGH: 1, EXTREME: 0}
    assert counts.again == {LOW: 0, MEDIUM: 0, HIGH: 1, EXTREME: 0}


def told_of(*times: tuple[datetime, datetime]) -> Assessment:
    """A case told of by several agencies: when each incident occurred, and was told."""
    held = case(referred=tuple(received for _, received in times))
    tellings = {
        key: each.model_copy(update={"occurred_at": occurred})
        for (key, each), (occurred, _) in zip(held.tellings.items(), times, strict=True)
    }
    return held.model_copy(update={"tellings": tellings})


def test_one_incident_told_by_two_agencies_is_no_repeat() -> None:
    held = told_of((NOON - DAY, NOON), (NOON - DAY, NOON + DAY))

    counts = counted([held], 90, NOON + 365 * DAY)[ALL]

    assert (counts.cases, counts.repeats) == (1, 0)


def test_what_happened_before_and_is_told_late_neither_counts_nor_hides_a_repeat() -> (
    None
):
    late, new = (NOON - 30 * DAY, NOON + DAY), (NOON + 2 * DAY, NOON + 3 * DAY)
    held = told_of((NOON - DAY, NOON), late, new)

    counts = counted([held], 90, NOON + 365 * DAY)[ALL]

    assert (counts.cases, counts.repeats) == (2, 1)


def test_a_transferred_case_is_followed_until_it_left() -> None:
    held = told_of((NOON - DAY, NOON), (NOON + DAY, NOON + 2 * DAY))
    at = NOON + 365 * DAY

    left = [held.transfer(NOON + days * DAY) for days in (89, 90, 92)]

    found = [counted([each], 90, at).get(ALL, Counts()) for each in left]
    assert [(each.cases, each.repeats) for each in found] == [(0, 0), (1, 1), (2, 1)]


def test_a_case_opened_in_error_counts_nowhere_until_it_is_weighed_again() -> None:
    held = case(referred=(NOON,))
    at = NOON + 90 * DAY

    mistaken = held.close(held.revision, mistaken_at=NOON + DAY)
    again = mistaken.weigh(answers("threat_to_kill"), frozenset(), POLICY, NOON + DAY)

    assert counted([mistaken], 90, at) == {}
    assert counted([held], 90, at) == counted([again], 90, at) != {}


def test_of_a_case_that_was_ever_above_low_no_error_is_believed() -> None:
    low = case(referred=(NOON,))
    high = low.weigh(answers("threat_to_kill"), frozenset(), POLICY, NOON + DAY)
    lowered = high.model_copy(update={"level": LOW})
    merged = low.model_copy(update={"shares": {"other": lowered.share()}})
    noted = [
        each.close(each.revision, mistaken_at=NOON + DAY).mistaken_at
        for each in (low, high, lowered, merged)
    ]

    assert noted == [NOON + DAY, None, None, None]


def test_the_level_counts_at_which_it_was_held_then() -> None:
    held = case(referred=(NOON,)).weigh(
        answers("threat_to_kill"), frozenset(), POLICY, NOON + DAY
    )

    assert counted([held], 90, NOON + 90 * DAY)[ALL].held[LOW] == 1


def test_the_level_held_then_is_that_of_its_time_also_if_it_was_handled_late() -> None:
    held = case(referred=(NOON,)).weigh(
        answers("threat_to_kill"), frozenset(), POLICY, NOON + 2 * DAY
    )
    first, later = held.judgement.changes
    late = first.model_copy(update={"at": NOON + DAY, "level": MEDIUM})
    judgement = held.judgement.model_copy(update={"changes": (first, later, late)})
    held = held.model_copy(update={"judgement": judgement})

    levels = [held_at(held, NOON + days * DAY) for days in (-1, 0, 1, 2)]

    assert levels == [None, LOW, MEDIUM, HIGH]


def test_small_cells_and_what_would_betray_them_are_left_out() -> None:
    small, next_, rest = LEAST_CELL - 1, LEAST_CELL, 400
    counts = {
        ALL: of((small + next_ + rest, 0, 0, 0), (100, 0, 0, 0)),
        ("gender", "man"): of((small, 0, 0, 0), (0, 0, 0, 0)),
        ("gender", "another_gender"): of((next_, 0, 0, 0), (0, 0, 0, 0)),
        ("gender", "woman"): of((rest, 0, 0, 0), (100, 0, 0, 0)),
    }

    shown = {each.group[1]: each for each in assess(counts)}

    assert shown["man"].cases is None
    assert shown["another_gender"].cases is None
    assert shown["woman"].cases == rest
    assert f">{small} " not in svg(assess(counts), 90)


def test_a_small_band_takes_another_with_it() -> None:
    [found] = assess({ALL: of((200, 50, 9, 40), (40, 20, 3, 30))})

    assert {each.level for each in found.bands if each.cases is None} == {HIGH, EXTREME}


def test_the_whole_less_what_is_told_is_no_small_cell() -> None:
    """Also where some are in no group, or several small ones stay small together."""
    nobody = (0, 0, 0, 0)
    counts = {
        ALL: of((435, 0, 0, 0), nobody),
        ("gender", "man"): of((3, 0, 0, 0), nobody),
        ("gender", "another_gender"): of((2, 0, 0, 0), nobody),
        ("gender", "woman"): of((430, 0, 0, 0), nobody),
        ("age", "from_18"): of((430, 0, 0, 0), nobody),
        ("ethnicity", "maori"): of((235, 0, 0, 0), nobody),
        ("ethnicity", "european"): of((200, 0, 0, 0), nobody),
    }

    shown = {each.group[1]: each.cases for each in assess(counts)}

    assert (shown["woman"], shown["from_18"]) == (None, None)
    assert (shown["maori"], shown["european"]) == (235, 200)


def test_a_band_of_a_group_is_not_had_by_taking_the_others_from_the_whole() -> None:
    nobody = (0, 0, 0, 0)
    counts = {
        ALL: of((300, 100, 40, 20), nobody),
        ("gender", "man"): of((100, 40, 17, 3), nobody),
        ("gender", "woman"): of((200, 60, 23, 17), nobody),
    }

    shown = {e.group[1]: {b.level for b in e.bands if b.cases} for e in assess(counts)}

    assert shown[ALL[1]] == {LOW, MEDIUM, HIGH, EXTREME}
    assert shown["man"] == shown["woman"] == {LOW, MEDIUM}


def test_bands_that_are_left_out_are_together_no_small_cell() -> None:
    [found] = assess({ALL: of((200, 50, 4, 3), (40, 20, 3, 0))})

    assert {each.level for each in found.bands if each.cases is None} == {
        MEDIUM, HIGH, EXTREME,
    }  # fmt: skip


@pytest.mark.parametrize("again", [LEAST_OUTCOMES - 1, LEAST_OUTCOMES])
def test_too_little_is_said_to_be_too_little(again: int) -> None:
    [found] = assess({ALL: of((100, 0, 0, 60), (10, 0, 0, again - 10))})

    assert found.too_little == (again < LEAST_OUTCOMES)
    assert ("too little to say" in svg([found], 90)) == found.too_little


def test_counts_of_two_parts_are_those_of_the_whole() -> None:
    cases = [case("threat_to_kill"), case(ethnicity="maori"), case()]
    at = NOON + 365 * DAY

    parts = together(counted(cases[:1], 90, at), counted(cases[1:], 90, at))

    assert parts == counted(cases, 90, at)


def test_nothing_at_all_is_drawn_as_too_little() -> None:
    assert "Too little data to say anything" in svg(assess({}), 90)


async def test_outcomes_are_counted_from_what_is_stored(
    assessments: Assessments,
) -> None:
    child = {PersonRole.CHILD: (new_id(),)}
    held = case("threat_to_kill", referred=(NOON, NOON + DAY), gender="woman")
    later = {
        "people": child,
        "occurred_at": NOON + 2 * DAY,
        "received_at": NOON + 3 * DAY,
    }
    telling = next(iter(held.tellings.values())).model_copy(update=later)
    held = held.told(new_id(), telling)
    await assessments.save(held.model_copy(update={"version": 0}))

    at = NOON + 365 * DAY
    counts, _ = await assessments.count_outcomes(90, at, POLICY)

    assert counts["gender", "woman"].held[HIGH] == 3
    assert counts["children", "yes"].repeats == 2


def test_two_versions_of_one_name_cannot_be_told_apart(tmp_path: Path) -> None:
    path = LOCALITIES / "canterbury/risk.yaml"
    with pytest.raises(CannotGoOn, match="same version"):
        versions([path, path])
    (tmp_path / "risk.yaml").write_text("version: x\n")
    with pytest.raises(CannotGoOn, match="is no risk policy"):
        versions([tmp_path / "risk.yaml"])
    assert isinstance(versions([path])[0], Policy)


async def test_stored_cases_are_weighed_alike_as_a_whole_and_in_parts(
    assessments: Assessments, backing_services: Backing
) -> None:
    cases = [case(*yes) for yes in (("threat_to_kill",), ("escalation",), ()) * 4]
    # And whatever else weighs, or says in which group a case counts.
    child = {PersonRole.CHILD: (new_id(),)}
    [telling] = cases[0].tellings.values()
    told = {new_id(): telling.model_copy(update={"people": child})}
    hearing = Ahead(
        kind=TriggerKind.HEARING, happens_at=NOON, near_from=NOON, revision=1
    )
    cases += [
        case(gender="woman").model_copy(update=each)
        for each in (
            {"tellings": told},
            {"forms": {"dash": Form(total=14)}},
            {"incidents": frozenset({IncidentKind.STRANGULATION}), "repeats": 9},
            {"ahead": {new_id(): hearing}},
            {"shares": {new_id(): cases[0].share()}},
            {"reassessment": Reassessment.STOPPED, "level": EXTREME},
            {"merged_into": new_id()},
            {"erased_at": NOON},
            {"revision": 0},
            {"groups": {"gender": "man"}},
        )
    ]
    for each in cases:
        await assessments.save(each.model_copy(update={"version": 0}))
    database = assessments.documents.database.name
    url = SecretStr(backing_services.store_url)
    deployment = Deployment(store_url=url, databases={"risk": database})
    both = [POLICY, SHARPER]

    whole = await asyncio.to_thread(run_stored, both, deployment, NOON)
    # In the main thread, as the command is: it answers for Ctrl-C meanwhile.
    pool = run_stored(both, deployment, NOON, few=0)
    parts = [
        await asyncio.to_thread(weigh_part, both, deployment, NOON, ids)
        for ids in parts_of(3)
    ]

    assert whole == pool == run(both, iter(cases), NOON)
    assert put_together(parts) == simulate(cases, both, NOON)


def test_what_one_process_gives_another_weighs_there_as_here() -> None:
    copy = pickle.loads(pickle.dumps(SHARPER))  # noqa: S301 - Its own.

    assert simulate([case("escalation")], [copy], NOON) == simulate(
        [case("escalation")], [SHARPER], NOON
    )


def test_the_command_says_how_it_is_and_how_it_would_be(tmp_path: Path) -> None:
    cases = [case("threat_to_kill") for _ in range(12)]
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(written(each) for each in cases))
    policy = str(LOCALITIES / "canterbury/risk.yaml")
    words = ["risk", "simulate", "--policy", policy, "--against", str(file)]

    told, table = (CliRunner().invoke(app, [*words, *e]) for e in (["--json"], []))

    [before, _], [after, _] = json.loads(told.stdout).values()
    assert before["cases"] == after["cases"] == after["found"]["high"] == 12
    assert before["roles"] == after["roles"]
    assert after["tiers"] == {"high": 10}
    assert after["meetings_a_week"] == {"intensive_case_management": 10}
    assert "tier high" in table.stdout
    assert "independent_victim_specialist" in table.stdout
    file.write_text(written(cases[0]))
    few = CliRunner().invoke(app, words)
    assert few.stdout == "There are too few cases to tell of any.\n"
