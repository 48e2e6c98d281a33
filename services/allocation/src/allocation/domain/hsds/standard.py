"""What the standard says of a service, as far as this directory has use for it."""

from datetime import date
from typing import Annotated, Literal

from accord_contracts.calendar import DAYS
from accord_contracts.message import Code, Id
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from allocation.domain.providers import Email, Number, PhoneKind, Website

SCHEME = "accord"
ROLES, PLACES = f"{SCHEME}:role", f"{SCHEME}:place"
MOST = 1000
"""Services in one file: a region has dozens of organisations."""

ICAL = dict(zip(("MO", "TU", "WE", "TH", "FR", "SA", "SU"), DAYS, strict=True))

Some = ConfigDict(frozen=True, extra="ignore")
"""The standard has more than we keep."""

Hour = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:00)?$")
]
"""As clocks in the region show it: an offset would be wrong for half of the year."""


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
    """When something is open, by a rule of iCalendar (RFC 5545)."""

    model_config = Some

    freq: str
    byday: Annotated[
        str,
        StringConstraints(
            pattern=r"^(MO|TU|WE|TH|FR|SA|SU)(,(MO|TU|WE|TH|FR|SA|SU))*$"
        ),
    ]
    opens_at: Hour
    closes_at: Hour
    timezone: float | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    dtstart: date | None = None
    until: date | None = None
    count: float | None = None
    interval: float | None = None
    byweekno: str | None = None
    bymonthday: str | None = None
    byyearday: str | None = None

    def over(self, today: date) -> bool:
        """Tell whether it has ended."""
        ends = (self.valid_to, self.until)
        return any(each is not None and each < today for each in ends)

    def weekly(self, today: date) -> bool:
        """Tell whether it is the same in every week from now on, without an end."""
        begins = (self.valid_from, self.dtstart)
        others = (self.byweekno, self.bymonthday, self.byyearday)
        ends = (self.valid_to, self.until, self.count)
        return (
            self.freq == "WEEKLY"
            and self.interval in {None, 1}
            and not any(others)
            and all(each is None for each in ends)
            and all(each is None or each <= today for each in begins)
        )


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
