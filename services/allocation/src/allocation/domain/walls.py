"""Which compartments of teams serve which side of a case.

A compartment that was ever asked to serve one side never serves the other: whoever was
asked has seen that there is a case. That it only grows is what makes it hold, whatever
is offered, declined and accepted at the same time.
"""

from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from allocation.domain.policy import outreach


class SameCompartment(Refusal):
    """The worker's compartment serves the other side of one of their cases."""


class Walls(BaseModel):
    """The compartments of a case, by the side they serve.

    Attributes:
        outreach: These were asked to serve the person using violence.
        others: These were asked to serve anybody else.
    """

    model_config = ConfigDict(frozen=True)

    outreach: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def against(self, role: Role) -> frozenset[str]:
        """Give the compartments that may not have a role."""
        return self.others if outreach(role) else self.outreach

    def asked(self, role: Role, wall: str) -> "Walls":
        """Note that a compartment is asked to have a role."""
        field = "outreach" if outreach(role) else "others"
        return self.model_copy(update={field: getattr(self, field) | {wall}})
