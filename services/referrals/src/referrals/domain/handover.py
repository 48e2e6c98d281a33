"""That a case was handed over to another region: to whom, for what and by whom."""

from typing import Self

from accord_contracts.access import Purpose
from accord_contracts.grounds import Belief, Grounds, Ipp11, S20Purpose
from accord_contracts.message import Code
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from referrals.domain.erasure import Decision


class HandoverTerms(Grounds):
    """To whom a case is handed over, for what, and on what grounds.

    Attributes:
        to: The code that the register has for the other region.
        reason: Why, as a code of the locality's.
        ipp11: The ground on which an agency is told that s 19 does not name.
        against_wish: Also if the person harmed wishes that they are not told: a
            victim's protection comes first (s 21), and somebody answers for it.
    """

    to: Code
    reason: Code
    purpose: S20Purpose
    ipp11: Ipp11 | None = None
    against_wish: bool = False

    @model_validator(mode="after")
    def _believed(self) -> Self:
        if self.belief is Belief.NONE:
            raise PydanticCustomError("no_belief", "Nobody may be told without it.")
        return self

    @property
    def told_for(self) -> Purpose:
        """What it is told for: of s 20, or another ground."""
        return Purpose.OTHER_GROUND if self.ipp11 else Purpose(self.purpose.value)


class Handover(BaseModel):
    """On what terms a case was handed over, and who decided it, when.

    Attributes:
        worker: The id of whoever decided, who hears of what is told later; none: it is
            not known, or no worker's.
    """

    model_config = ConfigDict(frozen=True)

    terms: HandoverTerms
    decision: Decision
    worker: str | None = None
