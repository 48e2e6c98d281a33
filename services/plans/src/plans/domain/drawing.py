"""What a version of a plan asks for, and what it carries over."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from accord_contracts.allocation import Role

from plans.domain.action import Action
from plans.domain.stage import ActionStage, reached
from plans.domain.template import Measure, Part, Template
from plans.domain.waiting import running


@dataclass(frozen=True, slots=True)
class Ground:
    """What a version is drawn up for.

    Attributes:
        case: Of which case.
        name: Names the version, and how often the plan was changed before: whoever
            leaves and comes back meanwhile is asked for anew.
        at: When that is done.
        since: From when on its clocks run.
        episode: When the response to the present episode was first asked for.
        risen: The level is higher than that of the version before.
        children: The children who are known.
        harmed: The people harmed for each of whom anything is asked: where there is one
            it is asked for nobody by name.
        owner: Says who has a role.
    """

    case: UUID
    name: str
    at: datetime
    since: datetime
    episode: datetime
    risen: bool
    children: Sequence[str]
    harmed: Sequence[str]
    owner: Callable[[Role], str | None]


def drawn_up(
    template: Template, held: Iterable[Action], ground: Ground
) -> tuple[Action, ...]:
    """Give what a template asks for, then what else is carried over."""
    left = {(each.code, each.person_id): each for each in held}
    asked = [
        _action(measure, person_id, _taken(left, measure, person_id), template, ground)
        for measure in template.measures
        for person_id in _persons(measure, ground)
    ]
    actions = (*asked, *left.values())
    return running(actions, template.working, template.remind, ground.since)


def _persons(measure: Measure, ground: Ground) -> Sequence[str | None]:
    """Say for whom it is asked: for each child, or person harmed, whose part it is."""
    each = {Part.CHILD: ground.children, Part.PERSON_HARMED: ground.harmed}
    return each.get(measure.part) or (None,)


def _taken(
    left: dict[tuple[str, str | None], Action], measure: Measure, person_id: str | None
) -> Action | None:
    """Take what is held of it: of somebody first known now, what was for anybody."""
    own = left.pop((measure.code, person_id), None)
    return own or left.pop((measure.code, None), None)


def _action(
    measure: Measure,
    person_id: str | None,
    held: Action | None,
    template: Template,
    ground: Ground,
) -> Action:
    since = max(ground.episode, measure.since or ground.episode)
    anew = measure.each_episode or measure.since is not None
    if held and held.settled(since, each_episode=anew, risen=ground.risen):
        return held
    due_at = measure.due_at(ground.since, template.working)
    whose = f"/{person_id}" if person_id else ""
    if measure.since and held and held.ended:
        # For another date within the same version: it is another action.
        whose += f"/{len(held.ended)}"
    name = f"action/{ground.name}/{measure.code}{whose}"
    worker_id = ground.owner(measure.role)
    stages = (ActionStage.ASKED, *((ActionStage.ACCEPTED,) if worker_id else ()))
    new = Action(
        id=str(uuid5(ground.case, name)),
        code=measure.code,
        strand=measure.strand,
        part=measure.part,
        person_id=person_id,
        role=measure.role,
        mandatory=measure.mandatory,
        due_at=due_at,
        after=measure.after,
        within=measure.within if measure.after else None,
        agency=template.agencies[measure.role],
        worker_id=worker_id,
        remind_at=due_at - template.remind,
        last_done_at=(held.done_at or held.last_done_at) if held else None,
        past=held.ended if held else (),
        first=reached({}, ground.at, *stages),
    )
    return held.carried_into(new, template.remind) if held and held.open else new
