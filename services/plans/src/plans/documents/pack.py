"""What is read at a meeting: its agenda, and what one agency took away from it.

They are made of what the meeting shows to that reader anyway, so they hold no more, and
leave for nobody who is shown anything else.
"""

from collections.abc import Iterable

from plans.documents.sheet import (
    DONE,
    KEPT,
    OPEN,
    UNDONE,
    WHAT,
    WHEN,
    Row,
    Section,
    Sheet,
    both,
    reference,
)
from plans.documents.wording import Cell, Speech
from plans.meeting.views import CaseView, ExtractView, TableView

CLOSING = both("For whoever has signed at this meeting alone. It names nobody.")

CASE = both("Case", "Kēhi")
LEVEL = both("Level of risk")


def pack_of(shown: TableView, speech: Speech) -> Sheet:
    """Make a paper of a meeting's agenda, as it is shown to somebody."""
    head: list[Row] = [
        (both("Begins"), speech.time(shown.starts_at)),
        (both("Cases are added until"), speech.time(shown.cut_off_at)),
        (both("Agencies answer by"), speech.time(shown.answers_by)),
        (both("Who is invited"), _listed(shown.agencies, speech)),
        (
            both("Who has signed"),
            _listed({e.agency for e in shown.seats if e.agency}, speech),
        ),
    ]
    if shown.left_off:
        more = Cell(en=str(shown.left_off))
        head.append((both("Cases that are too many, none of them graver"), more))
    columns = (
        *(CASE, LEVEL, both("Why"), both("Late")),
        *(both("Answered"), both("Not answered"), both("Not asked"), both("Settled")),
    )
    rows = tuple(_case(each, speech) for each in shown.cases)
    return Sheet(
        title=both("Meeting", "Hui"),
        closing=CLOSING,
        sections=(
            Section(name="meeting", heading=both("When and who"), rows=tuple(head),
                    columns=(WHAT, both("How it is"))),
            Section(name="cases", heading=both("Cases", "Ngā kēhi"), columns=columns,
                    rows=rows),
        ),
    )  # fmt: skip


def _case(shown: CaseView, speech: Speech) -> Row:
    open_ = {each.agency for each in shown.asked if not each.decided_at}
    # A paper does not say about which of its merged cases: whoever owes an answer about
    # any of them, or was not asked about the case itself, has not answered.
    answered = {each.agency for each in shown.asked} - open_ - {*shown.unasked}
    late = "" if shown.overdue is None else str(shown.overdue)
    return (
        Cell(en=reference(shown.case_id)),
        speech.say(shown.level),
        _listed(shown.why, speech),
        Cell(en=late),
        _listed(answered, speech),
        _listed(open_, speech),
        _listed(shown.unasked, speech),
        KEPT if shown.settled else OPEN,
    )


def extract_of(shown: ExtractView, speech: Speech) -> Sheet:
    """Make a paper of what one agency promised at a meeting, and where it leads."""
    promised = tuple(
        (
            Cell(en=reference(case.case_id)),
            speech.say(each.action),
            speech.time(each.due_at),
            UNDONE if each.undone_at else KEPT if each.done_at else OPEN,
        )
        for case in shown.cases
        for each in case.tasks
        if not each.ended
    )
    leads = tuple(
        (
            Cell(en=reference(each.case_id)),
            speech.say(each.level) if each.level else Cell(en=""),
            speech.time(each.review_at) if each.review_at else Cell(en=""),
        )
        for each in shown.cases
        if each.leads
    )
    return Sheet(
        title=both("What your agency took away"),
        closing=CLOSING,
        sections=(
            Section(name="promises", heading=both("What it has promised"),
                    columns=(CASE, WHAT, WHEN, DONE), rows=promised),
            Section(name="leads", heading=both("Where it leads"),
                    columns=(CASE, LEVEL, both("Seen again")), rows=leads),
        ),
    )  # fmt: skip


def _listed(codes: Iterable[str], speech: Speech) -> Cell:
    said = [speech.say(each) for each in sorted(codes)]
    told = any(each.told for each in said)
    return Cell(en=", ".join(each.en for each in said), told=told)
