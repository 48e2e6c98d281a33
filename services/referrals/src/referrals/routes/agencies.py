"""The register of agencies over HTTP, and the keys of their machines."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Self

from accord_chassis.access import NotAllowed
from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.keys import new_key
from accord_chassis.service import part, settled
from accord_contracts.access import Purpose
from accord_contracts.message import Code
from accord_contracts.referrals import AgencyKind
from fastapi import APIRouter, Path, Query, Security
from fastapi.security import SecurityScopes
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)
from pydantic_core import PydanticCustomError

from referrals import handlers
from referrals.domain.agency import (
    Agency,
    AgencyScope,
    Key,
    Periods,
    Registration,
    Standing,
)
from referrals.register import Register
from referrals.store import PAGE, Agencies

router = APIRouter(prefix="/agencies", tags=["agencies"])

LONGEST_DAYS = 400
"""A key is for a year at most, and the weeks in which the next one takes over."""

Agencies_ = Annotated[Agencies, part(Agencies)]
Register_ = Annotated[Register, part(Register)]
Clock_ = Annotated[Clock, part(Clock)]
Administrator = Annotated[Asking, Security(asking, scopes=["referrals.admin"])]

BY_SCOPE = (Relation.SCOPE,)
OPERATION = (Purpose.OPERATION,)
PUT_AGENCY = Action("agency.put", BY_SCOPE, purposes=OPERATION)
READ_AGENCY = Action("agency.read", BY_SCOPE, purposes=OPERATION)
MAKE_KEY = Action("agency_key.make", BY_SCOPE, purposes=OPERATION)
WITHDRAW_KEY = Action("agency_key.withdraw", BY_SCOPE, purposes=OPERATION)

KeyId = Annotated[str, Path(pattern=r"^[a-z2-7]{16}$")]


async def registered(
    scopes: SecurityScopes,
    asked: Annotated[Asking, Security(asking)],
    register: Register_,
) -> Asking:
    """Tell a route which agency asks, as the register knows it.

    Raises:
        NotAuthenticated: There is no valid token or key.
        NotAllowed: The token or the register lacks the scope, or there is no agency.
        NotRegistered: The agency may not refer at present.
    """
    found = await register.agency_of(asked.who)
    if not found.scopes.issuperset(scopes.scopes):
        raise NotAllowed("The register does not let this agency do that.")
    return replace(asked, who=found)


class PutAgency(BaseModel):
    """What the region says of an agency.

    Attributes:
        registered_as: By which it may share under the Family Violence Act 2018, s 20,
            whenever it may refer.
        periods: From when to when it is that, if not always: those that are over are
            kept, because they say on what ground it was told then.
        active: Whether it may refer; it ends at once for all its tokens and keys.
    """

    model_config = ConfigDict(extra="forbid")

    kind: AgencyKind
    registered_as: Standing | None = None
    periods: Periods = ()
    active: bool = True
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    scopes: Annotated[frozenset[AgencyScope], Field(max_length=len(AgencyScope))] = (
        frozenset(AgencyScope)
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.registered_as and self.periods:
            raise PydanticCustomError(
                "registered_as_or_periods", "Say either what it is, or when."
            )
        return self


class MakeKey(BaseModel):
    """For how many days a key is to be good, and whether for the sandbox alone."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = 180
    test: StrictBool = False


class KeyView(BaseModel):
    """A key, as far as it is shown again: its hour of last use, and no secret."""

    key_id: str
    made_at: datetime
    until: datetime
    last_used_at: datetime | None
    test: bool

    @classmethod
    def of(cls, key: Key) -> "KeyView":
        """Show a key."""
        shown = key.model_dump(exclude={"id", "hash"})
        return cls(key_id=key.id, **shown)


class NewKeyView(KeyView):
    """A key that was just made. Its secret is shown here, and never again."""

    key: str


class AgencyView(PutAgency):
    """An agency in the register."""

    code: Code
    keys: tuple[KeyView, ...]

    @classmethod
    def of(cls, held: Agency) -> Self:
        """Show an agency."""
        keys = tuple(map(KeyView.of, held.keys))
        return cls(code=held.code, keys=keys, **held.told.model_dump())


class AgenciesView(BaseModel):
    """A page of the register, and after which agency the next one begins."""

    agencies: tuple[AgencyView, ...]
    after: Code | None


@router.put("/{code}")
async def put_agency(
    code: Code,
    told: PutAgency,
    agencies: Agencies_,
    register: Register_,
    administrator: Administrator,
) -> AgencyView:
    """Take an agency into the register, or replace what it says of it."""
    await administrator.permit(PUT_AGENCY, Resource("agency", code))
    new = Registration(**told.model_dump())
    register_ = partial(handlers.register_agency, code, new, agencies=agencies)
    held = await settled(register_)
    register.forget()
    return AgencyView.of(held)


@router.get("/{code}")
async def read_agency(
    code: Code, agencies: Agencies_, administrator: Administrator
) -> AgencyView:
    """Read what the register says of an agency."""
    await administrator.permit(READ_AGENCY, Resource("agency", code))
    return AgencyView.of(await handlers.registered_agency(code, agencies=agencies))


@router.get("")
async def list_agencies(
    agencies: Agencies_,
    administrator: Administrator,
    after: Code | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> AgenciesView:
    """List the register by code, a page at a time."""
    await administrator.permit(READ_AGENCY, Resource("agencies", after or ""))
    found = await agencies.page(after or "", limit)
    return AgenciesView(
        agencies=tuple(map(AgencyView.of, found)),
        after=found[-1].code if len(found) == limit else None,
    )


@router.post("/{code}/keys", status_code=201)
async def make_key(
    code: Code,
    told: MakeKey,
    agencies: Agencies_,
    clock: Clock_,
    administrator: Administrator,
) -> NewKeyView:
    """Make a key for an agency's machine, and show it this once."""
    await administrator.permit(MAKE_KEY, Resource("agency", code))
    made, at = await new_key(), clock.now()
    until = at + timedelta(days=told.days)
    key = Key(id=made.id, hash=made.hash, made_at=at, until=until, test=told.test)
    await settled(partial(handlers.add_key, code, key, agencies=agencies))
    return NewKeyView(key=made.text, **dict(KeyView.of(key)))


@router.delete("/{code}/keys/{key_id}", status_code=204)
async def withdraw_key(
    code: Code,
    key_id: KeyId,
    agencies: Agencies_,
    register: Register_,
    administrator: Administrator,
) -> None:
    """Withdraw a key."""
    await administrator.permit(WITHDRAW_KEY, Resource("agency", code))
    await settled(partial(handlers.withdraw_key, code, key_id, agencies=agencies))
    register.forget()
