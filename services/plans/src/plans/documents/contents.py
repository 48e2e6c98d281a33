"""What stands on a paper that leaves, of whom: for the disclosure ledger.

By the same facts that the paper is made of, so that neither says what the other does
not. It is told by kind and by side, or by the id of whom it is about.
"""

from collections.abc import Iterator, Mapping

from accord_contracts.access import Side
from accord_contracts.papers import Audience
from accord_contracts.plans import PaperGroup, PaperTold

from plans.documents.audience import Addressed, Facts
from plans.domain.template import Part
from plans.meeting.views import CaseView, ExtractView, TableView

Contents = Mapping[str, tuple[PaperTold, ...]]
"""What stands on a paper, by the case that it is about."""

SIDES: Mapping[Part, Side] = {
    Part.PERSON_HARMED: Side.PERSON_HARMED,
    Part.CHILD: Side.PERSON_HARMED,
    Part.WHOLE_CASE: Side.WHOLE_CASE,
    Part.PERSON_USING_VIOLENCE: Side.PERSON_USING_VIOLENCE,
}


def contents_of(case_id: str, left: Facts, to: Addressed) -> Contents:
    """Say what stands on the paper of a case.

    Args:
        case_id: Of which case.
        left: What redaction has left for whom it is for.
        to: Whom that is. Their own copy is about nobody else.
    """
    own = {"side": Side.PERSON_HARMED, "person_id": to.person_id}
    theirs = own if to.audience is Audience.PERSON else {}
    told = (each.model_copy(update=theirs) for each in _told(left))
    return {case_id: tuple(dict.fromkeys(told))}


def _told(left: Facts) -> Iterator[PaperTold]:
    if left.version:
        yield PaperTold(group=PaperGroup.RISK, side=Side.WHOLE_CASE)
    if left.dates:
        yield PaperTold(group=PaperGroup.DATES, side=Side.WHOLE_CASE)
    for action in left.actions:
        side, person_id = SIDES[action.part], action.person_id
        yield PaperTold(group=PaperGroup.PLAN, side=side, person_id=person_id)
    for promise in left.promises:
        yield PaperTold(group=PaperGroup.PLAN, side=promise.about)
    for need in left.needs:
        person_id = need.person_id
        yield PaperTold(group=PaperGroup.NEEDS, side=need.side, person_id=person_id)
    for said in left.said:
        person_id = said.person_id
        yield PaperTold(group=PaperGroup.WORDS, side=said.side, person_id=person_id)


def contents_of_agenda(shown: TableView) -> Contents:
    """Say what stands of each case on an agenda, as it is shown to somebody."""
    return {each.case_id: tuple(_told_on_agenda(each)) for each in shown.cases}


def _told_on_agenda(shown: CaseView) -> Iterator[PaperTold]:
    yield PaperTold(group=PaperGroup.RISK, side=Side.WHOLE_CASE)
    if shown.why or shown.overdue is not None:
        yield PaperTold(group=PaperGroup.PLAN, side=Side.WHOLE_CASE)


def contents_of_extract(shown: ExtractView) -> Contents:
    """Say what stands of each case on what one agency took away from a meeting."""
    told: dict[str, tuple[PaperTold, ...]] = {}
    for case in shown.cases:
        kept = {e.about: None for e in case.tasks if not e.ended}
        plan = [PaperTold(group=PaperGroup.PLAN, side=side) for side in kept]
        risk = PaperTold(group=PaperGroup.RISK, side=Side.WHOLE_CASE)
        if on_it := (*plan, *((risk,) if case.leads else ())):
            told[case.case_id] = on_it
    return told
