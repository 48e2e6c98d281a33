"""Which instruments there are, what each asks, and how little each says."""

from collections.abc import Mapping
from typing import Self

from accord_chassis.decision import Action, Relation, Resource
from accord_contracts.access import Purpose
from accord_contracts.message import Code
from fastapi import APIRouter
from pydantic import BaseModel

from risk.domain.instrument import Band, Instrument, Item, Total
from risk.domain.instruments import SHIPPED, shipped
from risk.domain.policy import Policy
from risk.domain.scoring import Scorer
from risk.routes.assessments import Policy_, Reader

router = APIRouter(prefix="/instruments", tags=["instruments"])

READ_INSTRUMENTS = Action(
    "instruments.read",
    (Relation.SCOPE,),
    purposes=(Purpose.OPERATION, Purpose.ASSESSMENT),
)


class InstrumentView(BaseModel):
    """An instrument: what it asks by key, how it adds up, whose it is, how good it is.

    Attributes:
        used: The locality weighs by it, as it stands here; else it is as it comes.
        validity: What published studies say of how well it tells who is hurt again.
        sources: Where that, and its numbers, are published.
        licence: Whose it is, and on what terms.
        items: What may be answered of it, by key; the wording is its owner's.
        reported: What counts if it was told.
        questions: The locality's question that answers an item too, by item.
        applies_if: It says something only where all of these are answered yes.
        certified: It says something only where a certified user has scored it.
        evidence_only: It is kept and shown, and no level rests on it.
        bands: Of each of its sums, with the level that each stands for here.
        total: What total may be told; none: it is added up here.
        variants: What nobody has confirmed, and why it is off.
    """

    key: Code
    version: str
    title: str
    used: bool
    validity: str
    sources: tuple[str, ...]
    licence: str
    items: Mapping[str, Item]
    reported: Mapping[str, Item]
    questions: Mapping[str, str]
    applies_if: tuple[str, ...]
    certified: bool
    evidence_only: bool
    bands: Mapping[str, tuple[Band, ...]]
    total: Total | None
    variants: Mapping[str, str]

    @classmethod
    def of(cls, held: Instrument, questions: Mapping[str, str] | None) -> Self:
        """Show an instrument; with no questions: one that the locality does not use."""
        own = set(cls.model_fields) - {"used", "questions", "bands", "variants"}
        return cls(
            **held.model_dump(include=own),
            used=questions is not None,
            questions=questions or {},
            bands={name: each.bands for name, each in held.sums.items()},
            variants={name: each.note for name, each in held.variants.items()},
        )


class InstrumentsView(BaseModel):
    """The instruments that a locality weighs by, in its order, then all others."""

    policy_version: str
    policy_fingerprint: str
    instruments: tuple[InstrumentView, ...]


@router.get("")
async def read_instruments(policy: Policy_, reader: Reader) -> InstrumentsView:
    """Read which instruments there are, what each asks, and how little each says."""
    await reader.permit(READ_INSTRUMENTS, Resource("instruments", "instruments"))
    return shown(policy)


def shown(policy: Policy) -> InstrumentsView:
    """Show the instruments that a policy weighs by, and those that it does not."""
    used: tuple[Scorer, ...] = policy.scorers
    others = sorted({*SHIPPED} - {*policy.used})
    return InstrumentsView(
        policy_version=policy.version,
        policy_fingerprint=policy.fingerprint,
        instruments=(
            *(InstrumentView.of(each.instrument, each.questions) for each in used),
            *(InstrumentView.of(shipped(each), None) for each in others),
        ),
    )
