"""What goes by the wide way: any service that a locality has, and how far it may go."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from notify.domain.push import Host
from notify.domain.texts import Language, Part, Words


class Reached(StrEnum):
    """By which of a worker's addresses in the directory the wide way reaches them."""

    EMAIL = "email"
    MOBILE = "mobile"


class WidePolicy(Part):
    """What goes by the wide way, and how far.

    Attributes:
        hosts: Which it may speak to, ``*.`` in front for whatever is below; whatever
            else its address leads to, and what redirects it, is not spoken to.
        to: What is filled in for a worker: one of the two that the directory has.
        text: By language, what it says before the reference and the link.
    """

    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    to: Reached
    text: dict[Language, Words]
