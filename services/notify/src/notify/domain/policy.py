"""What a locality decides about telling people (``localities/<name>/notify.yaml``)."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from accord_contracts.allocation import Role
from accord_contracts.message import Code
from accord_contracts.risk import RiskLevel
from pydantic import Field, field_validator, model_validator

from notify.domain.channels import (
    UNSURE,
    EmailPolicy,
    LinkPolicy,
    Minutes,
    SmsPolicy,
    Way,
)
from notify.domain.hours import Quiet, Urgency
from notify.domain.people import PeoplePolicy
from notify.domain.push import PushPolicy
from notify.domain.texts import Language, Part, SeveralText, Text
from notify.domain.webhook import WebhookPolicy
from notify.domain.wide import Reached, WidePolicy


class Recipient(StrEnum):
    """Who is told first."""

    WORKER = "worker"
    LEAD = "lead"
    TEAM = "team"
    COORDINATOR = "coordinator"
    TEAM_AND_COORDINATOR = "team_and_coordinator"
    OTHER_COORDINATORS = "other_coordinators"
    """All on duty, but for whoever asks for what one of them must confirm."""
    NOBODY = "nobody"


CERTAIN = frozenset(set(Recipient) - {Recipient.LEAD, Recipient.TEAM})
"""Whoever ends a list of recipients: a team may be empty, and have no lead, or nobody
in a role."""


class Next(StrEnum):
    """Who is told next when somebody is silent."""

    CASE_LEAD = "case_lead"
    """Whoever leads the case for the lead agency."""
    DEPUTY = "deputy"
    TEAM_LEAD = "team_lead"
    COORDINATOR = "coordinator"
    HUB_DUTY = "hub_duty"
    """Everybody on duty at the hub who may know, at once."""


LAST = frozenset({Next.COORDINATOR, Next.HUB_DUTY})
"""Who may end a chain: somebody is always there, or is waited for."""


class Step(Part):
    """One step of a chain: whom to tell, and how long to wait for them."""

    tell: Next
    wait_minutes: Minutes

    @property
    def wait(self) -> timedelta:
        """How long until the step after this one, or this one again if it is last."""
        return timedelta(minutes=self.wait_minutes)


class Rule(Part):
    """Who is told of an event and how, and what happens when they are silent.

    Attributes:
        template: Which text.
        who: The first of these of whom there is anybody: recipients, or whoever has a
            role in the case.
        channels: The inbox always; then by which ways it rings, each if the one before
            it failed.
        acknowledge_minutes: Within which they must say that they know; none if they
            need not.
        chain: Who is told when they do not.
        progress_minutes: Within which what was to be done is done, once somebody knows;
            if not, the message opens again. None: an acknowledgement is enough.
        once: While one such message to somebody is open, they are not told of the same
            thing anew: it is noted on the one that they have.
        any_hour: It rings in quiet hours too, because a clock runs out meanwhile.
    """

    template: Code
    who: Annotated[tuple[Recipient | Role, ...], Field(min_length=1)]
    urgency: Urgency
    channels: tuple[Way, ...] = (Way.INBOX,)
    acknowledge_minutes: Minutes | None = None
    chain: Code | None = None
    progress_minutes: Minutes | None = None
    once: bool = False
    any_hour: bool = False

    @property
    def ways(self) -> tuple[Way, ...]:
        """By which ways it rings, each if the one before it failed."""
        return tuple(each for each in self.channels if each is not Way.INBOX)

    @property
    def sure_ways(self) -> tuple[Way, ...]:
        """Those of them of which a gateway or server takes it upon itself.

        That a push service took it says nothing: a browser that is off for long, or
        forgot its worker, gets nothing, and nobody hears of that. What stands behind
        the wide way says even less.
        """
        return tuple(each for each in self.ways if each not in UNSURE)

    @property
    def acknowledge_within(self) -> timedelta | None:
        """How long they have to say that they know; none if they need not."""
        minutes = self.acknowledge_minutes
        return None if minutes is None else timedelta(minutes=minutes)

    @model_validator(mode="after")
    def _forgets_nobody(self) -> Self:
        if self.who[-1] not in CERTAIN:
            raise ValueError(
                f"{self.who[-1]} may be nobody at all: say who is told then "
                "(worker, coordinator or nobody)"
            )
        if Recipient.NOBODY in self.who[:-1]:
            raise ValueError("nobody comes last or not at all")
        if Way.INBOX not in self.channels:
            raise ValueError("the inbox is always one of the channels")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("a channel stands there twice")
        if (self.acknowledge_minutes is None) != (self.chain is None):
            raise ValueError("acknowledge_minutes and chain need each other")
        if self.progress_minutes and self.chain is None:
            raise ValueError("progress_minutes needs acknowledge_minutes and chain")
        return self

    @model_validator(mode="after")
    def _rings_surely(self) -> Self:
        if self.urgency is not Urgency.CRITICAL:
            return self
        if not (self.chain and self.sure_ways):
            raise ValueError(
                "what is critical needs acknowledge_minutes, a chain, and a channel "
                "that rings beside the inbox, push and wide"
            )
        sure = self.sure_ways
        if Way.WIDE in self.ways[: len(sure)]:
            raise ValueError(
                "what is critical goes by wide after every way of which it is known "
                "what became of it"
            )
        if Way.PUSH in self.ways[: len(sure)]:
            raise ValueError(
                "what is critical is pushed last: that a push service took it is no "
                "sign that anybody has it"
            )
        return self

    @model_validator(mode="after")
    def _comes_in_no_burst(self) -> Self:
        calm = self.urgency in {Urgency.NORMAL, Urgency.LOW}
        if calm and self.ways and self.ways[0] is not Way.EMAIL:
            raise ValueError(
                f"what is {self.urgency} and rings by {self.ways[0]} first comes in "
                "bursts, because only e-mails about a case become one: put email "
                "before it, leave it out, or call it high"
            )
        return self


class EventRule(Rule):
    """A rule, and how it differs where the event names certain levels of risk."""

    levels: dict[RiskLevel, Rule] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _levels_say_what_differs(cls, given: Any) -> Any:  # noqa: ANN401 - Any YAML.
        if not isinstance(given, dict) or not isinstance(given.get("levels"), dict):
            return given
        usual = {name: value for name, value in given.items() if name != "levels"}
        levels = {
            level: {**usual, **differing} if isinstance(differing, dict) else differing
            for level, differing in given["levels"].items()
        }
        return {**usual, "levels": levels}

    @property
    def variants(self) -> tuple[Rule, ...]:
        """The rule as it is usually, and at each level where it differs."""
        return (self, *self.levels.values())


class Policy(Part):
    """Who is told what, in which words, and who is told when they are silent.

    Attributes:
        languages: Every message is written in each, the first one foremost.
        several: What one e-mail says that stands for several messages.
        chains: Each ends with the coordinator or the hub's duty, who are told again and
            again.
        quiet: When workers are left in peace, and what is heard all the same.
        rules: By the event's type.
        links: How one says that one knows by a link.
        webhooks: What agencies' own systems are told of.
        sms: How SMS go out; none: the locality has no gateway.
        push: What is pushed to workers' browsers; none: nothing is.
        wide: What goes by the wide way, and how far; none: nothing does.
        people: What may be written to people's own devices; none: nothing is.
    """

    version: str
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    templates: dict[Code, dict[Language, Text]]
    several: dict[Language, SeveralText]
    chains: Annotated[dict[Code, tuple[Step, ...]], Field(min_length=1)]
    quiet: Quiet
    rules: dict[str, EventRule]
    email: EmailPolicy
    links: LinkPolicy
    webhooks: WebhookPolicy
    sms: SmsPolicy | None = None
    push: PushPolicy | None = None
    wide: WidePolicy | None = None
    people: PeoplePolicy | None = None

    @field_validator("chains")
    @classmethod
    def _end_with_somebody(
        cls, chains: dict[Code, tuple[Step, ...]]
    ) -> dict[Code, tuple[Step, ...]]:
        for name, steps in chains.items():
            if not steps or steps[-1].tell not in LAST:
                raise ValueError(
                    f"{name} must end with the coordinator or with hub_duty"
                )
        return chains

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for name, texts in self._written.items():
            if missing := set(self.languages) - set(texts):
                raise ValueError(f"{name} is not written in {_listed(missing)}")
        used = [each for rule in self.rules.values() for each in rule.variants]
        if unknown := {each.template for each in used} - set(self.templates):
            raise ValueError(f"{_listed(unknown)}: no such template")
        if unknown := {each.chain for each in used if each.chain} - set(self.chains):
            raise ValueError(f"{_listed(unknown)}: no such chain")
        if self.sms is None and self.people:
            raise ValueError("people are written to by sms: say in sms how they go out")
        if self.sms is None and any(Way.SMS in each.channels for each in used):
            raise ValueError("rules use sms: say in sms how they go out")
        if self.push is None and any(Way.PUSH in each.channels for each in used):
            raise ValueError("rules use push: say in push what is shown, and by whom")
        if self.wide is None and any(Way.WIDE in each.channels for each in used):
            raise ValueError("rules use wide: say in wide what it says, and how far")
        if self.sms and (quiet := self._critical_without_sms()):
            raise ValueError(f"{_listed(quiet)}: what is critical rings by sms too")
        return self

    @property
    def _written(self) -> dict[str, Mapping[Language, object]]:
        """All that stands in the languages of the locality, by what it is."""
        written: dict[str, Mapping[Language, object]]
        written = {**self.templates, "several": self.several, "links": self.links.text}
        written |= {"the links' page": self.links.page}
        if self.people:
            agreed = self.people.texts.items()
            written |= {f"people {name}": each.text for name, each in agreed}
        if self.sms:
            written |= {"the sms' text": self.sms.text}
            if self.sms.reply:
                written |= {"the sms' reply": self.sms.reply}
        if self.push:
            written |= {"the push's text": self.push.text}
        if self.wide:
            written |= {"the wide way's text": self.wide.text}
        return written

    @property
    def wide_by_mobile(self) -> bool:
        """Whether the wide way reaches workers by their mobile, not their mailbox."""
        return self.wide is not None and self.wide.to is Reached.MOBILE

    def _critical_without_sms(self) -> set[str]:
        return {
            type_
            for type_, rule in self.rules.items()
            for each in rule.variants
            if each.urgency is Urgency.CRITICAL and Way.SMS not in each.channels
        }

    def check(
        self, events: Mapping[str, Mapping[str, bool]], ending: Collection[str]
    ) -> None:
        """See that there is a rule for everything that can happen, and that it can be.

        Args:
            events: The types that the service listens to, each with its fields and
                whether they are always filled in.
            ending: Those of which it is heard that they are dealt with.

        Raises:
            ValueError: It is not so. Says what to change.
        """
        if missing := set(events) - set(self.rules):
            raise ValueError(f"there is no rule for {_listed(missing)}")
        if unknown := set(self.rules) - set(events):
            raise ValueError(f"nothing is heard of {_listed(unknown)}")
        for type_, rule in self.rules.items():
            fields = events[type_]
            if rule.levels and "level" not in fields:
                raise ValueError(f"{type_} tells no level")
            for each in rule.variants:
                if each.progress_minutes and type_ not in ending:
                    raise ValueError(
                        f"{type_}: nothing is heard of its end, so it would open again "
                        "for ever: leave out progress_minutes"
                    )
                _check_recipients(type_, each, fields)

    def by_ways(self, on: Collection[Way]) -> Self:
        """Leave out of every rule the channels that there are not here."""
        kept = {Way.INBOX, *on}

        def only(rule: Rule) -> dict[str, Any]:
            return {"channels": tuple(each for each in rule.channels if each in kept)}

        rules = {
            type_: rule.model_copy(
                update={
                    **only(rule),
                    "levels": {
                        level: each.model_copy(update=only(each))
                        for level, each in rule.levels.items()
                    },
                }
            )
            for type_, rule in self.rules.items()
        }
        return self.model_copy(update={"rules": rules})

    @property
    def silent(self) -> list[str]:
        """The types of what is critical and surely rings by no way that there is."""
        return sorted(
            type_
            for type_, rule in self.rules.items()
            if any(
                each.urgency is Urgency.CRITICAL and not each.sure_ways
                for each in rule.variants
            )
        )

    def rule(self, type_: str, level: RiskLevel | None) -> Rule:
        """Give the rule for an event."""
        rule = self.rules[type_]
        return rule.levels.get(level, rule) if level else rule

    def chain(self, name: str | None) -> tuple[Step, ...]:
        """Give a chain; the first one for a name that the locality has since dropped.

        A message that waits for an answer must not fall silent with its chain.
        """
        return self.chains.get(name or "") or next(iter(self.chains.values()))


def _check_recipients(type_: str, rule: Rule, fields: Mapping[str, bool]) -> None:
    if Recipient.WORKER in rule.who and "worker_id" not in fields:
        raise ValueError(f"{type_} names no worker")
    if rule.who[-1] is Recipient.WORKER and not fields["worker_id"]:
        raise ValueError(f"{type_} does not always name a worker: say who else")


def _listed(names: set[Any]) -> str:
    return ", ".join(sorted(map(str, names)))
