"""Tiers: what follows from a level, and who is to do it by when."""

from typing import Annotated

from accord_contracts.allocation import Role
from accord_contracts.message import Code
from accord_contracts.risk import RiskLevel, Tier
from pydantic import BaseModel, ConfigDict, Field

Hours = Annotated[int, Field(gt=0, le=9000)]


class TierRule(BaseModel):
    """A tier of the response (the high-risk protocol's idea), as the locality has it.

    Attributes:
        code: What it is called.
        from_level: The level from which a case is in it.
        triggers: Any of these puts a case in it whatever its level.
        roles: Who acts on it.
        actions: What must be done.
        clocks: Hours until something must have been done, by what.
        meeting: Where it is spoken about; none: at no table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    from_level: RiskLevel
    triggers: Annotated[tuple[Code, ...], Field(max_length=30)] = ()
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=10)]
    actions: Annotated[tuple[Code, ...], Field(max_length=30)] = ()
    clocks: Annotated[dict[Code, Hours], Field(max_length=10)] = {}
    meeting: Code | None = None

    def holds(self, level: RiskLevel, reasons: tuple[str, ...]) -> bool:
        """Tell whether a case of this level, for these reasons, is in it."""
        lifted = any(each in self.triggers for each in reasons)
        return level.rank >= self.from_level.rank or lifted

    def told(self) -> Tier:
        """Give what others are told of it."""
        return Tier(
            code=self.code,
            roles=self.roles,
            actions=self.actions,
            clocks=self.clocks,
            meeting=self.meeting,
        )
