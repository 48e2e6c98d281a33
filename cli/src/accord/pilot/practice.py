"""What the people of a site do, when, and what they are answered.

Each acts over HTTP under a token of their own. When they act is drawn by lots that hang
on what it is about alone, so that the same seed has the same figures, in whatever order
messages come.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from accord_contracts.allocation import AllocationOffered, DeclineReason, Role
from accord_contracts.message import Event, Lane
from accord_contracts.notify import NotificationEscalated, NotificationSent
from accord_contracts.plans import PlanDrafted
from accord_contracts.risk import ReassessmentDue

from accord.actors import still_open
from accord.pilot import assumptions
from accord.pilot.agenda import Act, Agenda, nothing
from accord.pilot.assumptions import MARK, SLOT, lot
from accord.pilot.households import Referral
from accord.pilot.region import Region
from accord.pilot.register import Register
from accord.pilot.staff import Staff

CONFLICT, FORBIDDEN, NOT_FOUND = 409, 403, 404

OFFER, NOBODY_FOUND = "offer", "nobody_found"
"""Templates of both localities of what must be acknowledged at every level."""

ALARMS = ("action_overdue", "something_changed", "review_overdue")
"""Templates of what must be acknowledged at high risk."""


class Practice:
    """The people of a site, and what they have planned to do.

    Args:
        region: Where.
        staff: Who.
        register: What they know.
        agenda: What they have planned.
        seed: Chooses who does what and when.
    """

    def __init__(
        self,
        region: Region,
        staff: Staff,
        register: Register,
        agenda: Agenda,
        *,
        seed: int,
        asks: Sequence[str],
    ) -> None:
        self._region = region
        self._asks = asks
        self._staff = staff
        self._register = register
        self._agenda = agenda
        self._seed = seed
        self._times: Counter[tuple[str, str]] = Counter()
        self._offers: dict[str, AllocationOffered] = {}
        self._asked: dict[tuple[str, str], str] = {}
        self._told: dict[str, datetime] = {}
        self._roles: dict[str, Role] = {}
        self.done: Counter[str] = Counter()

    def report(self, at: datetime, referral: Referral) -> None:
        """Plan that the Police report a case."""
        post = partial(self._post, referral)
        self._agenda.put(at, referral["reference"], post)

    def see(self, event: Event, lane: Lane) -> None:
        """Plan what follows from what was told."""
        match event:
            case AllocationOffered():
                self._plan_answer(event)
            case PlanDrafted():
                self._plan_agreement(event)
            case ReassessmentDue():
                review = partial(self._review, event.case_id)
                self._agenda.put(self._next_slot(), event.case_id, review)
            case NotificationSent():
                self._plan_reading(event, lane)
            case NotificationEscalated():
                self._plan_acknowledgement(event, event.told)
            case _:
                pass

    def _lot(self, what: str, about: str) -> Random:
        """Draw lots for something: other ones each time that it happens."""
        self._times[what, about] += 1
        return lot(self._seed, what, about, self._times[what, about])

    def _next_slot(self, after: datetime | None = None) -> datetime:
        """Say when people next do what is due: after what was reported was dealt with.

        Args:
            after: By default the present.
        """
        starts = self._region.site.starts
        gone = (after or self._region.now) - starts - MARK
        return starts + MARK - (-gone // SLOT) * SLOT

    def _next_mark(self, after: datetime) -> datetime:
        starts = self._region.site.starts
        return starts - (-(after - starts) // MARK) * MARK

    async def _post(self, referral: Referral) -> None:
        path = "/referrals/v1/referrals"
        await self._region.ask(self._staff.police, "POST", path, referral)
        self.done["posted"] += 1

    def _plan_answer(self, event: AllocationOffered) -> None:
        """Plan that a worker accepts, declines, or lets the time pass."""
        self._offers[event.allocation_id] = event
        self._asked[event.case_id, event.worker_id] = event.allocation_id
        random = self._lot("answer", event.allocation_id)
        drawn = random.random()
        marks = random.choice(assumptions.ANSWERS_AFTER[event.level])
        at = event.offered_at + marks * MARK
        answer: Act = partial(self._accept, event)
        if drawn < assumptions.SILENT:
            # The time stops at the first look after the offer has expired.
            at, answer = self._next_mark(event.answer_by), nothing
        elif drawn < assumptions.SILENT + assumptions.DECLINES:
            answer = partial(self._decline, event)
        self._agenda.put(at, event.case_id, answer)
        # It stops at every look before as well: silence is told up the chain before
        # the offer ends, and not at the same time, when either could come first.
        before = event.offered_at + MARK
        while before < at:
            self._agenda.put(before, event.case_id, nothing)
            before += MARK

    async def _accept(self, event: AllocationOffered) -> None:
        await self._answer(event, "acceptance", None)

    async def _decline(self, event: AllocationOffered) -> None:
        reason = DeclineReason.NO_CAPACITY.value
        await self._answer(event, "decline", {"reason": reason})

    async def _answer(
        self, event: AllocationOffered, what: str, said: dict[str, str] | None
    ) -> None:
        if self._offers[event.allocation_id] is not event:
            return
        path = f"/allocation/v1/allocations/{event.allocation_id}/{what}"
        token = self._staff.workers[event.worker_id]
        answer = await self._region.ask(token, "POST", path, said, expected=(CONFLICT,))
        self.done[what if answer.ok else "answered_too_late"] += 1

    def _plan_agreement(self, event: PlanDrafted) -> None:
        """Plan that the table agrees to what was drafted."""
        if event.referral_id is None:
            # A review is agreed when it is made, at the slot after.
            at = self._next_slot() + SLOT
        else:
            random = self._lot("agreement", event.referral_id)
            slots = random.choice(assumptions.AGREED_AFTER[event.level])
            within_the_hour = event.drafted_at + 5 * MARK
            at = self._next_slot() + slots * SLOT if slots else within_the_hour
        agree = partial(self._agree, event)
        self._agenda.put(self._next_mark(at), event.case_id, agree)

    async def _agree(self, event: PlanDrafted) -> None:
        """Agree to a version of a plan, and plan to do what stands in it."""
        case = self._register.cases[event.case_id]
        if case.plan_version != event.plan_version or case.closed:
            self.done["superseded"] += 1
            return
        coordinator, path = self._staff.coordinator, f"/plans/v1/plans/{event.case_id}"
        stale = (await self._region.ask(coordinator, "GET", path)).json()["stale"]
        told = {"plan_version": event.plan_version, "stale": stale}
        path = f"{path}/agreement"
        answer = await self._region.ask(coordinator, "POST", path, told)
        case.agreed_version = event.plan_version
        self.done["reviews_agreed" if event.referral_id is None else "agreed"] += 1
        for action in answer.json()["actions"]:
            if not action["done_at"]:
                self._plan_action(event.case_id, action)
        if event.referral_id is not None:
            at = self._region.now + assumptions.CLOSED_AFTER[event.level]
            close = partial(self._close, event.case_id, case.referrals)
            self._agenda.put(self._next_slot(at), event.case_id, close)

    def _plan_action(self, case_id: str, action: dict[str, Any]) -> None:
        """Plan when an action is done, if it is; once for each action."""
        action_id = action["action_id"]
        planned = action_id in self._roles
        self._roles[action_id] = Role(action["role"])
        at = None if planned else self._done_at(action)
        if at is not None:
            self._agenda.put(at, case_id, partial(self._complete, case_id, action_id))

    def _done_at(self, action: dict[str, Any]) -> datetime | None:
        """Draw when an action is done: mostly in time, sometimes late or never."""
        random = self._lot("action", action["action_id"])
        due = datetime.fromisoformat(action["due_at"])
        drawn, share = random.random(), random.random()
        if not action["mandatory"] and drawn > assumptions.COMPLEMENTARY:
            return None
        late = due + timedelta(days=1 + 2 * share)
        if action["mandatory"] and drawn < assumptions.KEPT_LATE:
            return self._next_slot(late)
        left = due - self._region.now
        if left <= timedelta():
            return self._next_slot()
        at = self._next_slot(self._region.now + share * left)
        # What cannot wait until people next do what is due is done at once.
        return at if at < due else self._region.now

    async def _complete(self, case_id: str, action_id: str) -> None:
        case = self._register.cases[case_id]
        if case.closed:
            return
        worker_id = case.team.get(self._roles[action_id])
        if worker_id and await self._completed(case_id, action_id, worker_id):
            self.done["completed"] += 1
            return
        # Nobody has the role yet, or it is another's now: a day later somebody does it.
        self.done["completed_later"] += 1
        again = partial(self._complete, case_id, action_id)
        self._agenda.put(self._next_slot() + 2 * SLOT, case_id, again)

    async def _completed(self, case_id: str, action_id: str, worker_id: str) -> bool:
        path = f"/plans/v1/plans/{case_id}/actions/{action_id}"
        token = self._staff.workers[worker_id]
        # What waits for something else is done a day later too.
        expected = (NOT_FOUND, CONFLICT)
        answer = await self._region.ask(
            token, "POST", f"{path}/completion", assumptions.SHOWN, expected=expected
        )
        if not answer.ok or answer.json()["done_at"]:
            return answer.ok
        second = self._second(case_id, worker_id)
        path = f"{path}/confirmation"
        told = {"said_at": answer.json()["said"]["at"], "confirmed": True}
        expected = (FORBIDDEN, NOT_FOUND)
        confirmed = await self._region.ask(
            second, "POST", path, told, expected=expected
        )
        return confirmed.ok

    def _second(self, case_id: str, worker_id: str) -> str:
        """Give who confirms what somebody has done at high risk: of the team, if any.

        Whoever meets the person using violence sees too little of the case.
        """
        team = self._register.cases[case_id].team
        others = (
            each
            for role, each in team.items()
            if each != worker_id and role is not Role.PERPETRATOR_OUTREACH
        )
        second = next(others, None)
        return self._staff.workers[second] if second else self._staff.coordinator

    async def _review(self, case_id: str) -> None:
        """Assess a case anew, because it has fallen due.

        One whose plan is still to be agreed was just assessed for another reason.
        """
        case = self._register.cases[case_id]
        unagreed = case.agreed_version != case.plan_version
        if case.closed or case.reviewing or unagreed:
            return
        path = f"/risk/v1/assessments/{case_id}/reassessment"
        told = {
            "answers": dict.fromkeys(self._asks, assumptions.REVIEWED),
            "contact": assumptions.REVIEWED_BY,
        }
        case.reviewing = True
        await self._region.ask(self._staff.coordinator, "POST", path, told)
        self.done["reviewed"] += 1

    async def _close(self, case_id: str, referrals: int) -> None:
        """End the response to a household that was not referred again meanwhile."""
        case = self._register.cases[case_id]
        if case.referrals != referrals:
            return
        again = partial(self._close, case_id, referrals)
        if case.reviewing:
            self._agenda.put(self._next_slot() + SLOT, case_id, again)
            return
        path = f"/plans/v1/plans/{case_id}/closure"
        coordinator, read = self._staff.coordinator, f"/plans/v1/plans/{case_id}"
        plan = await self._region.ask(coordinator, "GET", read)
        told = {
            "reason": assumptions.CLOSED_FOR,
            "outcomes": assumptions.OUTCOMES,
            "left": still_open(plan.json()),
        }
        answer = await self._region.ask(
            coordinator, "POST", path, told, expected=(CONFLICT,)
        )
        if answer.ok and await self._confirm_closing(case_id, answer.json()):
            case.closed = True
            self.done["closed"] += 1
            return
        self.done["closing_put_off"] += 1
        later = self._region.now + assumptions.CLOSED_LATER
        self._agenda.put(self._next_slot(later), case_id, again)

    async def _confirm_closing(self, case_id: str, plan: Mapping[str, Any]) -> bool:
        """Have a second person confirm that a response has ended."""
        if plan["status"] == "closed":
            return True
        # Earlier versions keep how they were said to end, before the case came back.
        ending = plan["versions"][-1]["ending"]
        answer = await self._region.ask(
            self._second(case_id, ""),
            "POST",
            f"/plans/v1/plans/{case_id}/closure/confirmation",
            {"said_at": ending["at"]},
            expected=(FORBIDDEN, NOT_FOUND, CONFLICT),
        )
        return answer.ok

    def _plan_reading(self, event: NotificationSent, lane: Lane) -> None:
        """Plan that a message which asks for it is acknowledged."""
        if event.notification_id in self._told:
            # It was told to the next of the chain, which is told by itself.
            return
        self._told[event.notification_id] = self._region.now
        alarm = event.template in ALARMS and lane is Lane.URGENT
        if alarm or event.template in {OFFER, NOBODY_FOUND}:
            self._plan_acknowledgement(event, event.worker_id)

    def _plan_acknowledgement(
        self, event: NotificationSent | NotificationEscalated, worker_id: str
    ) -> None:
        read = partial(self._read, event, worker_id)
        self._agenda.put(self._region.now + MARK, event.case_id, read)

    async def _read(
        self, event: NotificationSent | NotificationEscalated, worker_id: str
    ) -> None:
        """Acknowledge a message, or leave it unread."""
        about = self._about(event)
        if self._lot(f"reading {event.template}", about).random() >= assumptions.READS:
            return
        path = f"/notify/v1/inbox/{event.notification_id}/acknowledgement"
        await self._region.ask(self._staff.workers[worker_id], "POST", path)
        self.done["acknowledged"] += 1

    def _about(self, event: NotificationSent | NotificationEscalated) -> str:
        """Give what tells a message from others, however messages come.

        Who is told hangs on their order. The role does not, and neither does since when
        it is told: two of a case that have both in common are as good as one another.
        """
        if event.template == OFFER:
            return self._asked[event.case_id, event.worker_id]
        role = self._staff.roles[event.worker_id]
        since = self._told[event.notification_id]
        return f"{event.case_id}/{role}/{since.isoformat()}"
