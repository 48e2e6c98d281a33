"""What somebody needs beside safety, and the services asked to meet it.

A need stands beside risk: whoever has nowhere to live goes back. It becomes a referral
to a service, which is followed like any commitment, so that nobody has to tell it all
again, or to ask what became of it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from accord_contracts.access import ClosedToChange, Side
from accord_contracts.plans import NeedLevel, ServiceStep
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, computed_field

from plans.domain.template import Term

MOST_FINDINGS = 50
"""Of what was found before, beside the first, the last are remembered."""

MOST_SERVICES = 50
"""Services that are asked to meet one need: more is a form that posts by itself."""


class NoSuchNeed(Refusal):
    """There is no such need in this case."""

    status = 404


class NoSuchService(Refusal):
    """No such service was asked to meet this need."""

    status = 404


class UnknownStrand(Refusal):
    """The locality's policy does not know this strand."""

    status = 422


class DoesNotMeetIt(Refusal):
    """The directory names no such provider that meets this need in this case."""

    status = 422


class NotAgreedTo(Refusal):
    """Nobody is referred to a service without their agreement: ask them first."""


class StillAsked(Refusal):
    """This provider is asked already, and has neither refused nor ended it."""


class TooManyServices(Refusal):
    """So many services were asked that one more would help nobody."""


class NotAfter(Refusal):
    """A service cannot come to this step from the one that it is at."""


class ReasonMissing(Refusal):
    """A refusal and an end have one of the locality's reasons, and nothing else has."""

    status = 422


class Voice(StrEnum):
    """What somebody said to a service being asked for them."""

    AGREED = "agreed"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"


AFTER = {
    ServiceStep.OFFERED: {
        ServiceStep.ACCEPTED, ServiceStep.REFUSED, ServiceStep.ENDED,
    },
    ServiceStep.ACCEPTED: {
        ServiceStep.WAITING, ServiceStep.STARTED, ServiceStep.ENDED,
    },
    ServiceStep.WAITING: {ServiceStep.STARTED, ServiceStep.ENDED},
    ServiceStep.STARTED: {ServiceStep.ENDED},
    ServiceStep.REFUSED: set[ServiceStep](),
    ServiceStep.ENDED: set[ServiceStep](),
}  # fmt: skip
"""Which step follows which."""

PROMISED = frozenset({ServiceStep.ACCEPTED, ServiceStep.WAITING})
"""At which a provider has said that it will, and has not begun."""

BY_ITSELF = "plans"
"""By whom a service ended that nobody said anything of: its end followed."""

OVER = frozenset(step for step, after in AFTER.items() if not after)


class Reached(BaseModel):
    """A step that a service has come to: recorded once, and never changed.

    Attributes:
        reason: Why it was refused or ended, by one of the locality's codes.
    """

    model_config = ConfigDict(frozen=True)

    step: ServiceStep
    at: datetime
    by: str
    reason: str | None = None


class Found(BaseModel):
    """How far a need was met, and what the person said, as somebody once found it."""

    model_config = ConfigDict(frozen=True)

    level: NeedLevel
    voice: Voice
    at: datetime
    by: str


class Service(BaseModel):
    """A provider that is asked to meet a need, and how far that has come.

    Attributes:
        provider: By its code in the directory.
        steps: First to last; the last one is where it stands.
        answer_by: When the provider should have answered.
        start_by: When it should have begun, since it accepted or has them wait.
        remind_at: When either is to be reminded of; none: it was, or need not be.
        overdue_at: When it was told that it had not, at the step where it stands.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    provider: str
    steps: tuple[Reached, ...]
    answer_by: datetime
    start_by: datetime | None = None
    remind_at: datetime | None = None
    overdue_at: datetime | None = None

    @property
    def step(self) -> ServiceStep:
        """Where it stands."""
        return self.steps[-1].step

    @property
    def over(self) -> bool:
        """Tell whether nothing more comes of it."""
        return self.step in OVER

    @property
    def due_at(self) -> datetime | None:
        """When it should answer, or begin; none: nobody waits, or it was told."""
        return None if self.overdue_at else self.awaited_by

    @property
    def awaited_by(self) -> datetime | None:
        """When it should have answered, or begun; none: nobody waits for that."""
        if self.step is ServiceStep.OFFERED:
            return self.answer_by
        return self.start_by if self.step in PROMISED else None

    @property
    def ahead(self) -> datetime | None:
        """When something is to be told of it next."""
        due_at = self.due_at
        return min(due_at, self.remind_at or due_at) if due_at else None


class Need(BaseModel):
    """What one person of a case needs in one strand of their life.

    Attributes:
        person_id: Whose; referrals knows who that is.
        side: For whom it is looked after: whoever meets the person using violence sees
            nothing of what the others need.
        level: How far it is met, as last assessed.
        voice: What they said to a service being asked for it.
        history: What was found before, first to last: the first is never forgotten.
        closed_at: When the response ended, unless it has begun again.
        transferred_at: When the case was handed over to another region: whether a
            provider answers is no clock of this one.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    person_id: str
    side: Side
    strand: str
    level: NeedLevel
    voice: Voice
    assessed_at: datetime
    by: str
    services: tuple[Service, ...] = ()
    history: tuple[Found, ...] = ()
    closed_at: datetime | None = None
    transferred_at: datetime | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When something is next to be told of a provider."""
        if self.transferred_at or self.closed_at:
            return None
        due = (each.ahead for each in self.services)
        return min(filter(None, due), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def asked_of(self) -> tuple[str, ...]:
        """The providers that are asked, and have neither refused nor ended it."""
        still = (each.provider for each in self.services if not each.over)
        return tuple(dict.fromkeys(still))

    @property
    def first_assessed_at(self) -> datetime:
        """When it was first known."""
        return self.history[0].at if self.history else self.assessed_at

    def assess(self, again: "Need") -> "Need":
        """Note how far it is met, and what they said, as somebody found it."""
        if (again.level, again.voice) == (self.level, self.voice):
            return self
        before = Found(
            level=self.level, voice=self.voice, at=self.assessed_at, by=self.by
        )
        history = (*self.history, before)
        update = again.model_dump(include={"level", "voice", "assessed_at", "by"})
        update["history"] = (*history[:1], *history[1:][-MOST_FINDINGS:])
        return self.model_copy(update=update)

    def put_right(self, using_violence: str) -> "Need":
        """Close it to whoever meets the person using violence, if it is another's.

        Args:
            using_violence: Who uses violence, as a person has decided.
        """
        theirs = self.person_id == using_violence
        if theirs or self.side is not Side.PERSON_USING_VIOLENCE:
            return self
        return self.model_copy(update={"side": Side.PERSON_HARMED})

    def close(self, at: datetime) -> "Need":
        """Wait for no provider any more, because the response has ended."""
        if self.closed_at and self.closed_at >= at:
            return self
        return self.model_copy(update={"closed_at": at})

    def take_up(self, at: datetime) -> "Need":
        """Wait for providers again, because a plan was drafted after the end."""
        if self.closed_at is None or at <= self.closed_at:
            return self
        # What was told of a late one was over with the end: it is told anew.
        anew = (e.model_copy(update={"overdue_at": None}) for e in self.services)
        return self.model_copy(update={"closed_at": None, "services": tuple(anew)})

    def end(self, reasons: Mapping[str, str | None], at: datetime) -> "Need":
        """End some services that are not over, because nobody waits for them.

        Args:
            reasons: Why each does, by its id; none: who needed it is erased.
            at: When.
        """
        ended = self
        for each in self.services:
            if each.over or each.id not in reasons:
                continue
            last = Reached(
                step=ServiceStep.ENDED, at=at, by=BY_ITSELF, reason=reasons[each.id]
            )
            steps = (*each.steps, last)
            ended = ended._with(each.model_copy(update={"steps": steps}))
        return ended

    def transfer(self, at: datetime) -> "Need":
        """End its clocks, because the case was handed over to another region."""
        if self.transferred_at:
            return self
        return self.model_copy(update={"transferred_at": at})

    def ask(self, provider: str, term: Term, *, at: datetime, by: str) -> "Need":
        """Ask a provider to meet it.

        Args:
            provider: By its code in the directory.
            term: In what time it should answer.
            at: When.
            by: Who asks.

        Raises:
            ClosedToChange: The case was handed over: a request came in the seconds for
                which that was not known.
            NotAgreedTo: The person did not agree to it.
            StillAsked: It is asked already.
            TooManyServices: There are too many.
        """
        if self.transferred_at:
            raise ClosedToChange
        if self.voice is not Voice.AGREED:
            raise NotAgreedTo
        if any(e.provider == provider and not e.over for e in self.services):
            raise StillAsked
        if len(self.services) >= MOST_SERVICES:
            raise TooManyServices
        asked = Service(
            id=str(uuid5(UUID(self.id), f"service/{len(self.services)}")),
            provider=provider,
            steps=(Reached(step=ServiceStep.OFFERED, at=at, by=by),),
            answer_by=at + term.within,
            remind_at=at + term.within - term.remind,
        )
        return self.model_copy(update={"services": (*self.services, asked)})

    def service(self, service_id: str) -> Service:
        """Find a service that was asked.

        Raises:
            NoSuchService: There is none with this id.
        """
        for each in self.services:
            if each.id == service_id:
                return each
        raise NoSuchService

    def move(self, service_id: str, reached: Reached, term: Term) -> "Need":
        """Note that a service has come to a step. Noting it again changes nothing.

        Args:
            service_id: Which service.
            reached: Which step.
            term: In what time a provider should begin that has said it will.

        Raises:
            NoSuchService: No such service was asked.
            NotAfter: That step does not follow the one that it is at.
            ClosedToChange: The case was handed over to another region.
        """
        held = self.service(service_id)
        if (held.step, held.steps[-1].reason) == (reached.step, reached.reason):
            return self
        if self.transferred_at:
            raise ClosedToChange
        if reached.step not in AFTER[held.step]:
            raise NotAfter
        promised = reached.step in PROMISED
        start_by = reached.at + term.within
        update: dict[str, object] = {"steps": (*held.steps, reached)}
        if promised:
            remind_at = start_by - term.remind
            update |= {"start_by": start_by, "remind_at": remind_at, "overdue_at": None}
        return self._with(held.model_copy(update=update))

    def fall_due(self, at: datetime) -> "Need":
        """Note the providers that have not answered, or begun, in time, each once."""
        due = self
        for each in self.services:
            if each.due_at and each.due_at <= at:
                update = {"overdue_at": at, "remind_at": None}
                due = due._with(each.model_copy(update=update))
        return due

    def remind(self, at: datetime) -> "Need":
        """Note the providers that should answer, or begin, before long, each once."""
        reminded = self
        for each in self.services:
            if each.due_at and each.remind_at and each.remind_at <= at:
                update = {"remind_at": None}
                reminded = reminded._with(each.model_copy(update=update))
        return reminded

    def _with(self, changed: Service) -> "Need":
        services = (changed if e.id == changed.id else e for e in self.services)
        return self.model_copy(update={"services": tuple(services)})


def need_id(case_id: str, side: Side, person_id: str, strand: str) -> str:
    """Give the id of what one person needs in one strand: there is one of each side.

    Whoever may write on one side alone can so name nothing of the other.
    """
    return str(uuid5(UUID(case_id), f"need/{side}/{person_id}/{strand}"))
