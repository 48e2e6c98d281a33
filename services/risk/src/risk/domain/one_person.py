"""People of a case who are one: a coordinator has linked them, and may take it back.

A link moves nothing: what was told under either id stays there, and whoever looks goes
by both. Pure.
"""

from collections.abc import Callable, Iterable, Sequence

from pydantic import BaseModel, ConfigDict


class Link(BaseModel):
    """That two ids are of one person, or no longer.

    Attributes:
        revision: The version of the decision that said so.
        over: It was taken back.
    """

    model_config = ConfigDict(frozen=True)

    people: tuple[str, str]
    revision: int
    over: bool = False


def by_one_id(people: Sequence[str], links: Iterable[Link]) -> Callable[[str], str]:
    """Give by which id somebody counts: the first of theirs that the case knows.

    If A is B and B is C, the three are one.

    Args:
        people: Those of the case: of nobody is an id told that it does not know.
        links: Which of them are one, also by way of somebody it does not know.
    """
    pairs = [{*each.people} for each in links if not each.over]

    def one(person_id: str) -> str:
        same = {person_id}
        for _ in pairs:
            same |= {id_ for pair in pairs if pair & same for id_ in pair}
        return next((each for each in people if each in same), person_id)

    return one
