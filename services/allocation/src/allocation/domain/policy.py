"""What a locality decides about filling roles, and what none may decide."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field, model_validator

Points = Annotated[int, Field(gt=0, le=1000)]
Weight = Annotated[int, Field(ge=0, le=1000)]
Minutes = Annotated[int, Field(gt=0)]
Hours = Annotated[int, Field(gt=0)]
Roles = Annotated[tuple[Role, ...], Field(min_length=1, max_length=len(Role))]

RESPONSE_TO_HIGH_RISK = (
    Role.INDEPENDENT_VICTIM_SPECIALIST,
    Role.PERPETRATOR_OUTREACH,
    Role.LEAD_AGENCY_COORDINATOR,
)
"""The Integrated Safety Response gives these to every case at high risk."""


class Wish(StrEnum):
    """What the person harmed may ask of whoever is sent to them."""

    GENDER = "gender"
    LANGUAGE = "language"
    KAUPAPA_MAORI = "kaupapa_maori"
    AREA = "area"


def outreach(role: Role) -> bool:
    """Tell whether a role serves the person using violence.

    Within one case, nobody has such a role and any other: whoever knows where the
    person harmed is must not be who meets the person using violence.
    """
    return SIDES[role] is Side.PERSON_USING_VIOLENCE


class Policy(BaseModel):
    """How a locality fills roles (``localities/<name>/allocation.yaml``).

    Attributes:
        roles: Which roles a case at each level needs.
        points: How much of a worker's capacity a role takes.
        answer_minutes: How long a worker has to answer an offer.
        assign_hours: How long after the first referral a role must be filled.
        retry_minutes: How long to wait, when nobody is left to ask, before asking anew.
        weights: How much each wish of the person harmed counts.
        wishes_wait_minutes: How long an assessed case waits for the wishes of its
            referral.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    roles: dict[RiskLevel, Roles]
    points: dict[RiskLevel, Points]
    answer_minutes: dict[RiskLevel, Minutes]
    assign_hours: dict[RiskLevel, Hours]
    retry_minutes: dict[RiskLevel, Minutes]
    weights: dict[Wish, Weight]
    wishes_wait_minutes: Minutes

    @model_validator(mode="after")
    def _says_all_of_it(self) -> Self:
        for name in ("roles", "points", *CLOCKS):
            if missing := set(RiskLevel) - set(getattr(self, name)):
                raise ValueError(f"{name} lacks {', '.join(sorted(missing))}")
        if missing_wishes := set(Wish) - set(self.weights):
            raise ValueError(f"weights lacks {', '.join(sorted(missing_wishes))}")
        return self

    @model_validator(mode="after")
    def _answers_high_risk(self) -> Self:
        for level, roles in self.roles.items():
            if len(set(roles)) != len(roles):
                raise ValueError(f"roles names one twice at {level}")
            lacking = [each for each in RESPONSE_TO_HIGH_RISK if each not in roles]
            if level.urgent and lacking:
                raise ValueError(f"roles at {level} lacks {', '.join(lacking)}")
        return self

    @model_validator(mode="after")
    def _is_never_slower_for_more_risk(self) -> Self:
        for name in CLOCKS:
            clock: Mapping[RiskLevel, int] = getattr(self, name)
            times = [clock[level] for level in RiskLevel if level in clock]
            if times != sorted(times, reverse=True):
                raise ValueError(f"{name} must not grow with the level")
        for level, minutes in self.answer_minutes.items():
            if minutes >= self.assign_hours[level] * 60:
                raise ValueError(f"answer_minutes at {level} leaves no second offer")
        return self

    def answer_by(self, offered_at: datetime, level: RiskLevel) -> datetime:
        """Say by when an offer is to be answered."""
        return offered_at + timedelta(minutes=self.answer_minutes[level])

    def assign_by(self, since: datetime, level: RiskLevel) -> datetime:
        """Say by when a role is to be filled, in elapsed hours, nights included."""
        return since + timedelta(hours=self.assign_hours[level])

    def retry_at(self, at: datetime, level: RiskLevel) -> datetime:
        """Say when to ask anew after nobody was left to ask."""
        return at + timedelta(minutes=self.retry_minutes[level])

    def stop_waiting_at(self, at: datetime) -> datetime:
        """Say when an assessed case goes on without its referral's wishes."""
        return at + timedelta(minutes=self.wishes_wait_minutes)


CLOCKS = ("answer_minutes", "assign_hours", "retry_minutes")
