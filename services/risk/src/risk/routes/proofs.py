"""Telling plans whether the response to a case may end."""

from typing import Annotated

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_contracts.access import Purpose
from accord_contracts.risk import AskClosing, ClosingProof
from fastapi import APIRouter, Security

from risk.domain.assessment import NotAssessed
from risk.domain.judgement.proof import End, prove
from risk.routes.assessments import Assessments_, Clock_, Policy_

router = APIRouter(tags=["judgement"])

Asker = Annotated[Asking, Security(asking, scopes=["risk.ask"])]

ASK_PROOF = Action("proof.ask", (Relation.SERVICE,), purposes=(Purpose.OPERATION,))


@router.post("/proofs")
async def ask_proof(
    asked: AskClosing,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    asker: Asker,
) -> ClosingProof:
    """Tell a service what is missing before the response to a case may end."""
    about = Resource("proof", asked.case_id, asked.case_id)
    await asker.permit(ASK_PROOF, about, otherwise=NotAssessed)
    held = await assessments.get(asked.case_id)
    if held is None or not held.weighed:
        raise NotAssessed
    proof = prove(held, End.CLOSING, policy, clock.now(), second=asked.closed_by)
    return ClosingProof(case_id=held.id, missing=proof.missing)
