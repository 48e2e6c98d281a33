"""Where it is kept what people say for themselves, and what was let go."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from accord_chassis.sealing import ERASED, SealedStore
from accord_chassis.store import Document, Store
from accord_contracts.access import Side
from pymongo.operations import IndexModel

from plans.documents.release import Looks, Release
from plans.documents.voice import OwnVoice, TakenBack, voice_id

WITHOUT = {"inbox": 0, "outbox": 0}


class Voices(SealedStore[OwnVoice]):
    """What people say for themselves, each entry's words under a key of its own."""

    entity = OwnVoice
    collection = "voices"
    indexes = (IndexModel([("case_id", 1)]), IndexModel([("person_id", 1)]))

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take the words out of every entry."""
        return {part: each.pop("words") for part, each in _entries(fields)}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put the words back; of what nobody can read any more, none."""
        for part, each in _entries(fields):
            words = parts.get(part)
            each["words"] = None if words is ERASED else words

    async def of_case(self, case_id: str) -> list[OwnVoice]:
        """Give what everybody in a case says."""
        return await self.of_cases([case_id])

    async def of_cases(self, case_ids: Iterable[str]) -> list[OwnVoice]:
        """Give what everybody in some cases says."""
        named = {"case_id": {"$in": [*case_ids]}}
        found = self.documents.find(named, projection=WITHOUT)
        return self.load_all(await self.open([each async for each in found]))

    async def keep(self, was: OwnVoice, new: OwnVoice) -> OwnVoice:
        """Save what somebody has said besides.

        Raises:
            Conflict: It has changed meanwhile.
            TakenBack: An id is used again whose key is destroyed.
        """
        said = {each.id for each in new.entries} - {each.id for each in was.entries}
        keys = await self.vault.keys_of(self.record(new.id))
        if any(keys.get(_part(each), True) is None for each in said):
            raise TakenBack
        return await self.save(new)

    async def has_had(self, held: OwnVoice, entry_id: str) -> bool:
        """Tell whether an entry stands, or stood until it was taken back."""
        keys = await self.vault.keys_of(self.record(held.id))
        return _part(entry_id) in keys

    async def take_back(self, held: OwnVoice, entry_id: str) -> OwnVoice:
        """Destroy what somebody said. If that was broken off, again does the rest.

        Raises:
            Conflict: It has changed meanwhile.
        """
        new = held.take_back(entry_id)
        if new is not held:
            new = await self.save(new)
        await self.vault.shred(self.record(held.id), [_part(entry_id)])
        return new

    async def erase(self, case_id: str) -> None:
        """Destroy what everybody in a case said, which is erased."""
        # The keys first: if it is broken off, nobody reads what is left of it.
        await self._shred({"case_id": case_id})
        await self.documents.delete_many({"case_id": case_id})

    async def erase_person(self, person_id: str, case_id: str) -> None:
        """Destroy what somebody said who is erased, in every case.

        That they are, and whether a copy was unsafe for them, stays.

        Args:
            person_id: Who.
            case_id: One of their cases, in which nothing is kept of them any more.

        Raises:
            Conflict: They said something meanwhile.
        """
        theirs = {"person_id": person_id}
        none_yet = OwnVoice.of(case_id, Side.PERSON_HARMED, person_id)
        for each in {none_yet.id, *await self._ids(theirs)}:
            held = await self.get(each) or none_yet
            if not held.erased:
                await self.save(held.erase())
        # The keys last: of what was being written meanwhile they are destroyed too.
        await self._shred(theirs)

    async def is_erased(self, person_id: str, case_id: str) -> bool:
        """Tell whether somebody of a case is erased."""
        held = await self.get(voice_id(case_id, Side.PERSON_HARMED, person_id))
        return held is not None and held.erased

    async def _ids(self, whose: Mapping[str, str]) -> list[str]:
        found = self.documents.find(whose, projection={"_id": 1})
        return [str(each["_id"]) async for each in found]

    async def _shred(self, whose: Mapping[str, str]) -> None:
        for each in await self._ids(whose):
            await self.vault.shred(self.record(each))


class Releases(Store[Release]):
    """The papers that may leave, or were asked for. They hold ids and codes alone."""

    entity = Release
    collection = "releases"
    indexes = (IndexModel([("case_id", 1), ("asked_at", -1)]),)

    async def of_case(self, case_id: str) -> list[Release]:
        """Give the latest hundred of a case, the latest first."""
        found = self.documents.find({"case_id": case_id}, projection=WITHOUT)
        latest = found.sort("asked_at", -1).limit(100)
        return [self.load(each) async for each in latest]

    async def standing(self, case_id: str) -> list[Release]:
        """Give those of a case that nobody has ended."""
        found = self.documents.find({"case_id": case_id, "ended_at": None}, WITHOUT)
        return [self.load(each) async for each in found]

    async def erase(self, case_id: str) -> None:
        """Delete those of a case that is erased."""
        await self.documents.delete_many({"case_id": case_id})


class LookedThrough(Store[Looks]):
    """Which papers of each case were looked through: a case's own document counts.

    Whoever counts a paper twice at once has saved it once: saving is version-checked.
    """

    entity = Looks
    collection = "looks"

    async def count(self, case_id: str, paper: str, at: datetime) -> None:
        """Count a paper that is about to be looked through.

        Raises:
            LookedTooOften: Others of the case were too often, today.
            Conflict: Another was counted meanwhile.
        """
        held = await self.get(case_id) or Looks(id=case_id)
        new = held.look(paper, at)
        if new is not held:
            await self.save(new)

    async def erase(self, case_id: str) -> None:
        """Delete what was counted of a case that is erased."""
        await self.documents.delete_one({"_id": case_id})


def _entries(fields: Document) -> Iterator[tuple[str, Document]]:
    for each in fields.get("entries", ()):
        yield _part(each["id"]), each


def _part(entry_id: str) -> str:
    return f"entry/{entry_id}"
