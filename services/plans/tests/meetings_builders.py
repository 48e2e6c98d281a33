"""A locality's meetings, dockets and verbs for tests, with defaults for all else."""

from datetime import datetime, timedelta
from typing import Any

from accord_chassis.testing import NOON, new_id
from accord_contracts.calendar import DAYS
from accord_contracts.risk import RiskLevel
from plans.domain.meeting.discussion import Decision, Discussion, Wanted
from plans.domain.meeting.docket import Docket
from plans.domain.meeting.meeting import Meeting
from plans.domain.meeting.rules import Rules
from plans.domain.meeting.task import Task

AGENCIES = (
    "police", "oranga_tamariki", "corrections", "hospital", "mental_health", "refuge",
    "outreach", "kura", "housing", "iwi", "income", "justice",
)  # fmt: skip
STATEMENT = "confidentiality-1"
TERMS = {
    "minutes": 180,
    "cut_off_minutes": 30,
    "answers_minutes": 60,
    "agencies": list(AGENCIES),
}
DAILY, WEEKLY = "daily_triage", "intensive_case_management"


def rules_fields() -> dict[str, Any]:
    """A locality's meetings as its file would give them, to be broken in one place."""
    return {
        "version": "test-1",
        "time_zone": "Pacific/Auckland",
        "statement": {
            "version": STATEMENT,
            "text": {"en": "I am silent.", "mi": "Ka noho puku au."},
        },
        "dates_ahead_hours": 120,
        "seat_hours": 12,
        "close_hours": 6,
        "series": {
            DAILY: {
                **TERMS,
                "days": [each.value for each in DAYS],
                "at": "09:00",
                "takes": "stirred",
                "least": "low",
            },
            WEEKLY: {
                **TERMS,
                "days": ["wednesday"],
                "at": "13:30",
                "takes": "open",
                "least": "high",
            },
        },
        "called": {**TERMS, "cut_off_minutes": 0},
        "asking": {"purpose": "fva20_a", "not_asked": ["outreach"]},
    }


RULES = Rules.model_validate(rules_fields())


def docket(
    level: RiskLevel = RiskLevel.HIGH,
    *,
    at: datetime = NOON,
    case_id: str = "",
    meeting: str | None = None,
) -> Docket:
    """A case of which one referral was weighed."""
    return (
        Docket(id=case_id or new_id())
        .assess(
            level,
            None,
            revision=1,
            at=at,
            first_referred_at=at,
            referred=True,
            meeting=meeting,
        )
        .receive(at)
    )


def daily(after: datetime = NOON) -> Meeting:
    """The next daily meeting."""
    slots = RULES.calendar(after + timedelta(seconds=1), after + timedelta(days=2))
    return Meeting.of_slot(next(e for e in slots if e.series == DAILY), RULES)


def decision(wanted: Wanted, *, by: str = "", at: datetime = NOON) -> Decision:
    """A decision of the Police, by which a task is reminded of two hours before."""
    return Decision(
        wanted=wanted,
        by=by or new_id(),
        agency="police",
        at=at,
        raised=False,
        remind_hours=2,
    )


def said(*wanted: Wanted, at: datetime = NOON) -> Discussion:
    """A case at a meeting, on which these were decided one after the other."""
    made = Discussion.of(new_id(), new_id())
    for number, each in enumerate(wanted):
        made = made.decide(each, replaces=number, decision=decision(each, at=at))
    return made


def patrols(hours: int = 24, agency: str = "police") -> Task:
    """What an agency promises, if nothing else."""
    return Task(action="patrols", agency=agency, within_hours=hours)
