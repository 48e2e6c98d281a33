"""Ending the response to a household: by risk's proof, and never without it."""

from collections.abc import Iterable
from datetime import datetime

from accord_contracts.problem import Refusal

from plans import handlers
from plans.asks import Proofs
from plans.domain.closing import close as end
from plans.domain.held import NoPlan
from plans.domain.outcome import Outcome
from plans.domain.plan import Plan
from plans.domain.template import Policy
from plans.store import Plans


class NotProven(Refusal):
    """The proof that the response may end is not complete."""

    def __init__(self, missing: Iterable[str]) -> None:
        super().__init__(f"missing: {', '.join(missing)}")


async def close(
    case_id: str,
    reason: str,
    outcomes: Iterable[Outcome],
    *,
    by: str,
    at: datetime,
    plans: Plans,
    policy: Policy,
    proofs: Proofs,
) -> Plan:
    """Close a plan, if risk proves that the response may end.

    What plans itself refuses comes first. What risk hears of meanwhile opens the plan
    again, because the closing says on which assessment it rested.

    Args:
        case_id: Whose.
        reason: One of the locality's; for some it asks for no proof.
        outcomes: What came of it.
        by: The worker who closes it.
        at: The present time.
        plans: Where they are kept.
        policy: The locality's.
        proofs: What risk says.

    Raises:
        Refusal: Of ``handlers.close``.
        NotProven: Conditions are missing; its text names them.
        ProofAway: Risk does not answer.
    """
    told = tuple(outcomes)
    held = await plans.get(case_id)
    if held is None:
        raise NoPlan
    if end(held, reason, told, policy, at) is held:
        return held
    if reason not in policy.unproved_reasons:
        missing = await proofs.missing(case_id, by)
        if missing:
            raise NotProven(missing)
    return await handlers.close(
        case_id, reason, told, at=at, plans=plans, policy=policy
    )
