"""Trying a referral out: taken, refused and answered as a real one, and then forgotten.

It is no referral: nobody is recognised by it, no case comes of it, and nothing is told.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from accord_chassis.retention import RecordClass
from accord_chassis.service import settled
from accord_chassis.store import Conflict, Store
from accord_contracts.referrals import WithdrawalReason

from referrals.amending import Request, amended, as_changed_before
from referrals.domain.amendment import Amending, Change
from referrals.domain.policy import Misfit, Policy
from referrals.domain.referral import KeyUsedBefore, NotReferred, Referral, Sender
from referrals.domain.sandbox import Trial, not_invented
from referrals.domain.telling import Telling
from referrals.handlers import Posted
from referrals.store import Referrals


class Trials(Store[Trial]):
    """What agencies have tried out: ids and times."""

    entity = Trial
    collection = "trials"
    due = "erase_at"

    async def remove(self, due: Trial) -> None:
        """Delete what was tried out long enough ago."""
        await self.documents.delete_one({"_id": due.id})


class Sandbox(NamedTuple):
    """What is needed to try referrals out.

    Attributes:
        referrals: By whose key what was told is known again; nothing is stored in it.
        kept: How long it is known that something was tried out.
    """

    trials: Trials
    referrals: Referrals
    policy: Policy
    kept: RecordClass

    def misfits(self, told: Telling, at: datetime) -> Iterable[Misfit]:
        """Find what cannot be taken: as of a real one, and of whoever may be real."""
        return (*self.policy.misfits(told, at), *not_invented(told))

    async def post(
        self, told: Telling, sender: Sender, *, key: str | None, at: datetime
    ) -> Posted:
        """Take a referral as a real one is taken, once however often it is sent.

        Raises:
            NoKey: Nothing would tell whether it was sent before.
            KeyUsedBefore: The key or reference belongs to another one.
        """
        tried = Referral.post(
            told,
            sender,
            id=self.referrals.id_of(sender, key, told),
            fingerprint=self.referrals.fingerprint(told),
            at=at,
            by=self.policy,
        )
        trial = Trial(
            id=tried.id,
            agency=sender.agency,
            fingerprint=tried.fingerprint,
            received_at=at,
            expected=tried.expected,
            roles=tuple(each.role for each in told.people),
            purpose=told.sharing.purpose,
            erase_at=self.kept.over(at),
        )
        try:
            await self.trials.save(trial)
        except Conflict:
            earlier = await self.trials.get(tried.id)
        else:
            return Posted(tried, repeated=False)
        if earlier is None:
            raise Conflict("It is neither new nor known.")
        if earlier.fingerprint != tried.fingerprint:
            raise KeyUsedBefore
        same = {"received_at": earlier.received_at, "expected": earlier.expected}
        return Posted(tried.model_copy(update=same), repeated=True)

    async def amend(
        self,
        trial_id: str,
        sender: Sender,
        wanted: Amending,
        request: Request,
        *,
        seen: int,
    ) -> Referral:
        """Amend what was tried out, as a real one; nothing of what is told is kept.

        Raises:
            NotReferred: There is nothing, or it is another agency's.
            Refusal: As ``amending.amend`` says.
        """
        decide = partial(
            amended,
            wanted=wanted,
            seen=seen,
            policy=self.policy,
            misfits=self.misfits,
        )
        said = f"amended {wanted.canonical}"
        return await self._change(trial_id, sender, said, request, decide)

    async def withdraw(
        self,
        trial_id: str,
        sender: Sender,
        reason: WithdrawalReason,
        request: Request,
    ) -> Referral:
        """Take back what was tried out, as a real one.

        Raises:
            NotReferred: There is nothing, or it is another agency's.
            Refusal: As ``amending.withdraw`` says.
        """

        def decide(held: Referral, change: Change) -> Referral:
            return held.withdraw(change, reason)

        said = f"withdrawn {reason}"
        return await self._change(trial_id, sender, said, request, decide)

    async def _change(
        self,
        trial_id: str,
        sender: Sender,
        said: str,
        request: Request,
        decide: Callable[[Referral, Change], Referral],
    ) -> Referral:
        fingerprint = self.referrals.vault.digest("change", said)

        async def once() -> Referral:
            trial = await self.tried(trial_id, sender.agency)
            held = trial.standing_in(sender, self.policy)
            change = request.change(trial_id, fingerprint)
            if earlier := as_changed_before(held, change):
                return earlier
            held.may_be_changed()
            changed = decide(held, change)
            await self.trials.save(trial.changed(changed))
            return changed

        return await settled(once)

    async def known(self, referral_id: str) -> bool:
        """Tell whether it was tried out before."""
        return await self.trials.get(referral_id) is not None

    async def tried(self, referral_id: str, agency: str | None) -> Trial:
        """Give what an agency has tried out.

        Raises:
            NotReferred: There is nothing, or it is another agency's.
        """
        held = await self.trials.get(referral_id)
        if held is None or held.agency != agency:
            raise NotReferred
        return held
