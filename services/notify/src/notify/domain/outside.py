"""What outside may be told: hosts that are named, and addresses that are no one's own.

Also read by the program that the wide way runs, which loads nothing for it but this.
"""

import ipaddress
from collections.abc import Collection, Iterable

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BELOW = "*."

TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Whose last 32 bits are an IPv4 address, by NAT64 (RFC 6052)."""

GIVEN_OUT = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that leads to anybody (RFC 4291, 2.4); what is local or translated by our
own network lies outside."""

NOBODYS = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "3fff::/20")))
"""Look public, and are not: Azure's own host beneath every machine, and what RFC 9637
keeps for documents."""

PORTS = frozenset({443, 8443})
"""Where others are told outside of the allowed networks; other services there listen
elsewhere."""


def is_among(hosts: Collection[str], host: str) -> bool:
    """Tell whether a host is one of these, or below one of those that begin so."""
    return any(
        host.endswith(each[1:]) if each.startswith(BELOW) else host == each
        for each in hosts
    )


def is_allowed(address: IP, networks: Iterable[Network]) -> bool:
    """Tell whether an address, or what it leads to, is in one of some networks."""
    leads_to = (address, _hidden_in(address) or address)
    return any(each in network for network in networks for each in leads_to)


def is_public(address: IP) -> bool:
    """Tell whether an address, and what it leads to, is somebody's on the internet."""
    hidden = _hidden_in(address)
    leads_to = hidden or address
    if any(leads_to in each for each in NOBODYS):
        return False
    if hidden is None and address.version == 6 and address not in GIVEN_OUT:  # noqa: PLR2004
        return False
    return leads_to.is_global and not leads_to.is_multicast


def _hidden_in(address: IP) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address to which one of IPv6 leads, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo
