"""For whom a paper is, and what of a case a paper for them may carry.

It is data, and nothing but ``redacted`` goes by it: no template leaves anything out, so
none can forget to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from accord_contracts.access import Side
from accord_contracts.one_person import Link, one_with
from accord_contracts.papers import Audience

from plans.documents.voice import Entry, OwnVoice
from plans.domain.action import Action
from plans.domain.coming import Coming
from plans.domain.meeting.discussion import Discussion
from plans.domain.one_person import each_once
from plans.domain.plan import Plan
from plans.domain.stage import Status
from plans.domain.template import Part
from plans.domain.version import PlanVersion
from plans.needs.need import Need

HERS, HIS, BOTH = Side.PERSON_HARMED, Side.PERSON_USING_VIOLENCE, Side.WHOLE_CASE

EVERYTHING = frozenset(
    {
        "stand",
        "dates",
        *(f"actions_{part}" for part in Part),
        *(f"tasks_{side}" for side in Side),
        *(f"{kind}_{side}" for kind in ("needs", "voices") for side in (HERS, HIS)),
    }
)
"""Every part that a case's papers are made of."""

AUDIENCES: Mapping[Audience, frozenset[str]] = {
    Audience.TEAM: EVERYTHING,
    # Nothing about others: no date of his, no level, no work with the whole household.
    Audience.PERSON: frozenset(
        {
            f"actions_{Part.PERSON_HARMED}",
            f"actions_{Part.CHILD}",
            f"needs_{HERS}",
            f"voices_{HERS}",
        }
    ),
    # He may look over a shoulder: nothing of theirs, and no level either.
    Audience.OUTREACH: frozenset(
        {
            f"actions_{Part.PERSON_USING_VIOLENCE}",
            *(f"{each}_{HIS}" for each in ("needs", "voices", "tasks")),
        }
    ),
    # A paper for an agency keeps to one compartment, whatever else it has promised.
    Audience.AGENCY: frozenset({f"tasks_{HERS}", f"tasks_{BOTH}"}),
}


@dataclass(frozen=True, slots=True)
class Addressed:
    """Whom a paper is for.

    Attributes:
        person_id: The one person whose own copy it is, for ``PERSON`` alone.
        agency: The one agency whose promises it holds, for ``AGENCY`` alone.
    """

    audience: Audience
    person_id: str | None = None
    agency: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a person said of themselves, and who they are."""

    person_id: str
    side: Side
    entry: Entry


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that an agency promised at a meeting, and when it is due."""

    action: str
    agency: str
    about: Side
    due_at: datetime
    done: bool
    undone: bool

    @classmethod
    def all_of(cls, held: Discussion) -> Iterator[Self]:
        """Give what counts of what was promised on a case at a meeting.

        What was open when the response ended is promised no more, also when the case is
        open again.
        """
        for key, (task, due_at) in held.tasks().items():
            if held.lapsed(key):
                continue
            kept = held.kept.get(key)
            yield cls(
                action=task.action,
                agency=task.agency,
                about=task.about,
                due_at=due_at,
                done=kept is not None and kept.done_at is not None,
                undone=kept is not None and kept.undone_at is not None,
            )


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that papers about a case are made of, or what is left for one.

    Attributes:
        version: The current version of the plan, with its level, where that is told.
        links: Which people of the case are one: each has what is known under any id.
        own: Whose own an action is, by its id: it stands on the copy of nobody else.
        transferred: The case was handed over to another region: no paper leaves here.
    """

    version: PlanVersion | None
    dates: tuple[Coming, ...]
    actions: tuple[Action, ...]
    needs: tuple[Need, ...]
    promises: tuple[Promise, ...]
    said: tuple[Said, ...]
    own: Mapping[str, frozenset[str]] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    transferred: bool = False

    @classmethod
    def of(
        cls,
        plan: Plan,
        needs: Iterable[Need] = (),
        discussions: Iterable[Discussion] = (),
        voices: Iterable[OwnVoice] = (),
    ) -> Self:
        """Gather what is known of a case, with what is planned for those merged in.

        Raises:
            NoPlan: None was drafted yet.
        """
        links = plan.all_links
        of_each = [(plan.harmed, plan.actions)]
        of_each += [(each.harmed, each.actions) for each in plan.shares.values()]
        ended = plan.status is Status.CLOSED
        held = [
            (whose(action, harmed, links), action)
            for harmed, actions in of_each
            for action in actions
            if not (ended and action.open)
        ]
        return cls(
            version=plan.current,
            dates=tuple(e for e in plan.coming.values() if not e.over),
            actions=tuple(each for _, each in held),
            own={each.id: people for people, each in held},
            links=links,
            transferred=plan.transferred_at is not None,
            needs=tuple(needs),
            promises=tuple(p for each in discussions for p in Promise.all_of(each)),
            said=tuple(
                Said(each.person_id, each.side, entry)
                for each in voices
                for entry in each.entries
            ),
        )


def whose(
    action: Action, harmed: Iterable[str], links: Iterable[Link] = ()
) -> frozenset[str]:
    """Say whose own an action is: a child's, or of whom the case is to protect.

    A child may live with the person using violence: what is done for others of the
    household is not on a child's copy, nor on that of anybody else beside them. Nor is
    what is done for one of two people harmed on the other's, and what is for neither by
    name is on no copy.
    """
    if action.person_id:
        return frozenset({action.person_id})
    people = frozenset(harmed)
    alone = len(each_once(people, links)) == 1
    theirs = action.part is Part.PERSON_HARMED and alone
    return people if theirs else frozenset()


def redacted(facts: Facts, to: Addressed) -> Facts:
    """Leave of some facts what a paper may carry for whom it is for."""
    parts = AUDIENCES[to.audience]
    ids = one_with(to.person_id, facts.links) if to.person_id else None

    def theirs(person_id: str) -> bool:
        return ids is None or person_id in ids

    def own(action: Action) -> bool:
        people = facts.own.get(action.id, frozenset())
        return ids is None or not ids.isdisjoint(people)

    return Facts(
        version=facts.version if "stand" in parts else None,
        dates=facts.dates if "dates" in parts else (),
        actions=tuple(
            e for e in facts.actions if f"actions_{e.part}" in parts and own(e)
        ),
        needs=tuple(
            e for e in facts.needs if f"needs_{e.side}" in parts and theirs(e.person_id)
        ),
        promises=tuple(
            e
            for e in facts.promises
            if f"tasks_{e.about}" in parts and to.agency in {None, e.agency}
        ),
        said=tuple(
            e for e in facts.said if f"voices_{e.side}" in parts and theirs(e.person_id)
        ),
    )
