"""A page of the standard as organisations of the directory."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from accord_contracts.allocation import Role
from accord_contracts.calendar import Day, Window

from allocation.domain.hsds.standard import (
    ICAL,
    PLACES,
    ROLES,
    SCHEME,
    AtLocation,
    Organization,
    Page,
    Schedule,
    Service,
)
from allocation.domain.providers import About, Listing, Offered, Phone

IS_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Misfit(NamedTuple):
    """What of a page cannot be taken in: where it stands, and which rule it breaks."""

    loc: tuple[str | int, ...]
    rule: str


def listings(
    page: Page, places: Iterable[str], at: datetime
) -> tuple[dict[str, Listing], list[Misfit]]:
    """Read the organisations of a page, by code, and all that cannot be taken in.

    Teams are no part of it: whoever takes it in keeps those that are known. A schedule
    that has ended is left out; any other has to be the same in every week, as the
    directory holds nothing else.

    Args:
        page: What is told.
        places: Codes of the places that the policy names.
        at: The present, as clocks in the region show it.
    """
    known, found, wrong = set(places), dict[str, Listing](), list[Misfit]()
    first = dict[str, tuple[int, Organization]]()
    for number, each in enumerate(page.contents):
        where = ("contents", number)
        code, role = _code(each.organization), _role(each)
        misfits = [
            *_misfits(each, code, role, known, where),
            *_unlike(each.schedules, at, (*where, "schedules")),
        ]
        wrong += misfits
        if code is None or role is None or misfits:
            continue
        _, told = first.setdefault(code, (number, each.organization))
        held = found.get(code)
        if told != each.organization:
            wrong.append(Misfit((*where, "organization"), "told_differently"))
        elif held and any(e.role is role for e in held.services):
            wrong.append(Misfit((*where, "attributes"), "named_twice"))
        else:
            before = held.services if held else ()
            found[code] = _listing(told, (*before, _offered(each, role, at)))
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


def _unlike(
    schedules: Sequence[Schedule], at: datetime, where: tuple[str | int, ...]
) -> Iterator[Misfit]:
    """Give what of schedules would mean something else here than it says."""
    zones = {None, *_offsets(at)}
    if schedules and all(each.over(at.date()) for each in schedules):
        # Without any hours it would be open at any time.
        yield Misfit(where, "all_ended")
    for number, each in enumerate(schedules):
        if each.over(at.date()):
            continue
        if not each.weekly(at.date()):
            yield Misfit((*where, number), "not_weekly")
        if each.timezone not in zones:
            yield Misfit((*where, number, "timezone"), "other_timezone")


def _offsets(at: datetime) -> set[float]:
    """Give the hours from universal time of the region's clocks, over the year."""
    months = (at.replace(month=each, day=1) for each in range(1, 13))
    found = (each.utcoffset() or timedelta() for each in months)
    return {each / timedelta(hours=1) for each in found}


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


def _offered(service: Service, role: Role, at: datetime) -> Offered:
    places = (_place(each) for each in service.service_at_locations)
    return Offered(
        role=role,
        service_id=service.id,
        open=service.status == "active",
        languages=frozenset(each.code for each in service.languages),
        areas=frozenset(each.name for each in service.service_areas),
        places=frozenset(each for each in places if each is not None),
        hours=tuple(_window(e) for e in service.schedules if not e.over(at.date())),
    )


def _window(schedule: Schedule) -> Window:
    days: frozenset[Day] = frozenset(ICAL[e] for e in schedule.byday.split(","))
    return Window(days=days, starts=schedule.opens_at[:5], ends=schedule.closes_at[:5])
