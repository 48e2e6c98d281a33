"""The JSON Schemas of what is written by hand: an instrument, a locality's policy."""

import json

from pydantic import BaseModel

from risk.domain.instrument import Instrument
from risk.domain.policy import Policy


def schemas() -> dict[str, str]:
    """Give each as text, by the name of its file in ``services/risk/schemas``."""
    kinds: dict[str, type[BaseModel]] = {
        "instrument.json": Instrument,
        "policy.json": Policy,
    }
    return {
        name: json.dumps(kind.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
        for name, kind in kinds.items()
    }
