"""The figures of a replay, beside the published ones, for a table and for a machine."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from accord_contracts import allocation, notify, plans, risk
from accord_contracts.message import Event
from accord_contracts.risk import RiskLevel

from accord.pilot import published
from accord.pilot.outcome import Outcome
from accord.pilot.published import Site
from accord.pilot.register import Lateness

Document = dict[str, Any]


def percent(part: float, whole: float) -> float:
    """Give a share in per cent, to one decimal; 0 of nothing."""
    return round(part / whole * 100, 1) if whole else 0.0


def published_of(site: Site) -> Document:
    """Give what was published of a site."""
    return {
        "cases_a_month": site.cases_a_month,
        "incidents_percent": {kind.value: each for kind, each in site.mix.items()},
        "high_risk_percent": [round(each * 100) for each in published.HIGH_RISK],
    }


def published_of_both() -> Document:
    """Give what was published of both sites together."""
    return {
        "plans": f"over {published.PLANS:,}",
        "people": f"over {published.PEOPLE:,}",
        "people_a_plan": f"about {published.PEOPLE / published.PLANS:.0f}",
    }


def replayed(outcome: Outcome) -> Document:
    """Give a site's own figures for what was published, and what they rest on."""
    incidents = outcome.register.incidents
    return {
        "months": round(outcome.months, 2),
        "cases_a_month": round(outcome.cases / outcome.months),
        "incidents_percent": {
            kind.value: percent(incidents[kind], incidents.total())
            for kind in outcome.site.mix
        },
        "high_risk_percent": percent(outcome.at_high_risk, outcome.cases),
        "levels": {each.value: outcome.plans.levels[each] for each in RiskLevel},
        **totals([outcome]),
    }


def totals(outcomes: Sequence[Outcome]) -> Document:
    """Add up what may be added up."""
    plans_ = sum(each.plans.agreed for each in outcomes)
    people = sum(each.people for each in outcomes)
    more = sum(each.people_with_more_episodes for each in outcomes)
    return {
        "cases": sum(each.cases for each in outcomes),
        "plans": plans_,
        "plans_by_the_end": sum(each.plans.in_time for each in outcomes),
        "people": people,
        "people_a_plan": round(people / plans_, 2) if plans_ else 0.0,
        "people_with_more_episodes_percent": percent(more, people),
        "households": sum(each.households for each in outcomes),
        "repeats": sum(each.register.repeats for each in outcomes),
        "households_at_high_risk": sum(
            len(each.plans.households_at_high_risk) for each in outcomes
        ),
        "of_them_with_both_specialists": sum(
            each.with_specialists for each in outcomes
        ),
    }


def on_the_way(outcomes: Sequence[Outcome]) -> Document:
    """Give what happened until then: what was in time, and what was not."""
    told = _added(each.register.told for each in outcomes)
    done = _added(each.done for each in outcomes)
    alarms = _added(each.register.alarms for each in outcomes)
    late = Lateness.together(each.register.lateness for each in outcomes)

    def count(event: type[Event]) -> int:
        return told[event.TYPE]

    return {
        "roles_offered": count(allocation.AllocationOffered),
        "roles_accepted": done["acceptance"],
        "offers_declined": done["decline"],
        "offers_not_answered_in_time": count(allocation.AllocationExpired),
        "alarms_nobody_left_to_ask": alarms["no_candidate"],
        "alarms_not_filled_in_time": alarms["out_of_time"],
        "roles_without_anybody_at_the_end": sum(each.unowned for each in outcomes),
        "actions_done": done["completed"],
        "actions_overdue": count(plans.ActionOverdue),
        "reassessments_due": count(risk.ReassessmentDue),
        "reassessments_made": done["reviewed"],
        "reassessments_overdue": count(risk.ReassessmentOverdue),
        "levels_changed": count(risk.RiskChanged),
        "messages_to_workers": count(notify.NotificationSent),
        "messages_escalated": count(notify.NotificationEscalated),
        "plans_closed": done["closed"],
        "closings_put_off": done["closing_put_off"],
        "noticed_late_minutes_mean": round(late.mean / 60, 1),
        "noticed_late_minutes_most": round(late.most / 60, 1),
        "messages_handled": sum(each.handled for each in outcomes),
        "messages_retried": sum(each.retried for each in outcomes),
        "messages_parked": sum(each.parked for each in outcomes),
    }


def document(outcomes: Sequence[Outcome], run: Mapping[str, Any]) -> Document:
    """Give everything for a machine.

    Args:
        outcomes: By site.
        run: What the replay was asked, and what it took.
    """
    return {
        "sites": {
            each.site.name: {
                "published": published_of(each.site),
                "replayed": replayed(each),
                "on_the_way": on_the_way([each]),
            }
            for each in outcomes
        },
        "together": {
            "published": published_of_both(),
            "replayed": totals(outcomes),
            "on_the_way": on_the_way(outcomes),
        },
        "run": dict(run),
    }


def _added(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter[str]())
