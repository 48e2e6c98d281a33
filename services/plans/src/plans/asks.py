"""What plans asks of the risk service: whether the response to a case may end.

An answer is never remembered: what is found meanwhile may speak against it.
"""

import ssl

import structlog
from accord_chassis.asking import NoAnswer, Peer, ServiceToken
from accord_contracts.problem import Refusal
from accord_contracts.risk import AskClosing, ClosingProof

log = structlog.get_logger()


class ProofAway(Refusal):
    """Whether the response may end cannot be known at present: try again soon."""

    status = 503


class Proofs:
    """What risk says of whether responses may end.

    Args:
        risk_url: Where the risk service is.
        token: Under which it is asked.
        tls: Whose certificates are believed, if not the machine's.
    """

    def __init__(
        self, risk_url: str, token: ServiceToken, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._risk = Peer(risk_url, token, tls=tls)

    async def missing(self, case_id: str, closed_by: str) -> tuple[str, ...]:
        """Give the codes of what is missing before a worker may end a response.

        Raises:
            ProofAway: Risk does not answer, or not what can be understood.
        """
        asked = AskClosing(case_id=case_id, closed_by=closed_by)
        try:
            told = await self._risk.post("/proofs", asked, ClosingProof)
        except NoAnswer as none:
            log.warning("proof.not_known", fault=none.fault)
            raise ProofAway from None
        if told.case_id != case_id:
            raise ProofAway
        return told.missing

    async def close(self) -> None:
        """Hang up."""
        await self._risk.close()
