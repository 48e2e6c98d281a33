"""People of a case who are one: a coordinator has linked them, and may take it back.

A link moves nothing. What was planned, noted and said under either id stays there, and
whoever looks goes by both; so taking it back leaves each with their own.
"""

from collections.abc import Container, Iterable, Mapping

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


def one_with(person_id: str, links: Iterable[Link]) -> frozenset[str]:
    """Give every id of somebody: if A is B and B is C, the three are one."""
    pairs = [{*each.people} for each in links if not each.over]
    found = {person_id}
    for _ in pairs:
        found |= {id_ for pair in pairs if pair & found for id_ in pair}
    return frozenset(found)


def latest(told: Iterable[Mapping[str, Link]]) -> dict[str, Link]:
    """Give what was said last of each link, by whichever case was told."""
    links: dict[str, Link] = {}
    for match_id, link in (pair for each in told for pair in each.items()):
        known = links.get(match_id)
        if known is None or link.revision > known.revision:
            links[match_id] = link
    return links


def each_once(
    people: Iterable[str],
    links: Iterable[Link],
    asked: Container[str | None] = (),
) -> tuple[str, ...]:
    """Give people in order, each by one id: the first that is known.

    Or the first for which something is asked already, so that it is not asked twice.
    """
    people, links = [*people], [*links]
    seen, found = set[str](), list[str]()
    for each in people:
        if each in seen:
            continue
        same = one_with(each, links)
        seen |= same
        ids = [other for other in people if other in same]
        found.append(next((other for other in ids if other in asked), each))
    return tuple(found)
