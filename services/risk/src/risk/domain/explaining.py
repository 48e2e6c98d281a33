"""Saying aloud what an assessment rests on, in sentences made of codes alone."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from accord_contracts.risk import HowChanged, RiskLevel, Tier

from risk.domain.assessment import Assessment
from risk.domain.instrument import Instrument
from risk.domain.policy import Policy
from risk.domain.reassessment import Reassessment
from risk.domain.scoring import Result, Scored
from risk.domain.weighing import Would

WHY_NOT = {
    "evidence_only": "It is kept as evidence; no level rests on it.",
    "does_not_apply": "It was not made for cases like this; no level rests on it.",
    "not_known_to_apply": "Whether it applies is not known; no level rests on it yet.",
    "needs_certified_user": "No certified user has scored it; no level rests on it.",
    "not_a_certified_sender": (
        "Whoever says that a certified user has scored it is not known to have one; no "
        "level rests on it."
    ),
}
NEXT = 3
"""How many questions are named to be asked next."""


class Weighed(Protocol):
    """What is explained: what was found just now, or what is held of a case."""

    @property
    def level(self) -> RiskLevel: ...  # noqa: D102 - As in what is explained.
    @property
    def provisional(self) -> bool: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def questions(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def unknowns(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def would(self) -> tuple[Would, ...]: ...  # noqa: D102
    @property
    def results(self) -> tuple[Result, ...]: ...  # noqa: D102


def headline(level: RiskLevel, *, provisional: bool) -> str:
    """Say the level, and whether it can be relied on."""
    if provisional:
        return f"The risk is {level}, provisionally: too much is not known."
    return f"The risk is {level}."


def explain(
    held: Weighed, tier: Tier | None, policy: Policy, version: str | None = None
) -> tuple[str, ...]:
    """Say what the level is, why, what is not known, what to ask, and what follows.

    Args:
        held: What was found, or is held.
        tier: What follows.
        policy: In whose words.
        version: By which version it was weighed; none: by this policy's, just now.
    """
    return (
        headline(held.level, provisional=held.provisional),
        *_would(held, policy),
        *_because(held, policy),
        *_instruments(held.results, policy),
        *_next(held, policy),
        *follows(tier),
        f"It was weighed by {version or policy.version}.",
        "No score tells what one person will do: it puts what is known into an order.",
    )


def explain_held(held: Assessment, policy: Policy) -> tuple[str, ...]:
    """Say of an assessment that is held what it says, and how it stands with it."""
    first, *rest = explain(held, held.tier, policy, held.policy_version)
    return (first, *_since(held), *rest, *_stands(held))


def _since(held: Assessment) -> Iterator[str]:
    """Say since when a level is held, and whether a person has set it."""
    if not held.judgement.changes:
        return
    last = held.judgement.changes[-1]
    since = f"since {spoken(last.at)}"
    if last.how in {HowChanged.WEIGHED, HowChanged.POLICY}:
        new = ", by a new version of the policy" * (last.how is HowChanged.POLICY)
        low = held.level is RiskLevel.LOW
        falls = "" if low else "; it falls only by a proof and a second person"
        yield f"It is so {since}{new}{falls}."
        return
    by = "A person" if last.how is HowChanged.RAISED else "Two people"
    why = listed([plain(each) for each in last.why])
    yield f"{by} {last.how} it: {why}. It is so {since}."


def _stands(held: Assessment) -> Iterator[str]:
    """Say when it is to be assessed anew."""
    if held.mistaken_at:
        yield "Two people said that it was opened in error: it counts in no figure."
    match held.reassessment:
        case Reassessment.AHEAD:
            yield f"It is to be assessed anew by {spoken(held.reassess_by)}."
        case Reassessment.STOPPED:
            yield "No reassessment is called for here any more."
        case late:
            yield f"To assess it anew is {late} since {spoken(held.reassess_by)}."


def spoken(at: datetime) -> str:
    """Give a day as it is said: 5 March 2026. It is the day in UTC."""
    return f"{at.day} {at:%B %Y}"


def follows(tier: Tier | None) -> Iterator[str]:
    """Say what follows: who acts, by when, and where it is spoken about."""
    if tier is None:
        return
    yield f"Tier {plain(tier.code)}: {listed([plain(e) for e in tier.roles])}."
    if tier.actions:
        yield f"To be done: {listed([plain(each) for each in tier.actions])}."
    if tier.clocks:
        hours = [f"{plain(k)} within {hours} hours" for k, hours in tier.clocks.items()]
        yield f"Clocks: {listed(hours)}."
    if tier.meeting:
        yield f"It is spoken about at the {plain(tier.meeting)}."


def _would(held: Weighed, policy: Policy) -> Iterator[str]:
    for each in held.would:
        words = [policy.says(key) for key in each.questions]
        if len(words) == 1:
            yield f"It would be {each.level} if this were answered yes: {words[0]}."
        elif each.all_of:
            yield f"It would be {each.level} if all of these were yes: {listed(words)}."
        else:
            either = "either" if len(words) == 2 else "any"  # noqa: PLR2004 - A pair.
            yield (
                f"It would be {each.level} if {either} of {len(words)} unanswered "
                f"questions were yes: {listed(words, 'or')}."
            )


def _because(held: Weighed, policy: Policy) -> Iterator[str]:
    words = [policy.says(each) for each in held.reasons if policy.knows(each)]
    yield f"Known is: {listed(words)}." if words else "No sign of danger is known."
    lifting = [
        policy.says(each)
        for each in held.reasons
        if policy.triggers.get(each) is held.level
    ]
    if lifting:
        yield f"Whatever the scores, this makes it {held.level}: {listed(lifting)}."
    if held.provisional:
        yield "While so much is not known, it cannot be low."
        open_ = sum(each in held.unknowns for each in policy.questions)
        if open_:
            yield f"Not answered are {open_} of {len(policy.questions)} questions."


def _instruments(results: Sequence[Result], policy: Policy) -> Iterator[str]:
    for each in results:
        instrument = policy.used.get(each.instrument)
        title = instrument.title if instrument else plain(each.instrument)
        made_for = instrument if each.why_not != "does_not_apply" else None
        sums = [_score(e, made_for) for e in each.sums if e.band or e.value]
        if not sums and each.total is not None:
            sums = [str(each.total)]
        if sums:
            said = f"{title} (version {each.version}): {listed(sums)}."
            yield f"{said} {WHY_NOT[each.why_not]}" if each.why_not else said


def _score(scored: Scored, instrument: Instrument | None) -> str:
    """Say a score, and what came of those studied, if it is for cases like this."""
    if scored.band is None:
        return str(scored.value)
    said = f"{scored.value}, {plain(scored.band)}"
    rule = instrument.sums.get(scored.sum) if instrument else None
    bands = rule.bands if rule else ()
    figures = next((e.figures for e in bands if e.code == scored.band), {})
    if again := figures.get("assaulted_again"):
        said += f" (of the men studied in this band {again:g}% assaulted again)"
    return said


def _next(held: Weighed, policy: Policy) -> Iterator[str]:
    words = [policy.says(each) for each in held.questions]
    if words:
        yield f"To be asked next: {listed(words[:NEXT])}."
    if len(words) > NEXT:
        yield f"{len(words) - NEXT} more questions could change the level."
    rest = [policy.says(each) for each in held.unknowns if each not in held.questions]
    if rest:
        yield f"Not known either, and by itself no reason to raise it: {listed(rest)}."


def plain(code: str) -> str:
    """Give a code as words."""
    return code.replace("_", " ")


def listed(words: Sequence[str], last: str = "and") -> str:
    """Join words as they are spoken."""
    if len(words) < 2:  # noqa: PLR2004 - Nothing to join.
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
