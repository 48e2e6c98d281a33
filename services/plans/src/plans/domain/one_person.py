"""People of a case who are one, as a plan goes by them: each is asked for once."""

from collections.abc import Container, Iterable, Mapping

from accord_contracts.one_person import Link, one_with


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
