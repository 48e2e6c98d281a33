"""Weighing all that is known of a case: the level, its interval, what to ask next.

Instruments are combined by the highest level that any of them reaches, never by a mean:
one that sees danger is not outvoted by three that do not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from accord_contracts.message import Code
from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from risk.domain.answers import ANSWERED
from risk.domain.form import Form
from risk.domain.instrument import INCIDENTS_IN_A_YEAR
from risk.domain.scoring import RANK, VALUE, Result, Score, Scorer, Tally, graver

TOO_MUCH_UNKNOWN = "too_much_unknown"
"""The reason of a level that is not low only because too little is known."""


@dataclass(frozen=True)
class Known:
    """Everything known of a case that weighs.

    Attributes:
        answers: To the locality's questions.
        incidents: What happened.
        repeats: How often the same two were referred again within twelve months.
        near: The kinds of dates that are near, or were and are there.
        forms: What agencies have filled in, by instrument.
        in_a_year: How many incidents there were in twelve months, at the most.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    incidents: frozenset[IncidentKind] = frozenset()
    repeats: int = 0
    near: frozenset[TriggerKind] = frozenset()
    forms: Mapping[str, Form] = field(default_factory=dict)
    in_a_year: int = 0

    @cached_property
    def values(self) -> Mapping[str, int]:
        """It as numbers, by what it is called in instruments and triggers."""
        known = {k: VALUE[a] for k, a in self.answers.items() if a in VALUE}
        known |= {f"incident_{each}": 1 for each in self.incidents}
        known |= {f"trigger_{each}": 1 for each in self.near}
        known["repeat"] = self.repeats
        known[INCIDENTS_IN_A_YEAR] = self.in_a_year
        return known


class Would(BaseModel):
    """What answers would raise the level.

    Attributes:
        level: To which level.
        all_of: Whether all of these would have to be yes, or any of them is enough.
        questions: Which.
    """

    model_config = ConfigDict(frozen=True)

    level: RiskLevel
    all_of: bool
    questions: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Weighing:
    """What is found when everything known is weighed.

    Attributes:
        level: The level. What is unknown counts as no, but for too much of it.
        lowest: Below which it does not fall, whatever the open questions bring.
        highest: Above which it does not rise.
        provisional: Too much is unknown for it to be relied on.
        reasons: Codes of what led to it.
        unknowns: The questions without yes or no, heaviest first.
        questions: Those that could change the level, as they should be asked next.
        would: What would raise it, level by level.
        results: What each instrument says.
    """

    level: RiskLevel
    lowest: RiskLevel
    highest: RiskLevel
    provisional: bool
    reasons: tuple[Code, ...]
    unknowns: tuple[Code, ...]
    questions: tuple[Code, ...]
    would: tuple[Would, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Plan:
    """By what a locality weighs, ready to weigh with.

    Attributes:
        scorers: The instruments that it uses.
        questions: All its questions, in the order of its files.
        weights: What a yes to each weighs at the most, for putting them in an order.
        triggers: What lifts the level whatever the scores.
        key_questions: Those that say whether a result can be relied on.
        unanswered_share: From which share of them, or of a form, unanswered on too
            little is known.
        unanswered_share_of_all: The same of all its questions.
    """

    scorers: tuple[Scorer, ...]
    questions: tuple[str, ...]
    weights: Mapping[str, int]
    triggers: Mapping[str, RiskLevel]
    key_questions: tuple[str, ...]
    unanswered_share: float
    unanswered_share_of_all: float

    def too_little(self, answers: Mapping[str, Answer]) -> bool:
        """Tell whether too many of the key questions, or of all, are unanswered."""
        shares = (
            (self.key_questions, self.unanswered_share),
            (self.questions, self.unanswered_share_of_all),
        )
        return any(_open(asked, answers) >= share for asked, share in shares)

    def provisional(self, known: Known) -> bool:
        """Tell whether too little is known to rely on what is found."""
        known = self._with_forms(known)
        if not known.forms:
            return self.too_little(known.answers)
        return self._scored(known, known.values, self.scorers)[1]

    def open(self, answers: Mapping[str, Answer]) -> tuple[str, ...]:
        """Give the questions without yes or no, heaviest first."""
        open_ = [each for each in self.questions if answers.get(each) not in ANSWERED]
        return tuple(sorted(open_, key=lambda each: -self.weights.get(each, 0)))

    def level(self, known: Known) -> RiskLevel:
        """Give the level alone, as ``weigh`` does, of many cases sooner."""
        level, _, _ = self._briefly(self._with_forms(known))
        return level

    def standing(self, known: Known, keys: Iterable[str]) -> tuple[str, ...]:
        """Give which of some questions, incidents and dates are so."""
        values = self._with_forms(known).values
        return tuple(each for each in keys if values.get(each))

    def grounds(self, known: Known) -> tuple[RiskLevel, tuple[str, ...]]:
        """Give the level and what led to it, as ``weigh`` does, and no more."""
        known = self._with_forms(known)
        level, filled, provisional = self._briefly(known)
        results = [each.result() for each in filled]
        return level, self._reasons(known, results, provisional=provisional)

    def _briefly(self, known: Known) -> tuple[RiskLevel, list[Score], bool]:
        """Give the level, the scores of what was filled in, and if it is provisional.

        Nothing is made of what is open in the other instruments.
        """
        values, forms = known.values, known.forms
        filled = [each for each in self.scorers if each.instrument.key in forms]
        others = [e for e in self.scorers if e.questions and e not in filled]
        scores, provisional = self._scored(known, values, filled)
        levels = (each.level for each in _tallies(scores))
        scored = graver((*levels, *(each.level(values) for each in others)))
        level = self._found(values, scored, provisional=provisional)
        return level, scores, provisional

    def weigh(self, known: Known, floor: RiskLevel) -> Weighing:
        """Weigh everything known of a case that is held at a level at least."""
        known = self._with_forms(known)
        values = known.values
        scores, provisional = self._scored(known, values, self.scorers)
        tallies, results = _tallies(scores), [each.result() for each in scores]
        scored = graver(each.level for each in tallies)
        level = self._found(values, scored, provisional=provisional)
        lifts = self._lifts(values)
        unknowns = self.open(known.answers)
        asking = _Asking(self, graver((level, floor)) or level, unknowns, tallies)
        lowest = graver((lifts, *(each.at_least for each in tallies)))
        return Weighing(
            level=level,
            lowest=lowest or RiskLevel.LOW,
            highest=asking.highest,
            provisional=provisional,
            reasons=self._reasons(known, results, provisional=provisional),
            unknowns=asking.unknowns,
            questions=asking.ranked(provisional=provisional),
            would=tuple(asking.would()),
            results=tuple(results),
        )

    def _with_forms(self, known: Known) -> Known:
        """Have a yes in a form answer the locality's question that it stands for."""
        yes = {
            question: Answer.YES
            for each in self.scorers
            if (form := known.forms.get(each.instrument.key))
            for item, question in each.questions.items()
            if form.answers.get(item) is Answer.YES
        }
        return replace(known, answers={**known.answers, **yes}) if yes else known

    def _scored(
        self, known: Known, values: Mapping[str, int], scorers: Iterable[Scorer]
    ) -> tuple[list[Score], bool]:
        """Score instruments; tell whether too little is known to rely on them."""
        scores: list[Score] = []
        provisional = self.too_little(known.answers)
        for each in scorers:
            form = known.forms.get(each.instrument.key)
            if each.concerns(form):
                score = each.score(values, form)
                scores.append(score)
                half_done = form is not None and score.half_done(self.unanswered_share)
                provisional |= half_done
        return scores, provisional

    def _lifts(self, values: Mapping[str, int]) -> RiskLevel | None:
        return graver(self.triggers[each] for each in self.triggers if values.get(each))

    def _found(
        self, values: Mapping[str, int], scored: RiskLevel | None, *, provisional: bool
    ) -> RiskLevel:
        found = graver((self._lifts(values), scored)) or RiskLevel.LOW
        if provisional and found is RiskLevel.LOW:
            return RiskLevel.MEDIUM
        return found

    def _reasons(
        self, known: Known, results: list[Result], *, provisional: bool
    ) -> tuple[str, ...]:
        yes = Answer.YES
        reasons = [each for each in self.questions if known.answers.get(each) is yes]
        reasons += [f"incident_{each}" for each in sorted(known.incidents)]
        reasons += [f"trigger_{each}" for each in sorted(known.near)]
        if known.repeats:
            reasons.append("repeat")
        for each in results:
            if each.level and each.instrument in known.forms:
                bands = dict.fromkeys(e.band for e in each.sums if e.band)
                reasons += [f"{each.instrument}_{band}" for band in bands]
        if provisional:
            reasons.append(TOO_MUCH_UNKNOWN)
        return tuple(reasons)


def _open(asked: Sequence[str], answers: Mapping[str, Answer]) -> float:
    """Give the share of some questions that have neither yes nor no."""
    return sum(answers.get(each) not in ANSWERED for each in asked) / len(asked)


def _tallies(scores: Iterable[Score]) -> list[Tally]:
    return [each for score in scores for each in score.tallies]


class _Asking:
    """What could still be answered, and what that would change."""

    def __init__(
        self,
        plan: Plan,
        level: RiskLevel,
        open_: tuple[str, ...],
        tallies: list[Tally],
    ) -> None:
        self.plan = plan
        self.level = level
        self.rising: list[Tally] = []
        self.with_: dict[str, list[Tally]] = {each: [] for each in open_}
        for tally in tallies:
            rises = tally.could_be and RANK[tally.could_be] > RANK[level]
            for question in (*tally.open, *tally.guards):
                its = self.with_.setdefault(question, [])
                if rises:
                    its.append(tally)
            if rises:
                self.rising.append(tally)
        self.unknowns = tuple(self.with_)
        lifts = (plan.triggers.get(each) for each in self.with_)
        could = graver((level, *lifts, *(each.could_be for each in self.rising)))
        self.highest = could or level
        self.alone = {each: self._alone(each) for each in self.with_}

    def _alone(self, question: str) -> RiskLevel:
        """Give the level that a yes to this one alone would give."""
        its = (each.with_yes(question) for each in self.with_[question])
        return (
            graver((self.level, self.plan.triggers.get(question), *its)) or self.level
        )

    def ranked(self, *, provisional: bool) -> tuple[str, ...]:
        """Give the questions that could change the level, the best to ask first."""
        keys = self.plan.key_questions if provisional else ()
        starts = [(each, self._start(each)) for each in self.rising]
        covers = dict.fromkeys(self.with_, 0.0)
        for tally, start in starts:
            for question, gain in tally.open.items():
                part = min(gain / (start - tally.added), 1.0)
                covers[question] = max(covers[question], part)
            for question in tally.guards:
                covers[question] = 1.0 / len(tally.guards)
        place = {
            each: (-RANK[self.alone[each]], each not in keys, -covers[each])
            for each in self.with_
            if self.alone[each] is not self.level or each in keys or covers[each]
        }
        return tuple(sorted(place, key=place.__getitem__))

    def _start(self, tally: Tally) -> int:
        """Give where the next level begins that the answers do not reach yet."""
        rank = RANK[self.level]
        for band in tally.rule.bands:
            if band.level and RANK[band.level] > rank and band.at_least > tally.added:
                return band.at_least
        return tally.added + 1

    def would(self) -> Iterator[Would]:
        """Say for each higher level what answers would reach it."""
        for level in RiskLevel:
            if not RANK[self.level] < RANK[level] <= RANK[self.highest]:
                continue
            alone = [e for e in self.with_ if RANK[self.alone[e]] >= RANK[level]]
            if alone:
                yield Would(level=level, all_of=False, questions=tuple(alone))
                continue
            together = min(self._together(level), key=len, default=())
            if together:
                yield Would(level=level, all_of=True, questions=together)

    def _together(self, level: RiskLevel) -> Iterator[tuple[str, ...]]:
        """Give for each score the fewest answers that together reach a level."""
        for tally in self.rising:
            starts = [
                each.at_least
                for each in tally.rule.bands
                if each.level and RANK[each.level] >= RANK[level]
            ]
            if not starts or tally.highest < min(starts):
                continue
            chosen, added = list(tally.guards), tally.added
            for question in sorted(tally.open, key=lambda e: -tally.open[e]):
                if max(tally.now, added) >= min(starts):
                    break
                chosen.append(question)
                added += tally.open[question]
            yield tuple(chosen)
