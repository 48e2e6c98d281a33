"""What a proof asks for before a level is lowered or a response ends.

The conditions are the same everywhere, and no locality can leave one out. How much of
each is asked for is the locality's: one of the shipped policies, or its own numbers.
"""

from typing import Annotated, Any

from accord_contracts.message import Code
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Days = Annotated[int, Field(ge=0, le=3660)]


class Demand(BaseModel):
    """How much is asked for.

    Attributes:
        in_a_row: Reassessments in a row that found a lower level.
        apart_hours: Between two that count; sooner ones count as one. Never none: a
            reassessment sent twice is not two.
        held_days: The level that is held has been held for so long.
        quiet_days: Nobody has referred the case for so long.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_a_row: Annotated[int, Field(ge=1, le=10)]
    apart_hours: Annotated[int, Field(ge=1, le=8760)] = 24
    held_days: Days = 0
    quiet_days: Days = 0


class Supervision(BaseModel):
    """When a response ends by a stricter proof, and by which.

    Attributes:
        children: There is a child in the case.
        ever_extreme: It has ever been held at extreme.
        above_low_days: It was above low within so many days.
        referrals: It was referred so often within ``referrals_days`` of the first time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    children: bool
    ever_extreme: bool
    above_low_days: Days
    referrals: Annotated[int, Field(ge=2)]
    referrals_days: Days
    demand: Demand


class ProofRules(BaseModel):
    """By what a level is lowered and a response ends.

    Attributes:
        source: Where the numbers come from.
        counts_days: For how long what happened goes on counting in a reassessment.
        confirm_hours: How long a second person has.
        supervision: The stricter proof for some cases, if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    counts_days: Annotated[int, Field(ge=1, le=3660)]
    confirm_hours: Annotated[int, Field(ge=1, le=720)]
    lowering: Demand
    closing: Demand
    supervision: Supervision | None = None


HALF_A_YEAR = 182

VIOGEN = ProofRules(
    source="Spain, Instruction 2/2024 (supervised inactivation), as the press has it",
    # Six months, as for "any medium, high or extreme within the last six months".
    counts_days=HALF_A_YEAR,
    confirm_hours=72,
    # Its officers may only raise; a new form sets the level. Two in a row is what it
    # asks for at the end, and is asked for here at each step down.
    lowering=Demand(in_a_row=2),
    # "At least one face-to-face contact and a reassessment."
    closing=Demand(in_a_row=1),
    supervision=Supervision(
        children=True,
        ever_extreme=True,
        above_low_days=HALF_A_YEAR,
        referrals=2,
        referrals_days=HALF_A_YEAR,
        # Six months at the least, and two low results in a row.
        demand=Demand(in_a_row=2, held_days=HALF_A_YEAR),
    ),
)
"""VioGén's closing rules. "Special relevance" is taken as having been extreme."""

ISR = ProofRules(
    source="An assumption: the Integrated Safety Response publishes no rule",
    counts_days=HALF_A_YEAR,
    confirm_hours=72,
    # Its Intensive Case Management meets weekly: two that count stand a week apart.
    lowering=Demand(in_a_row=2, apart_hours=168),
    closing=Demand(in_a_row=2, apart_hours=168, held_days=28, quiet_days=28),
)

MARAC = ProofRules(
    source="SafeLives: any abuse within 12 months of the last referral is a repeat",
    counts_days=365,
    confirm_hours=72,
    lowering=Demand(in_a_row=2),
    closing=Demand(in_a_row=1, quiet_days=365),
)

SHIPPED = {"viogen": VIOGEN, "isr": ISR, "marac": MARAC}


def _of_name(chosen: Any) -> Any:  # noqa: ANN401 - What a locality's file says.
    if isinstance(chosen, str) and chosen not in SHIPPED:
        raise ValueError(f"proof must be one of {', '.join(SHIPPED)}, or its numbers")
    return SHIPPED[chosen] if isinstance(chosen, str) else chosen


class Judging(BaseModel):
    """What a locality decides about people's judgement (``judging`` in ``risk.yaml``).

    Attributes:
        proof: Rules that are shipped, by name, or the locality's own.
        raise_reasons: Why somebody may raise a level.
        lower_reasons: Why somebody may ask to lower one.
        meets_in_person: Actions of plans for which the person harmed is met, where
            whoever did one did not say what came of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    proof: Annotated[ProofRules, BeforeValidator(_of_name)]
    raise_reasons: Annotated[tuple[Code, ...], Field(min_length=1)]
    lower_reasons: Annotated[tuple[Code, ...], Field(min_length=1)]
    meets_in_person: tuple[Code, ...]
