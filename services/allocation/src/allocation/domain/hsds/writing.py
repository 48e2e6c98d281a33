"""The organisations of the directory as a page of the standard."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from accord_contracts.allocation import Role
from accord_contracts.calendar import Window

from allocation.domain.hsds.standard import ICAL, PLACES, ROLES, SCHEME
from allocation.domain.policy import Spot
from allocation.domain.providers import Offered, Provider

POINT = {
    "id": str(uuid5(NAMESPACE_URL, "urn:accord:unit:point")),
    "name": "Point of work",
    "scheme": SCHEME,
    "identifier": "point",
}
LOCAL = "Times are what clocks in the region show."


class Room(NamedTuple):
    """How much work can be taken on now, and at most, in points."""

    available: int
    maximum: int


def page_of(
    providers: Iterable[Provider],
    rooms: Mapping[tuple[str, Role], Room],
    places: Mapping[str, Spot],
    at: datetime,
) -> dict[str, Any]:
    """Write the directory as one page of services.

    Args:
        providers: The organisations.
        rooms: How much work each has room for, by its code and the role.
        places: Where the places are.
        at: The present, as clocks in the region show it.
    """
    services = [
        _service(each, offered, rooms.get((each.id, offered.role)), places, at)
        for each in providers
        for offered in each.services
    ]
    return {
        "total_items": len(services),
        "total_pages": 1,
        "page_number": 1,
        "size": len(services),
        "first_page": True,
        "last_page": True,
        "empty": not services,
        "contents": services,
    }


def _service(
    provider: Provider,
    offered: Offered,
    room: Room | None,
    places: Mapping[str, Spot],
    at: datetime,
) -> dict[str, Any]:
    role = offered.role
    named = _Named(provider, f"service/{role}")
    label = role.replace("_", " ").capitalize()
    term = {
        "id": str(uuid5(NAMESPACE_URL, f"urn:accord:role:{role}")),
        "code": role.value,
        "name": label,
        "description": f"The role {label.lower()} of a response to family violence.",
        "taxonomy": ROLES,
    }
    written: dict[str, Any] = {
        "id": offered.service_id or provider.named(f"service/{role}"),
        "name": label,
        "status": "active" if offered.open else "inactive",
        "organization": _organization(provider),
        "attributes": [{"id": named("role"), "taxonomy_term": term}],
        "languages": [
            {"id": named(f"language/{each}"), "code": each, "name": each}
            for each in sorted(offered.languages)
        ],
        "service_areas": [
            {"id": named(f"area/{each}"), "name": each}
            for each in sorted(offered.areas)
        ],
        "schedules": [
            {"id": named(f"hours/{number}"), **_schedule(each, at)}
            for number, each in enumerate(offered.hours)
        ],
        "service_at_locations": [
            {
                "id": named(f"at/{each}"),
                "location": {
                    "id": str(uuid5(NAMESPACE_URL, f"urn:accord:place:{each}")),
                    "location_type": "physical",
                    "name": each,
                    "latitude": places[each].latitude,
                    "longitude": places[each].longitude,
                    "external_identifier": each,
                    "external_identifier_type": PLACES,
                },
            }
            for each in sorted(offered.places & places.keys())
        ],
    }
    if room is not None:
        written["capacities"] = [
            {
                "id": named("capacity"),
                "unit": POINT,
                "available": room.available,
                "maximum": room.maximum,
                "updated": at.isoformat(timespec="milliseconds"),
            }
        ]
    return written


@dataclass(frozen=True, slots=True)
class _Named:
    """Gives ids to the parts of a part."""

    provider: Provider
    below: str

    def __call__(self, what: str) -> str:
        return self.provider.named(f"{self.below}/{what}")


def _organization(provider: Provider) -> dict[str, Any]:
    about = provider.about
    ways = {"email": about.email, "website": about.website}
    return {
        "id": provider.organization_id,
        "name": about.name,
        "description": about.description,
        **{key: each for key, each in ways.items() if each is not None},
        "phones": [
            {
                "id": provider.named(f"phone/{number}"),
                "number": each.number,
                "type": each.kind.value,
            }
            for number, each in enumerate(about.phones)
        ],
        "organization_identifiers": [
            {
                "id": provider.named("code"),
                "identifier_scheme": SCHEME,
                "identifier_type": "Code in the directory of Accord",
                "identifier": provider.id,
            }
        ],
    }


def _schedule(window: Window, at: datetime) -> dict[str, Any]:
    """Give it with the hours from universal time now: the standard has no zones."""
    offset = at.utcoffset() or timedelta()
    return {
        "freq": "WEEKLY",
        "byday": ",".join(key for key, day in ICAL.items() if day in window.days),
        "opens_at": window.starts,
        "closes_at": window.ends,
        "timezone": offset / timedelta(hours=1),
        "description": LOCAL,
    }
