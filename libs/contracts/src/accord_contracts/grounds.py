"""On what grounds somebody is told: for what, by what belief, and who was asked."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class S20Purpose(StrEnum):
    """The three purposes of the Family Violence Act 2018, s 20."""

    ASSESSMENT = "fva20_a"
    PLAN = "fva20_b"
    PROTECTION = "fva20_c"


class Ipp11(StrEnum):
    """On which ground of IPP 11 (Privacy Act 2020) an agency beyond s 19 is told."""

    DIRECTLY_RELATED = "directly_related_purpose"
    AUTHORISED = "authorised_by_person"
    MAINTENANCE_OF_LAW = "maintenance_of_law"
    COURT_PROCEEDINGS = "court_proceedings"
    SERIOUS_THREAT = "serious_threat"


class Belief(StrEnum):
    """What somebody believes on reasonable grounds: that sharing helps the purpose."""

    WILL_HELP = "will_help"
    MAY_HELP = "may_help"
    NONE = "no_reasonable_grounds"


class WhyNotSafe(StrEnum):
    """Why asking the people first was not safe. A scale: a text might name somebody."""

    WOULD_ALERT = "would_alert_person_using_violence"
    RETALIATION = "risk_of_retaliation"
    NO_SAFE_CONTACT = "no_safe_way_to_contact"
    NO_TIME = "danger_is_imminent"
    INVESTIGATION = "would_prejudice_investigation"


class Grounds(BaseModel):
    """On what grounds somebody shares, or does not.

    Attributes:
        consulted: The people were asked about it first.
        why_not_safe: If not: why asking would not have been safe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    belief: Belief
    consulted: bool
    why_not_safe: WhyNotSafe | None = None

    @model_validator(mode="after")
    def _consulted_or_unsafe(self) -> Self:
        if not self.consulted and self.why_not_safe is None:
            raise PydanticCustomError(
                "consulted_or_why_not_safe", "Say why asking was not safe."
            )
        return self


class GroundsToTell(Grounds):
    """On what grounds an agency is told whom it is asked about."""

    @model_validator(mode="after")
    def _believed(self) -> Self:
        if self.belief is Belief.NONE:
            raise PydanticCustomError("no_belief", "Nobody may be told without it.")
        return self
