"""The published table beside the replay's, as a person reads it."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from textwrap import fill
from typing import Any

from accord import show
from accord.pilot import assumptions
from accord.pilot.figures import Document
from accord.pilot.published import PEOPLE_WITH_MORE_EPISODES

ADULTS = 2
"""In every household: the person harmed and the person using violence."""

WEEK, HOUR, MINUTE = timedelta(weeks=1), timedelta(hours=1), timedelta(minutes=1)

Row = tuple[str, ...]

BESIDE = (
    ("Cases reported a month", "cases_a_month"),
    ("  physical harm, %", "incidents_percent.physical_harm"),
    ("  property damage, %", "incidents_percent.property_damage"),
    ("  threats of harm, %", "incidents_percent.threats_of_harm"),
    ("  verbal abuse, %", "incidents_percent.verbal_abuse"),
    ("  at high risk, %", "high_risk_percent"),
    ("Family safety plans", "plans"),
    ("People", "people"),
    ("People a plan", "people_a_plan"),
)
"""What was published, and where it stands in both documents."""

BESIDES = (
    ("Cases reported", "cases"),
    ("  of them repeats of a pair", "repeats"),
    ("Households", "households"),
    ("  at high risk", "households_at_high_risk"),
    ("    both specialists accepted", "of_them_with_both_specialists"),
    ("Plans agreed before the end", "plans_by_the_end"),
    ("People with more episodes, %", "people_with_more_episodes_percent"),
)
"""What the replay found besides."""

ON_THE_WAY = (
    ("Roles offered", "roles_offered"),
    ("  accepted", "roles_accepted"),
    ("  declined, offered to another", "offers_declined"),
    ("  not answered in time", "offers_not_answered_in_time"),
    ("Alarms: nobody left to ask", "alarms_nobody_left_to_ask"),
    ("Alarms: not filled in time", "alarms_not_filled_in_time"),
    ("Roles nobody has at the end", "roles_without_anybody_at_the_end"),
    ("Actions done", "actions_done"),
    ("Actions overdue", "actions_overdue"),
    ("Reassessments due", "reassessments_due"),
    ("  made by the table", "reassessments_made"),
    ("  overdue", "reassessments_overdue"),
    ("Levels of risk changed", "levels_changed"),
    ("Messages to workers", "messages_to_workers"),
    ("  gone up the chain", "messages_escalated"),
    ("Plans closed", "plans_closed"),
    ("  put off: something open", "closings_put_off"),
    ("Minutes noticed late, mean", "noticed_late_minutes_mean"),
    ("  most", "noticed_late_minutes_most"),
    ("Messages handled", "messages_handled"),
    ("  retried", "messages_retried"),
    ("  parked", "messages_parked"),
)

COUNTED = (
    """A plan is a version of a family safety plan that the table agreed to for a case
    that was reported. Plans and levels were read over HTTP from the plans service when
    all was over, and the specialists' acceptances from the allocation service.""",
    """The levels are what the risk service found by the locality's policy. High risk is
    high or extreme, as a share of the cases reported; a household is at high risk if
    any of its cases was.""",
    """People are those whom the referrals service tells from each other, counted in its
    store, because no route tells it and no insights service counts yet. All else is
    counted from events and from what people were answered.""",
)
"""How the figures came about."""


def tell(told: Document) -> None:
    """Print a replay's figures, what they rest on, and what it took."""
    run, together = told["run"], told["together"]
    sites = [*told["sites"].items(), ("Together", together)]
    show.say()
    if run["months"] is not None:
        show.say(f"Only the first {run['months']:g} months of each site.")
    names, found = [name for name, _ in sites], [each for _, each in sites]
    show.table("Published / replayed", *names, rows=_beside(found))
    show.say()
    show.table("", *names, rows=_rows(BESIDES, [each["replayed"] for each in found]))
    show.say()
    show.table("", *names, rows=_rows(ON_THE_WAY, [e["on_the_way"] for e in found]))
    _list("Assumed, because nothing was published", assumed(run["repeats"]))
    _list("How it was counted", COUNTED)
    handled = together["on_the_way"]["messages_handled"]
    show.say(f"\n{together['replayed']['plans']:,} plans in {run['seconds']:.0f} s, "
             f"{run['cpu_seconds']:.0f} s of this process's processor time; "
             f"{handled:,} messages, {handled / run['seconds']:.0f} a second; "
             f"seed {run['seed']}.")  # fmt: skip


def assumed(repeats: float) -> Iterator[str]:
    """Say what the figures rest on that nobody has published.

    Args:
        repeats: The share of repeats that was asked for.
    """
    our = assumptions
    yield f"""Repeats: {repeats:.0%} of cases are of a household met before, never
        within {our.REPEAT_AFTER.days} days. Nearest published: by September 2018, 26
        months after the start, {PEOPLE_WITH_MORE_EPISODES:.0%} of people had more than
        one episode."""
    children = sum(count * share for count, share in enumerate(our.CHILDREN))
    yield f"""Households: {ADULTS + children:.2f} people, {children:.2f} of them
        children, the same ones each time."""
    yield """Answers: how often each question about risk has a yes after each kind of
        incident. The share at high risk follows by the localities' own policies, and
        grows with the repeats, because risk adds up what is known of a household."""
    yield f"""Steps: cases are reported every {our.SLOT // HOUR} hours; people look at
        their telephones every {our.MARK // MINUTE} minutes after that."""
    yield f"""Offers: {our.DECLINES:.0%} declined, {our.SILENT:.0%} not answered, the
        others accepted within the time to answer."""
    yield f"""Messages: {our.READS:.0%} of those that must be acknowledged are, at the
        next look; the others go up the locality's chain."""
    yield f"""Plans: agreed within the hour at extreme risk, else at one of the next
        meetings of the table; {1 - our.KEPT_LATE:.0%} of mandatory actions done in
        time, the others one to three days late; {our.COMPLEMENTARY:.0%} of the
        complementary ones done; closed after weeks: {_weeks()}."""
    yield """Reviews: what falls due is assessed anew at the next meeting, and nothing
        new is found."""
    for locality, staff in our.STAFF.items():
        counts = ", ".join(f"{count} {role.value}" for role, count in staff.items())
        yield f"""Staff of {locality}: {counts}; {our.CAPACITY} points each; and
            {our.MANAGERS} who carry no case."""


def _weeks() -> str:
    weeks = assumptions.CLOSED_AFTER.items()
    return ", ".join(f"{level} {after // WEEK}" for level, after in weeks)


def _beside(found: Iterable[Document]) -> Iterator[Row]:
    """Give the published table, each figure beside the replay's."""
    for name, path in BESIDE:
        sides = (
            [_written(_at(each.get(of, {}), path)) for of in ("published", "replayed")]
            for each in found
        )
        yield name, *(f"{of or '-'} / {ours}" if ours else "" for of, ours in sides)


def _rows(rows: Iterable[tuple[str, str]], sides: list[Document]) -> Iterator[Row]:
    for name, path in rows:
        yield name, *(_written(_at(each, path)) for each in sides)


def _list(title: str, lines: Iterable[str]) -> None:
    show.say(f"\n{title}:")
    for each in lines:
        show.say(fill(" ".join(each.split()), initial_indent="- ",
                      subsequent_indent="  "))  # fmt: skip


def _at(told: Document, path: str) -> Any:  # noqa: ANN401 - Any JSON.
    found: Any = told
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _written(found: Any) -> str:  # noqa: ANN401 - Any JSON.
    match found:
        case None:
            return ""
        case [low, high]:
            return f"{low} to {high}"
        case str():
            return found
        case _:
            return f"{found:,}"
