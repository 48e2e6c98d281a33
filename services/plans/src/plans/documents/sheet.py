"""A paper before it is laid out: its sections, in the order of each audience.

It is made of facts from which everything that its audience may not have was left out
before, so that nothing here has to think of it.
"""

from collections.abc import Callable, Iterable, Mapping

from accord_contracts.papers import Audience
from pydantic import BaseModel, ConfigDict

from plans.documents.audience import Addressed, Facts, redacted
from plans.documents.wording import Cell, Speech
from plans.domain.action import Action
from plans.domain.template import Part
from plans.needs.need import Need

Row = tuple[Cell, ...]


class Section(BaseModel):
    """A part of a paper: a table, the first cell of each row heading it.

    Attributes:
        name: By which a refusal names it.
        intro: What is said before the table.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    heading: Cell
    intro: Cell | None = None
    columns: Row = ()
    rows: tuple[Row, ...] = ()


class Sheet(BaseModel):
    """A paper before it is laid out.

    Attributes:
        closing: What stands at its end: for whom it is, and for nobody else.
    """

    model_config = ConfigDict(frozen=True)

    title: Cell
    closing: Cell
    sections: tuple[Section, ...]


def both(en: str, mi: str | None = None) -> Cell:
    """Give a word of the paper's own, in English and te reo Māori."""
    return Cell(en=en, mi=mi)


WHAT, FOR_WHAT = both("What", "He aha"), both("Part of life")
WHO, WHEN, DONE = (
    both("Who", "Ko wai"),
    both("By when", "Āhea"),
    both("Done", "Kua oti"),
)
OPEN, KEPT = both("Not yet"), both("Yes", "Āe")
ANY_CHILD = both("Any child")
NO_NAME = both("Nobody by name")
UNDONE = both("It will not be")

TITLES: Mapping[Audience, Cell] = {
    Audience.TEAM: both("Family safety plan", "Mahere haumaru whānau"),
    # Whoever finds it should not see at once what it is.
    Audience.PERSON: both("What we agreed", "Tā tātou i whakaae ai"),
    Audience.OUTREACH: both("What outreach is to do"),
    Audience.AGENCY: both("What your agency has promised"),
}

CLOSING: Mapping[Audience, Cell] = {
    Audience.TEAM: both("For the case's team alone. It names nobody, by design."),
    Audience.PERSON: both("This is yours. You may change your mind on any of it."),
    Audience.OUTREACH: both("For outreach alone. It says nothing of anybody else."),
    Audience.AGENCY: both("For this agency alone, and for what it has promised."),
}


def sheet_of(facts: Facts, to: Addressed, speech: Speech) -> Sheet:
    """Make a paper of what its audience may have of some facts."""
    seen = redacted(facts, to)
    sections = (build(seen, speech) for build in LAYOUT[to.audience])
    return Sheet(
        title=TITLES[to.audience],
        closing=CLOSING[to.audience],
        sections=tuple(sections),
    )


def stand(facts: Facts, speech: Speech) -> Section:
    """Say where the plan stands."""
    rows: list[Row] = []
    if held := facts.version:
        agreed = speech.time(held.agreed_at) if held.agreed_at else OPEN
        rows = [
            (both("Version"), Cell(en=str(held.number))),
            (both("Level of risk"), speech.say(held.assessment.level)),
            (both("Assessed"), speech.time(held.assessment.assessed_at)),
            (both("Agreed"), agreed),
            (both("Reviewed by"), speech.day(held.review_by)),
        ]
        if held.closed_at:
            rows.append((both("Closed"), speech.time(held.closed_at)))
    heading = both("Where the plan stands")
    return _table("stand", heading, (WHAT, both("How it is")), rows)


def dates(facts: Facts, speech: Speech) -> Section:
    """Say what is known to come."""
    rows = [
        (speech.say(e.kind), speech.time(e.happens_at), speech.time(e.in_force_by))
        for e in sorted(facts.dates, key=lambda each: each.happens_at)
    ]
    columns = (WHAT, both("When", "Āhea"), both("Plan agreed by"))
    return _table("dates", both("Dates that come"), columns, rows)


def actions_of(part: Part, en: str, mi: str | None = None) -> "Build":
    """Say what is to be done in one part of the plan, and what was left undone.

    In that of the children also for which of them, and where two people were harmed.
    """

    def build(facts: Facts, speech: Speech) -> Section:
        held = [each for each in facts.actions if each.part is part]
        whose = part is Part.CHILD or any(each.person_id for each in held)
        rows = [
            (
                speech.say(each.code),
                *([_person(each)] if whose else ()),
                speech.say(each.strand),
                speech.say(each.role),
                speech.time(each.due_at),
                _end_of(each, speech),
            )
            for each in sorted(held, key=lambda each: (each.due_at, each.code))
        ]
        person = (both("Person"),) if whose else ()
        columns = (WHAT, *person, FOR_WHAT, WHO, WHEN, DONE)
        return _table(f"actions_{part}", both(en, mi), columns, rows)

    return build


def _person(action: Action) -> Cell:
    if action.person_id:
        return Cell(en=reference(action.person_id))
    return ANY_CHILD if action.part is Part.CHILD else NO_NAME


def _end_of(action: Action, speech: Speech) -> Cell:
    if action.undone_at:
        return UNDONE
    return speech.time(action.done_at) if action.done_at else OPEN


def needs(facts: Facts, speech: Speech) -> Section:
    """Say what people need beside safety, and who was asked for it."""
    rows = [
        (
            speech.say(each.strand),
            Cell(en=reference(each.person_id)),
            speech.say(each.level),
            speech.say(each.voice),
            asked,
        )
        for each in sorted(facts.needs, key=lambda e: (e.person_id, e.strand))
        for asked in _services(each, speech)
    ]
    columns = (FOR_WHAT, both("Person"), both("How far it is met"), both("They said"))
    heading = both("Help beside safety", "Ngā āwhina")
    return _table("needs", heading, (*columns, both("Who was asked")), rows)


def _services(need: Need, speech: Speech) -> Iterable[Cell]:
    if not need.services:
        return [both("Nobody yet")]
    return [
        Cell(
            en=f"{speech.say(each.provider).en}: {speech.say(each.step).en}", told=True
        )
        for each in need.services
    ]


def promises(facts: Facts, speech: Speech) -> Section:
    """Say what agencies promised at meetings."""
    rows = [
        (
            speech.say(each.action),
            speech.say(each.agency),
            speech.time(each.due_at),
            UNDONE if each.undone else KEPT if each.done else OPEN,
        )
        for each in sorted(facts.promises, key=lambda e: (e.due_at, e.agency, e.action))
    ]
    heading = both("What agencies promised")
    return _table("promises", heading, (WHAT, WHO, WHEN, DONE), rows)


def said(facts: Facts, speech: Speech) -> Section:
    """Give what people say for themselves."""
    rows = [
        (
            speech.say(each.entry.kind),
            speech.say(each.entry.strand),
            Cell(en=each.entry.words or "", told=True),
            Cell(en=reference(each.person_id)),
            speech.day(each.entry.said_at),
        )
        for each in facts.said
    ]
    heading = both("In their own words", "Ō rātou ake kupu")
    columns = (both("They said"), FOR_WHAT, both("In their words"), both("Person"))
    return _table("said", heading, (*columns, both("When")), rows)


def own_words(facts: Facts, speech: Speech) -> Section:
    """Give a person back what they said."""
    rows = [
        (
            speech.say(each.entry.kind),
            speech.say(each.entry.strand),
            Cell(en=each.entry.words or "", told=True),
            speech.day(each.entry.said_at),
        )
        for each in facts.said
    ]
    heading = both("What you told us", "Āu kōrero")
    columns = (both("You said"), both("About"), both("Your words", "Ō kupu"))
    return _table("said", heading, (*columns, both("When")), rows)


def own_actions(facts: Facts, speech: Speech) -> Section:
    """Say plainly what is done for a person."""
    held = sorted(facts.actions, key=lambda each: (each.due_at, each.code))
    rows = [
        (plain, speech.day(each.due_at), UNDONE if each.undone_at else kept)
        for each in held
        for kept in (KEPT if each.done_at else OPEN,)
        if (plain := speech.plainly(each.code))
    ]
    heading = both("What we will do with you", "Ā mātou mahi ki tō taha")
    return _table("actions", heading, (WHAT, WHEN, DONE), rows)


def own_needs(facts: Facts, speech: Speech) -> Section:
    """Say how far the help has come that a person wants; not where they get it."""
    rows = [
        (speech.say(each.strand), _furthest(each, speech))
        for each in sorted(facts.needs, key=lambda each: each.strand)
    ]
    heading = both("Help that we look for with you", "Ngā āwhina")
    return _table("needs", heading, (FOR_WHAT, both("How far it is")), rows)


def _furthest(need: Need, speech: Speech) -> Cell:
    step = need.services[-1].step if need.services else None
    return speech.say(step) if step else both("Nobody was asked yet")


def numbers(_: Facts, speech: Speech) -> Section:
    """Say whom to ring in danger."""
    rows = [
        (Cell(en=each.who.en, mi=each.who.mi), Cell(en=each.number))
        for each in speech.wording.numbers
    ]
    heading = both("Whom you can ring", "Ngā nama waea")
    return _table("numbers", heading, (WHO, both("Number", "Nama")), rows)


def reference(id_: str) -> str:
    """Give what stands for somebody on paper: to staff, who can look it up, alone."""
    return id_[-8:]


def _table(name: str, heading: Cell, columns: Row, rows: Iterable[Row]) -> Section:
    return Section(name=name, heading=heading, columns=columns, rows=tuple(rows))


Build = Callable[[Facts, Speech], Section]

for_her = actions_of(
    Part.PERSON_HARMED, "For the people harmed", "Mō te hunga i tūkinotia"
)
for_each_child = actions_of(Part.CHILD, "For each child", "Mō ia tamaiti")
for_all = actions_of(Part.WHOLE_CASE, "For the whole case", "Mō te whānau katoa")
with_him = actions_of(Part.PERSON_USING_VIOLENCE, "With the person using violence")

LAYOUT: Mapping[Audience, tuple[Build, ...]] = {
    Audience.TEAM: (
        stand,
        dates,
        said,
        for_her,
        for_each_child,
        for_all,
        needs,
        promises,
        with_him,
    ),
    Audience.PERSON: (own_words, own_actions, own_needs, numbers),
    Audience.OUTREACH: (
        with_him,
        needs,
        promises,
        said,
    ),
    Audience.AGENCY: (promises,),
}
"""Which sections stand on the paper of each audience, in order."""
