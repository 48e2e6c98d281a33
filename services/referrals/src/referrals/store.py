"""Where referrals, people and cases are kept."""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from accord_chassis.batching import Batcher, ByLane
from accord_chassis.sealing import ERASED, SealedStore
from accord_chassis.store import EPOCH, AlreadyHandled, Conflict, Database, Store
from accord_contracts.message import Event, Lane, Message
from pymongo.operations import IndexModel

from referrals.domain import amendment
from referrals.domain.agency import Agency
from referrals.domain.case import Case
from referrals.domain.erasure import ERASED_NAME, Tombstone
from referrals.domain.feedback import Wanted, told_at
from referrals.domain.history import Heard
from referrals.domain.household import Member, role_of
from referrals.domain.recognition import (
    ANEW,
    Person,
    RecognitionRules,
    Sighting,
    kind_of,
    sightings,
)
from referrals.domain.referral import Referral, Sender
from referrals.domain.request import Request
from referrals.domain.telling import DescribedPerson, Telling

Document = dict[str, Any]

PAGE = 200
"""Agencies, requests, or referrals about which more is needed, listed at once."""

PARTS = 1000
"""Referrals of some people that are looked back at, the latest."""

TOGETHER = 100
"""Questions that are asked in one query."""

LARGEST = 100
"""The most people who have a blocking key that is looked at: a phone that more have is
an office's, and tells nobody apart. On one day, some forty of a million are born."""

CROWDED_SECONDS = 600.0
"""How long it is believed that too many have a key."""

CROWDS = 10_000
"""After how many such keys those that are old are forgotten."""

COMPARED = 20
"""The most people with whom one is compared: those who share most keys come first."""


SEALED = "sealed."
"""Before the name of a part that is sealed, where a document is changed."""


class Referrals(SealedStore[Referral]):
    """The referrals, as they were posted.

    Sealed are: each person but for their part; the ways to reach each person, under a
    key of their own, so that a protected address can be destroyed alone; where it
    happened; and all free text, in which anybody may be named.
    """

    entity = Referral
    collection = "referrals"
    indexes = (
        IndexModel([("person_ids", 1)]),
        # Hardly any referral has one, and those that have none need no place in it.
        IndexModel([("former.person_id", 1)], sparse=True),
        IndexModel([("sender.agency", 1), ("received_at", -1)]),
        IndexModel([("sender.agency", 1), ("wanted.asked_at", 1)]),
        IndexModel([("sender.agency", 1), ("put_right_at", -1)]),
    )

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._named = ByLane(self._find_named, limit=TOGETHER)

    def fingerprint(self, told: Telling) -> str:
        """Tell whether two tellings are the same, to whoever has the key."""
        return self.vault.digest("telling", told.canonical)

    def id_of(self, sender: Sender, key: str | None, told: Telling) -> str:
        """Derive a referral's id, so that posting it again is known.

        Raises:
            NoKey: Nothing would tell whether it was posted before.
        """
        return self.vault.id_of("referral", sender.names(key, told.reference))

    def case_id_of(self, referral_id: str) -> str:
        """Derive the id of the case that a referral opens.

        Its agency knows the referral's, and is not to know the case by it.
        """
        return self.vault.id_of("case", referral_id)

    def sightings(
        self,
        referral_id: str,
        people: Iterable[DescribedPerson],
        rules: RecognitionRules,
    ) -> tuple[Sighting, ...]:
        """Give the people of a referral by what they can be recognised by."""
        blind, id_of = self.vault.blind, self.vault.id_of
        return sightings(referral_id, people, rules, blind=blind, id_of=id_of)

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take people, addresses and free text out of what was told, now and before."""
        parts: dict[str, Any] = {}
        parts.update(amendment.take_apart(fields.get("changes", ())))
        told = fields.get("told")
        if told is None:
            return parts
        for place, each in enumerate(told["people"]):
            parts[f"address/{place}"] = each.pop("contact_points") or None
            parts[f"person/{place}"] = {k: each.pop(k) for k in [*each] if k != "role"}
        parts["place"] = told["place"].pop("address")
        texts = (
            told.pop("narrative"),
            told.pop("reference"),
            told["sharing"].pop("why_not_safe"),
        )
        parts["narrative"] = texts if any(each is not None for each in texts) else None
        return parts

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put people, addresses and free text back, or that they are erased."""
        amendment.put_together(fields.get("changes", ()), parts)
        told = fields["told"]
        for place, each in enumerate(told["people"]):
            person = parts.get(f"person/{place}")
            address = parts.get(f"address/{place}")
            gone = {"given_name": ERASED_NAME}
            each.update(gone if person is ERASED or not person else person)
            each["contact_points"] = () if address is ERASED else address or ()
        place_ = parts.get("place")
        told["place"]["address"] = None if place_ is ERASED else place_
        texts = parts.get("narrative")
        unread = (None, None, ERASED_NAME)
        narrative, reference, why = unread if texts is ERASED else texts or (None,) * 3
        told["narrative"], told["reference"] = narrative, reference
        told["sharing"]["why_not_safe"] = why

    async def of_person(self, person_id: str) -> list[Referral]:
        """Give the referrals in which somebody is recognised, or was by mistake."""
        return await self.of_people([person_id])

    async def wanting(self, agency: str) -> list[tuple[str, Wanted]]:
        """Give what is asked about an agency's referrals, longest waiting first.

        By the referral's id; nothing of what they tell is opened.
        """
        found = self.documents.find(
            {"sender.agency": agency, "wanted.asked_at": {"$gt": EPOCH}},
            projection={"wanted": 1},
        )
        first = found.sort("wanted.asked_at", 1).limit(PAGE)
        return [(e["_id"], Wanted.model_validate(e["wanted"])) async for e in first]

    async def corrected(self, agency: str, now: datetime) -> list[tuple[str, datetime]]:
        """Give an agency's referrals whose parts were put right, the latest first.

        By the referral's id, and from when on that is told, as
        :meth:`Referral.correction_told` has it; nothing of what they tell is opened.
        """
        wrong = ("put_right", "person_ids", "told.people.role")
        kept = ("put_right_at", "told_from", *wrong)
        found = self.documents.find(
            {"sender.agency": agency, "put_right_at": {"$gt": EPOCH}},
            projection=dict.fromkeys(kept, 1),
        )
        latest = found.sort("put_right_at", -1).limit(PAGE)
        return [
            (each["_id"], told)
            async for each in latest
            if _told_wrong(each)
            and (told := told_at(each["put_right_at"], each["told_from"], now))
        ]

    async def of_case(self, case: Case) -> list[Referral]:
        """Give the referrals of a case, also those that it let go of."""
        kept = {each.referral_id for each in case.episodes}
        near = await self.of_people([each.person_id for each in case.people])
        return [e for e in near if e.id in kept or e.left_case_id == case.id]

    async def of_people(self, person_ids: Sequence[str]) -> list[Referral]:
        """Give the referrals in which any of some people is or was recognised."""
        # One after the other: of an alternative, the embedded store reads everything.
        found: dict[str, Document] = {}
        for field in ("person_ids", "former.person_id"):
            named = self.documents.find(
                {field: {"$in": person_ids}}, projection={"inbox": 0, "outbox": 0}
            )
            found |= {each["_id"]: each async for each in named}
        return self.load_all(await self.open([*found.values()]))

    async def latest_of_person(self, person_id: str, limit: int) -> list[Referral]:
        """Give the latest referrals in which somebody was recognised."""
        found = self.documents.find(
            {"person_ids": person_id}, projection={"inbox": 0, "outbox": 0}
        )
        latest = found.sort("received_at", -1).limit(limit)
        return self.load_all(await self.open([each async for each in latest]))

    async def named_with(self, person_id: str) -> tuple[str | None, frozenset[str]]:
        """Give the first referral that names somebody, and whoever is named with them.

        They themselves are among those, and nothing is opened.
        """
        found = self.documents.find(
            {"person_ids": person_id}, projection={"person_ids": 1, "received_at": 1}
        )
        told = [each async for each in found.limit(PARTS)]
        first = min(told, key=lambda each: each["received_at"], default=None)
        beside = frozenset(one for each in told for one in each["person_ids"])
        return (first["_id"] if first else None), beside

    async def named_in(self, referral_id: str) -> frozenset[str]:
        """Give whom a referral is about, and whom people in it were taken for once.

        Nobody, if there is no such referral; nothing of what it tells is opened.
        """
        return await self._named(referral_id)

    async def _find_named(self, ids: Sequence[str]) -> list[frozenset[str]]:
        found = self.documents.find(
            {"_id": {"$in": list(set(ids))}},
            projection={"person_ids": 1, "former.person_id": 1},
        )
        named = {
            each["_id"]: frozenset(each["person_ids"]).union(
                once["person_id"] for once in each.get("former", ())
            )
            async for each in found
        }
        return [named.get(each, frozenset()) for each in ids]

    async def heard_of(self, person_ids: Sequence[str]) -> list[Heard]:
        """Give who had which part in the referrals of some people; opens nothing."""
        facts = ("people.role", "incidents", "occurred_at", "asked_by.who")
        wanted = (f"told.{each}" for each in facts)
        sent = ("sender.agency", "sender.agency_kind")
        own = ("person_ids", *sent, "left_case_id", "changes.reason")
        kept = (*own, *wanted, "put_right")
        found = self.documents.find(
            {"person_ids": {"$in": person_ids}}, projection=dict.fromkeys(kept, 1)
        )
        latest = found.sort("received_at", -1).limit(PARTS)
        return [_heard(each) async for each in latest]

    async def shred_person(self, referral: Referral, person_id: str) -> None:
        """Destroy the keys of one person's part of a referral.

        Whoever is in a narrative may be named in it, and where it happened may be where
        they live, so both go with any of its people; so does what stood before, also
        of those who were taken for them.
        """
        places = {i for i, each in enumerate(referral.person_ids) if each == person_id}
        parts = [f"{kind}/{i}" for i in places for kind in ("person", "address")]
        places |= {e.place for e in referral.former if e.person_id == person_id}
        stood = [f"{kind}/{i}" for i in places for kind in ("person", "address")]
        before = [f"before/{each}" for each in (*stood, amendment.REST)]
        gone = [*parts, *before, "narrative", "place"]
        await self.vault.shred(self.record(referral.id), gone)


class Near(NamedTuple):
    """Those who share a blocking key with somebody.

    Attributes:
        crowded: The kinds of keys that too many share: not all of them are here.
    """

    people: list[Person]
    crowded: tuple[str, ...]


class Crowds:
    """The blocking keys that more people have than are looked at, as found lately.

    They are keyed hashes: they tell nothing of anybody.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def among(self, keys: Iterable[str]) -> frozenset[str]:
        """Give those of some keys that too many have."""
        now = time.monotonic()
        return frozenset(key for key in keys if self._until.get(key, 0.0) > now)

    def note(self, keys: Iterable[str]) -> None:
        """Remember that too many have some keys."""
        now = time.monotonic()
        if len(self._until) > CROWDS:
            self._until = {key: at for key, at in self._until.items() if at > now}
        self._until.update(dict.fromkeys(keys, now + CROWDED_SECONDS))


class _Sharing(NamedTuple):
    """Those who have some blocking keys.

    Attributes:
        documents: They, by id.
        holders: Who has a key, by key.
        crowded: The keys that too many have.
    """

    documents: dict[str, Document]
    holders: Mapping[str, list[str]]
    crowded: frozenset[str]


class People(SealedStore[Person]):
    """The people, by what they are recognised by.

    Sealed is what they are compared by. Whoever is known by a key is not compared, so
    that their keys in the vault need not be read.
    """

    entity = Person
    collection = "people"
    due = "compare_at"
    indexes = (IndexModel([("keys", 1)], unique=True), IndexModel([("blocks", 1)]))

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._known_by = Batcher(self._find_known, limit=TOGETHER)
        self._near = Batcher(self._find_near, limit=TOGETHER)
        self._crowds = Crowds()

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take out what they are compared by. It is never taken back, only erased."""
        likeness = fields.pop("likeness", None)
        return {"likeness": likeness} if likeness is not None else {}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put it back, unless it is erased."""
        likeness = parts.get("likeness")
        fields["likeness"] = None if likeness is ERASED else likeness

    async def known_by(self, keys: Iterable[str]) -> dict[str, Person]:
        """Give everybody who has one of some keys, by key.

        What they are compared by is not loaded: ``get`` them before they are saved.
        """
        wanted = frozenset(keys)
        people = [self.load(each) for each in await self._known_by(wanted)]
        return {
            key: person for person in people for key in person.keys if key in wanted
        }

    async def near(self, blocks: Iterable[str]) -> Near:
        """Give those who share a blocking key, whoever shares most first."""
        return await self._near(frozenset(blocks))

    async def all_of(self, person_ids: Iterable[str]) -> list[Person | None]:
        """Give some people; none for whoever there is not."""
        return await asyncio.gather(*map(self.get, person_ids))

    async def family_names(self, person_ids: Iterable[str]) -> tuple[str, ...]:
        """Give the family names of some people, all by which each was told of."""
        found = await self.all_of(person_ids)
        told = (e.likeness.family_names for e in found if e and e.likeness)
        return tuple(chain.from_iterable(told))

    async def rekey(self, person: Person) -> None:
        """Have somebody who is kept be recognised by these keys alone.

        Their document is made anew: of one that changes, the embedded store keeps the
        keys in its unique index, and nobody else could ever have them. It keeps the
        list as a whole even then, so that no list may come again: one key is drawn.
        What they are compared by stays sealed under the key that they have.

        Raises:
            Conflict: They have changed meanwhile, or a key is somebody else's.
        """
        keys = (each for each in person.keys if kind_of(each) != ANEW)
        update = {
            "version": person.version + 1,
            "keys": (*keys, f"{ANEW}:{uuid4().hex}"),
        }
        again = person.model_copy(update=update)
        fields = await self.seal(again.id, again.model_dump(), Lane.ROUTINE)
        # Of a document that is there, the sealed parts are named by their place in it.
        parts = [each for each in fields if each.startswith(SEALED)]
        sealed = {each.removeprefix(SEALED): fields.pop(each) for each in parts}
        decided_on = {"_id": person.id, "version": person.version}
        gone = await self.documents.delete_one(decided_on)
        if person.version and not gone.deleted_count:
            raise Conflict("Somebody was changed or erased meanwhile.")
        document = self._document({"sealed": sealed, **fields}, [], None)
        await self._database.insert(self.collection, document)
        self._database.note_due(self.collection, again)

    async def remove(self, person_id: str) -> None:
        """Delete somebody, so that nothing of their keys is left in an index.

        What they are compared by cannot be read in a backup either.
        """
        await self.vault.shred(self.record(person_id))
        await self.documents.delete_one({"_id": person_id})

    async def _find_known(
        self, questions: Sequence[frozenset[str]]
    ) -> Sequence[list[Document]]:
        keys = list(frozenset[str]().union(*questions))
        found = self.documents.find(
            {"keys": {"$in": keys}},
            projection={"inbox": 0, "outbox": 0, "blocks": 0, "sealed": 0},
        )
        holders = {key: each async for each in found for key in each["keys"]}
        return [_each_once(holders.get(key) for key in keys) for keys in questions]

    async def _find_near(
        self, questions: Sequence[frozenset[str]]
    ) -> Sequence[Near | BaseException]:
        sharing = await self._sharing(frozenset[str]().union(*questions))
        return await asyncio.gather(
            *(self._nearest(keys, sharing) for keys in questions),
            return_exceptions=True,
        )

    async def _sharing(self, keys: frozenset[str]) -> _Sharing:
        """Give those who have some keys, but nobody for a key that too many have."""
        crowded = self._crowds.among(keys)
        while True:
            asked = keys - crowded
            if not asked:
                return _Sharing({}, {}, crowded)
            most = LARGEST * len(asked)
            found = self.documents.find(
                {"blocks": {"$in": list(asked)}}, projection={"inbox": 0, "outbox": 0}
            )
            documents = {each["_id"]: each async for each in found.limit(most + 1)}
            holders: dict[str, list[str]] = defaultdict(list)
            for one, each in documents.items():
                for key in asked.intersection(each["blocks"]):
                    holders[key].append(one)
            more = [key for key, held in holders.items() if len(held) > LARGEST]
            self._crowds.note(more)
            crowded = crowded.union(more)
            # If there are more, then so many that one of the keys is crowded: without
            # it, it hides nobody whom another finds.
            if len(documents) <= most:
                return _Sharing(documents, holders, crowded)

    async def _nearest(self, keys: frozenset[str], sharing: _Sharing) -> Near:
        """Open those who share most with somebody."""
        telling = keys - sharing.crowded
        share = Counter(one for key in telling for one in sharing.holders.get(key, ()))
        found = sorted(share, key=lambda one: (-share[one], one))
        # Those who share the fewest keys with them are left out.
        beyond = frozenset(found[COMPARED:])
        crowded = {kind_of(key) for key in keys & sharing.crowded} | {
            kind_of(key)
            for key in telling
            if not beyond.isdisjoint(sharing.holders.get(key, ()))
        }
        opened = await self.open(
            [dict(sharing.documents[one]) for one in found[:COMPARED]]
        )
        return Near(self.load_all(opened), tuple(sorted(crowded)))


class Tombstones(Store[Tombstone]):
    """What was erased, by the id that it had."""

    entity = Tombstone
    collection = "tombstones"

    async def keep(self, tombstone: Tombstone, *events: Event) -> None:
        """Keep a tombstone, unless there is one."""
        with contextlib.suppress(Conflict):
            await self.save(tombstone, *events)

    async def keep_and_tell(self, tombstone: Tombstone, *events: Event) -> None:
        """Keep a tombstone; if there is one, tell once more.

        Raises:
            Conflict: It was kept, or told of, meanwhile.
        """
        await self.save(await self.get(tombstone.id) or tombstone, *events)


class Requests(Store[Request]):
    """What somebody asks for that another must confirm."""

    entity = Request
    collection = "requests"
    due = "due_at"
    indexes = (IndexModel([("waits_until", 1)]),)

    async def remove(self, request_id: str) -> None:
        """Delete a request whose time has come."""
        await self.documents.delete_one({"_id": request_id})

    async def waiting(self, at: datetime) -> list[Request]:
        """Give those that wait for their second person, the first to lapse first."""
        found = self.documents.find(
            {"waits_until": {"$gt": at}}, projection={"outbox": 0}
        )
        found = found.sort("waits_until", 1).limit(PAGE)
        return [self.load(each) async for each in found]


class Cases(Store[Case]):
    """The cases, by who is in them and what was referred."""

    entity = Case
    collection = "cases"
    due = "erase_at"
    indexes = (
        IndexModel([("keys", 1)], unique=True),
        IndexModel([("people.person_id", 1)]),
        IndexModel([("episodes.referral_id", 1)]),
    )

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._with_people = Batcher(self._find_with_people, limit=TOGETHER)

    async def with_people(
        self, person_ids: Iterable[str], *, cause: Message[Event]
    ) -> list[Case]:
        """Give the cases that any of some people are in.

        Raises:
            AlreadyHandled: The message has had its effect on one of them.
        """
        documents = await self._with_people(frozenset(person_ids))
        handled = UUID(cause.id).bytes
        if any(handled in each["inbox"] for each in documents):
            raise AlreadyHandled(cause.id)
        return self._standing(documents)

    def _standing(self, documents: Iterable[Document]) -> list[Case]:
        """Leave out what is erased: nothing is referred to it any more."""
        loaded = (self.load(each) for each in documents)
        return [each for each in loaded if not each.erased]

    async def _find_with_people(
        self, questions: Sequence[frozenset[str]]
    ) -> Sequence[list[Document]]:
        ids = list(frozenset[str]().union(*questions))
        found = self.documents.find(
            {"people.person_id": {"$in": ids}}, projection={"outbox": 0}
        )
        cases: dict[str, list[Document]] = defaultdict(list)
        async for document in found:
            for each in document["people"]:
                cases[each["person_id"]].append(document)
        return [
            _each_once(case for each in ids for case in cases.get(each, ()))
            for ids in questions
        ]

    async def remove(self, case_id: str) -> None:
        """Delete a case that is erased, so that others may claim its keys."""
        await self.documents.delete_one({"_id": case_id})

    async def of_people(self, person_ids: Iterable[str]) -> list[Case]:
        """Give the cases that any of some people are in."""
        return self._standing(await self._with_people(frozenset(person_ids)))

    async def of_referrals(self, referral_ids: Iterable[str]) -> list[Case]:
        """Give the cases that keep the episode of any of some referrals."""
        return await self._all({"episodes.referral_id": {"$in": [*referral_ids]}})

    async def of_ids(self, case_ids: Iterable[str]) -> list[Case]:
        """Give those of some cases that there are."""
        return await self._all({"_id": {"$in": [*case_ids]}})

    async def _all(self, wanted: Document) -> list[Case]:
        found = self.documents.find(wanted, projection={"outbox": 0})
        return [self.load(each) async for each in found]

    async def family_of(self, case: Case) -> list[Case]:
        """Give a case, and those that are merged into it and not only about to be."""
        taken = await asyncio.gather(*map(self.get, case.taken))
        merged = (each for each in taken if each and not each.erased)
        return [case, *(each for each in merged if each.merged_into == case.id)]

    async def of_referral(self, referral_id: str) -> Case | None:
        """Give the case that keeps a referral's episode, if one does."""
        document = await self.documents.find_one(
            {"episodes.referral_id": referral_id}, projection={"outbox": 0}
        )
        return self.load(document) if document else None


class Agencies(Store[Agency]):
    """The register of agencies, by code and by the keys of their machines."""

    entity = Agency
    collection = "agencies"
    indexes = (
        IndexModel([("code", 1)], unique=True),
        IndexModel([("keys.id", 1)]),
    )

    async def with_key(self, key_id: str) -> Agency | None:
        """Give the agency that has a key, whether or not the key is still good."""
        document = await self.documents.find_one(
            {"keys.id": key_id}, projection={"outbox": 0}
        )
        return self.load(document) if document else None

    async def page(self, after: str, limit: int) -> list[Agency]:
        """List the register by code, a page at a time."""
        found = self.documents.find({"code": {"$gt": after}}, projection={"outbox": 0})
        return [self.load(each) async for each in found.sort("code", 1).limit(limit)]


def is_withdrawn(document: Document) -> bool:
    """Tell whether a referral was taken back, without making it of its document."""
    return any(each.get("reason") for each in document.get("changes", ()))


def _told_wrong(document: Document) -> bool:
    right = document["put_right"]
    told = zip(document["person_ids"], document["told"]["people"], strict=False)
    return any(role_of(who, e["role"], right) != e["role"] for who, e in told)


def _heard(document: Document) -> Heard:
    told = document["told"]
    # Whoever was added by an amendment may not be recognised yet.
    parts = zip(document["person_ids"], told["people"], strict=False)
    put_right = document.get("put_right", {})
    members = (
        Member(person_id=each, role=role_of(each, part["role"], put_right))
        for each, part in parts
    )
    return Heard(
        referral_id=document["_id"],
        case_id=document.get("left_case_id"),
        agency=document["sender"]["agency"],
        agency_kind=document["sender"]["agency_kind"],
        incidents=told["incidents"],
        occurred_at=told["occurred_at"],
        members=tuple(dict.fromkeys(members)),
        asked_by=(told.get("asked_by") or {}).get("who"),
        withdrawn=is_withdrawn(document),
    )


def _each_once(documents: Iterable[Document | None]) -> list[Document]:
    return list({each["_id"]: each for each in documents if each}.values())
