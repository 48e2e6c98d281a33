"""What people do to a level: raise it, reassess it, and lower it by a proof. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from accord_contracts.problem import Refusal
from accord_contracts.referrals import Answer
from accord_contracts.risk import HowChanged, RiskLevel

from risk.domain.answers import ANSWERED
from risk.domain.assessment import Assessment
from risk.domain.form import Form
from risk.domain.judgement.proof import (
    End,
    Proof,
    dates_of,
    prove,
    recent_incidents,
)
from risk.domain.judgement.record import (
    AT_A_MEETING,
    Asked,
    Change,
    Contact,
    Decided,
    Look,
    Origin,
)
from risk.domain.policy import Policy, highest
from risk.domain.telling import most_in_a_year
from risk.domain.weighing import Known

NO_FORMS: Mapping[str, Form] = {}


class NotHigher(Refusal):
    """The case is held at this level already, or at a higher one."""


class NotLower(Refusal):
    """The case is held at this level already, or at a lower one."""


class NotProven(Refusal):
    """The proof that the level may be lowered is not complete."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(f"missing: {', '.join(proof.open)}")


class NotSoLow(Refusal):
    """What was found in the reassessments speaks for a higher level than this."""


class NobodyAsks(Refusal):
    """Nobody asks for this lowering, or no longer."""


class TakesASecondPerson(Refusal):
    """Somebody else than who asks for it has to confirm this."""


class UnknownReasonForLevel(Refusal):
    """The locality's policy does not know this reason."""

    status = 422


def raise_level(
    held: Assessment,
    level: RiskLevel,
    reason: str,
    *,
    by: str,
    policy: Policy,
    at: datetime,
) -> Assessment:
    """Raise a level on somebody's own judgement; no score speaks against it.

    Nobody has looked anew at the family by that: the clock runs on, and faster.

    Raises:
        UnknownReasonForLevel: The reason is not one of the locality's.
        NotHigher: It is held at that level, or a higher one.
    """
    if reason not in policy.judging.raise_reasons:
        raise UnknownReasonForLevel
    if level.rank <= held.level.rank:
        raise NotHigher
    return _raised(held, level, reason, by=by, policy=policy, at=at)


def heed_table(
    held: Assessment, decided: Decided, policy: Policy, at: datetime
) -> Assessment:
    """Note what a meeting decided, and raise the level to it, as whoever decided.

    A meeting lowers none: a level below the one that is held stays in the history. Of
    what nothing was weighed yet, the level is raised to it when something is.
    """
    if held.judgement.knows(decided):
        return held
    new = held.model_copy(update={"judgement": held.judgement.heard(decided)})
    if not held.weighed:
        return new
    if decided.level.rank <= held.level.rank:
        return new
    return _raised(
        new, decided.level, AT_A_MEETING, by=decided.by, policy=policy, at=at
    )


def _raised(
    held: Assessment,
    level: RiskLevel,
    reason: str,
    *,
    by: str,
    policy: Policy,
    at: datetime,
) -> Assessment:
    weighed = held.begin(at).reweigh(policy, at, level)
    change = Change(
        level=weighed.level,
        previous=held.level,
        at=at,
        how=HowChanged.RAISED,
        by=by,
        why=(reason,),
        policy_version=policy.version,
    )
    own = highest(weighed.own_level or level, level)
    return weighed.model_copy(
        update={
            "judgement": held.judgement.noted(change, weighed.revision),
            "own_level": own,
        }
    )


def look_anew(
    held: Assessment,
    answers: dict[str, Answer],
    contact: Contact,
    *,
    by: str,
    policy: Policy,
    at: datetime,
    forms: Mapping[str, Form] = NO_FORMS,
) -> Assessment:
    """Reassess a case: what is found now is weighed by itself, and with all known.

    The level rises with it at once, and does not fall: that it was found lower is
    what a lowering may rest on. Its clock runs from now if the person harmed was spoken
    to, and enough was answered to rely on it: nothing else is a look at the family.
    """
    provisional = policy.provisional(answers, _filled_in_now(held, forms))
    seen = contact is not Contact.NONE and not provisional
    looked = held.looked_after(at) if seen else held
    weighed = looked.weigh(
        answers, frozenset(), policy, at, forms=forms, origin=Origin(by=by)
    )
    level, reasons = _by_itself(held, answers, forms, policy, at)
    look = Look(
        revision=weighed.revision,
        at=at,
        by=by,
        level=level,
        contact=contact,
        answers=answers,
        forms=dict(forms),
        triggers=tuple(each for each in reasons if each in policy.triggers),
        provisional=provisional,
        policy_version=policy.version,
    )
    # Its own yes is in its level: only what makes the case rise makes it moot.
    before = weighed.judgement if weighed.level is not held.level else held.judgement
    return weighed.model_copy(update={"judgement": before.looked(look)})


def _by_itself(
    held: Assessment,
    answers: dict[str, Answer],
    forms: Mapping[str, Form],
    policy: Policy,
    at: datetime,
) -> tuple[RiskLevel, tuple[str, ...]]:
    """Weigh what is found now, what happened lately, and what was not asked again."""
    incidents = recent_incidents(held, policy, at)
    since = at - timedelta(days=policy.judging.proof.counts_days)
    told = held.tellings.values()
    repeats = sum(each.repeat for each in told if each.occurred_at >= since)
    repeats += sum(e.repeats for e in held.shares.values() if not e.settled)
    near = frozenset(
        each.kind
        for each in dates_of(held)
        if each.near(at) and each.happens_at >= since
    )
    known = _still_yes(held, answers)
    standing = _still_filled_in(held, forms)
    recent = most_in_a_year(each for each in held.all_happened if each.at >= since)
    return policy.grounds(Known(known, incidents, repeats, near, standing, recent))


def _still_yes(held: Assessment, now: Mapping[str, Answer]) -> dict[str, Answer]:
    """Add every earlier yes to a question that was answered neither yes nor no now."""
    yes = Answer.YES
    stands = {k: a for k, a in held.known.items() if a is yes}
    return {**now, **{k: a for k, a in stands.items() if now.get(k) not in ANSWERED}}


def _still_filled_in(held: Assessment, now: Mapping[str, Form]) -> dict[str, Form]:
    """Add every form that was filled in before, but for what of it was anew."""
    return {**held.all_forms, **_filled_in_now(held, now)}


def _filled_in_now(held: Assessment, now: Mapping[str, Form]) -> dict[str, Form]:
    """Give the forms that are filled in now, on top of what was known of them."""
    known = held.all_forms
    return {key: known[key].anew(e) if key in known else e for key, e in now.items()}


def ask_lowering(
    held: Assessment,
    level: RiskLevel,
    reason: str,
    *,
    by: str,
    policy: Policy,
    at: datetime,
) -> Assessment:
    """Ask that a level be lowered. Nothing changes until a second person confirms it.

    Raises:
        UnknownReasonForLevel: The reason is not one of the locality's.
        NotLower: It is not held higher.
        NotProven: Conditions are missing; its text names them.
        NotSoLow: What was found is higher than this.
    """
    if reason not in policy.judging.lower_reasons:
        raise UnknownReasonForLevel
    _see_proof(held, level, policy, at, asked_by=by)
    hours = timedelta(hours=policy.judging.proof.confirm_hours)
    asked = Asked(level=level, reason=reason, by=by, at=at, until=at + hours)
    judgement = held.judgement.model_copy(update={"asked": asked})
    return held.model_copy(update={"judgement": judgement})


def lower(
    held: Assessment, level: RiskLevel, by: str, policy: Policy, at: datetime
) -> Assessment:
    """Lower a level as somebody else asks, if the proof still holds.

    From then on the case rests on what the last reassessment found, and on what it did
    not ask again. The rest stands in its history, and weighs no more.

    Raises:
        NobodyAsks: Nobody does, not for this level, or it has lapsed.
        TakesASecondPerson: They asked for it themselves.
        NotProven: A condition is missing by now.
        NotSoLow: What was found since is higher.
    """
    asked = held.judgement.asked
    if asked is None or asked.level is not level or at >= asked.until:
        raise NobodyAsks
    if asked.by == by:
        raise TakesASecondPerson
    _see_proof(held, level, policy, at, asked_by=asked.by, second=by)
    rested = _resting_on(held, held.judgement.looks[-1], level, policy, at)
    lowered = Origin(HowChanged.LOWERED, asked.by)
    new = rested.begin(at).reweigh(policy, at, level, lowered)
    change = Change(
        level=new.level,
        previous=held.level,
        at=at,
        how=HowChanged.LOWERED,
        by=asked.by,
        confirmed_by=by,
        why=(asked.reason,),
        policy_version=policy.version,
    )
    noted = held.judgement.noted(change, new.revision)
    return new.model_copy(update={"judgement": noted, "previous": held.level})


def _see_proof(
    held: Assessment,
    level: RiskLevel,
    policy: Policy,
    at: datetime,
    *,
    asked_by: str,
    second: str | None = None,
) -> None:
    if level.rank >= held.level.rank:
        raise NotLower
    proof = prove(held, End.LOWERING, policy, at, asked_by=asked_by, second=second)
    if proof.open:
        raise NotProven(proof)
    if proof.to is None or level.rank < proof.to.rank:
        raise NotSoLow


def _resting_on(
    held: Assessment, look: Look, level: RiskLevel, policy: Policy, at: datetime
) -> Assessment:
    """Have a case rest on a reassessment, and on what happened lately.

    A yes that it did not ask about stands, and so does what of a form it left open.
    """
    since = at - timedelta(days=policy.judging.proof.counts_days)
    told = held.tellings.values()
    settled = {
        key: each.model_copy(update={"settled": True})
        for key, each in held.shares.items()
    }
    return held.model_copy(
        update={
            "level": level,
            "own_level": level,
            "answers": _still_yes(held, look.answers),
            "forms": _still_filled_in(held, look.forms),
            "incidents": recent_incidents(held, policy, at),
            "repeats": sum(e.repeat for e in told if e.occurred_at >= since),
            "counts_from": since,
            "shares": settled,
            "ahead": {k: e for k, e in held.ahead.items() if e.happens_at >= since},
        }
    )
