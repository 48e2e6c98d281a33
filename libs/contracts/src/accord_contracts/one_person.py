"""People of a case who are one: a coordinator has linked them, and may take it back.

A link moves nothing. What was told, planned and said under either id stays there, and
whoever looks goes by both; so taking it back leaves each with their own.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from accord_contracts.message import Message
from accord_contracts.referrals import PersonMerged, PersonUnmerged


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

    @classmethod
    def told(cls, message: Message[PersonMerged] | Message[PersonUnmerged]) -> "Link":
        """Give what a message says of two ids."""
        return cls(
            people=(message.data.person_id, message.data.other_id),
            revision=message.aggregate_version,
            over=isinstance(message.data, PersonUnmerged),
        )


def one_with(person_id: str, links: Iterable[Link]) -> frozenset[str]:
    """Give every id of somebody: if A is B and B is C, the three are one."""
    pairs = [{*each.people} for each in links if not each.over]
    found = {person_id}
    for _ in pairs:
        found |= {id_ for pair in pairs if pair & found for id_ in pair}
    return frozenset(found)
