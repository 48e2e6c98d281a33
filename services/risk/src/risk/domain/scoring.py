"""What an instrument says of a case: its score now, and what it could still become."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from accord_contracts.message import Code
from accord_contracts.referrals import Answer
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from risk.domain.form import Form
from risk.domain.instrument import Instrument, Item, Sum

NO_FORM = Form()

VALUE = {Answer.YES: 1, Answer.NO: 0}
"""What an answer counts. Nothing else is an answer."""


class Scored(BaseModel):
    """A sum, as it stands.

    Attributes:
        sum: Its name.
        value: What it is: nothing that is unknown counts.
        could_be: What it would be if everything unknown were as grave as it can be.
        band: The highest band that it reaches; none, if it reaches none.
    """

    model_config = ConfigDict(frozen=True)

    sum: Code
    value: int
    could_be: int
    band: Code | None


class Result(BaseModel):
    """What an instrument says of a case.

    Attributes:
        instrument: Its key, and
        version: which version of its file.
        why_not: Why no level rests on it; none: one may.
        level: The level that it stands for.
        could_be: The level that it would stand for if the unknown were all grave.
        unanswered: How many of its items have no answer, of those
        asked: that were there to be answered.
    """

    model_config = ConfigDict(frozen=True)

    instrument: Code
    version: str
    why_not: Code | None
    level: RiskLevel | None
    could_be: RiskLevel | None
    total: int | None
    sums: tuple[Scored, ...]
    unanswered: int
    asked: int


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum in the course of being weighed.

    Attributes:
        lowest: What it is if the unknown takes away as much as it can.
        now: What it is if nothing unknown counts.
        highest: What it is if the unknown is as grave as it can be.
        added: What the answers add up to, without a total that was told.
        open: How much each open question could add, by question.
        counts: A level may rest on it.
        could_count: One may, once it is known whether it applies.
    """

    rule: Sum
    lowest: int
    now: int
    highest: int
    added: int
    open: Mapping[str, int]
    counts: bool
    could_count: bool
    guards: tuple[str, ...]

    @property
    def level(self) -> RiskLevel | None:
        """Give the level that rests on it."""
        return level_at(self.rule, self.now) if self.counts else None

    @property
    def could_be(self) -> RiskLevel | None:
        """Give the level that could rest on it."""
        return level_at(self.rule, self.highest) if self.could_count else None

    @property
    def at_least(self) -> RiskLevel | None:
        """Give the level below which it does not fall whatever is answered."""
        return level_at(self.rule, self.lowest) if self.counts else None

    def with_yes(self, question: str) -> RiskLevel | None:
        """Give the level that would rest on it, were this alone as grave as can be."""
        if not self.could_count or any(each != question for each in self.guards):
            return None
        value = max(self.now, self.added + self.open.get(question, 0))
        return level_at(self.rule, value)


Terms = tuple[tuple[str, int, int, int], ...]
"""The items of a sum: its key, weight, least value, and how much more it could be."""


@dataclass(frozen=True)
class Scorer:
    """An instrument that a locality uses, ready to score.

    Attributes:
        questions: The locality's question that answers an item, by item.
    """

    instrument: Instrument
    questions: Mapping[str, str]

    @cached_property
    def ranges(self) -> Mapping[str, Item]:
        """Everything that it weighs, by key."""
        return {**self.instrument.items, **self.instrument.reported}

    def concerns(self, form: Form | None) -> bool:
        """Tell whether anything is asked or known of it."""
        return form is not None or bool(self.questions)

    @cached_property
    def _sources(self) -> tuple[tuple[str, str | None, int, int], ...]:
        """Each item, the question that answers it too if any, its least and most.

        Read once here, because every case that is weighed goes through all of them.
        """
        reported = self.instrument.reported
        return tuple(
            (
                key,
                self.questions.get(key, key if key in reported else None),
                item.least,
                item.most,
            )
            for key, item in self.ranges.items()
        )

    @cached_property
    def _counts(self) -> tuple[tuple[str, str, int], ...]:
        """Each item that is counted too, what of what is known it is, and its most."""
        return tuple(
            (key, item.counted, item.most)
            for key, item in self.ranges.items()
            if item.counted
        )

    def _counted(
        self, known: Mapping[str, int], values: Mapping[str, int]
    ) -> dict[str, int]:
        """Give what is counted of its items, where that is more than was answered."""
        found = {key: min(known.get(of, 0), most) for key, of, most in self._counts}
        return {key: n for key, n in found.items() if n > values.get(key, 0)}

    @cached_property
    def _weighed(self) -> Mapping[str, Terms]:
        """For each sum its items: the weight, the least, and what one could add."""
        return {
            name: tuple(
                (key, weight, (item := self.ranges[key]).least, item.most - item.least)
                for key, weight in rule.weights.items()
            )
            for name, rule in self.instrument.sums.items()
        }

    def score(self, known: Mapping[str, int], form: Form | None) -> "Score":
        """Score it.

        Args:
            known: What is known of the case, by question.
            form: What agencies have filled in of it.
        """
        held = self.instrument
        values = self._values(known, form or NO_FORM)
        items = held.items if form and form.answered else self.questions
        missing = [key for key in items if key not in values]
        values |= self._counted(known, values)
        guards = tuple(key for key in held.applies_if if key not in values)
        seen = _Seen(
            values=values,
            open={key: self.questions.get(key, key) for key in missing},
            form=form or NO_FORM,
            guards=guards,
            why_not=self._why_not(values, form or NO_FORM, guards),
        )
        tallies = [self._tally(name, each, seen) for name, each in held.sums.items()]
        return Score(held, seen, tallies, len(items))

    def level(self, known: Mapping[str, int]) -> RiskLevel | None:
        """Give the level that rests on it, if nobody has filled in a form of it.

        The same as that of ``score``, sooner: nothing is made of what is open.
        """
        values = {
            key: min(max(value, least), most)
            for key, question, least, most in self._sources
            if question and (value := known.get(question))
        }
        values |= self._counted(known, values)
        held = self.instrument
        if held.evidence_only or held.certified:
            return None
        if not all(values.get(key) for key in held.applies_if):
            return None
        return graver(
            level_at(held.sums[name], max(_added(terms, values), 0))
            for name, terms in self._weighed.items()
        )

    def _values(self, known: Mapping[str, int], form: Form) -> dict[str, int]:
        """Give what is known of its items: the graver, if it was told in two places."""
        told = {k: VALUE[a] for k, a in self._answers(form).items() if a in VALUE}
        values = {key: told[key] for key in self.instrument.applies_if if key in told}
        numbers = form.numbers
        for key, question, least, most in self._sources:
            own = told.get(key) if most == 1 else numbers.get(key)
            other = None if question is None else known.get(question)
            if own is None and other is None:
                continue
            value = least
            if own is not None and own > value:
                value = own
            if other is not None and other > value:
                value = other
            values[key] = min(value, most)
        return values

    def _answers(self, form: Form) -> Mapping[str, Answer]:
        """Give what of a form counts: whom it fits is for a certified user to say."""
        theirs = self.instrument.certified and form.certified
        if not theirs or form.attested is None:
            return form.answers
        guards, attested = self.instrument.applies_if, form.attested
        others = {k: a for k, a in form.answers.items() if k not in guards}
        return {**others, **{k: attested[k] for k in guards if k in attested}}

    def _why_not(
        self, values: Mapping[str, int], form: Form, guards: tuple[str, ...]
    ) -> str | None:
        held = self.instrument
        if held.evidence_only:
            return "evidence_only"
        if any(values.get(key) == 0 for key in held.applies_if):
            return "does_not_apply"
        if held.certified and not form.certified:
            claimed = "not_a_certified_sender"
            return claimed if form.claimed else "needs_certified_user"
        return "not_known_to_apply" if guards else None

    def _tally(self, name: str, rule: Sum, seen: "_Seen") -> Tally:
        now = 0
        adds: dict[str, int] = {}
        values, open_ = seen.values, seen.open
        for key, weight, least, more in self._weighed[name]:
            now += weight * values.get(key, least)
            if key in open_:
                question = open_[key]
                adds[question] = adds.get(question, 0) + weight * more
        total = self._total(name, seen.form)
        lowest = now + sum(each for each in adds.values() if each < 0)
        highest = now + sum(each for each in adds.values() if each > 0)
        return Tally(
            rule=rule,
            lowest=max(lowest, total),
            now=max(now, total),
            highest=max(highest, total),
            added=now,
            open={key: each for key, each in adds.items() if each > 0},
            counts=seen.why_not is None,
            could_count=seen.why_not in (None, "not_known_to_apply"),
            guards=seen.guards,
        )

    def _total(self, name: str, form: Form) -> int:
        """Give the total that was told of a sum; none told: nothing."""
        told = self.instrument.total
        if told is None or told.of != name:
            return 0
        total = told_total(self.instrument, form)
        return 0 if total is None else min(max(total, told.least), told.most)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of an instrument's items in one case.

    Attributes:
        open: The items that are asked and not answered, each with its question.
        guards: What must be answered before it is known whether it applies.
    """

    values: Mapping[str, int]
    open: Mapping[str, str]
    form: Form
    guards: tuple[str, ...]
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """What was found when an instrument was scored.

    Attributes:
        tallies: Its sums.
        asked: How many of its items were there to be answered.
    """

    instrument: Instrument
    seen: _Seen
    tallies: list[Tally]
    asked: int

    def half_done(self, unanswered_share: float) -> bool:
        """Tell whether a form that could say more is mostly unanswered."""
        could = any(each.could_be for each in self.tallies)
        if told_total(self.instrument, self.seen.form) is not None or not could:
            return False
        open_ = len(self.seen.open)
        return open_ > 0 and open_ / self.asked >= unanswered_share

    def result(self) -> Result:
        """Give what it says, to be kept and read."""
        held, seen = self.instrument, self.seen
        return Result(
            instrument=held.key,
            version=held.version,
            why_not=seen.why_not,
            level=graver(each.level for each in self.tallies),
            could_be=graver(each.could_be for each in self.tallies),
            total=told_total(held, seen.form),
            sums=tuple(
                Scored(
                    sum=name,
                    value=max(each.now, 0),
                    could_be=max(each.highest, 0),
                    band=band_at(each.rule, each.now),
                )
                for name, each in zip(held.sums, self.tallies, strict=True)
            ),
            unanswered=len(seen.open),
            asked=self.asked,
        )


def _added(terms: Terms, values: Mapping[str, int]) -> int:
    """Give what a sum adds up to; what is not known counts as little as it can."""
    return sum(weight * values.get(key, least) for key, weight, least, _ in terms)


def told_total(instrument: Instrument, form: Form) -> int | None:
    """Give the total that counts: a certified user's, where only theirs says anything.

    Elsewhere nobody's is worth more than another's: the highest does.
    """
    return form.total if instrument.certified else form.gravest_total


def band_at(rule: Sum, value: int) -> str | None:
    """Give the code of the highest band that a value reaches."""
    reached = [each.code for each in rule.bands if value >= each.at_least]
    return reached[-1] if reached else None


def level_at(rule: Sum, value: int) -> RiskLevel | None:
    """Give the highest level that a value reaches."""
    level = None
    for each in rule.bands:
        if each.at_least > value:
            break
        level = each.level or level
    return level


RANK = {each: each.rank for each in RiskLevel}


def graver(levels: Iterable[RiskLevel | None]) -> RiskLevel | None:
    """Give the gravest of some levels, if there is any."""
    gravest = None
    for each in levels:
        if each and (gravest is None or RANK[each] > RANK[gravest]):
            gravest = each
    return gravest
