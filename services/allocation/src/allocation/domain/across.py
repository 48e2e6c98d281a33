"""What other cases of the same people forbid in a case.

A case remembers who has served whom in it. Its people may have other cases, with the
same part or the other: a man harms two women, or is harmed himself at home. Nobody
serves him in the one and her in the other, whichever of them came first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from accord_contracts.allocation import Role

from allocation.domain.people import People
from allocation.domain.staffing import Staffing


@dataclass(frozen=True, slots=True)
class Across:
    """What other cases of the same people forbid for a role.

    Attributes:
        served: Who may not have it, for whom they have served there.
        walls: The compartments that may not.
        alike: Cases in which whoever now serves the other side than the role may not.
        turned: Cases in which whoever now serves the same side may not, nor a side
            there and the whole case here, or the reverse: who is harmed in the one
            harms in the other.
    """

    served: frozenset[str] = frozenset()
    walls: frozenset[str] = frozenset()
    alike: frozenset[str] = frozenset()
    turned: frozenset[str] = frozenset()


NOWHERE = Across()
"""Nobody of the case is in another."""


def across(role: Role, people: People, others: Iterable[Staffing]) -> Across:
    """Say what other cases of the same people forbid for a role.

    Where they have the same parts, it is what this case itself forbids: whoever serves
    one side there does not serve the other here, nor does their compartment. Where
    somebody has the other part, whoever serves them there serves nobody here whom they
    harm, or who harms them. That bars no compartment, as all who serve the harmed might
    be of one, and somebody would be left with nobody. Whoever coordinates a whole case
    serves both sides of it: nobody coordinates the one who has served a side of the
    other. It keeps nobody who coordinates the other from coordinating this one.

    Args:
        role: The role.
        people: Of the case, with all that is known of who is one person.
        others: Other cases with some of them.
    """
    served, walls = frozenset[str](), frozenset[str]()
    alike, turned = set[str](), set[str]()
    for each in others:
        theirs = each.everyone.knowing(people)
        if people.alike(theirs):
            alike.add(each.id)
            served |= each.served_against(role)
            walls |= each.walls_against(role)
        if people.turned(theirs):
            turned.add(each.id)
            served |= each.served_where_turned(role)
    return Across(served, walls, frozenset(alike), frozenset(turned))
