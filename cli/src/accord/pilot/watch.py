"""Seeing what the services tell: thin events, as a portal's screens would have them.

People learn from it what they are asked and what is theirs to do, and the replay counts
from it what became of everything: codes, ids and times, and nothing else is in there.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from uuid import uuid4

from accord_chassis.rabbit import reach
from accord_chassis.topology import EVENTS, OPERATOR
from accord_contracts import allocation, notify, plans, referrals, risk
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane
from aio_pika import Connection
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.connection import make_url

from accord.surroundings import Surroundings
from accord.topology import TAIL

WATCHED: tuple[type[Event], ...] = (
    referrals.ReferralReceived,
    risk.RiskAssessed,
    risk.RiskChanged,
    risk.ReassessmentDue,
    risk.ReassessmentOverdue,
    allocation.AllocationOffered,
    allocation.AllocationAccepted,
    allocation.AllocationDeclined,
    allocation.AllocationExpired,
    allocation.AllocationUnfilled,
    plans.PlanDrafted,
    plans.PlanClosed,
    plans.ActionOverdue,
    notify.NotificationSent,
    notify.NotificationEscalated,
)

See = Callable[[Event, Lane], None]


class Watch:
    """The operator's own queue for the events of a region.

    Args:
        surroundings: The region's.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self.seen = 0
        self._url = surroundings.amqp_url_of(OPERATOR)
        self._see: list[See] = []
        self._types = tuple(each.TYPE for each in WATCHED)
        self._connection: AbstractConnection | None = None
        self._fault: Exception | None = None

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        self._connection = await reach(Connection(make_url(self._url)))
        channel = await self._connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(
            f"{TAIL}{uuid4().hex}", exclusive=True, auto_delete=True
        )
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        for type_ in self._types:
            await queue.bind(exchange, f"{type_}.*")
        await queue.consume(self._take, no_ack=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See no more."""
        if self._connection is not None:
            await self._connection.close()

    def tell(self, see: See) -> None:
        """Have somebody see every event, with its lane, in the order of telling."""
        self._see.append(see)

    def watched(self, published: Mapping[str, int]) -> int:
        """Count what will be seen of what was published, by type."""
        return sum(published.get(type_, 0) for type_ in self._types)

    def check(self) -> None:
        """Raise what went wrong in seeing, if anything did."""
        if self._fault is not None:
            raise self._fault

    async def _take(self, incoming: AbstractIncomingMessage) -> None:
        try:
            headers = incoming.headers
            kind = CATALOGUE.entries[str(headers["ce-type"])].event
            event = kind.model_validate_json(incoming.body, extra="ignore")
            lane = Lane(str(headers["ce-lane"]))
            for see in self._see:
                see(event, lane)
        except Exception as fault:  # noqa: BLE001 - The replay ends by it.
            self._fault = self._fault or fault
        finally:
            self.seen += 1
