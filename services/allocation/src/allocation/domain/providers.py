"""The organisations whose workers the directory knows: what each offers, and where."""

from enum import StrEnum
from typing import Annotated
from uuid import NAMESPACE_URL, UUID, uuid5

from accord_contracts.allocation import Role
from accord_contracts.calendar import Window
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

ORGANISATIONS = uuid5(NAMESPACE_URL, "urn:accord:organisation")
"""What the ids of organisations are made in that have none of their own."""

Email = Annotated[
    str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,189}$", max_length=254)
]
Website = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=300)
]
Number = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()-]{3,30}$")]
Codes = Annotated[frozenset[Code], Field(max_length=200)]


class NoSuchNeed(Refusal):
    """The locality's policy names no such need."""

    status = 422


class NoSuchProvider(Refusal):
    """There is no such organisation in the directory."""

    status = 404


class PhoneKind(StrEnum):
    """What a number is for (RFC 6350, as HSDS names it)."""

    VOICE = "voice"
    TEXT = "text"
    CELL = "cell"
    FAX = "fax"
    TEXTPHONE = "textphone"


class Phone(BaseModel):
    """A number of the organisation, never of a worker's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Number
    kind: PhoneKind = PhoneKind.VOICE


class About(BaseModel):
    """What an organisation says of itself, sealed: a refuge's number tells of a refuge.

    There is no address in it, so none can be lost: where it works are places of the
    policy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    description: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    email: Email | None = None
    website: Website | None = None
    phones: Annotated[tuple[Phone, ...], Field(max_length=20)] = ()


class Offered(BaseModel):
    """What an organisation offers: people in one role.

    Attributes:
        service_id: How it is known elsewhere (HSDS); not said: made of the
            organisation's and the role.
        open: It takes on work.
        languages: Codes of those in which it is given.
        areas: Codes of those that it serves; none: the whole region.
        places: Codes of the places it is given at, as the policy names them.
        hours: When it is open; none: at any time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    service_id: Id | None = None
    open: Annotated[bool, Field(strict=True)] = True
    languages: Codes = frozenset()
    areas: Codes = frozenset()
    places: Codes = frozenset()
    hours: Annotated[tuple[Window, ...], Field(max_length=21)] = ()


class Listing(BaseModel):
    """What the locality says of an organisation.

    Attributes:
        organization_id: How it is known elsewhere (HSDS); not said: made of its code.
        services: Whom it offers for roles, each role once.
        meets: Which needs of people it meets, by the locality's codes.
        teams: Its teams, each with the codes of its compartments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    organization_id: Id | None = None
    about: About
    services: Annotated[tuple[Offered, ...], Field(max_length=len(Role))] = ()
    meets: Codes = frozenset()
    teams: Annotated[dict[Code, Codes], Field(max_length=200)] = {}

    @model_validator(mode="after")
    def _offers_each_role_once(self) -> "Listing":
        if not (self.services or self.meets):
            raise PydanticCustomError("offers_nothing", "It offers nothing.")
        roles = [each.role for each in self.services]
        if len(set(roles)) < len(roles):
            raise PydanticCustomError("named_twice", "A role is offered twice.")
        return self


class Provider(BaseModel):
    """An organisation of the directory.

    Attributes:
        id: Its code, by which workers name it.
        organization_id: How it is known elsewhere (HSDS).
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    organization_id: str
    about: About
    services: tuple[Offered, ...]
    meets: frozenset[str] = frozenset()
    teams: dict[str, frozenset[str]] = {}

    @classmethod
    def of(cls, code: str, told: Listing, held: "Provider | None" = None) -> "Provider":
        """Take an organisation in, or replace what is said of it.

        Its ids elsewhere stay unless others are said.
        """
        known = held.organization_id if held else str(uuid5(ORGANISATIONS, code))
        named = told.organization_id or known
        before = {each.role: each.service_id for each in held.services} if held else {}
        services = (
            each.model_copy(
                update={
                    "service_id": each.service_id
                    or before.get(each.role)
                    or str(uuid5(UUID(named), f"service/{each.role}"))
                }
            )
            for each in told.services
        )
        return cls(
            id=code,
            version=held.version if held else 0,
            organization_id=named,
            about=told.about,
            services=tuple(sorted(services, key=lambda each: each.role)),
            meets=told.meets,
            teams=told.teams,
        )

    def named(self, what: str) -> str:
        """Give the id of a part of it, the same each time."""
        return str(uuid5(UUID(self.organization_id), what))
