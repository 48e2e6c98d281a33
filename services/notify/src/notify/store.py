"""Where notifications, teams and the ends of offers and alarms are kept."""

import contextlib
from datetime import datetime

from accord_chassis.store import EPOCH, Conflict, Store
from accord_contracts.message import Event, Lane, Message
from pymongo.operations import IndexModel

from notify.domain.callback import Callback
from notify.domain.channels import Way
from notify.domain.contact import PersonalContact
from notify.domain.delivery import Delivery, DeliveryState
from notify.domain.ended import Ended
from notify.domain.leave import Leave
from notify.domain.notification import Notification, open_since, stamp
from notify.domain.offer import Offer
from notify.domain.pulse import Pulse
from notify.domain.push import Subscription
from notify.domain.rota import Rota
from notify.domain.skipped import NobodyLeft
from notify.domain.team import Team
from notify.domain.untold import Untold
from notify.domain.webhook import Webhook

MANY = 500
"""Messages that one letter may speak for, and more than any worker has open."""

FIRST = "~"
"""Comes after every place in an inbox."""


class Notifications(Store[Notification]):
    """The messages to workers."""

    entity = Notification
    collection = "notifications"
    indexes = (
        IndexModel([("told_workers", 1), ("place", -1)]),
        IndexModel([("told_workers", 1), ("moved", 1)]),
        IndexModel([("case_id", 1), ("since", 1)]),
        IndexModel([("in_vain", 1), ("since", 1)]),
        IndexModel([("about_id", 1), ("worker_id", 1)]),
    )
    due = "due_at"

    async def save(
        self,
        entity: Notification,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> Notification:
        """Save a message, and when: streams follow what has changed by that."""
        at = self._database.clock.now()
        noted = entity.model_copy(update={"saved_at": at})
        return await super().save(noted, *events, cause=cause, lane=lane)

    async def add(
        self, born: Notification, *events: Event, cause: Message[Event]
    ) -> None:
        """Keep a new notification, unless it is there.

        Its id comes from the message that caused it, so one that is there was born of
        the same message, and nothing need be loaded to know that.
        """
        with contextlib.suppress(Conflict):
            await self.save(born, *events, cause=cause)

    async def of_worker(
        self, worker_id: str, *, after: str | None, limit: int
    ) -> list[Notification]:
        """Give what stands in a worker's inbox, as it stands there."""
        places = {"$lt": after or FIRST}
        found = self.documents.find(
            {"told_workers": worker_id, "place": places},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found.sort("place", -1).limit(limit)]

    async def moved(
        self, worker_id: str, *, after: str, limit: int
    ) -> list[Notification]:
        """Give what has changed in a worker's inbox since a place, first to last."""
        found = self.documents.find(
            {"told_workers": worker_id, "moved": {"$gt": after}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found.sort("moved", 1).limit(limit)]

    async def of_case(
        self, case_id: str, *, after: str | None, limit: int
    ) -> list[Notification]:
        """Give who was told of a case, first to last."""
        found = self.documents.find(
            {"case_id": case_id, "since": {"$gt": after or ""}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found.sort("since", 1).limit(limit)]

    async def all_of(self, case_id: str) -> list[Notification]:
        """Give all that was told of a case."""
        found = self.documents.find(
            {"case_id": case_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def recent(self, case_id: str, since: datetime) -> list[Notification]:
        """Give what was told of a case since a time, first to last."""
        found = self.documents.find(
            {"case_id": case_id, "since": {"$gt": stamp(since)}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found.sort("since", 1)]

    async def rung_in_vain(self, since: datetime) -> list[Notification]:
        """Give what has reached somebody by no way since a time, the newest first."""
        found = self.documents.find(
            {"in_vain": True, "since": {"$gt": stamp(since)}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found.sort("since", -1).limit(MANY)]

    async def open_to(
        self, worker_id: str, since: datetime = EPOCH
    ) -> list[Notification]:
        """Give what is open in a worker's inbox since a time, as it stands there."""
        place = open_since(since)
        found = self.documents.find(
            {"told_workers": worker_id, "place": {"$gt": place}},
            projection={"inbox": 0, "outbox": 0},
        )
        loaded = [self.load(e) async for e in found.sort("place", -1).limit(MANY)]
        # What waits for an answer has a place before all others, however old it is.
        return [each for each in loaded if each.created_at >= since]

    async def waits_by(self, way: Way, at: datetime) -> bool:
        """Tell whether anything is due by a way, and has not left."""
        found = self.documents.find(
            {"due_at": {"$gt": EPOCH}}, projection={"inbox": 0, "outbox": 0}
        )
        async for each in found.sort("due_at", 1):
            if self.load(each).waits_by(way, at):
                return True
        return False

    async def between(self, first: str, last: str) -> list[Notification]:
        """Give the messages whose ids lie between two, these among them."""
        found = self.documents.find(
            {"_id": {"$gte": first, "$lte": last}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found]

    async def about_any(self, about_id: str) -> list[Notification]:
        """Give what anybody was told first of one thing."""
        found = self.documents.find(
            {"about_id": about_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def about(self, about_id: str, worker_id: str) -> list[Notification]:
        """Give what a worker was told first of one role or action."""
        # No condition more: with one that is not in the index, the embedded store reads
        # the whole collection.
        found = self.documents.find(
            {"about_id": about_id, "worker_id": worker_id},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found]


class Alarms(Notifications):
    """Those of them that are critical: they fall due in a queue of their own.

    What has fallen due is claimed in one place, so nobody acts on anything twice.
    """

    due = "alarm_at"


class Teams(Store[Team]):
    """Who works on which case, as far as has been heard."""

    entity = Team
    collection = "teams"
    indexes = (IndexModel([("merged_into", 1)]),)

    async def merged_into(self, case_id: str) -> list[str]:
        """Give the cases that are merged into a case."""
        found = self.documents.find({"merged_into": case_id}, projection={"_id": 1})
        return [each["_id"] async for each in found]


class Rotas(Store[Rota]):
    """Who is on call, as far as has been heard."""

    entity = Rota
    collection = "rotas"
    indexes = (IndexModel([("coordinates", 1)]),)

    async def coordinating(self) -> list[Rota]:
        """Give the rotas by which somebody stands in for the coordinators, by id."""
        found = self.documents.find(
            {"coordinates": True}, projection={"inbox": 0, "outbox": 0}
        )
        return sorted([self.load(e) async for e in found], key=lambda each: each.id)


class Leaves(Store[Leave]):
    """Who is on leave and when, as far as has been heard, by worker."""

    entity = Leave
    collection = "leaves"
    due = "look_at"


class Offers(Store[Offer]):
    """How offers of roles to workers ended."""

    entity = Offer
    collection = "offers"


class Ends(Store[Ended]):
    """That what alarms are about is over."""

    entity = Ended
    collection = "ends"


class Webhooks(Store[Webhook]):
    """The agencies' own systems that are told that something waits."""

    entity = Webhook
    collection = "webhooks"
    due = "look_at"


class Subscriptions(Store[Subscription]):
    """The workers' browsers that are told when something rings."""

    entity = Subscription
    collection = "subscriptions"
    indexes = (IndexModel([("worker_id", 1), ("put_at", -1)]),)
    due = "forget_at"

    async def of_worker(self, worker_id: str) -> list[Subscription]:
        """Give a worker's browsers, the one that was put last first."""
        found = self.documents.find(
            {"worker_id": worker_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found.sort("put_at", -1)]

    async def remove(self, put: Subscription) -> None:
        """Keep nothing of a browser, unless it was put again meanwhile."""
        await self.documents.delete_one({"_id": put.id, "version": put.version})


class Deliveries(Store[Delivery]):
    """What agencies' own systems are told, and how far that has come."""

    entity = Delivery
    collection = "deliveries"
    indexes = (
        IndexModel([("agency", 1), ("state", 1), ("created_at", 1)]),
        IndexModel([("agency", 1), ("sent_at", 1)]),
        IndexModel([("case_id", 1)]),
    )
    due = "due_at"

    async def add(self, wanted: Delivery, *, cause: Message[Event]) -> None:
        """Keep what is to be told, unless it is there; its id is the message's."""
        with contextlib.suppress(Conflict):
            await self.save(wanted, cause=cause)

    async def of_case(self, case_id: str) -> list[Delivery]:
        """Give what agencies' systems are told of a case."""
        found = self.documents.find(
            {"case_id": case_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def waiting(self, agency: str) -> list[Delivery]:
        """Give what an agency's system is still to be told."""
        states = [DeliveryState.WANTED.value, DeliveryState.CLAIMED.value]
        found = self.documents.find(
            {"agency": agency, "state": {"$in": states}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(each) async for each in found]

    async def count(self, agency: str, state: DeliveryState) -> int:
        """Count what has come so far of what an agency's system is told."""
        found = {"agency": agency, "state": state.value}
        return await self.documents.count_documents(found)

    async def silent(self, agency: str, since: datetime) -> bool:
        """Tell whether a system has taken nothing since a time, and something waits."""
        waits = await self.documents.find_one(
            {
                "agency": agency,
                "state": DeliveryState.WANTED.value,
                "created_at": {"$gt": EPOCH, "$lte": since},
            }
        )
        if waits is None:
            return False
        taken = {"agency": agency, "sent_at": {"$gt": since}}
        return await self.documents.find_one(taken) is None


class PersonalContacts(Store[PersonalContact]):
    """What was sent to people's own devices, by way to reach them."""

    entity = PersonalContact
    collection = "contacts"
    indexes = (IndexModel([("case_ids", 1)]), IndexModel([("reach", 1)]))
    due = "due_at"

    async def of_case(self, case_id: str) -> list[PersonalContact]:
        """Give the ways by which people of a case were to be reached."""
        found = self.documents.find(
            {"case_ids": case_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def reached_by(self, reach: str) -> list[PersonalContact]:
        """Give the ways that lead to the same number."""
        found = self.documents.find(
            {"reach": reach}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]


class Callbacks(Store[Callback]):
    """What the SMS gateway has posted back, and whose it was."""

    entity = Callback
    collection = "callbacks"
    indexes = (IndexModel([("unknown", 1), ("at", 1)]),)

    async def add(self, heard: Callback, *events: Event) -> None:
        """Keep that something was heard, unless it is there."""
        with contextlib.suppress(Conflict):
            await self.save(heard, *events)

    async def unknown_since(self, since: datetime) -> list[Callback]:
        """Give the replies since a time that came from nobody who is known."""
        found = self.documents.find(
            {"unknown": True, "at": {"$gt": since}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(e) async for e in found.sort("at", -1).limit(MANY)]


class Pulses(Store[Pulse]):
    """Since when nothing has left, by way."""

    entity = Pulse
    collection = "pulses"
    due = "due_at"


class Untolds(Store[Untold]):
    """What nobody could be told of yet."""

    entity = Untold
    collection = "untold"
    indexes = (IndexModel([("case_id", 1)]),)
    due = "due_at"

    async def add(self, waits: Untold, *, cause: Message[Event]) -> None:
        """Keep what is to be told, unless it is there; its id is the message's."""
        with contextlib.suppress(Conflict):
            await self.save(waits, cause=cause)

    async def of_case(self, case_id: str) -> list[Untold]:
        """Give what waits of a case."""
        found = self.documents.find(
            {"case_id": case_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def waits(self) -> bool:
        """Tell whether there is anything that nobody could be told of yet."""
        return await self.documents.find_one({}, projection={"_id": 1}) is not None

    async def remove(self, message_id: str) -> None:
        """Keep nothing of what was told."""
        await self.documents.delete_one({"_id": message_id})


class NobodiesLeft(Store[NobodyLeft]):
    """That everybody was passed over, by message."""

    entity = NobodyLeft
    collection = "nobody_left"
    indexes = (IndexModel([("case_id", 1)]),)

    async def add(self, noted: NobodyLeft, *, cause: Message[Event]) -> None:
        """Keep that nobody was left, unless it is there; its id is the message's."""
        with contextlib.suppress(Conflict):
            await self.save(noted, cause=cause)

    async def of_case(self, case_id: str) -> list[NobodyLeft]:
        """Give of what of a case nobody was told, because all were passed over."""
        found = self.documents.find(
            {"case_id": case_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def remove(self, message_id: str) -> None:
        """Keep nothing of it."""
        await self.documents.delete_one({"_id": message_id})
