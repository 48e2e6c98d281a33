"""Where an agency's own system is told that something waits for the agency.

By Standard Webhooks (https://www.standardwebhooks.com): an id that is the same at
every attempt, a time, a signature. What is sent says what kind of thing waits, a
reference and a link; whoever opens the link is asked who they are.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from accord_contracts.problem import Refusal
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from notify.domain.chance import longer

AGENCIES = UUID("6f1a4b1e-5d0c-5b7a-9a0f-2f6f2f6b7c11")
"""The namespace of agencies' codes."""

LOOK_EVERY = timedelta(hours=1)
"""How often one looks whether an agency's system has been silent for too long."""

PREFIX = "whsec_"

LONGEST_URL = 500

Minutes = Annotated[int, Field(gt=0, le=30 * 24 * 60)]


class NoSuchWebhook(Refusal):
    """This agency has no webhook."""

    status = 404


def _address(url: str) -> str:
    """See that an address is one that may be told to a system, and nothing more.

    Raises:
        ValueError: It is not. Says why, and shows nothing of it.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("it is no address") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("it must begin with https:// and name a host")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("it must hold no user, no password and no fragment")
    if not url.isascii() or any(each <= " " or each == "\x7f" for each in url):
        raise ValueError("it must hold no blank and nothing beyond ASCII")
    return url


Address = Annotated[str, Field(max_length=LONGEST_URL), AfterValidator(_address)]


class WebhookPolicy(BaseModel):
    """Of what agencies' systems are told, and for how long it is tried.

    Attributes:
        events: Of these.
        again_after_minutes: After the first failure, the second and so on; after as
            many it has failed.
        spread: By which part a pause is longer by chance, so that not everything comes
            at once to a system that is back.
        unknown_after_minutes: How long an attempt may take of which nothing was heard.
        off_after_minutes: After how long without any success a system is told nothing
            more, until somebody has looked at it.
        both_secrets_minutes: How long the secret before the newest one signs as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: frozenset[str] = frozenset()
    again_after_minutes: Annotated[tuple[Minutes, ...], Field(min_length=1)]
    spread: Annotated[float, Field(ge=0, le=1)]
    unknown_after_minutes: Minutes
    off_after_minutes: Minutes
    both_secrets_minutes: Minutes

    @model_validator(mode="after")
    def _turned_off_before_anything_is_given_up(self) -> Self:
        if self.off_after_minutes >= sum(self.again_after_minutes):
            raise ValueError(
                "off_after_minutes must be less than again_after_minutes together, or "
                "messages are given up before anybody is told that a system is silent"
            )
        return self

    def check(self, possible: frozenset[str] | set[str]) -> None:
        """See that agencies' systems can be told of what they are to be told of.

        Raises:
            ValueError: Of one they cannot. Says which.
        """
        if unknown := self.events - possible:
            listed = ", ".join(sorted(unknown))
            raise ValueError(f"webhooks.events: no agency is told of {listed}")

    def again_after(self, attempts: int, key: str) -> timedelta | None:
        """Give the pause after so many attempts; none when it is given up.

        It is longer by chance; the chance comes from the key, so that it is the same
        whoever computes it.
        """
        if attempts > len(self.again_after_minutes):
            return None
        pause = timedelta(minutes=self.again_after_minutes[attempts - 1])
        return longer(pause, f"{key}/{attempts}", self.spread)


class Off(StrEnum):
    """Why an agency's own system is told nothing."""

    FAILING = "failing"
    """It has taken nothing for too long."""

    GONE = "gone"
    """It has said that it is to be told nothing more (410)."""

    REMOVED = "removed"
    """Somebody has taken it out."""


class Salt(BaseModel):
    """From which, with the service's own key, a secret is made: it tells nothing."""

    model_config = ConfigDict(frozen=True)

    salt: str
    made_at: datetime

    def secret(self, key: str) -> bytes:
        """Make the secret that the agency was shown once."""
        return hmac.digest(key.encode(), self.salt.encode(), "sha256")


class Webhook(BaseModel):
    """An agency's own system.

    No secret is kept: each is made of what stands here and the service's own key.

    Attributes:
        salts: Of the newest secret, and of the one before.
        on_since: Since when it is told anything.
        off: Why it is told nothing more; none while it is.
        look_at: When to look whether it has been silent for too long.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    agency: str
    url: str
    salts: tuple[Salt, ...]
    on_since: datetime
    off: Off | None = None
    off_at: datetime | None = None
    look_at: datetime | None

    @classmethod
    def of(cls, agency: str, url: str, salt: str, at: datetime) -> Self:
        """Begin to tell an agency's system."""
        salts = (Salt(salt=salt, made_at=at),)
        return cls(
            id=webhook_id(agency),
            agency=agency,
            url=url,
            salts=salts,
            on_since=at,
            look_at=at + LOOK_EVERY,
        )

    def at_url(self, url: str, at: datetime) -> Self:
        """Tell it at this address, from now on again if it was told nothing more."""
        on = {"url": url, "off": None, "off_at": None, "look_at": at + LOOK_EVERY}
        return self.model_copy(update={**on, "on_since": at})

    def rotate(self, salt: str, at: datetime) -> Self:
        """Sign by a new secret, and for a while by the one before as well."""
        new = Salt(salt=salt, made_at=at)
        return self.model_copy(update={"salts": (new, *self.salts[:1])})

    def secrets(self, key: str, at: datetime, policy: WebhookPolicy) -> list[bytes]:
        """Give the secrets that sign now, the newest first."""
        newest, *before = self.salts
        both = timedelta(minutes=policy.both_secrets_minutes)
        signing = (newest, *(before if at < newest.made_at + both else ()))
        return [each.secret(key) for each in signing]

    def turn_off(self, why: Off, at: datetime) -> Self:
        """Tell it nothing more."""
        return self.model_copy(update={"off": why, "off_at": at, "look_at": None})

    def look_later(self, at: datetime) -> Self:
        """Note that it was looked at."""
        return self.model_copy(update={"look_at": at + LOOK_EVERY})


def webhook_id(agency: str) -> str:
    """Derive the id of an agency's webhook: it has one."""
    return str(uuid5(AGENCIES, agency))


def shown(secret: bytes) -> str:
    """Write a secret as Standard Webhooks do."""
    return PREFIX + base64.b64encode(secret).decode()


def headers_of(
    id_: str, body: bytes, secrets: Sequence[bytes], at: datetime
) -> dict[str, str]:
    """Give the headers that say which it is, when it was sent, and from whom."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((id_.encode(), timestamp.encode(), body))
    signatures = (hmac.digest(each, signed, "sha256") for each in secrets)
    written = (f"v1,{base64.b64encode(each).decode()}" for each in signatures)
    return {
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(written),
    }
