"""Where it is kept how people may be reached, and what referrals told of it."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from accord_chassis.sealing import ERASED, SealedStore
from accord_contracts.message import Event, Lane
from accord_contracts.referrals import PersonRole

from referrals.domain.contact import ContactBook, ContactClosed, Heard, Kept, reach_of
from referrals.domain.household import role_of
from referrals.domain.telling import Asker, Channel, ContactPoint, Safety
from referrals.store import PARTS, Document, Referrals, is_withdrawn

PEOPLE = 30
"""The most people of a referral."""


class ContactBooks(SealedStore[ContactBook]):
    """What was decided about the ways to reach each person, by the person's id.

    What each point is, is sealed under a key of its own, which is destroyed when the
    point is closed.
    """

    entity = ContactBook
    collection = "contacts"

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take what the person said out of every point."""
        told = [
            (_part(each["id"]), each["confirmation"])
            for each in fields.get("points", ())
            if each["confirmation"]
        ]
        return {part: each.pop("held") for part, each in told}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put what the person said back, or that nobody can read it."""
        for each in fields["points"]:
            if each["confirmation"]:
                held = parts.get(_part(each["id"]))
                each["confirmation"]["held"] = None if held is ERASED else held

    async def keep(self, was: ContactBook, new: ContactBook, *events: Event) -> None:
        """Save a book, and destroy the keys of what is in it no more.

        Raises:
            Conflict: It has changed meanwhile.
            ContactClosed: An id is used again whose key is destroyed.
        """
        record = self.record(new.id)
        keys = await self.vault.keys_of(record)
        if any(keys.get(_part(e), True) is None for e in new.readable - was.readable):
            raise ContactClosed
        await self.save(new, *events, lane=Lane.URGENT if events else None)
        closed = {each.id for each in new.points if each.closed_at}
        # What was closed before is tried again, in case it was broken off.
        gone = {_part(each) for each in closed | was.readable} - {
            _part(each) for each in new.readable
        }
        if gone := {part for part in gone if keys.get(part)}:
            await self.vault.shred(record, gone)

    async def decided_of(self, person_ids: Collection[str]) -> list[Kept]:
        """Give what was decided about the points of some people; opens nothing."""
        wanted = ("points.id", "points.reach", "points.suspension", "points.closed_at")
        found = self.documents.find(
            {"_id": {"$in": [*person_ids]}},
            projection=dict.fromkeys(wanted, 1),
        )
        return [Kept.model_validate(e) async for d in found for e in d["points"]]

    async def destroy(self, person_id: str) -> None:
        """Destroy all keys of a person's book, and delete it."""
        await self.vault.shred(self.record(person_id))
        await self.documents.delete_one({"_id": person_id})


def _part(contact_id: str) -> str:
    return f"point/{contact_id}"


async def heard_of(person_id: str, referrals: Referrals) -> tuple[list[Heard], bool]:
    """Give what referrals told of the ways to reach somebody, and whether it is all.

    Of each referral nothing else is opened.
    """
    told, complete = await _told_of([person_id], referrals)
    return [heard for each in told for heard in _heard(person_id, each)], complete


async def reaches_of(
    person_ids: Collection[str], referrals: Referrals
) -> tuple[dict[str, set[str]], bool]:
    """Give what reaches some people by what referrals told, and whether it is all.

    By each reach, blind, which referrals say so: also those that were withdrawn, since
    they only ever keep something from being used.
    """
    if not person_ids:
        return {}, True
    told, complete = await _told_of(person_ids, referrals)
    found: dict[str, set[str]] = defaultdict(set)
    for document in told:
        # Whoever an amendment has added has no id for a moment.
        people = zip(document["person_ids"], document["told"]["people"], strict=False)
        for who, each in people:
            for point in each["contact_points"] if who in person_ids else ():
                reach = reach_of(Channel(point["channel"]), point["value"])
                found[referrals.vault.blind(reach)].add(document["_id"])
    return found, complete


async def _told_of(
    person_ids: Collection[str], referrals: Referrals
) -> tuple[list[Document], bool]:
    addresses = [f"sealed.address/{place}" for place in range(PEOPLE)]
    before = [f"sealed.before/{each.removeprefix('sealed.')}" for each in addresses]
    changes = [f"changes.{each}" for each in ("reason", "at", "fields", "identity")]
    own = ("person_ids", "received_at", "told.people.role", *changes, *before)
    kept = (*own, "put_right", "told.asked_by.who")
    found = referrals.documents.find(
        {"person_ids": {"$in": [*person_ids]}},
        projection=dict.fromkeys((*kept, "told.place", "told.sharing", *addresses), 1),
    )
    latest = [e async for e in found.sort("received_at", -1).limit(PARTS)]
    opened: list[Document] = []
    for each in await referrals.open(latest):
        if isinstance(each, BaseException):
            raise each
        opened.append(each)
    return opened, len(latest) < PARTS


def _heard(person_id: str, document: Document) -> list[Heard]:
    people: Sequence[Document] = document["told"]["people"]
    withdrawn = is_withdrawn(document)
    put_right = document.get("put_right", {})
    # Whoever an amendment has added has no id for a moment.
    told = [
        (
            place,
            who,
            role_of(who, each["role"], put_right),
            ContactPoint.model_validate(point),
        )
        for place, (who, each) in enumerate(
            zip(document["person_ids"], people, strict=False)
        )
        for point in each["contact_points"]
    ]
    using_violence = PersonRole.PERSON_USING_VIOLENCE
    asked_by = (document["told"].get("asked_by") or {}).get("who")
    against = asked_by not in {None, Asker.PERSON_USING_VIOLENCE}
    theirs = {
        reach_of(point.channel, point.value)
        for _, who, role, point in told
        if who != person_id and role == using_violence
    }
    return [
        Heard(
            referral_id=document["_id"],
            received_at=document["received_at"],
            channel=point.channel,
            value=point.value,
            since=_since(document, place, point),
            safety=point.safety,
            read_by=point.read_by is not None,
            hours=point.hours is not None,
            windows=point.windows,
            code_word=point.code_word,
            duress_word=point.duress_word,
            leave_message=point.leave_message,
            say_who=point.say_who,
            shared=reach_of(point.channel, point.value) in theirs
            or (against and role == using_violence),
            harmed=role == PersonRole.PERSON_HARMED,
        )
        for place, who, role, point in told
        # Of what was taken back, only what warns still counts.
        if who == person_id and (point.safety is Safety.UNSAFE or not withdrawn)
    ]


def _since(document: Document, place: int, told: ContactPoint) -> datetime | None:
    """Give when a change had something be told as it is of somebody; none: from first.

    An agency can amend a referral that is older than what people know since.
    """
    reach = reach_of(told.channel, told.value)
    for each in reversed(document.get("changes", ())):
        at: datetime = each["at"]
        if f"people.{place}" in each["fields"] or place in each["identity"]:
            return at
        if f"people.{place}.contact_points" not in each["fields"]:
            continue
        stood = json.loads(each.get("was", {}).get(f"address/{place}", "[]"))
        points = [ContactPoint.model_validate(point) for point in stood]
        same = (e for e in points if reach_of(e.channel, e.value) == reach)
        if told.safety not in {each.safety for each in same}:
            return at
    return None
