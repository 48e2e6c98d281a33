"""How a refusal is told: RFC 9457 problem details, and the exception behind them."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class WrongField(BaseModel):
    """A field that was refused, and the rule it broke. Never its value."""

    model_config = ConfigDict(frozen=True)

    pointer: Annotated[str, Field(description="JSON Pointer, RFC 6901")]
    rule: str


class Problem(BaseModel):
    """A problem as every service answers it (``application/problem+json``)."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    instance: str | None = None
    detail: str | None = None
    errors: tuple[WrongField, ...] = ()


class Refusal(Exception):
    """A rule says no. Subclasses are named for the rule.

    The class's docstring is the problem's title, so it must be a sentence that a
    stranger may read; the message, if any, is its detail and names no value.
    """

    status: ClassVar[int] = 409

    headers: Mapping[str, str] | None = None
    """What HTTP is told besides; by default what its status asks for."""
