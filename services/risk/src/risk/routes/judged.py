"""What people have judged of a case over HTTP: proof, history, pairs and children."""

from datetime import datetime
from typing import Annotated

from accord_chassis.decision import NOT_OUTREACH, Action, Relation
from accord_chassis.guard import Asking
from accord_contracts.message import Code, Id
from accord_contracts.referrals import IncidentKind, TriggerKind
from accord_contracts.risk import HowChanged, RiskLevel
from fastapi import APIRouter
from pydantic import BaseModel, Field

from risk.domain.assessment import Assessment, NotAssessed
from risk.domain.judgement.proof import Condition, End, Proof, prove
from risk.domain.judgement.record import Asked, Change, Contact
from risk.domain.people import by_whom, known_of
from risk.domain.policy import Policy
from risk.domain.scoring import Result
from risk.domain.telling import Facts, Unnamed, of_children, of_pairs
from risk.routes.assessments import (
    CASE_TEAM,
    PURPOSES,
    Assessments_,
    Clock_,
    Policy_,
    Reader,
    assessment_of,
    seen_of_all,
)
from risk.store import Assessments

NOTHING_SHARED = Unnamed()

router = APIRouter(prefix="/assessments/{case_id}", tags=["judgement"])

READ_JUDGEMENT = Action(
    "assessment.judgement",
    (*CASE_TEAM, Relation.GLASS),
    parts={"basis": NOT_OUTREACH},
    glass=frozenset({"basis"}),
    purposes=PURPOSES,
)


class ChangeView(BaseModel):
    """A level: who set it, or whose answers were weighed, when and why.

    Attributes:
        by: None: no worker here.
        referral_id: The referral that was weighed, if one was.
    """

    level: RiskLevel
    previous: RiskLevel | None
    at: datetime
    how: HowChanged
    by: Id | None
    confirmed_by: Id | None
    referral_id: Id | None
    why: tuple[str, ...]
    policy_version: str

    @classmethod
    def of(cls, change: Change) -> "ChangeView":
        """Show a level."""
        return cls(**change.model_dump(include=set(cls.model_fields)))


class LookView(BaseModel):
    """A reassessment: who found which level when, and how they spoke to her."""

    at: datetime
    by: Id
    level: RiskLevel
    contact: Contact
    triggers: tuple[str, ...]
    provisional: bool
    policy_version: str


class DecidedView(BaseModel):
    """What a meeting decided on the level, by whom, and what was held then.

    Attributes:
        held: The level held when it was heard of. One below it lowered nothing.
    """

    meeting_id: Id
    level: RiskLevel
    held: RiskLevel
    by: Id
    agency: Code | None
    at: datetime


class HistoryView(BaseModel):
    """The levels of a case, its reassessments, and what meetings decided, in order."""

    changes: tuple[ChangeView, ...]
    reassessments: tuple[LookView, ...]
    meetings: tuple[DecidedView, ...]


class EndView(BaseModel):
    """What a proof asks for, and what of it is missing.

    Attributes:
        to: The level that may be lowered to at most, by the reassessments that count.
        supervised: The stricter rules hold.
        in_a_row: How many reassessments in a row are asked for.
    """

    to: RiskLevel | None
    supervised: bool
    in_a_row: int
    met: tuple[Condition, ...]
    missing: tuple[Condition, ...]

    @classmethod
    def of(cls, proof: Proof) -> "EndView":
        """Show a proof."""
        return cls(
            to=proof.to,
            supervised=proof.supervised,
            in_a_row=proof.demand.in_a_row,
            met=tuple(each for each, there in proof.met.items() if there),
            missing=proof.missing,
        )


class AskedView(BaseModel):
    """A lowering that waits for a second person."""

    level: RiskLevel
    reason: Code
    by: Id
    at: datetime
    until: datetime


class ProofView(BaseModel):
    """What is still missing before a level may fall, or the response end.

    Attributes:
        source: By whose rules.
        asked: What waits for a second person.
    """

    case_id: Id
    level: RiskLevel
    source: str
    lowering: EndView
    closing: EndView
    asked: AskedView | None

    @classmethod
    def of(cls, held: Assessment, policy: Policy, at: datetime) -> "ProofView":
        """Show what a case's proof asks for at present."""
        asked = held.judgement.asked
        asked = asked if asked and at < asked.until else None
        return cls(
            case_id=held.id,
            level=held.level,
            source=policy.judging.proof.source,
            lowering=EndView.of(prove(held, End.LOWERING, policy, at)),
            closing=EndView.of(prove(held, End.CLOSING, policy, at)),
            asked=_shown(asked),
        )


def _shown(asked: Asked | None) -> AskedView | None:
    return AskedView(**asked.model_dump()) if asked else None


class RiskView(BaseModel):
    """The risk of a pair or a child, by what was told of them and what names nobody.

    Attributes:
        shared: Of the reasons, those that name nobody: they count for everybody here.
        policy_version: By which it is weighed, now.
        questions: Those that could change the level, as they should be asked next.
        results: What each instrument says.
    """

    level: RiskLevel
    reasons: tuple[str, ...]
    shared: tuple[str, ...]
    policy_version: str
    unknowns: tuple[str, ...]
    questions: tuple[str, ...]
    results: tuple[Result, ...]
    provisional: bool
    incidents: tuple[IncidentKind, ...]
    referrals: int
    last_occurred_at: datetime | None

    @classmethod
    def of(
        cls,
        told: Facts,
        policy: Policy,
        shared: Unnamed = NOTHING_SHARED,
        near: frozenset[TriggerKind] = frozenset(),
    ) -> "RiskView":
        """Weigh what was told, by the same rules as the case.

        Args:
            told: Of them.
            policy: By what rules.
            shared: What names nobody.
            near: The kinds of dates of the case that weigh.
        """
        own = policy.weigh(known_of(told, NOTHING_SHARED, frozenset()))
        facts = told.beside(shared)
        found = policy.weigh(known_of(told, shared, near))
        return cls(
            level=found.level,
            reasons=found.reasons,
            shared=tuple(each for each in found.reasons if each not in own.reasons),
            policy_version=policy.version,
            unknowns=found.unknowns,
            questions=found.questions,
            results=found.results,
            provisional=found.provisional,
            incidents=tuple(sorted(facts.incidents)),
            referrals=facts.referrals,
            last_occurred_at=facts.last_at,
        )


class PairView(BaseModel):
    """The risk to one person from one other."""

    harmed_id: Id
    using_violence_id: Id
    risk: RiskView


class ChildView(BaseModel):
    """The risk where a child is named."""

    child_id: Id
    risk: RiskView


class PeopleView(BaseModel):
    """Per pair and per child, by all that was ever told of each, beside the case.

    What names nobody (a worker's answers, a reassessment, what an agency answered, a
    breach, a date) counts for each of them.
    A lowering of the case takes nothing from that: one of them may stand above it then.

    Attributes:
        merged: Cases merged into this one; their people are asked for by theirs.
    """

    case_id: Id
    level: RiskLevel
    pairs: Annotated[tuple[PairView, ...], Field(max_length=2500)]
    children: tuple[ChildView, ...]
    merged: tuple[Id, ...]


class PairHistoryView(BaseModel):
    """The levels of the risk to one person from one other, in order."""

    harmed_id: Id
    using_violence_id: Id
    changes: tuple[ChangeView, ...]


class ChildHistoryView(BaseModel):
    """The levels of the risk where a child is named, in order."""

    child_id: Id
    changes: tuple[ChangeView, ...]


class PeopleHistoryView(BaseModel):
    """The levels of each pair and each child, as they came about.

    They are found by weighing alone: what people set is the case's. Kept are the latest
    of each, of those whom the case was told of first; one who turned out to be another
    has both histories.
    """

    case_id: Id
    pairs: tuple[PairHistoryView, ...]
    children: tuple[ChildHistoryView, ...]


@router.get("/proof")
async def read_proof(
    case_id: Id,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    reader: Reader,
) -> ProofView:
    """Read which conditions are missing before the level may fall or the case close."""
    held = await read_held(case_id, assessments, reader)
    return ProofView.of(held, policy, clock.now())


@router.get("/history")
async def read_history(
    case_id: Id, assessments: Assessments_, reader: Reader
) -> HistoryView:
    """Read the levels of a case: who set each, when and why."""
    held = await read_held(case_id, assessments, reader)
    judged = held.judgement
    looks = (
        each.model_dump(exclude={"answers", "forms", "revision"})
        for each in judged.looks
    )
    return HistoryView(
        changes=tuple(map(ChangeView.of, judged.changes)),
        reassessments=tuple(LookView(**each) for each in looks),
        meetings=tuple(
            DecidedView(**each.model_dump(exclude={"number"}))
            for each in judged.decided
        ),
    )


@router.get("/people")
async def read_people(
    case_id: Id,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    reader: Reader,
) -> PeopleView:
    """Read the risk per pair and per child, by what was told of each and of nobody."""
    held = await read_held(case_id, assessments, reader)
    at = clock.now()
    near = frozenset(each.kind for each in held.ahead.values() if each.near(at))
    links = held.links.values()
    pairs = of_pairs(held.tellings, held.parts, links)
    return PeopleView(
        case_id=held.id,
        level=held.level,
        pairs=tuple(
            PairView(
                harmed_id=harmed,
                using_violence_id=using,
                risk=RiskView.of(facts, policy, held.unnamed, near),
            )
            for (harmed, using), facts in pairs.items()
        ),
        children=tuple(
            ChildView(
                child_id=child, risk=RiskView.of(facts, policy, held.unnamed, near)
            )
            for child, facts in of_children(held.tellings, links).items()
        ),
        merged=tuple(held.shares),
    )


@router.get("/people/history")
async def read_people_history(
    case_id: Id, assessments: Assessments_, reader: Reader
) -> PeopleHistoryView:
    """Read at which levels each pair and each child was: since when, by what, why."""
    held = await read_held(case_id, assessments, reader)
    found = by_whom(held.people, held.tellings, held.links.values())
    shown = {whom: tuple(map(ChangeView.of, each)) for whom, each in found.items()}
    return PeopleHistoryView(
        case_id=held.id,
        pairs=tuple(
            PairHistoryView(harmed_id=harmed, using_violence_id=using, changes=changes)
            for (harmed, using), changes in shown.items()
            if using
        ),
        children=tuple(
            ChildHistoryView(child_id=child, changes=changes)
            for (child, using), changes in shown.items()
            if not using
        ),
    )


async def read_held(
    case_id: str, assessments: Assessments, reader: Asking
) -> Assessment:
    """Give a case's assessment to whoever may read what it rests on.

    Raises:
        NotAssessed: There is none, or they may not.
    """
    seen = await reader.permit(
        READ_JUDGEMENT, assessment_of(case_id), otherwise=NotAssessed
    )
    held = await assessments.get(case_id)
    if held is None or not held.weighed:
        raise NotAssessed
    if "basis" not in await seen_of_all(held, seen, reader):
        raise NotAssessed
    return held
