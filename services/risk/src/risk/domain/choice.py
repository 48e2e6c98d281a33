"""What a locality chooses of an instrument, and sets otherwise than it comes."""

from typing import Annotated

from accord_contracts.message import Code
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field

from risk.domain.instrument import Band, Instrument, Number, Sum, Weight


class Choice(BaseModel):
    """How a locality uses an instrument. Nothing said: as it comes.

    Attributes:
        variant: What is not confirmed, and switched on all the same.
        items: The locality's question that answers an item, by the item.
        weights: Other weights of items, in whatever sum they stand.
        cutoffs: From which value on a band is reached, by its code.
        levels: The level that a band stands for, by its code; null: none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Code | None = None
    items: dict[Code, Code] = {}
    weights: dict[Code, Annotated[Weight, Field(ge=0)]] = {}
    cutoffs: dict[Code, Number] = {}
    levels: dict[Code, RiskLevel | None] = {}

    def of(self, instrument: Instrument) -> Instrument:
        """Give the instrument as the locality uses it.

        Raises:
            ValueError: It has no such variant, item or band, or no longer rises.
        """
        sums = {**instrument.sums, **self._switched_on(instrument)}
        weighed = {key for each in sums.values() for key in each.weights}
        bands = {band.code for each in sums.values() for band in each.bands}
        _known({*self.items}, {*instrument.items}, "item")
        _known({*self.weights}, weighed, "weighed item")
        _known({*self.cutoffs, *self.levels}, bands, "band")
        told = instrument.model_dump(exclude={"sums"})
        changed = {key: self._changed(each) for key, each in sums.items()}
        return Instrument.model_validate(
            {**told, "sums": {key: each.model_dump() for key, each in changed.items()}}
        )

    def _switched_on(self, instrument: Instrument) -> dict[str, Sum]:
        if self.variant is None:
            return {}
        if self.variant not in instrument.variants:
            raise ValueError(f"{self.variant}: no such variant")
        return instrument.variants[self.variant].sums

    def _changed(self, held: Sum) -> Sum:
        weights = {k: self.weights.get(k, w) for k, w in held.weights.items()}
        bands = [
            Band(
                code=each.code,
                at_least=self.cutoffs.get(each.code, each.at_least),
                level=self.levels.get(each.code, each.level),
                figures=each.figures,
            )
            for each in held.bands
        ]
        bands.sort(key=lambda each: each.at_least)
        return held.model_copy(update={"weights": weights, "bands": tuple(bands)})


def _known(named: set[str], there: set[str], what: str) -> None:
    if strange := named - there:
        raise ValueError(f"{', '.join(sorted(strange))}: no such {what}")
