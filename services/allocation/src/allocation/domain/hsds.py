"""The directory as Open Referral's Human Services Data Specification 3.1 has it.

A page of services as its API answers them, each with its organisation. What a role is,
a place and a provider's code are said by identifiers of ours (``accord:…``), so that
what we write can be read again, and what others write can be matched to ours. What this
directory has no use for is not kept: addresses above all, and named contacts.

Source: openreferral/specification, 3.1, ``schema/*.json``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from accord_contracts.allocation import Role
from accord_contracts.calendar import DAYS, Day
from accord_contracts.message import Code, Id
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from allocation.domain.availability import Window
from allocation.domain.policy import Spot
from allocation.domain.providers import (
    About,
    Email,
    Listing,
    Number,
    Offered,
    Phone,
    PhoneKind,
    Provider,
    Website,
)

SCHEME = "accord"
ROLES, PLACES = f"{SCHEME}:role", f"{SCHEME}:place"
MOST = 1000
"""Services in one file: a region has dozens of organisations."""

POINT = {
    "id": str(uuid5(NAMESPACE_URL, "urn:accord:unit:point")),
    "name": "Point of work",
    "scheme": SCHEME,
    "identifier": "point",
}
IS_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
LOCAL = "Times are what clocks in the region show."
ICAL = dict(zip(("MO", "TU", "WE", "TH", "FR", "SA", "SU"), DAYS, strict=True))

Some = ConfigDict(frozen=True, extra="ignore")
"""The standard has more than we keep."""

Hour = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:00)?$")
]
"""As clocks in the region show it: an offset would be wrong for half of the year."""


class Room(NamedTuple):
    """How much work can be taken on now, and at most, in points."""

    available: int
    maximum: int


class Term(BaseModel):
    """A term of a taxonomy."""

    model_config = Some

    code: str | None = None
    taxonomy: str | None = None


class Attribute(BaseModel):
    """What is said of a service by a term of a taxonomy."""

    model_config = Some

    taxonomy_term: Term | None = None


class Telephone(BaseModel):
    """A phone."""

    model_config = Some

    number: Number
    type: PhoneKind = PhoneKind.VOICE


class Identifier(BaseModel):
    """How an organisation is called in some scheme."""

    model_config = Some

    identifier_scheme: str | None = None
    identifier: str


class Organization(BaseModel):
    """An organisation."""

    model_config = Some

    id: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    description: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    email: Email | None = None
    website: Website | None = None
    phones: Annotated[tuple[Telephone, ...], Field(max_length=20)] = ()
    organization_identifiers: Annotated[
        tuple[Identifier, ...], Field(max_length=50)
    ] = ()


class Schedule(BaseModel):
    """When something is open: some days of every week."""

    model_config = Some

    freq: Literal["WEEKLY"]
    byday: Annotated[
        str,
        StringConstraints(
            pattern=r"^(MO|TU|WE|TH|FR|SA|SU)(,(MO|TU|WE|TH|FR|SA|SU))*$"
        ),
    ]
    opens_at: Hour
    closes_at: Hour


class Language(BaseModel):
    """A language that is spoken."""

    model_config = Some

    code: Code


class Area(BaseModel):
    """An area that is served."""

    model_config = Some

    name: Code


class Location(BaseModel):
    """Where something is."""

    model_config = Some

    external_identifier: str | None = None
    external_identifier_type: str | None = None


class AtLocation(BaseModel):
    """That a service is given somewhere."""

    model_config = Some

    location: Location


class Service(BaseModel):
    """A service, with the organisation that gives it."""

    model_config = Some

    id: Id
    name: str
    status: Literal["active", "inactive", "defunct", "temporarily closed"]
    organization: Organization
    attributes: Annotated[tuple[Attribute, ...], Field(max_length=100)] = ()
    languages: Annotated[tuple[Language, ...], Field(max_length=200)] = ()
    service_areas: Annotated[tuple[Area, ...], Field(max_length=200)] = ()
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=21)] = ()
    service_at_locations: Annotated[tuple[AtLocation, ...], Field(max_length=200)] = ()


class Page(BaseModel):
    """A page of services, as the standard's API answers them."""

    model_config = Some

    contents: Annotated[tuple[Service, ...], Field(max_length=MOST)]


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
        at: The present.
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
        "id": provider.named(f"service/{role}"),
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
            {"id": named(f"hours/{number}"), **_schedule(each)}
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


def _schedule(window: Window) -> dict[str, Any]:
    return {
        "freq": "WEEKLY",
        "byday": ",".join(key for key, day in ICAL.items() if day in window.days),
        "opens_at": window.starts,
        "closes_at": window.ends,
        "description": LOCAL,
    }


class Misfit(NamedTuple):
    """What of a page cannot be taken in: where it stands, and which rule it breaks."""

    loc: tuple[str | int, ...]
    rule: str


def listings(
    page: Page, places: Iterable[str]
) -> tuple[dict[str, Listing], list[Misfit]]:
    """Read the organisations of a page, by code, and all that cannot be taken in.

    Teams are no part of it: whoever takes it in keeps those that are known.
    """
    known, found, wrong = set(places), dict[str, Listing](), list[Misfit]()
    first = dict[str, tuple[int, Organization]]()
    for number, each in enumerate(page.contents):
        at = ("contents", number)
        code, role = _code(each.organization), _role(each)
        misfits = [*_misfits(each, code, role, known, at)]
        wrong += misfits
        if code is None or role is None or misfits:
            continue
        _, told = first.setdefault(code, (number, each.organization))
        held = found.get(code)
        if told != each.organization:
            wrong.append(Misfit((*at, "organization"), "told_differently"))
        elif held and any(e.role is role for e in held.services):
            wrong.append(Misfit((*at, "attributes"), "named_twice"))
        else:
            before = held.services if held else ()
            found[code] = _listing(told, (*before, _offered(each, role)))
    return found, wrong


def _misfits(
    service: Service,
    code: str | None,
    role: Role | None,
    places: set[str],
    at: tuple[str | int, ...],
) -> Iterator[Misfit]:
    if code is None:
        yield Misfit((*at, "organization", "organization_identifiers"), "no_code")
    if role is None:
        yield Misfit((*at, "attributes"), "no_role")
    for number, each in enumerate(service.service_at_locations):
        if _place(each) not in places:
            where = ("service_at_locations", number, "location", "external_identifier")
            yield Misfit((*at, *where), "no_such_place")


def _code(organization: Organization) -> str | None:
    """Give the code by which our directory names an organisation."""
    for each in organization.organization_identifiers:
        if each.identifier_scheme == SCHEME and IS_CODE.fullmatch(each.identifier):
            return each.identifier
    return None


def _role(service: Service) -> Role | None:
    terms = (each.taxonomy_term for each in service.attributes)
    codes = [each.code for each in terms if each and each.taxonomy == ROLES]
    return Role(codes[0]) if len(codes) == 1 and codes[0] in set(Role) else None


def _place(at: AtLocation) -> str | None:
    location = at.location
    ours = location.external_identifier_type == PLACES
    return location.external_identifier if ours else None


def _listing(told: Organization, services: tuple[Offered, ...]) -> Listing:
    about = About(
        name=told.name,
        description=told.description,
        email=told.email,
        website=told.website,
        phones=tuple(Phone(number=e.number, kind=e.type) for e in told.phones),
    )
    return Listing(organization_id=told.id, about=about, services=services)


def _offered(service: Service, role: Role) -> Offered:
    places = (_place(each) for each in service.service_at_locations)
    return Offered(
        role=role,
        open=service.status == "active",
        languages=frozenset(each.code for each in service.languages),
        areas=frozenset(each.name for each in service.service_areas),
        places=frozenset(each for each in places if each is not None),
        hours=tuple(map(_window, service.schedules)),
    )


def _window(schedule: Schedule) -> Window:
    days: frozenset[Day] = frozenset(ICAL[e] for e in schedule.byday.split(","))
    return Window(days=days, starts=schedule.opens_at[:5], ends=schedule.closes_at[:5])
