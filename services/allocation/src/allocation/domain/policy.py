"""What a locality decides about filling roles, and what none may decide."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from math import asin, cos, radians, sin, sqrt
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.message import Code
from accord_contracts.referrals import IncidentKind
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from allocation.domain.morning import MorningRun

Points = Annotated[int, Field(gt=0, le=1000)]
Weight = Annotated[int, Field(ge=0, le=1000)]
Minutes = Annotated[int, Field(gt=0)]
Hours = Annotated[int, Field(gt=0)]
Days = Annotated[int, Field(gt=0, le=400)]
Workers = Annotated[int, Field(gt=0, le=100)]
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
    IWI = "iwi"
    COMMUNITY = "community"
    AREA = "area"


class Soft(StrEnum):
    """What else speaks for somebody, after the wishes of the person harmed."""

    LEAD_AGENCY = "lead_agency"
    CONTINUITY = "continuity"
    SKILLS = "skills"
    DISTANCE = "distance"
    LOAD = "load"
    PAST_WEEK = "past_week"
    FAIRNESS = "fairness"
    LEAVE = "leave"


class Stage(StrEnum):
    """How far the response to a case is: what its roles take of a worker goes by it."""

    NEW = "new"
    """No plan is agreed to yet."""
    IN_RESPONSE = "in_response"
    """What was agreed to is done."""
    IN_REVIEW = "in_review"
    """It was looked at again, and stands."""


class Mode(StrEnum):
    """Whether the service offers roles itself, or a person chooses whom to ask."""

    OFFER = "offer"
    ADVISE = "advise"


class FullTime(BaseModel):
    """What a full week is.

    Attributes:
        points: Of work that somebody can carry who works full time.
        hours: Of a week.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: Points
    hours: Annotated[float, Field(gt=0, le=80)]


class Spot(BaseModel):
    """Where the middle of a place is, in degrees (WGS 84). Never anybody's address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]

    def km_to(self, other: "Spot") -> float:
        """Give the kilometres to another along a great circle (haversine)."""
        here, there = radians(self.latitude), radians(other.latitude)
        east = radians(other.longitude - self.longitude)
        north = there - here
        chord = sin(north / 2) ** 2 + cos(here) * cos(there) * sin(east / 2) ** 2
        return 2 * EARTH_KM * asin(sqrt(chord))


EARTH_KM = 6371.0
"""The mean radius of the Earth."""


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
        points: How much of a worker's capacity a role takes, by level and stage.
        answer_minutes: How long a worker has to answer an offer.
        assign_hours: How long after the first referral a role must be filled.
        escalate_after: How many workers in turn may let their time pass before the
            coordinator is told, and again after as many more.
        retry_minutes: How long to wait, when nobody is left to ask, before asking anew.
        weights: How much each wish of the person harmed counts.
        leave_ahead_days: For how long, from when somebody is asked, their leave speaks
            against them.
        wishes_wait_minutes: How long an assessed case waits for the wishes of its
            referral.
        soft: How much counts what else speaks for somebody, among those who meet the
            wishes equally well.
        time_zone: Of the region, by its name in the IANA database: what clocks show.
        full_time: What a full week is.
        places: Where the places are that people live in and workers start from.
        far_km: From so many kilometres on, a way is as long as any.
        skills: What an incident asks of a worker's skills.
        mode: Whether the service offers roles itself.
        morning_run: When all open roles are placed together, before the meeting.
        lead_agencies: Which agency leads at each level until a meeting decides
            otherwise, by its code in the register.
        needs: What organisations may meet of what people need: the strands of a plan.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    roles: dict[RiskLevel, Roles]
    points: dict[RiskLevel, dict[Stage, Points]]
    answer_minutes: dict[RiskLevel, Minutes]
    assign_hours: dict[RiskLevel, Hours]
    escalate_after: dict[RiskLevel, Workers]
    retry_minutes: dict[RiskLevel, Minutes]
    leave_ahead_days: dict[RiskLevel, Days]
    weights: dict[Wish, Weight]
    wishes_wait_minutes: Minutes
    soft: dict[Soft, Weight]
    time_zone: str
    full_time: FullTime
    places: dict[Code, Spot]
    far_km: Annotated[float, Field(gt=0, le=20_000)]
    skills: dict[IncidentKind, frozenset[Code]]
    mode: Mode
    morning_run: MorningRun
    lead_agencies: dict[RiskLevel, Code]
    needs: Annotated[frozenset[Code], Field(min_length=1, max_length=50)]

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (LookupError, ValueError, OSError):
            raise ValueError("no time zone of the IANA database") from None
        return given

    @model_validator(mode="after")
    def _says_all_of_it(self) -> Self:
        said = ("roles", "points", "lead_agencies", "leave_ahead_days", *CLOCKS)
        for name in said:
            if missing := set(RiskLevel) - set(getattr(self, name)):
                raise ValueError(f"{name} lacks {', '.join(sorted(missing))}")
        for level, points in self.points.items():
            if lacking := set(Stage) - set(points):
                raise ValueError(
                    f"points at {level} lacks {', '.join(sorted(lacking))}"
                )
        if missing_wishes := set(Wish) - set(self.weights):
            raise ValueError(f"weights lacks {', '.join(sorted(missing_wishes))}")
        if missing_soft := set(Soft) - set(self.soft):
            raise ValueError(f"soft lacks {', '.join(sorted(missing_soft))}")
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

    @cached_property
    def zone(self) -> ZoneInfo:
        """What clocks in the region go by."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def kilometres(self) -> dict[str, dict[str, float]]:
        """The distances between places, by the place somebody lives in."""
        return {
            home: {base: spot.km_to(other) for base, other in self.places.items()}
            for home, spot in self.places.items()
        }

    def skills_for(self, incidents: Iterable[IncidentKind]) -> frozenset[str]:
        """Say what incidents ask of a worker's skills."""
        asked = (self.skills.get(each, frozenset()) for each in incidents)
        return frozenset[str]().union(*asked)

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


CLOCKS = ("answer_minutes", "assign_hours", "escalate_after", "retry_minutes")
