"""Says what a set of NetworkPolicies lets through, as a cluster would decide it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Policy = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """An end of a connection: a pod in a namespace, each by its labels."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    namespace_labels: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Door:
    """Where a connection goes to: a place and a port."""

    place: Place
    port: int
    protocol: str = "TCP"


def allows(policies: Iterable[Policy], source: Place, door: Door) -> bool:
    """Say whether a pod may open a connection: it may leave and it may come in."""
    held = list(policies)
    return _may(held, "Egress", source, door.place, door) and _may(
        held, "Ingress", door.place, source, door
    )


def _may(policies: list[Policy], way: str, of: Place, peer: Place, door: Door) -> bool:
    """Say whether the policies on one end let the other end through."""
    on = [
        each["spec"]
        for each in policies
        if way in each["spec"]["policyTypes"]
        and each["metadata"]["namespace"] == of.namespace
        and _meets(each["spec"]["podSelector"], of.labels)
    ]
    if not on:
        return True
    key, side = ("egress", "to") if way == "Egress" else ("ingress", "from")
    return any(
        _meets_peers(rule.get(side), peer, spec_namespace=of.namespace)
        and _meets_ports(rule.get("ports"), door)
        for spec in on
        for rule in spec.get(key, [])
    )


def _meets_peers(
    peers: list[dict[str, Any]] | None, other: Place, *, spec_namespace: str
) -> bool:
    if not peers:
        return True
    return any(_meets_peer(each, other, spec_namespace) for each in peers)


def _meets_peer(peer: dict[str, Any], other: Place, namespace: str) -> bool:
    if unknown := set(peer) - {"namespaceSelector", "podSelector"}:
        raise ValueError(f"A policy uses {sorted(unknown)}: teach tests/deploy of it.")
    if "namespaceSelector" in peer:
        near = _meets(peer["namespaceSelector"], other.namespace_labels)
    else:
        near = other.namespace == namespace
    return near and _meets(peer.get("podSelector", {}), other.labels)


def _meets(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    if unknown := set(selector) - {"matchLabels"}:
        raise ValueError(f"A policy uses {sorted(unknown)}: teach tests/deploy of it.")
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def _meets_ports(ports: list[dict[str, Any]] | None, door: Door) -> bool:
    if not ports:
        return True
    return any(
        (each.get("protocol", "TCP"), each["port"]) == (door.protocol, door.port)
        for each in ports
    )
