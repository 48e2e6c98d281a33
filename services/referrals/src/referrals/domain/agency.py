"""An agency that may refer: what it is, since when, and the keys of its machines."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import NAMESPACE_URL, uuid5

from accord_contracts.problem import Refusal
from accord_contracts.referrals import AgencyKind
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

AGENCIES = uuid5(NAMESPACE_URL, "urn:accord:agencies")
"""The ids of all agencies are derived in this name space."""

MOST_KEYS = 2
"""Keys that are good at the same time: the one in use, and the one that follows it.
As many again are for the sandbox."""

SANDBOX = "referrals.sandbox"
"""All that a test key may. The register can let nobody have it, so that no other key
and no token ever does."""


class NoSuchAgency(Refusal):
    """There is no such agency in the register."""

    status = 404


class NoSuchKey(Refusal):
    """The agency has no such key."""

    status = 404


class TwoKeys(Refusal):
    """The agency has two keys already: withdraw one first."""

    status = 409


class NotRegistered(Refusal):
    """This agency is not in the region's register, or may not refer at present."""

    status = 403


class Standing(StrEnum):
    """As what an agency is registered (Family Violence Act 2018, s 19)."""

    FAMILY_VIOLENCE_AGENCY = "family_violence_agency"
    SOCIAL_SERVICES_PRACTITIONER = "social_services_practitioner"


class AgencyScope(StrEnum):
    """What an agency may be let do. Keeping the register is not among it."""

    SUBMIT = "referrals.submit"
    READ = "referrals.read"
    ANSWER = "referrals.answer"


class Key(BaseModel):
    """A key of an agency's machine.

    Attributes:
        hash: Of the key, which itself is kept nowhere.
        until: When it ends.
        last_used_at: To the hour, if it was used at all.
        test: It opens the sandbox alone.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    hash: str = Field(repr=False)
    made_at: datetime
    until: datetime
    last_used_at: datetime | None = None
    test: bool = False


class Period(BaseModel):
    """From when to when an agency is what s 19 names.

    Attributes:
        registered_as: What it is then.
        since: From when; none: as long as anybody knows.
        until: Before when; none: still.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    registered_as: Standing
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.until <= self.since:
            raise PydanticCustomError("ends_before_it_begins", "It ends too early.")
        return self

    def holds(self, at: datetime) -> bool:
        """Tell whether it is that at a time."""
        begun = self.since is None or self.since <= at
        return begun and (self.until is None or at < self.until)


Periods = Annotated[tuple[Period, ...], Field(max_length=50)]


class Registration(BaseModel):
    """What the region says of an agency.

    Attributes:
        kind: What kind of agency it is, whatever its tokens say.
        registered_as: By which it may share under s 20, whenever it may refer; nothing,
            if it is neither, or is so for some time only.
        periods: From when to when it is, if not whenever it may refer.
        active: It may refer, from ``valid_from`` and before ``valid_until``.
    """

    model_config = ConfigDict(frozen=True)

    kind: AgencyKind
    registered_as: Standing | None = None
    periods: Periods = ()
    active: bool = True
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    scopes: frozenset[AgencyScope] = frozenset(AgencyScope)

    def standing(self, at: datetime) -> Standing | None:
        """Say as what it was, or is, or will be registered at a time."""
        held = (each.registered_as for each in self.periods if each.holds(at))
        return next(held, self.registered_as)


class Agency(BaseModel):
    """An agency in the register."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    code: str
    told: Registration
    keys: tuple[Key, ...] = ()

    @classmethod
    def named(cls, code: str, told: Registration) -> "Agency":
        """Take an agency into the register."""
        return cls(id=agency_id(code), code=code, told=told)

    def registered(self, told: Registration) -> "Agency":
        """Replace what the region says of it; its keys stay."""
        return self.model_copy(update={"told": told})

    def may_refer(self, at: datetime) -> bool:
        """Tell whether it may refer at a time."""
        begun = self.told.valid_from is None or self.told.valid_from <= at
        return begun and self.may_try(at)

    def may_try(self, at: datetime) -> bool:
        """Tell whether it may use the sandbox: also before it may refer."""
        told = self.told
        ended = told.valid_until is not None and told.valid_until <= at
        return told.active and not ended

    def may_come(self, key: Key | None, at: datetime) -> bool:
        """Tell whether it may come in by a key, or by a token if there is none."""
        return self.may_try(at) if key and key.test else self.may_refer(at)

    def scopes_by(self, key: Key | None) -> frozenset[str]:
        """Give what it may by a key, or by a token if there is none."""
        if key and key.test:
            return frozenset({SANDBOX})
        return frozenset(self.told.scopes)

    def key(self, key_id: str, at: datetime) -> Key | None:
        """Give a key, if it is good at a time."""
        good = (each for each in self.keys if each.until > at)
        return next((each for each in good if each.id == key_id), None)

    def with_key(self, key: Key) -> "Agency":
        """Give it a key; those that have ended go.

        Raises:
            TwoKeys: It has two that are good.
        """
        good = tuple(each for each in self.keys if each.until > key.made_at)
        if sum(each.test is key.test for each in good) >= MOST_KEYS:
            raise TwoKeys
        return self.model_copy(update={"keys": (*good, key)})

    def without_key(self, key_id: str) -> "Agency":
        """Withdraw a key.

        Raises:
            NoSuchKey: It has none of this id.
        """
        left = tuple(each for each in self.keys if each.id != key_id)
        if len(left) == len(self.keys):
            raise NoSuchKey
        return self.model_copy(update={"keys": left})

    def used(self, key_id: str, at: datetime) -> "Agency":
        """Note in which hour a key was last used: enough to see which one is in use."""
        key = self.key(key_id, at)
        hour = at.replace(minute=0, second=0, microsecond=0)
        if key is None or key.last_used_at == hour:
            return self
        changed = key.model_copy(update={"last_used_at": hour})
        kept = (changed if each is key else each for each in self.keys)
        return self.model_copy(update={"keys": tuple(kept)})


def agency_id(code: str) -> str:
    """Derive an agency's id from its code."""
    return str(uuid5(AGENCIES, code))
