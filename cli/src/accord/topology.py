"""The broker's topology: applied from the catalogue, and compared with it.

Applying adds what is missing, sets what may be set anew, and takes away bindings,
policies and permissions that the catalogue does not know on its own objects. It never
deletes a queue, because there may be messages in it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accord_chassis.topology import EXCHANGES, OPERATOR, definitions
from accord_contracts.catalogue import Catalogue

from accord.faults import CannotGoOn
from accord.management import Management, Rows, Silent

TAIL = "accord.tail."
"""What the names of ``accord events tail``'s own queues begin with."""

LEADER_SECONDS = 60.0

Key = tuple[str, ...]
Objects = dict[Key, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the catalogue says.

    Attributes:
        section: As in a definitions document: ``queues``, ``bindings`` and so on.
        fault: ``missing``, ``extra`` or ``different``.
        key: Which one.
        path: Where the management API has it, for what can be taken away.
    """

    section: str
    fault: str
    key: Key
    path: Key = ()

    def __str__(self) -> str:
        """Say it as a line of a report."""
        return (
            f"{self.fault} {_SINGULAR[self.section]}: {_named(self.section, self.key)}"
        )


_SINGULAR = {
    "vhosts": "virtual host",
    "exchanges": "exchange",
    "queues": "queue",
    "bindings": "binding",
    "policies": "policy",
    "permissions": "permissions",
    "topic_permissions": "topic permissions",
}


SETTLE_SECONDS = 1.0
"""RabbitMQ 3.10 writes down half a second late that a queue is there. Killed before
that, it forgets the queue and what was confirmed to it (rabbitmq/ra#443)."""


def _named(section: str, key: Key) -> str:
    match section, key:
        case "bindings", (source, destination, routing_key):
            return f"{source} to {destination} by {routing_key}"
        case "topic_permissions", (user, exchange):
            return f"{user} on {exchange}"
        case _:
            return " ".join(key)


def apply(
    management: Management,
    catalogue: Catalogue,
    *,
    vhost: str,
    passwords: Mapping[str, str] | None = None,
    hurry: int = 1,
) -> list[Difference]:
    """Make the broker what the catalogue says, and wait until it can be used.

    Args:
        management: The broker, with an administrator's rights.
        catalogue: Which events there are and who listens.
        vhost: The region's virtual host.
        passwords: By user; without any, users and their permissions are left alone.
        hurry: Divides the waiting times of the retry ladder; for tests.

    Returns:
        What differed before.

    Raises:
        CannotGoOn: Something stands in the way that may not be changed: what and what
            to do.
    """
    users = tuple(passwords or ())
    wanted = definitions(catalogue, vhost=vhost, passwords=passwords, hurry=hurry)
    before = list(_differences(management, wanted, vhost, users))
    _refuse_what_cannot_be_changed(before, vhost)
    _take_away([each for each in before if each.path], management, vhost)
    management.post("definitions", body=wanted)
    wait_for_leaders(management, vhost, len(wanted["queues"]))
    if any(each.section == "queues" for each in before):
        time.sleep(SETTLE_SECONDS)
    return before


def check(
    management: Management,
    catalogue: Catalogue,
    *,
    vhost: str,
    users: Iterable[str] | None = None,
    hurry: int = 1,
) -> list[Difference]:
    """Say everything in which the broker is not what the catalogue says.

    Args:
        management: The broker, with an administrator's rights.
        catalogue: Which events there are and who listens.
        vhost: The region's virtual host.
        users: Whose permissions are looked at; by default those of all services and
            the operator.
        hurry: As it was given when the topology was applied.
    """
    named = tuple(users) if users is not None else (*catalogue.services, OPERATOR)
    wanted = definitions(
        catalogue, vhost=vhost, passwords=dict.fromkeys(named, ""), hurry=hurry
    )
    return list(_differences(management, wanted, vhost, named))


def wait_for_leaders(management: Management, vhost: str, count: int) -> None:
    """Wait until every queue has a leader: before that nothing is confirmed.

    Raises:
        CannotGoOn: It takes too long.
    """
    deadline = time.monotonic() + LEADER_SECONDS
    while True:
        led = _led(management, vhost)
        if led >= count:
            return
        if time.monotonic() > deadline:
            raise CannotGoOn(
                f"{count - led} queues of {vhost} have no leader after "
                f"{LEADER_SECONDS:.0f} s.",
                mend="See that most nodes of the broker run: "
                "rabbitmq-diagnostics cluster_status.",
            )
        time.sleep(0.1)


def _led(management: Management, vhost: str) -> int:
    """Count the queues that have a leader."""
    try:
        queues = management.rows("queues", vhost)
    except Silent:
        # A question that meets an election may be forgotten by the broker.
        return 0
    return sum(bool(each.get("leader") and each.get("online")) for each in queues)


def _take_away(surplus: list[Difference], management: Management, vhost: str) -> None:
    if surplus:
        # Bindings are removed over the administrator's own connection to the host.
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        management.put("permissions", vhost, management.user, body=everything)
    for each in surplus:
        management.delete(*each.path)


def _refuse_what_cannot_be_changed(found: list[Difference], vhost: str) -> None:
    for each in found:
        if each.fault == "different" and each.section in {"queues", "exchanges"}:
            [name] = each.key
            what = _SINGULAR[each.section]
            raise CannotGoOn(
                f"The {what} {name} exists with other arguments, and a {what} cannot "
                "be changed.",
                mend=f"Stop who uses it, let it run empty or move its messages with a "
                f"shovel, delete it (rabbitmqctl -p {vhost} delete_{what} {name}), "
                "and apply again.",
            )


def _differences(
    management: Management, wanted: dict[str, Any], vhost: str, users: tuple[str, ...]
) -> Iterator[Difference]:
    if not management.exists("vhosts", vhost):
        yield Difference("vhosts", "missing", (vhost,))
    for section in _SECTIONS:
        found_rows = section.found(management, vhost, users)
        right = {
            section.key(each): section.value(each) for each in wanted[section.name]
        }
        found = {section.key(each): each for each in found_rows}
        for key in sorted(right.keys() - found.keys()):
            yield Difference(section.name, "missing", key)
        for key in sorted(found.keys() - right.keys()):
            path = section.path(vhost, found[key], right)
            yield Difference(section.name, "extra", key, path)
        for key in sorted(right.keys() & found.keys()):
            if right[key] != section.value(found[key]):
                yield Difference(section.name, "different", key)


@dataclass(frozen=True, slots=True)
class _Section:
    """How the objects of one kind are found and compared.

    Attributes:
        name: As in a definitions document.
        found: Reads those that concern Accord.
        key: What identifies one.
        value: What must be the same.
        path: Where one that is not wanted can be deleted; nothing if it may not be.
    """

    name: str
    found: Callable[[Management, str, tuple[str, ...]], Rows]
    key: Callable[[dict[str, Any]], Key]
    value: Callable[[dict[str, Any]], Any]
    path: Callable[[str, dict[str, Any], Objects], Key]


def _of(*names: str) -> Callable[[dict[str, Any]], Key]:
    return lambda row: tuple(str(row[name]) for name in names)


def _values(*names: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: [row[name] for name in names]


def _kept(*_: object) -> Key:
    return ()


def _exchanges(management: Management, vhost: str, _: tuple[str, ...]) -> Rows:
    found = management.rows("exchanges", vhost)
    return [each for each in found if each["name"].startswith("accord.")]


def _queues(management: Management, vhost: str, _: tuple[str, ...]) -> Rows:
    found = management.rows("queues", vhost)
    return [each for each in found if not each["name"].startswith(TAIL)]


def _bindings(management: Management, vhost: str, _: tuple[str, ...]) -> Rows:
    found = management.rows("bindings", vhost)
    return [
        each
        for each in found
        if each["source"] in EXCHANGES and not each["destination"].startswith(TAIL)
    ]


def _binding_path(vhost: str, row: dict[str, Any], right: Objects) -> Key:
    """Give the path of a binding of one of the catalogue's own queues.

    A queue that nobody knows may be somebody's own: it is told of, and left alone.
    """
    if not any(destination == row["destination"] for _, destination, _ in right):
        return ()
    kind = row["destination_type"][0]
    return ("bindings", vhost, "e", row["source"], kind, row["destination"],
            row["properties_key"])  # fmt: skip


def _policies(management: Management, vhost: str, _: tuple[str, ...]) -> Rows:
    return management.rows("policies", vhost)


def _policy_path(vhost: str, row: dict[str, Any], _: Objects) -> Key:
    return ("policies", vhost, row["name"])


def _permissions(
    management: Management, vhost: str, users: tuple[str, ...], *, kind: str
) -> Rows:
    found = management.rows(kind)
    return [each for each in found if each["vhost"] == vhost and each["user"] in users]


def _permission_path(vhost: str, row: dict[str, Any], _: Objects) -> Key:
    kind = "topic-permissions" if "exchange" in row else "permissions"
    return (kind, vhost, row["user"])


_SECTIONS = (
    _Section("exchanges", _exchanges, _of("name"), _values("type", "durable"), _kept),
    _Section(
        "queues",
        _queues,
        _of("name"),
        lambda row: [row["durable"], row["arguments"]],
        _kept,
    ),
    _Section(
        "bindings",
        _bindings,
        _of("source", "destination", "routing_key"),
        _values("arguments"),
        _binding_path,
    ),
    _Section(
        "policies",
        _policies,
        _of("name"),
        _values("pattern", "apply-to", "priority", "definition"),
        _policy_path,
    ),
    _Section(
        "permissions",
        lambda m, vhost, users: _permissions(m, vhost, users, kind="permissions"),
        _of("user"),
        _values("configure", "write", "read"),
        _permission_path,
    ),
    _Section(
        "topic_permissions",
        lambda m, vhost, users: _permissions(m, vhost, users, kind="topic-permissions"),
        _of("user", "exchange"),
        _values("write", "read"),
        _permission_path,
    ),
)
