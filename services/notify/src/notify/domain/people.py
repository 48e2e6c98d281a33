"""What a locality agrees to have written to people's own devices (``notify.yaml``).

Whoever was harmed is never written to by itself: a worker asks for each message, and
it says one of these texts, in which nothing is filled in.
"""

import hmac
import re
from datetime import timedelta
from typing import Annotated, Self

from accord_contracts.message import Code
from pydantic import Field, field_validator, model_validator

from notify.domain.channels import Minutes
from notify.domain.texts import FOREIGN, Language, Part

TELLING = re.compile(r"[0-9@/]|www|http", re.IGNORECASE)
"""Numbers, addresses and links: whoever rings or opens one learns who wrote."""

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""As E.164 writes it."""

WRITTEN_APART = re.compile(r"[\s().-]")


class PersonText(Part):
    """A text to a person's own device, as the locality has agreed on it.

    Attributes:
        needs_word: It is sent only where the person has agreed on a word with whoever
            calls, because somebody is to ring them after it: by that word they know who
            it is. The word itself is never written.
        says_who: It can be told from it where it comes from; it is sent only where the
            person has allowed that.
    """

    needs_word: bool = True
    says_who: bool = False
    text: dict[Language, Annotated[str, Field(min_length=1, max_length=160)]]

    @field_validator("text")
    @classmethod
    def _tells_nothing(cls, given: dict[Language, str]) -> dict[Language, str]:
        if any(FOREIGN.search(each) for each in given.values()):
            raise ValueError("nothing may be filled in")
        if any(TELLING.search(each) for each in given.values()):
            raise ValueError("there is no room for numbers, addresses and links")
        return given


class PeoplePolicy(Part):
    """How people's own devices are written to, when a worker asks for it.

    Attributes:
        country: How the region's numbers begin when they are written for abroad,
            without the plus.
        apart_minutes: For so long after a message to a device there is no other.
        texts: By name; in every language of the locality.
    """

    country: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}$")]
    apart_minutes: Minutes
    texts: Annotated[dict[Code, PersonText], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_needs_no_guess(self) -> Self:
        languages = {frozenset(each.text) for each in self.texts.values()}
        if len(languages) > 1:
            raise ValueError("all texts must be in the same languages")
        return self

    @property
    def apart(self) -> timedelta:
        """How long it is from one message to a device to the next."""
        return timedelta(minutes=self.apart_minutes)

    def number(self, told: str) -> str | None:
        """Write a telephone number as E.164 does; none if it cannot be one."""
        return number_of(told, self.country)


def number_of(told: str, country: str | None) -> str | None:
    """Write a telephone number as E.164 does; none if it cannot be one.

    Args:
        told: As somebody has written it.
        country: Of a number that is written as it is rung from within; none: such a
            number tells nothing.
    """
    plain = WRITTEN_APART.sub("", told.replace("(0)", ""))
    if plain.startswith("00"):
        plain = f"+{plain[2:]}"
    elif plain.startswith("0") and country:
        plain = f"+{country}{plain[1:]}"
    return plain if NUMBER.fullmatch(plain) else None


def sender_of(told: str, country: str | None) -> str | None:
    """Write the number that a gateway names as E.164 does; none if it cannot be one.

    Gateways leave the plus out of numbers with their country's. Only of what they name:
    what people write like that may as well be a number that is rung from within.
    """
    plain = WRITTEN_APART.sub("", told.replace("(0)", ""))
    if country and plain.startswith(country):
        plain = f"+{plain}"
    return number_of(plain, country)


def reach_of(number: str, key: str) -> str:
    """Give where a number leads, blind: equal for equal numbers, and no more."""
    return hmac.digest(key.encode(), f"contact:{number}".encode(), "sha256").hex()
