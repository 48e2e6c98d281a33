"""How much one may ask for: requests a minute, guesses a minute, records an hour.

The gateway's limits come first; these hold behind it, for each replica by itself, and
know what a gateway cannot: who asks, and for which records.

There is no limit on what services ask each other, because what a service is refused, a
message would wait for. It is their own tokens that have none: whoever else holds one of
these scopes is counted, and is refused by the route.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from threading import Timer
from typing import Self

import structlog
from accord_contracts.problem import Refusal
from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from accord_chassis.problems import route_of
from accord_chassis.settings import ChassisSettings, Network

log = structlog.get_logger()

MINUTE, HOUR = 60, 3600.0

ASKING = (".ask", ".reach", ".screen")
"""How the scopes end under which services ask each other."""

BRINGS_ITS_RECORD = "PUT"
"""Whoever puts a record knows its id already, and may put many."""

NEIGHBOURS = 64
"""Bits of an IPv6 address that one household or office shares."""

ENOUGH = 2000
"""Counts that are kept before anybody looks which are out of date."""

REMEMBERED = 10_000
"""Callers whose records are counted; who has asked for none longest is forgotten."""


class TooManyRequests(Refusal):
    """More was asked for than one may ask for at a time: come back later."""

    status = 429

    def __init__(self, policy: str, *, most: int, window: float, wait: float) -> None:
        super().__init__()
        seconds = max(1, round(wait))
        # draft-ietf-httpapi-ratelimit-headers-10: the policy, and what is left of it.
        self.headers = {
            "Retry-After": str(seconds),
            "RateLimit-Policy": f'"{policy}";q={most};w={round(window)}',
            "RateLimit": f'"{policy}";r=0;t={seconds}',
        }


@dataclass(frozen=True, slots=True)
class Who:
    """Whose requests are counted together.

    Attributes:
        issuer: The identity provider who vouches.
        subject: Who, by the provider's id.
        machine: It is a system that asks, for everybody at an agency.
        service: It is one of the platform's services.
    """

    issuer: str
    subject: str
    machine: bool = False
    service: bool = False

    @property
    def digest(self) -> str:
        """Tell one caller from another in a log, which must not say who they are."""
        whole = f"{self.issuer}\n{self.subject}".encode()
        return blake2b(whole, digest_size=6).hexdigest()


class _Unneeded(Timer):
    """Says that it runs, so that no other is started."""

    def is_alive(self) -> bool:
        """Say so."""
        return True


class _Memory(MemoryStorage):
    """The library's storage, without its thread.

    It starts one for each request that finds none running: 150 µs for what takes 10
    (measured at 300 requests a second). What is out of date is forgotten here whenever
    there is twice as much as there was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.timer = _Unneeded(HOUR, self.forget)
        self._enough = ENOUGH

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and forget now and then."""
        if len(self.expirations) > self._enough:
            self.forget()
            self._enough = max(ENOUGH, 2 * len(self.expirations))
        return super().incr(key, expiry, amount)

    def forget(self) -> None:
        """Forget what is out of date: the library does so for what is looked at."""
        for key in list(self.expirations):
            self.get(key)


ABOUT = ("case_id", "person_id")
"""What a path calls whoever, and whatever, somebody might look for one by one."""


class Rate:
    """Counts requests in a window that slides, by the ``limits`` library in memory.

    Args:
        policy: What the limit is called in answers.
        most: Requests a minute; none: as many as anybody likes.
    """

    def __init__(self, policy: str, most: int) -> None:
        self._policy = policy
        self._most = most
        self._item = RateLimitItemPerMinute(max(most, 1))
        self._window = SlidingWindowCounterRateLimiter(_Memory())

    def count(self, *key: str) -> None:
        """Count a request.

        Raises:
            TooManyRequests: It is one too many.
        """
        if self._most and not self._window.hit(self._item, *key):
            self._refuse(key)

    def check(self, *key: str) -> None:
        """See whether another would be one too many, and count nothing.

        Raises:
            TooManyRequests: It would.
        """
        if self._most and not self._window.test(self._item, *key):
            self._refuse(key)

    def _refuse(self, key: tuple[str, ...]) -> None:
        until = self._window.get_window_stats(self._item, *key).reset_time
        raise TooManyRequests(
            self._policy, most=self._most, window=MINUTE, wait=until - time.time()
        )


@dataclass(slots=True)
class _Seen:
    """The records of one caller's last hour, and when each was asked for last."""

    records: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    suspected_at: float = float("-inf")


class Records:
    """Counts the different records that a caller asks for within an hour.

    What was asked for stays open: who has reached the limit can go on with the records
    at hand, and cannot look for others. Whether there is such a record makes no
    difference: who tries ids is who should be noticed.

    Args:
        service: Whose they are.
        people: Different records an hour for a person; none: no limit.
        machines: Different records an hour for an agency's system.
        now: The time in seconds, which only moves forward.
    """

    def __init__(
        self,
        service: str,
        *,
        people: int,
        machines: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._people = people
        self._machines = machines
        self._now = now
        self._seen: OrderedDict[Who, _Seen] = OrderedDict()

    def count(self, who: Who, record: str, *, route: str) -> None:
        """Count a record.

        Raises:
            TooManyRequests: It is a new one, and one too many.
        """
        most = self._machines if who.machine else self._people
        if not most:
            return
        now = self._now()
        seen = self._of(who)
        while seen.records and next(iter(seen.records.values())) < now - HOUR:
            seen.records.popitem(last=False)
        key = blake2b(record.encode(), digest_size=8).digest()
        if key not in seen.records and len(seen.records) >= most:
            self._suspect(who, seen, now, route=route, most=most)
            wait = next(iter(seen.records.values())) + HOUR - now
            raise TooManyRequests("records", most=most, window=HOUR, wait=wait)
        seen.records[key] = now
        seen.records.move_to_end(key)

    def _of(self, who: Who) -> _Seen:
        seen = self._seen.setdefault(who, _Seen())
        self._seen.move_to_end(who)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return seen

    def _suspect(
        self, who: Who, seen: _Seen, now: float, *, route: str, most: int
    ) -> None:
        """Raise the alarm, once an hour for each caller."""
        if now - seen.suspected_at < HOUR:
            return
        seen.suspected_at = now
        log.critical(
            "enumeration.suspected",
            service=self._service,
            caller=who.digest,
            route=route,
            count=most,
        )


class Limits:
    """The limits of one service.

    Args:
        service: Which service.
        requests: Of one caller in a minute.
        guesses: Bad tokens from one place in a minute.
        people: Different records in an hour for a person.
        machines: Different records in an hour for an agency's system.
    """

    def __init__(
        self, service: str, *, requests: int, guesses: int, people: int, machines: int
    ) -> None:
        self._requests = Rate("requests", requests)
        self._guesses = Rate("guesses", guesses)
        self._records = Records(service, people=people, machines=machines)

    @classmethod
    def of(cls, settings: ChassisSettings, service: str) -> Self:
        """Give the limits that a locality sets."""
        return cls(
            service,
            requests=settings.requests_a_minute,
            guesses=settings.guesses_a_minute,
            people=settings.records_an_hour,
            machines=settings.agency_records_an_hour,
        )

    def before_looking(self, request: Request) -> None:
        """Refuse to look at a token that was not seen before, after too many bad ones.

        Raises:
            TooManyRequests: Too many bad ones came from there lately.
        """
        try:
            self._guesses.check(peer_of(request))
        except TooManyRequests:
            log.warning("guessing.suspected", reason="bad_tokens")
            raise

    def was_bad(self, request: Request) -> None:
        """Count a token that was none."""
        # Even if it is one too many it is answered as it is; the next is not looked at.
        with suppress(TooManyRequests):
            self._guesses.count(peer_of(request))

    def admit(self, request: Request, who: Who, scopes: Iterable[str]) -> None:
        """Count a request of somebody known, and the record it is for.

        Raises:
            TooManyRequests: It is too much.
        """
        if who.service and any(each.endswith(ASKING) for each in scopes):
            return
        self._requests.count(who.issuer, who.subject)
        route = route_of(request.scope)
        if request.method == BRINGS_ITS_RECORD and route.endswith("}"):
            return
        asked = request.path_params or {"case_id": request.query_params.get("case_id")}
        record = _record_of(asked)
        if record is not None:
            self._records.count(who, str(record), route=route)


def _record_of(asked: Mapping[str, str | None]) -> str | None:
    """Say which record a request is for: a case or a person, wherever it stands.

    A meeting has two hundred cases. What else stands further right in a path belongs to
    the record that comes first.
    """
    found = (asked.get(each) for each in ABOUT)
    return next(filter(None, found), None) or next(iter(asked.values()), None)


def peer_of(request: Request) -> str:
    """Give where a request comes from, as far as one would try from one place.

    What stands in front adds at the end of ``X-Forwarded-For`` whom it has before it;
    what somebody else wrote there says nothing.
    """
    host = request.client.host if request.client else ""
    told = request.headers.getlist("x-forwarded-for")
    if told and _trusted(host, getattr(request.app.state, "proxies", ())):
        host = told[-1].rpartition(",")[2].strip()
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.version == 6:  # noqa: PLR2004 - The protocol's own name.
        return str(ip_network((address, NEIGHBOURS), strict=False))
    return host


def _trusted(host: str, proxies: Iterable[Network]) -> bool:
    """Tell whether a request comes from what stands in front of the service."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # A socket for both families shows an IPv4 address as a part of IPv6.
    seen = getattr(address, "ipv4_mapped", None) or address
    return any(seen in each for each in proxies)
