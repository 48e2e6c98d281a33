"""The instruments that come with Accord, one file each, as ``instrument.py`` has them.

They hold keys and published numbers, never the wording of an item: that belongs to its
owner, and an agency uses its own form. What has no confirmed source is a variant, which
is off until a locality switches it on.
"""

from functools import cache
from importlib import resources

import yaml

from risk.domain.instrument import Instrument

_HERE = resources.files(__name__)

SHIPPED = tuple(
    sorted(
        each.name.removesuffix(".yaml")
        for each in _HERE.iterdir()
        if each.name.endswith(".yaml")
    )
)
"""The keys of all that come with Accord."""


@cache
def shipped(key: str) -> Instrument:
    """Give an instrument that comes with Accord; its file is named by its key."""
    text = (_HERE / f"{key}.yaml").read_text(encoding="utf-8")
    return Instrument.model_validate(yaml.safe_load(text))
