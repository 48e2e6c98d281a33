"""Who is harmed in a case and by whom, as far as cases of the same people go by it."""

from collections.abc import Iterable

from accord_contracts.one_person import Link, one_with
from accord_contracts.referrals import Party, PersonRole
from pydantic import BaseModel, ConfigDict


class People(BaseModel):
    """The people of a case by the part that they have in it. What is told only adds.

    Attributes:
        harmed: Who was harmed, the children too.
        using_violence: By whom.
        links: Which of them are one person with another id, by what was decided.
        ids: All of them, also by the other id: by these, cases of theirs are found.
    """

    model_config = ConfigDict(frozen=True)

    harmed: frozenset[str] = frozenset()
    using_violence: frozenset[str] = frozenset()
    links: dict[str, Link] = {}
    ids: frozenset[str] = frozenset()

    def met(self, parties: Iterable[Party]) -> "People":
        """Take in whom a referral names, but for those who have neither part."""
        harmed, using = set(self.harmed), set(self.using_violence)
        for each in parties:
            if each.role in HARMED:
                harmed.add(each.person_id)
            elif each.role is PersonRole.PERSON_USING_VIOLENCE:
                using.add(each.person_id)
        return self._with(harmed=frozenset(harmed), using_violence=frozenset(using))

    def decided(self, harmed: str, using_violence: str) -> "People":
        """Note that a person has decided who of two harmed the other.

        What was told of them otherwise counts no more, by whichever of their ids, as
        far as these are known to be one person's now.
        """
        not_harmed = self._by_every_id(frozenset({using_violence}))
        not_using = self._by_every_id(frozenset({harmed}))
        return self._with(
            harmed=(self.harmed - not_harmed) | {harmed},
            using_violence=(self.using_violence - not_using) | {using_violence},
        )

    def linked(self, match_id: str, link: Link) -> "People":
        """Note that two ids are of one person, or no longer: the last word counts."""
        known = self.links.get(match_id)
        if known is not None and known.revision >= link.revision:
            return self
        return self._with(links={**self.links, match_id: link})

    def beside(self, others: Iterable["People"]) -> "People":
        """Give the people of this case and of those that are merged with it."""
        new = self
        for each in others:
            new = new._with(
                harmed=new.harmed | each.harmed,
                using_violence=new.using_violence | each.using_violence,
            ).knowing(each)
        return new

    def knowing(self, other: "People") -> "People":
        """Take in who is one person as another case knows it: the last word counts."""
        new = self
        for match_id, link in other.links.items():
            new = new.linked(match_id, link)
        return new

    def alike(self, other: "People") -> bool:
        """Tell whether somebody has the same part in another case."""
        return not (
            self.every_harmed.isdisjoint(other.every_harmed)
            and self.every_using.isdisjoint(other.every_using)
        )

    def turned(self, other: "People") -> bool:
        """Tell whether somebody is harmed in the one case and harms in the other.

        Of somebody who is told to do both in one case it is not known.
        """
        return not (
            self.only_harmed.isdisjoint(other.only_using)
            and self.only_using.isdisjoint(other.only_harmed)
        )

    @property
    def only_harmed(self) -> frozenset[str]:
        """Who was harmed and harms nobody, by all their ids."""
        return self.every_harmed - self.every_using

    @property
    def only_using(self) -> frozenset[str]:
        """Who harms and was not harmed, by all their ids."""
        return self.every_using - self.every_harmed

    @property
    def every_harmed(self) -> frozenset[str]:
        """Who was harmed, by all their ids."""
        return self._by_every_id(self.harmed)

    @property
    def every_using(self) -> frozenset[str]:
        """Who uses violence, by all their ids."""
        return self._by_every_id(self.using_violence)

    def _by_every_id(self, people: frozenset[str]) -> frozenset[str]:
        if not self.links:
            return people
        links = self.links.values()
        return frozenset[str]().union(*(one_with(each, links) for each in people))

    def _with(self, **changes: object) -> "People":
        new = self.model_copy(update=changes)
        if new == self:
            return self
        return new.model_copy(update={"ids": new.every_harmed | new.every_using})


HARMED = (PersonRole.PERSON_HARMED, PersonRole.CHILD)
"""Whom the roles on the side of the person harmed serve."""
