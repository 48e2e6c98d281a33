"""A locality's rules for weighing risk."""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from accord_contracts.message import Code, PolicyVersion
from accord_contracts.problem import Refusal
from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel, Tier
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from risk.domain.ahead import AheadRule
from risk.domain.choice import Choice
from risk.domain.form import Form
from risk.domain.instrument import Instrument
from risk.domain.instruments import SHIPPED, shipped
from risk.domain.judgement.rules import Judging
from risk.domain.scoring import RANK, Scorer
from risk.domain.shadow import Shadowed
from risk.domain.tier import TierRule
from risk.domain.weighing import Known, Plan, Weighing

log = logging.getLogger("risk.shadow")

Hours = Annotated[int, Field(gt=0)]


class UnknownIndicator(Refusal):
    """The locality's policy does not know one of these questions."""

    status = 422


class AnsweredOtherwise(Refusal):
    """An item is answered by yes and no or by a number, and a total is not of all."""

    status = 422

    def __init__(self, fields: Iterable[str]) -> None:
        super().__init__(f"not answered so: {', '.join(fields)}")


class UnknownGroup(Refusal):
    """The locality's policy does not know one of these groups."""

    status = 422


class Policy(BaseModel):
    """How a locality weighs risk (``localities/<name>/risk.yaml``).

    To change one, validate the changed fields anew: a copy would weigh as before.

    Attributes:
        instruments: Those that it uses, by key, and what it sets otherwise in each.
        own_instruments: Those that do not come with Accord.
        certified: Which agencies have certified users, by instrument: of nobody else
            that is believed.
        certified_skills: What workers are trained in who are such users, by instrument.
        triggers: What lifts the level to at least this, whatever the scores.
        tiers: What follows from a level, the highest first.
        ahead: From when a date weighs, by kind.
        young_child_years: Below which age a child is a young one.
        key_questions: Those that say whether a result can be relied on.
        unanswered_share: From which share of them, or of a form, unanswered on a result
            is provisional, and never low.
        unanswered_share_of_all: The same of all the questions that are asked.
        reassess_hours: Hours until a case is assessed anew.
        grace_hours: Hours after which silence is an alarm.
        reweigh_a_minute: How many open cases are looked over in a minute, in each
            replica, once a new policy is in force.
        shadow: The file beside this one, without its ending, of another version by
            which each case is weighed too, to be counted; none: by no other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: PolicyVersion
    instruments: Annotated[dict[Code, Choice], Field(min_length=1, max_length=30)]
    own_instruments: Annotated[tuple[Instrument, ...], Field(max_length=30)] = ()
    certified: dict[Code, tuple[Code, ...]] = {}
    certified_skills: dict[Code, tuple[Code, ...]] = {}
    triggers: dict[Code, RiskLevel]
    tiers: tuple[TierRule, ...] = ()
    ahead: dict[TriggerKind, AheadRule]
    young_child_years: Annotated[int, Field(ge=1, le=18)]
    key_questions: Annotated[tuple[Code, ...], Field(min_length=1)]
    unanswered_share: Annotated[float, Field(gt=0, le=1)]
    unanswered_share_of_all: Annotated[float, Field(gt=0, le=1)]
    reassess_hours: dict[RiskLevel, Hours]
    grace_hours: Hours
    judging: Judging
    groups: dict[Code, tuple[Code, ...]] = {}
    reweigh_a_minute: Annotated[int, Field(gt=0, le=10_000)] = 600
    shadow: Code | None = None

    _beside: "Policy | None" = PrivateAttr(default=None)
    _plan: Plan = PrivateAttr()
    _words: dict[str, str] = PrivateAttr()

    @field_validator("instruments", mode="before")
    @classmethod
    def _as_it_comes(cls, given: Any) -> Any:  # noqa: ANN401 - Whatever the file says.
        """Read a key with nothing after it as: this one, as it comes."""
        if not isinstance(given, dict):
            return given
        return {key: {} if each is None else each for key, each in given.items()}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if missing := set(RiskLevel) - set(self.reassess_hours):
            raise ValueError(f"reassess_hours lacks {_named(missing)}")
        if missing_dates := set(TriggerKind) - set(self.ahead):
            raise ValueError(f"ahead lacks {_named(missing_dates)}")
        self._plan = self._planned()
        self._words = self._worded()
        reported = {
            key for each in self._plan.scorers for key in each.instrument.reported
        }
        questions = set(self._plan.questions)
        if unknown := set(self.key_questions) - questions:
            raise ValueError(f"{_named(unknown)}: not a question")
        lifting = {
            *self.triggers,
            *(key for each in self.tiers for key in each.triggers),
        }
        if unknown := lifting - questions - reported:
            raise ValueError(f"{_named(unknown)}: nothing that could be a trigger")
        known = {*SHIPPED, *(each.key for each in self.own_instruments)}
        if strange := {*self.certified, *self.certified_skills} - known:
            raise ValueError(f"{_named(strange)}: no such instrument")
        ranks = [each.from_level.rank for each in self.tiers]
        if ranks != sorted(set(ranks), reverse=True):
            raise ValueError("tiers must fall from the highest level to the lowest")
        return self

    def _worded(self) -> dict[str, str]:
        items = [
            (key, item.says)
            for each in self.used.values()
            for key, item in (*each.items.items(), *each.reported.items())
        ]
        return {
            key: said.format(young_child_years=self.young_child_years)
            for key, said in items
            if said
        }

    def _planned(self) -> Plan:
        scorers = tuple(self._scorers())
        weights: dict[str, int] = {}
        for each in scorers:
            for rule in each.instrument.sums.values():
                for item, weight in rule.weights.items():
                    question = each.questions.get(item, item)
                    weights[question] = max(weights.get(question, 0), weight)
        asked = (key for each in scorers for key in each.questions.values())
        return Plan(
            scorers=scorers,
            questions=tuple(dict.fromkeys(asked)),
            weights=weights,
            triggers=self.triggers,
            key_questions=self.key_questions,
            unanswered_share=self.unanswered_share,
            unanswered_share_of_all=self.unanswered_share_of_all,
        )

    def _scorers(self) -> Iterator[Scorer]:
        own = {each.key: each for each in self.own_instruments}
        for key, choice in self.instruments.items():
            if key not in own and key not in SHIPPED:
                raise ValueError(f"{key}: no such instrument")
            try:
                used = choice.of(own[key] if key in own else shipped(key))
            except ValueError as wrong:
                raise ValueError(f"{key}: {_said(wrong)}") from None
            asked = {item: item for item in used.items} if used.asked else {}
            yield Scorer(used, {**asked, **choice.items})

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions about risk that are asked, in the order of the files."""
        return self._plan.questions

    @property
    def used(self) -> Mapping[str, Instrument]:
        """The instruments as the locality uses them, by key."""
        return {each.instrument.key: each.instrument for each in self._plan.scorers}

    def score_of(self, key: str) -> str | None:
        """Give the sum that is an instrument's score; none: it has several, or none.

        Of one that is used no more, as it comes.
        """
        used = self.used.get(key) or (shipped(key) if key in SHIPPED else None)
        if used is None:
            return None
        if used.total:
            return used.total.of
        return next(iter(used.sums)) if len(used.sums) == 1 else None

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        """The instruments as the locality uses them, each with what answers it."""
        return self._plan.scorers

    @cached_property
    def text(self) -> str:
        """It whole, with the instruments that it uses as they come, as JSON.

        Read as a policy it weighs the same, whatever ships later.
        """
        own = {each.key: each for each in self.own_instruments}
        used = (own.get(key) or shipped(key) for key in self.instruments)
        whole = self.model_dump(mode="json", exclude={"reweigh_a_minute", "shadow"})
        whole["own_instruments"] = [each.model_dump(mode="json") for each in used]
        # In the order of the files: questions are asked in it.
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def fingerprint(self) -> str:
        """What tells it from every other policy: the SHA-256 of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def strange(self, forms: Mapping[str, Form]) -> tuple[str, ...]:
        """Give what of some forms is no instrument or item of the locality's."""
        return tuple(
            at for key, form in forms.items() for at in self._strange(key, form)
        )

    def _strange(self, key: str, form: Form) -> Iterator[str]:
        if key not in self.used:
            yield key
            return
        for item in (*form.answers, *form.numbers):
            if item not in self.used[key].answerable:
                yield f"{key}.{item}"

    def believed(
        self,
        forms: Mapping[str, Form],
        *,
        agency: str | None = None,
        skills: frozenset[str] = frozenset(),
    ) -> dict[str, Form]:
        """Believe of forms that certified users have scored them where that is known.

        Args:
            forms: As they were sent.
            agency: Which has sent them; none: a worker has.
            skills: What the worker is trained in, by the directory.
        """

        def certifies(key: str) -> bool:
            trained = skills.intersection(self.certified_skills.get(key, ()))
            return agency in self.certified.get(key, ()) or bool(trained)

        return {k: e.believed(certifies=certifies(k)) for k, e in forms.items()}

    def misfilled(self, forms: Mapping[str, Form]) -> tuple[str, ...]:
        """Give what of some forms, of nothing strange, would not count as it is told.

        That is a number where yes or no is asked, a yes or no where a number is, and a
        total of an instrument that has none.
        """
        return tuple(
            at for key, form in forms.items() for at in self._misfilled(key, form)
        )

    def _misfilled(self, key: str, form: Form) -> Iterator[str]:
        used = self.used[key]
        graded = {item for item, each in used.items.items() if each.most > 1}
        for item in (*(form.answers.keys() & graded), *(form.numbers.keys() - graded)):
            yield f"{key}.{item}"
        if form.gravest_total is not None and not (used.total or used.evidence_only):
            yield f"{key}.total"

    def knows(self, reason: str) -> bool:
        """Tell whether a reason is a sign of danger, and no rule or score."""
        return reason in self._words or reason in self.questions

    def says(self, key: str) -> str:
        """Give in words what a question, an item or a reason says."""
        return self._words.get(key) or key.replace("_", " ")

    def weigh(self, known: Known, floor: RiskLevel = RiskLevel.LOW) -> Weighing:
        """Weigh everything known of a case.

        Args:
            known: What is known.
            floor: The level that it is held at anyway: what would raise it, and what is
                to be asked, goes beyond that.
        """
        return self._plan.weigh(known, floor)

    def level_of(self, known: Known) -> RiskLevel:
        """Give the level of what is known alone, without what could raise it."""
        return self._plan.level(known)

    def beside(self, other: "Policy") -> "Policy":
        """Give this policy, with another version that each case is weighed by too.

        Raises:
            ValueError: It is no other version, or names one itself.
        """
        if other.version == self.version:
            raise ValueError("its version is that of the policy in force")
        if other.shadow is not None:
            raise ValueError("it names a shadow itself")
        both = self.model_copy()
        both._beside = other  # noqa: SLF001 - Of the same class.
        return both

    @property
    def shadow_version(self) -> str | None:
        """The other version that each case is weighed by, if there is one."""
        return self._beside.version if self._beside else None

    def shadowed(self, known: Known, found: RiskLevel) -> Shadowed | None:
        """Weigh what is known by the other version too, if there is one.

        A date is near when the policy in force says so. If it cannot weigh what is
        known, nothing is counted, and the policy in force goes on.
        """
        if self._beside is None:
            return None
        try:
            would = self._beside.level_of(known)
        except Exception as fault:  # noqa: BLE001 - It stops no real weighing.
            # Of a logger that is none of structlog's, services write the name alone.
            log.getChild(type(fault).__name__).warning("shadow.failed")
            return None
        return Shadowed(
            version=self._beside.version,
            in_force=self.version,
            found=found,
            would=would,
        )

    def tier(self, level: RiskLevel, reasons: tuple[str, ...]) -> Tier | None:
        """Give the highest tier that a case is in, if it is in any."""
        rule = self._rule(level, reasons)
        return rule.told() if rule else None

    def tier_of(self, level: RiskLevel, known: Known) -> TierRule | None:
        """Give the tier of a case of this level, of which this is known.

        Of many cases sooner than by ``tier``.
        """
        lifting = {key for each in self.tiers for key in each.triggers}
        lifted = self._plan.standing(known, lifting) if lifting else ()
        return self._rule(level, lifted)

    def _rule(self, level: RiskLevel, reasons: tuple[str, ...]) -> TierRule | None:
        return next((e for e in self.tiers if e.holds(level, reasons)), None)

    def unknowns(self, answers: dict[str, Answer]) -> tuple[str, ...]:
        """Give the questions that have neither yes nor no, heaviest first."""
        return self._plan.open(answers)

    def provisional(
        self, answers: Mapping[str, Answer], forms: Mapping[str, Form]
    ) -> bool:
        """Tell whether too much is unanswered, of the key questions or of a form."""
        return self._plan.provisional(Known(answers, forms=forms))

    def level(
        self,
        answers: dict[str, Answer],
        incidents: frozenset[IncidentKind],
        repeats: int,
        near: frozenset[TriggerKind] = frozenset(),
    ) -> tuple[RiskLevel, tuple[str, ...]]:
        """Give the level of what is known, and the codes of what led to it."""
        return self.grounds(Known(answers, incidents, repeats, near))

    def grounds(self, known: Known) -> tuple[RiskLevel, tuple[str, ...]]:
        """Give the level of what is known and what led to it, and no more."""
        return self._plan.grounds(known)


def highest(*levels: RiskLevel) -> RiskLevel:
    """Give the highest of some levels."""
    return max(levels, key=RANK.__getitem__)


def _named(keys: set[Any]) -> str:
    return ", ".join(sorted(keys))


def _said(wrong: ValueError) -> str:
    """Give what a check said, without pydantic's own frame around it."""
    errors = getattr(wrong, "errors", None)
    if errors is None:
        return str(wrong)
    return "; ".join(each["msg"].removeprefix("Value error, ") for each in errors())
