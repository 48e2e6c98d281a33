"""What referrals does until another region has received a case."""

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_chassis.store import Store
from accord_contracts.message import Lane, Message
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    TransferConfirmed,
    TransferUnconfirmed,
)

from referrals.domain.case import Case
from referrals.domain.receipt import Receipt, Received, TransferRules, receipt_id
from referrals.store import Cases


class Receipts(Store[Receipt]):
    """Which hand-overs were received, each with its own clock."""

    entity = Receipt
    collection = "receipts"
    due = "due_at"

    async def of_case(self, case: Case, rules: TransferRules) -> Receipt:
        """Give that of a case that was handed over, heard of yet or not.

        Raises:
            NotTransferred: It was not.
        """
        held = await self.get(receipt_id(case.id))
        return held or Receipt.awaited(case, rules)

    async def remove(self, case_id: str) -> None:
        """Delete that of a case that is erased."""
        await self.documents.delete_one({"_id": receipt_id(case_id)})


async def await_receipt(
    message: Message[CaseTransferred],
    *,
    receipts: Receipts,
    cases: Cases,
    rules: TransferRules,
) -> None:
    """Wait until the other region has a case; what is merged into it goes with it."""
    case = await cases.get(message.data.case_id)
    if case is None or case.erased or case.merged_into or case.transferred is None:
        return
    if await receipts.get(receipt_id(case.id)) is None:
        await receipts.save(Receipt.awaited(case, rules))


async def confirm(
    case: Case, received: Received, receipts: Receipts, rules: TransferRules
) -> Receipt:
    """Note that a case has arrived, and tell of it; once is as good as twice.

    Raises:
        NotTransferred: It was not handed over.
    """

    async def keep() -> Receipt:
        held = await receipts.of_case(case, rules)
        new = held.receive(received)
        if new is held:
            return held
        told = TransferConfirmed(
            case_id=case.id, transfer_id=new.id, confirmed_at=received.at
        )
        return await receipts.save(new, told)

    return await settled(keep)


async def tell_unconfirmed(due: Receipt, *, receipts: Receipts, clock: Clock) -> None:
    """Say once that nobody has confirmed in time that a case was received."""
    if due.due_at is None:
        return
    told = TransferUnconfirmed(
        case_id=due.case_id,
        transfer_id=due.id,
        worker_id=due.worker,
        due_at=due.due_at,
        late_by=(clock.now() - due.due_at).total_seconds(),
    )
    # Whatever the level was: there nobody may know it.
    await receipts.save(due.fall_due(), told, lane=Lane.URGENT)


async def forget(message: Message[CaseErased], *, receipts: Receipts) -> None:
    """Delete the receipt of a case that is erased."""
    await receipts.remove(message.data.case_id)
