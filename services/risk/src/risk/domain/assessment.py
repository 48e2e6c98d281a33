"""The level of risk held for one case, and what it rests on."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import reduce
from itertools import chain

from accord_contracts.one_person import Link
from accord_contracts.problem import Refusal
from accord_contracts.referrals import Answer, IncidentKind, PersonRole, Relationship
from accord_contracts.risk import RiskLevel, Tier
from pydantic import BaseModel, ConfigDict, Field, computed_field

from risk.domain.ahead import Ahead, with_latest
from risk.domain.answers import merged
from risk.domain.form import Form, all_forms
from risk.domain.judgement.record import (
    BY_POLICY,
    WEIGHED,
    Asked,
    Change,
    Judgement,
    Origin,
)
from risk.domain.order import Order
from risk.domain.past import Inputs, Past, past_id
from risk.domain.people import Changes, Ground, facts_of, grounds_of, noted
from risk.domain.policy import Policy, highest
from risk.domain.reassessment import LATER, Reassessment
from risk.domain.scoring import Result
from risk.domain.shadow import Shadowed
from risk.domain.share import Share
from risk.domain.telling import (
    Happened,
    Parts,
    Telling,
    Unnamed,
    happened,
    most_in_a_year,
    occurred,
    unnamed,
    with_parts,
    with_telling,
)
from risk.domain.weighing import Known, Would

KEPT_UNWEIGHED = (
    "version", "ahead", "groups", "judgement", "links", "merged_into", "merging",
    "orders", "parts", "people", "reassessment", "tellings", "transferred_at",
)  # fmt: skip
"""What stays of a case of which nothing is weighed any more."""

NOTED_BESIDE = ("looked_over_by", "people", "shadow")
"""What is new of a case that is looked over, where its result stands."""


class NotAssessed(Refusal):
    """There is no assessment of this case."""

    status = 404


class Assessment(BaseModel):
    """The level of risk held for one case, and what it rests on.

    Attributes:
        id: The case's.
        own_level: The highest level that was found from what is known of this case
            itself, whatever is merged into it; none: no other than ``level``.
        answers: Everything answered so far, by question, of this case itself.
        shares: What the cases know that are merged into it, by case.
        merged_into: The case that it is merged into. It is kept as before, and its
            survivor's clock runs in place of its own.
        merging: The version of the case in referrals that last said so.
        revision: The version of this document in which it was last weighed. Clocks
            count the version up as well, and weigh nothing.
        ahead: What is known to come, or has come, by its id; known perhaps before
            anything was weighed.
        first_referred_at: When the response to the latest episode was asked for.
        clock_from: Since when its clock runs: the latest referral's asking, or the
            latest look at the family that its clock goes by; none: since it was first
            heard of.
        urged_at: When people were called to look at once; it counts until they do.
        due_at: When its clock for reassessment falls due; none while it is stopped.
        forms: What agencies have filled in, by instrument, of this case itself.
        highest: Above which the level would not be, whatever the unknown brought.
        questions: Those that could change the level, as they should be asked next.
        would: What answers would raise it.
        results: What each instrument said.
        tier: What follows from it.
        policy_fingerprint: By which policy's text it was last weighed.
        looked_over_by: By which it was last, or by which the same would be told of it.
        inputs: What was weighed then; what came since without being weighed is not in
            it.
        rests_on: The cases merged into it then.
        replaced: The result before, to be filed when this is saved.
        erased_at: When the case was erased; nothing is weighed for it any more.
        transferred_at: When it was handed over to another region: what is still heard
            is weighed, and no clock runs for it here.
        mistaken_at: When two people said that the case was opened in error. All of it
            stays; until something is weighed again, it counts in no figure.
        judgement: What people, and what was weighed, have made of its level.
        tellings: What each referral told, by the referral.
        people: The levels of each pair and each child, as they came about.
        parts: Who harmed whom, of those about whom a coordinator has decided.
        links: Which people are one, or were, by the decision that said so.
        groups: Codes of the groups that it counts in when it is looked at how well
            levels tell what comes, by dimension; they weigh nothing.
        orders: Those that bind, or bound, somebody in the case.
        counts_from: Since when incidents are counted: what was before a lowering is
            not, as far back as that has looked. None: all are.
        shadow: What another version of the policy finds, to be counted.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    revision: int = 0
    level: RiskLevel = RiskLevel.LOW
    own_level: RiskLevel | None = None
    previous: RiskLevel | None = None
    answers: dict[str, Answer] = {}
    incidents: frozenset[IncidentKind] = frozenset()
    repeats: int = 0
    ahead: dict[str, Ahead] = {}
    reasons: tuple[str, ...] = ()
    unknowns: tuple[str, ...] = ()
    provisional: bool = False
    forms: dict[str, Form] = {}
    highest: RiskLevel = RiskLevel.LOW
    questions: tuple[str, ...] = ()
    would: tuple[Would, ...] = ()
    results: tuple[Result, ...] = ()
    tier: Tier | None = None
    policy_version: str = ""
    policy_fingerprint: str = ""
    looked_over_by: str = ""
    inputs: Inputs | None = None
    rests_on: tuple[str, ...] = ()
    replaced: Past | None = Field(default=None, exclude=True)
    first_referred_at: datetime
    assessed_at: datetime
    clock_from: datetime | None = None
    urged_at: datetime | None = None
    reassess_by: datetime
    reassessment: Reassessment = Reassessment.AHEAD
    due_at: datetime | None
    erased_at: datetime | None = None
    transferred_at: datetime | None = None
    mistaken_at: datetime | None = None
    shares: dict[str, Share] = {}
    merged_into: str | None = None
    merging: int = 0
    judgement: Judgement = Judgement()
    tellings: dict[str, Telling] = {}
    people: Changes = ()
    parts: tuple[Parts, ...] = ()
    links: dict[str, Link] = {}
    orders: dict[str, Order] = {}
    counts_from: datetime | None = None
    groups: dict[str, str] = {}
    shadow: Shadowed | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def wakes_at(self) -> datetime | None:
        """When something is next to be done.

        A reassessment, a date that comes near, or telling that a lowering has lapsed:
        that alone once another region has the case.
        """
        asked = self.judgement.asked
        if self.transferred_at:
            return asked.until if asked else None
        dates = [each.wakes_at for each in self.ahead.values()] if self.weighed else []
        times = (self.due_at, asked and asked.until, *dates)
        return min((at for at in times if at), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def open_by(self) -> str | None:
        """By which policy an open case was last looked over; none: nobody is to.

        Of what is closed, erased, another region's or merged into another case nothing
        follows from a new policy, until something is heard of it.
        """
        gone = self.erased_at or self.transferred_at or self.merged_into
        stopped = self.reassessment is Reassessment.STOPPED
        return None if gone or stopped or not self.weighed else self.looked_over_by

    @property
    def weighed(self) -> bool:
        """Tell whether anything was weighed yet, and the case is not erased."""
        return self.revision > 0

    @classmethod
    def new(cls, case_id: str, at: datetime) -> "Assessment":
        """Begin with nothing known."""
        return cls(
            id=case_id,
            first_referred_at=at,
            assessed_at=at,
            reassess_by=at,
            due_at=None,
        )

    def weigh(
        self,
        answers: dict[str, Answer],
        incidents: frozenset[IncidentKind],
        policy: Policy,
        at: datetime,
        *,
        repeat: bool = False,
        forms: Mapping[str, Form] | None = None,
        begins: bool = False,
        origin: Origin = WEIGHED,
    ) -> "Assessment":
        """Weigh what is new together with everything already known.

        The level never falls by itself: lowering needs a proof and a second person.
        The clock for reassessment runs on. One that was stopped starts again by a yes,
        by a kind of incident that was not known, and by a level that rises: what is
        told opens the plan.

        Args:
            answers: To the locality's questions.
            incidents: What happened.
            policy: By what rules.
            at: When it became known.
            repeat: The same two were referred before.
            forms: What was filled in, by instrument.
            begins: A clock that was stopped starts again, whatever was answered.
            origin: Who has answered, or what told it.
        """
        forms = forms or {}
        new_kinds = bool(incidents - self.incidents)
        yes = Answer.YES in answers.values() or any(e.says_yes for e in forms.values())
        own = self.model_copy(
            update={
                "answers": merged(self.answers, answers),
                "incidents": self.incidents | incidents,
                "repeats": self.repeats + repeat,
                "forms": all_forms(self.forms, forms),
            }
        )
        if begins or new_kinds or yes:
            own = own.begin(at)
        if incidents or forms or Answer.YES in answers.values():
            own = own.stir(at)
        new = own.reweigh(policy, at, self.level, origin)
        began = own.begin(at)
        if began is own or new.level is self.level:
            return new
        return began.reweigh(policy, at, self.level, origin)

    def told(self, referral_id: str, telling: Telling) -> "Assessment":
        """Note what a referral told, before it is weighed with everything known.

        The response to the latest episode is asked for since the latest referral,
        whichever was heard first; what else was heard before any does not count. Its
        clock runs from then, if nobody has looked at the family since.
        """
        first = self.first_referred_at
        if telling.asked_at:
            known = any(each.asked_at for each in self.tellings.values())
            first = max(first, telling.asked_at) if known else telling.asked_at
        tellings = with_telling(self.tellings, referral_id, telling)
        new = self.model_copy(update={"tellings": tellings, "first_referred_at": first})
        return new.looked_after(telling.asked_at) if telling.asked_at else new

    def looked_after(self, at: datetime) -> "Assessment":
        """Have its clock run from a time, unless it runs from a later one.

        Nothing else but a referral, and a look at the family, may: what is overdue
        stays so until somebody looks.
        """
        latest = max(at, self.clock_from or at)
        return self.model_copy(update={"clock_from": latest})

    def begin(self, at: datetime) -> "Assessment":
        """Have a clock that was stopped start again, if the case is here.

        The response to what is known since is asked for from then on.
        """
        if self.reassessment is not Reassessment.STOPPED or self.transferred_at:
            return self
        first = {"first_referred_at": max(self.first_referred_at, at)}
        running = {"reassessment": Reassessment.AHEAD, "mistaken_at": None}
        return self.looked_after(at).model_copy(update={**first, **running})

    def due_by(self, hours: float) -> datetime:
        """Give by when it is to be assessed anew, so long after its clock began.

        Sooner if people were called to look since.
        """
        by = self.begun + timedelta(hours=hours)
        return min(by, self.urged) if self.urged else by

    @property
    def begun(self) -> datetime:
        """When its clock began."""
        return self.clock_from or self.first_referred_at

    @property
    def urged(self) -> datetime | None:
        """When people were called to look at once, if nobody has since."""
        return self.urged_at if self.urged_at and self.urged_at >= self.begun else None

    def put_right(self, decided: Parts) -> "Assessment":
        """Note who harmed whom, unless a later decision about the two is known."""
        parts = with_parts(self.parts, decided)
        return self.model_copy(update={"parts": parts})

    def link(self, match_id: str, told: Link) -> "Assessment":
        """Note that two people are one, or two again; the last word counts."""
        known = self.links.get(match_id)
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        return self.model_copy(update={"links": {**self.links, match_id: told}})

    def bind(self, order_id: str, order: Order) -> "Assessment":
        """Note how an order stands; of what was heard late, only that it has ended.

        A breach that was taken back weighs no more at the next assessment, if nobody
        else told of one; the level stays.
        """
        known = self.orders.get(order_id)
        order = order.heard_after(known)
        if self.erased_at or order == known:
            return self
        new = self.model_copy(update={"orders": {**self.orders, order_id: order}})
        breach = IncidentKind.BREACH_OF_ORDER
        taken_back = known and known.breached_at and not order.breached_at
        if taken_back and breach not in new.occurred:
            new = new.model_copy(update={"incidents": new.incidents - {breach}})
        return new

    def stir(self, at: datetime) -> "Assessment":
        """Note that something became known that speaks of danger."""
        judgement = self.judgement.stirred_by(at, self.version + 1)
        return self.model_copy(update={"judgement": judgement})

    @property
    def heard_of(self) -> bool:
        """Tell whether anything has come of this case itself, not only of merged ones.

        Too much is unknown of another to say how high its own risk is.
        """
        return bool(self.answers or self.incidents or self.forms)

    @property
    def ever_above_low(self) -> bool:
        """Tell whether it, or what is merged into it, is or was held above low."""
        levels = (self.level, *(each.level for each in self.judgement.changes))
        return any(each is not RiskLevel.LOW for each in levels) or any(
            each.above_low_until or each.level is not RiskLevel.LOW
            for each in self.shares.values()
        )

    @property
    def occurred(self) -> dict[IncidentKind, datetime]:
        """When each kind of incident last did, as far as that is known."""
        known = occurred(self.tellings.values())
        breach = IncidentKind.BREACH_OF_ORDER
        for each in self.orders.values():
            if each.breached_at:
                told = known.get(breach, each.breached_at)
                known[breach] = max(told, each.breached_at)
        return known

    @property
    def happened(self) -> tuple[Happened, ...]:
        """What was told of this case itself that happened, and weighs."""
        told = (*happened(self.tellings.values()), *self._breaches)
        since = self.counts_from
        return tuple(each for each in told if since is None or each.at >= since)

    @property
    def all_happened(self) -> tuple[Happened, ...]:
        """What was told that happened, in the cases merged into it too."""
        shares = [each.happened for each in self.shares.values() if not each.settled]
        return tuple(chain(self.happened, *shares))

    @property
    def _breaches(self) -> tuple[Happened, ...]:
        """What is known of orders that were breached, which names nobody.

        Of each its last breach: one night may breach several, and was one all the same.
        """
        return tuple(
            Happened(at=order.breached_at, agency=order_id)
            for order_id, order in self.orders.items()
            if order.breached_at
        )

    @property
    def received(self) -> tuple[datetime, ...]:
        """When each referral of this case itself was, in order."""
        return tuple(sorted(each.received_at for each in self.tellings.values()))

    @property
    def relationship(self) -> Relationship | None:
        """How the person harmed is related to whoever harms them, by what came last."""
        told = (each for each in self.tellings.values() if each.relationship)
        last = max(told, key=lambda each: each.received_at, default=None)
        return last.relationship if last else None

    @property
    def child(self) -> bool:
        """Tell whether a referral of this case itself names a child."""
        return any(e.people.get(PersonRole.CHILD) for e in self.tellings.values())

    @property
    def known(self) -> dict[str, Answer]:
        """Everything answered so far, in the cases merged into it too."""
        shared = (each.answers for each in self.shares.values() if not each.settled)
        return reduce(merged, shared, self.answers)

    @property
    def all_forms(self) -> dict[str, Form]:
        """Everything filled in so far, in the cases merged into it too."""
        shares = (each.forms for each in self.shares.values() if not each.settled)
        return all_forms(self.forms, *shares)

    @property
    def unnamed(self) -> Unnamed:
        """What of this case itself was told of nobody in it by name."""
        known = Unnamed(
            answers=self.answers,
            forms=self.forms,
            incidents=self.incidents,
            repeats=self.repeats,
            happened=self._breaches,
        )
        return unnamed(known, self.tellings.values())

    def everything(self, at: datetime) -> Known:
        """Give everything that is known and weighs, of what is merged into it too."""
        shares = [each for each in self.shares.values() if not each.settled]
        dates = [each.kind for each in self.ahead.values() if each.near(at)]
        dates += (
            date.kind for each in self.shares.values() for date in each.dates.values()
        )
        return Known(
            self.known,
            self.incidents.union(*(each.incidents for each in shares)),
            self.repeats + sum(each.repeats for each in shares),
            frozenset(dates),
            self.all_forms,
            most_in_a_year(self.all_happened),
        )

    def reweigh(
        self,
        policy: Policy,
        at: datetime,
        floor: RiskLevel,
        origin: Origin = WEIGHED,
    ) -> "Assessment":
        """Weigh everything known.

        What is heard late is weighed as of when the case last was: the result, and its
        clock, do not depend on what was heard first. The clock is shorter if the level
        rose, and runs on: that something is weighed is no look at the family.

        Args:
            policy: By what rules.
            at: When what is weighed became known.
            floor: The level that it does not fall below.
            origin: By what a level of it comes about, if it is another.
        """
        at = max(at, self.assessed_at) if self.weighed else at
        shares = [each for each in self.shares.values() if not each.settled]
        near = {key: each for key, each in self.ahead.items() if each.near(at)}
        own = self.own_level or self.level
        if self.heard_of and self.shares:
            own_dates = frozenset(each.kind for each in near.values())
            itself = Known(
                self.answers,
                self.incidents,
                self.repeats,
                own_dates,
                self.forms,
                most_in_a_year(self.happened),
            )
            own = highest(own, policy.weigh(itself).level)
        least = highest(floor, own, *(each.level for each in shares))
        known = self.everything(at)
        found = policy.weigh(known, least)
        level = highest(least, found.level)
        if self.heard_of and not self.shares:
            own = highest(own, found.level)
        judgement = self.judgement
        if level is not self.level or not self.weighed:
            change = Change(
                level=level,
                previous=self.level if self.weighed else None,
                at=at,
                how=origin.how,
                by=origin.by,
                referral_id=origin.referral_id,
                why=found.reasons,
                policy_version=policy.version,
            )
            judgement = judgement.noted(change, self.version + 1)
        said = None if self.weighed else judgement.decided_highest
        if said and said.level.rank > level.rank:
            change = said.raising(level, at, policy.version)
            judgement = judgement.noted(change, self.version + 1)
            level = own = said.level
        by = self.due_by(policy.reassess_hours[level])
        return self.model_copy(
            update={
                "revision": self.version + 1,
                "level": level,
                "own_level": own,
                "previous": self.level if self.weighed else None,
                "ahead": {
                    key: each.model_copy(update={"weighed": key in near})
                    for key, each in self.ahead.items()
                },
                "reasons": found.reasons,
                "unknowns": found.unknowns,
                "provisional": found.provisional,
                "highest": found.highest,
                "questions": found.questions,
                "would": found.would,
                "results": found.results,
                "tier": policy.tier(level, found.reasons),
                "policy_version": policy.version,
                "policy_fingerprint": policy.fingerprint,
                "looked_over_by": policy.fingerprint,
                "inputs": Inputs.of(known, least),
                "rests_on": tuple(sorted(self.shares)),
                "replaced": self.to_file(at),
                "shadow": policy.shadowed(known, found.level),
                "assessed_at": at,
                "judgement": judgement,
                "people": self._people(
                    policy, at, origin, known, (found.level, found.reasons)
                ),
                **self._clock(by, at),
            }
        )

    def _people(
        self, policy: Policy, at: datetime, origin: Origin, whole: Known, found: Ground
    ) -> Changes:
        """Note at which level each pair and each child is by what is known now.

        Args:
            policy: By what rules.
            at: When what is weighed became known.
            origin: By what another level comes about.
            whole: What is known of the case, and
            found: what that was found to be.
        """
        near = frozenset(each.kind for each in self.ahead.values() if each.near(at))
        facts = facts_of(self.tellings, self.parts, self.links.values())
        grounds = grounds_of(
            facts, self.unnamed, near, policy, whole=whole, found=found
        )
        return noted(self.people, grounds, origin, at, policy.version)

    def with_people(self, policy: Policy, at: datetime) -> "Assessment":
        """Note the levels of pairs and children anew: others are one, or harmed."""
        if not self.weighed:
            return self
        at = max(at, self.assessed_at)
        known = self.everything(at)
        found = policy.grounds(known)
        people = self._people(policy, at, WEIGHED, known, found)
        return self.model_copy(update={"people": people})

    def _clock(self, by: datetime, at: datetime) -> dict[str, object]:
        """Say how its clock stands once it is to be assessed anew by a time.

        Who are called for already are not called anew, unless that is later than it
        was. If it is past because the level rose, they are called now, and have the
        grace.
        """
        told: dict[str, object] = {"reassess_by": by}
        stopped = self.reassessment is Reassessment.STOPPED
        if stopped or self.transferred_at:
            return {**told, "reassessment": Reassessment.STOPPED, "due_at": None}
        called = self.reassessment is not Reassessment.AHEAD
        if called and by <= self.reassess_by:
            return told
        due_at = None if self.merged_into else max(by, at)
        return {**told, "reassessment": Reassessment.AHEAD, "due_at": due_at}

    def look_over(self, policy: Policy, at: datetime) -> "Assessment":
        """Weigh it by a policy that has come into force since it was weighed.

        The level rises with it, and does not fall. Nobody has looked at the family by
        that: its clock runs on, or faster. Where level, tier and reliability would be
        told the same, and no sooner look is asked for, the result stands as it was
        weighed.
        """
        new = self.reweigh(policy, at, self.level, BY_POLICY)
        sooner = new.reassess_by < self.reassess_by
        same = (new.level, new.tier, new.provisional) == (
            self.level,
            self.tier,
            self.provisional,
        )
        if same and not sooner:
            beside = {each: getattr(new, each) for each in NOTED_BESIDE}
            return self.model_copy(update=beside)
        if new.reassess_by <= self.reassess_by:
            return new
        kept = ("reassess_by", "reassessment", "due_at")
        return new.model_copy(update={each: getattr(self, each) for each in kept})

    def to_file(self, at: datetime) -> Past | None:
        """Give the result that a next one replaces, if there is one that was saved."""
        if self.revision > self.version:
            return self.replaced
        if not self.weighed or self.inputs is None:
            return None
        told = self.model_dump(include=set(Past.model_fields) - {"id", "version"})
        return Past(
            **told,
            id=past_id(self.id, self.revision),
            case_id=self.id,
            replaced_at=at,
        )

    def due_now(self, at: datetime) -> "Assessment":
        """Have people assess it at once; of a merged case, its survivor.

        Who are called for that already are not called anew: else what comes again and
        again would keep it from ever being overdue.
        """
        urged = max(at, self.begun)
        now = {"urged_at": urged, "reassess_by": at, "due_at": None}
        if self.merged_into or self.transferred_at:
            return self.model_copy(update=now)
        if self.reassessment in {Reassessment.DUE, Reassessment.OVERDUE}:
            return self
        called = {"due_at": at, "reassessment": Reassessment.AHEAD}
        return self.model_copy(update={**now, **called})

    def merge(
        self, survivor: str | None, merging: int, policy: Policy, at: datetime
    ) -> "Assessment":
        """Note which case it is merged into, or that it is on its own again.

        On its own again it is weighed anew by itself, unless its response has ended.

        Args:
            survivor: The case that it is merged into; none: it is on its own.
            merging: The version of the case in referrals that says so: what is older
                than is known changes nothing.
            policy: By what rules.
            at: When that was decided.
        """
        if merging <= self.merging:
            return self
        held = self.model_copy(update={"merged_into": survivor, "merging": merging})
        stopped = self.reassessment is Reassessment.STOPPED
        if survivor or stopped or not self.weighed:
            return held.model_copy(update={"due_at": None})
        ahead = held.model_copy(update={"reassessment": Reassessment.AHEAD})
        return ahead.reweigh(policy, at, self.level).as_late_as(self.share(), at)

    def share(self) -> Share:
        """Give what a survivor goes by."""
        return Share(
            answers=self.answers,
            incidents=self.incidents,
            repeats=self.repeats,
            forms=self.forms,
            dates={key: e for key, e in self.ahead.items() if e.weighs},
            level=self.own_level or self.level,
            weighed=self.weighed,
            stopped=self.reassessment is Reassessment.STOPPED,
            clock_from=self.begun,
            urged_at=self.urged,
            reassess_by=self.reassess_by,
            reassessment=self.reassessment,
            first_referred_at=self.first_referred_at,
            occurred=self.occurred,
            happened=self.happened,
            orders=self.orders,
            received=self.received,
            child=self.child,
            ever_extreme=self.judgement.ever_extreme,
            above_low_until=self.judgement.above_low_until,
        )

    def carry(
        self, other: str, share: Share | None, policy: Policy, at: datetime
    ) -> "Assessment":
        """Go by what a merged case knows, or no longer by it.

        The higher level of both stands. Without the other it is what its own answers,
        and those still merged into it, have led to. If the response to both has ended,
        no clock begins again. A date of the other that comes near is heeded as one of
        its own is; one that was moved or called off is left out at the next weighing.
        """
        known = self.shares.get(other)
        share = share.as_known(known) if share else None
        if known == share:
            return self
        shares = {key: each for key, each in self.shares.items() if key != other}
        if share is not None:
            shares[other] = share
        held = self.model_copy(update={"shares": shares})
        if share is None:
            said = self.judgement.stands
            if not shares and not self.heard_of and said is None:
                return self._unweighed(at)
            if self.weighed:
                own = highest(self.own_level or self.level, said or RiskLevel.LOW)
                held = held.model_copy(update={"own_level": own})
        told = share or known
        same = known and share and known.facts == share.facts
        near = known and share and share.comes_near_after(known)
        if (same and not near) or told is None or not told.weighed:
            return held
        floor = self.level if share else held.own_level or self.level
        stopped = self.reassessment is Reassessment.STOPPED
        if stopped and told.stopped and self.weighed:
            levels = (each.level for each in shares.values())
            return held.model_copy(update={"level": highest(floor, *levels)})
        dated = near and known and told.first_referred_at > known.first_referred_at
        if self.weighed and (stopped or dated):
            held = held.begin(at).model_copy(update={"first_referred_at": at})
        new = (held if same else held.stir(at)).reweigh(policy, at, floor)
        if known or not self.weighed:
            return new
        return new.as_late_as(told, at)

    def _unweighed(self, at: datetime) -> "Assessment":
        """Give what is left where all that was weighed was another case's."""
        begun = Assessment.new(self.id, self.first_referred_at)
        stirred = self.stir(at)
        kept = {each: getattr(stirred, each) for each in KEPT_UNWEIGHED}
        return begun.model_copy(update={**kept, "replaced": self.to_file(at)})

    def foresee(self, trigger_id: str, told: Ahead) -> "Assessment":
        """Take note of a date, unless something later is known of it."""
        known = self.ahead.get(trigger_id)
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        return self.model_copy(
            update={"ahead": with_latest(self.ahead, trigger_id, told)}
        )

    def comes_near(self, at: datetime) -> bool:
        """Tell whether a date weighs that has not been weighed yet."""
        unweighed = (each for each in self.ahead.values() if not each.weighed)
        return self.weighed and any(each.near(at) for each in unweighed)

    def weigh_dates(
        self, policy: Policy, at: datetime, *, begins: bool
    ) -> "Assessment":
        """Weigh what is known again, because a date has come near or is there.

        That a date came near is no look at the family: the clock for reassessment runs
        on, and faster if the level has risen. One that was stopped starts again.

        Args:
            policy: The locality's.
            at: The present time.
            begins: The response to it is asked for now, as if it were referred now.
        """
        stopped = self.reassessment is Reassessment.STOPPED
        new = self.weigh({}, frozenset(), policy, at, begins=True)
        if begins or stopped:
            return new.model_copy(update={"first_referred_at": at})
        return new

    def as_late_as(self, other: Share, at: datetime) -> "Assessment":
        """Have the clock be no further back than that of a household it is now.

        Two cases were merged, or taken apart: nobody has looked at the family by that.
        What was late of the other is told anew, of this one.
        """
        if other.stopped or self.due_at is None:
            return self
        urged = [e for e in (self.urged, other.urged_at) if e]
        by = {
            "clock_from": min(self.clock_from or other.clock_from, other.clock_from),
            "urged_at": min(urged, default=None),
            "reassess_by": min(self.reassess_by, other.reassess_by),
        }
        late = LATER.index(other.reassessment)
        own = LATER.index(self.reassessment)
        if late <= own:
            due = self.due_at if own else min(self.due_at, other.reassess_by)
            return self.model_copy(update={**by, "due_at": due})
        next_ = {"reassessment": LATER[late - 1], "due_at": min(self.due_at, at)}
        return self.model_copy(update={**by, **next_})

    def lapsed(self, at: datetime) -> Asked | None:
        """Give the lowering that was asked for and is over unconfirmed, if one is."""
        asked = self.judgement.asked
        return asked if asked and asked.until <= at else None

    def fall_due(self, policy: Policy) -> "Assessment":
        """Note that reassessment is due, or has been for too long.

        Overdue raises attention again after every period of grace; it never expires.
        """
        ahead = self.reassessment is Reassessment.AHEAD
        now = Reassessment.DUE if ahead else Reassessment.OVERDUE
        due_at = self.due_at and self.due_at + timedelta(hours=policy.grace_hours)
        return self.model_copy(update={"reassessment": now, "due_at": due_at})

    def erase(self, at: datetime) -> "Assessment":
        """Leave a tombstone: no answer, no reason, no level, no clock.

        Whose survivor it was merged into stays, so that that one forgets it too.
        """
        return Assessment.new(self.id, at).model_copy(
            update={
                "version": self.version,
                "reassessment": Reassessment.STOPPED,
                "due_at": None,
                "erased_at": at,
                "merged_into": self.merged_into,
                "merging": self.merging,
            }
        )

    def transfer(self, at: datetime) -> "Assessment":
        """Stop every clock, because another region assesses the case from now on."""
        return self.model_copy(
            update={
                "reassessment": Reassessment.STOPPED,
                "due_at": None,
                "judgement": self.judgement.forgotten(),
                "transferred_at": at,
            }
        )

    def close(
        self, revision: int, *, mistaken_at: datetime | None = None
    ) -> "Assessment":
        """Stop the clock, because the response has ended. The level stays as it is.

        Whoever closed the plan knew this assessment or an older one. If it was an
        older one, what was weighed since opens the plan again, and the clock runs on.
        A case that was merged is closed with each plan of its survivor's, and with its
        own: once one of them says so, it was opened in error.

        Args:
            revision: Of the assessment that the closed plan rested on.
            mistaken_at: When it was closed as opened in error, if it was. Of a case
                that was ever held above low that is not believed.
        """
        stopped = self.reassessment is Reassessment.STOPPED
        said = self.mistaken_at or mistaken_at is None
        if revision < self.revision or (stopped and said):
            return self
        return self.model_copy(
            update={
                "reassessment": Reassessment.STOPPED,
                "due_at": None,
                "mistaken_at": None if self.ever_above_low else mistaken_at,
            }
        )
