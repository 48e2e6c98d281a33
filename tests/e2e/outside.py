"""Whom Accord speaks to outside: telephones, browsers, and agencies' own systems."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from accord_chassis.development.process import LOOPBACK
from app import Region
from notify.domain.aes128gcm import encoded
from notify_builders import listening
from notify_devices import Browser, PushService, Receiver
from people import EVERY_SCOPE, Somebody
from phones import SETTINGS, Phones, phones_in

OUTSIDE = {
    **SETTINGS,
    "ACCORD_PUSH_KEY": encoded(os.urandom(32)),
    "ACCORD_PUSH_CONTACT": "mailto:somebody@accord.example",
    "ACCORD_WEBHOOK_KEY": base64.b64encode(os.urandom(32)).decode(),
    "ACCORD_WEBHOOK_NETWORKS": f"{LOOPBACK}/32",
}
"""What notify is told of them."""

HOSTS = "    - fcm.googleapis.com\n"
"""The first of the locality's push services."""

GONE = 410


@dataclass
class Outside:
    """Everybody outside.

    Attributes:
        phones: An SMS gateway.
        pushing: A push service.
        systems: Agencies' own systems, by agency: the hospital's is gone.
        browser: The coordinator's.
    """

    phones: Phones
    pushing: PushService
    systems: dict[str, Receiver] = field(default_factory=dict)
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        """Give the coordinator a browser."""
        self.browser = Browser(self.pushing.url)

    async def is_known(self, region: Region) -> None:
        """Have the platform know where they are; for now the gateway takes nothing."""
        self.phones.status = 400
        administrator = Somebody(region, "systems", *EVERY_SCOPE)
        for agency, system in self.systems.items():
            path = f"/api/notify/v1/agencies/{agency}/webhook"
            put = await administrator.sends("PUT", path, {"url": f"{system.url}/told"})
            assert put.ok, put.body
        administrator.hang_up()
        lead = Somebody(region, "b", *EVERY_SCOPE, worker=region.coordinator.id)
        path = "/api/notify/v1/push-subscriptions"
        put = await lead.sends("PUT", path, self.browser.written)
        assert put.ok, put.body
        lead.hang_up()

    def pushed(self) -> list[bytes]:
        """Give what the browser reads, and what its push service sees of it."""
        told = self.pushing.to(self.browser)
        return [self.browser.opens(body) for _, body in told] + [
            _written(headers) for headers, _ in told
        ]

    def told(self) -> list[bytes]:
        """Give what agencies' own systems were told."""
        return [
            _written(headers) + body
            for each in self.systems.values()
            for headers, body in each.told
        ]


def _written(headers: dict[str, str]) -> bytes:
    return "".join(f"{name}: {each}\n" for name, each in headers.items()).encode()


@asynccontextmanager
async def outside_in(folder: Path) -> AsyncIterator[Outside]:
    """Have all of them listen.

    Args:
        folder: Keeps the locality that names them.
    """
    pushing, systems = PushService(), {"police": Receiver(), "hospital": Receiver()}
    systems["hospital"].status = GONE
    async with (
        phones_in(folder / "locality") as phones,
        listening(pushing.app()) as pushing.url,
        listening(systems["police"].app()) as systems["police"].url,
        listening(systems["hospital"].app()) as systems["hospital"].url,
    ):
        file = phones.locality / "notify.yaml"
        text = file.read_text("utf-8")
        assert text.count(HOSTS) == 1
        file.write_text(text.replace(HOSTS, f"{HOSTS}    - {LOOPBACK}\n"), "utf-8")
        yield Outside(phones, pushing, systems)
