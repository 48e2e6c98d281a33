"""The catalogue of a locality: Accord's own, and what the locality adds to it.

A locality that adds a service names it in ``catalogue.yaml``, with what it listens to::

    listeners:
      dashboard: [risk.assessed.v1, plan.agreed.v1]
"""

from pathlib import Path
from typing import Annotated

import yaml
from accord_contracts.catalogue import CATALOGUE, Catalogue, UnknownEvent
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from accord.faults import CannotGoOn

SERVICES = CATALOGUE.services
"""Accord's own five."""

FILE = "catalogue.yaml"

Service = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]


class Additions(BaseModel):
    """What a locality adds: its own services, each with the types it listens to."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    listeners: dict[Service, tuple[str, ...]] = {}


def catalogue_of(locality: Path | None) -> Catalogue:
    """Give the catalogue of a locality, or Accord's own if it adds nothing.

    Raises:
        CannotGoOn: The locality's file is wrong.
    """
    path = locality / FILE if locality else None
    if path is None or not path.exists():
        return CATALOGUE
    try:
        added = Additions.model_validate(yaml.safe_load(path.read_bytes()) or {})
        return CATALOGUE.with_listeners(added.listeners)
    except yaml.YAMLError as wrong:
        raise CannotGoOn(f"{path} is not YAML: {wrong}.") from None
    except ValidationError as wrong:
        rules = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in wrong.errors(include_url=False, include_input=False)
        )
        raise CannotGoOn(f"{path} breaks a rule: {rules}.") from None
    except UnknownEvent as wrong:
        raise CannotGoOn(
            f"{path}: {wrong}.", mend="docs/events.md names every event."
        ) from None
