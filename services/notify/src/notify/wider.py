"""What the wide way runs: one message by Apprise, in a process of its own.

A plug-in may log an address or a token, hang, start a program, or follow whatever its
service answers to a place inside. Here it can do little: nothing of what it writes is
read, whoever started it ends it, and a hook that no plug-in can take out again
(PEP 578) refuses every connection but to the named hosts, at public addresses.

    echo '{"url": …, "hosts": […], "networks": […], "plain": false}' | python -m …
"""

import ipaddress
import json
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from notify.domain.outside import (
    IP,
    PORTS,
    Network,
    is_allowed,
    is_among,
    is_public,
)

SENT, NOT_KNOWN, NO_ADDRESS, NOT_THERE = 0, 1, 2, 3
"""As what it ends: taken; whoever knows; the address is none or is not safe; Apprise is
not here."""

OPEN = frozenset({"insecure", "none"})
"""What a plug-in for mail or XMPP calls no encryption under a secure name."""

PROGRAMS = ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn",
            "os.system", "pty.spawn", "subprocess.Popen")  # fmt: skip
"""What is never begun."""

NAMED = ("socket.getaddrinfo", "socket.gethostbyname")
SPOKEN_TO = ("socket.connect", "socket.sendto", "socket.sendmsg")


class Refused(OSError):
    """This plug-in wants what it may not."""


class Limits(NamedTuple):
    """How far a plug-in may go.

    Attributes:
        hosts: By these names alone, or as addresses in these networks.
        networks: That may be spoken to though they are private, at any port.
        plain: At any port everywhere; in development only.
    """

    hosts: tuple[str, ...]
    networks: tuple[Network, ...]
    plain: bool

    @classmethod
    def of(cls, given: dict[str, Any]) -> Self:
        """Read them."""
        networks = tuple(map(ipaddress.ip_network, given["networks"]))
        return cls(tuple(given["hosts"]), networks, given["plain"])

    def watch(self, event: str, args: Sequence[Any]) -> None:
        """Refuse what goes too far, before it is done.

        Raises:
            Refused: It does.
        """
        if event in PROGRAMS:
            raise Refused
        if event in NAMED and not is_among(self.hosts, _text(args[0])):
            raise Refused
        if event in SPOKEN_TO:
            self._spoken_to(args[1])

    def _spoken_to(self, where: Any) -> None:  # noqa: ANN401 - Of any kind of socket.
        match where:
            case (str() as host, int() as port, *_):
                address = _ip(host)
            case _:
                raise Refused
        if address is None:
            raise Refused
        if is_allowed(address, self.networks):
            return
        if not is_public(address) or not (self.plain or port in PORTS):
            raise Refused


def _text(name: object) -> str:
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def _ip(host: str) -> IP | None:
    """Read an address; a name that is yet to be looked up is none."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_safe(service: Any) -> bool:  # noqa: ANN401 - Apprise may not be here.
    """Tell whether nobody else reads what a plug-in sends.

    Where it has a plain form beside the secure one, or nothing else: not by its scheme,
    which some plug-ins write over.
    """
    secure = service.secure or not service.protocol
    hidden = getattr(service, "secure_mode", None) not in OPEN
    return bool(service.verify_certificate and secure and hidden)


def main() -> int:
    """Send what stands on standard input, or see that its address is one."""
    told: dict[str, Any] = json.load(sys.stdin)
    try:
        # Not at the top: what decides about connections is tested without it.
        from apprise import Apprise, AppriseAsset, PersistentStoreMode  # noqa: PLC0415
    except ImportError:
        return NOT_THERE
    sys.addaudithook(Limits.of(told).watch)
    # Nothing of it is kept on a disk, and nobody is told whose program it is.
    asset = AppriseAsset(
        app_id="Accord",
        app_desc="Accord",
        app_url="",
        storage_mode=PersistentStoreMode.MEMORY,
        http_redirects=False,
    )
    service = Apprise.instantiate(told["url"], asset=asset)
    if service is None or service.redirects or not (told["plain"] or _is_safe(service)):
        return NO_ADDRESS
    if "text" not in told:
        return SENT
    sent = service.notify(body=told["text"], attach=None)
    return SENT if sent is True else NOT_KNOWN


if __name__ == "__main__":
    sys.exit(main())
