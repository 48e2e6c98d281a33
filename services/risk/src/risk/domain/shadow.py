"""What a second version of the policy makes of each case as it is weighed. Pure.

It is counted, and nothing else: no level, reason, clock or event goes by it.
"""

from accord_contracts.message import PolicyVersion
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

Move = tuple[RiskLevel, RiskLevel]
"""The level by the policy in force, and by the other."""


class NoShadow(Refusal):
    """The locality weighs by no second version of its policy."""

    status = 404


class Shadowed(BaseModel):
    """What both versions found when a case was last weighed.

    Attributes:
        version: The second version.
        in_force: The version that was in force.
        found: The level by the policy in force, before what was held is looked at.
        would: The level by the second version.
    """

    model_config = ConfigDict(frozen=True)

    version: PolicyVersion
    in_force: PolicyVersion
    found: RiskLevel
    would: RiskLevel
