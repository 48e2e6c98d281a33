"""What a locality sets of its notify service, beside the chassis' own."""

from typing import Annotated

from accord_chassis.settings import BadConfiguration, ChassisSettings, Network
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from notify.domain.callback import LEAST_SECRET, secret_of


class Settings(ChassisSettings):
    """How this locality runs its notify service.

    Attributes:
        referrals_url: Where it is known how people may be reached.
        link_base: The address of the portal, to which links lead.
        smtp_url: ``smtps://``, ``smtp+starttls://`` or ``smtp://``, with user and
            password if needed. Without it there is no e-mail.
        mail_from: The address that e-mails come from.
        bounce_address: Where letters come back to that cannot be delivered, each with
            its own mark after a plus. Without it nothing is heard of those.
        bounce_key: By which the mail server signs what it posts of those, as Standard
            Webhooks write it.
        link_key: Of which the links are made by which one answers without logging in.
            Without it there are none.
        sms_secret: What the SMS gateway knows us by. Without it there are no SMS.
        sms_callback_key: By which the SMS gateway signs what it posts back, as Standard
            Webhooks write it, and numbers of people are hidden. Without it nothing is
            heard of it.
        webhook_key: Of which the secrets are made that agencies' own systems know
            messages by. Without it no system is told anything.
        webhook_networks: Networks in which such a system may be though they are
            private, with commas between; a push service of one's own, too.
        push_key: The private key by which push services know us (VAPID), 32 bytes as
            base64url. Without it nothing is pushed.
        wide_url: What Apprise speaks to for the wide way, with ``{to}`` where a worker
            stands. Without it there is none.
        push_contact: Where a push service writes to if we trouble it: ``mailto:`` or
            ``https://``.
    """

    allocation_url: str
    referrals_url: str
    link_base: str
    smtp_url: SecretStr | None = None
    mail_from: str = ""
    bounce_address: str = ""
    bounce_key: SecretStr | None = None
    sms_secret: SecretStr | None = None
    sms_callback_key: SecretStr | None = None
    link_key: Annotated[SecretStr | None, Field(min_length=32)] = None
    webhook_key: Annotated[SecretStr | None, Field(min_length=32)] = None
    webhook_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    push_key: SecretStr | None = None
    push_contact: str = ""
    wide_url: SecretStr | None = None

    @field_validator("sms_callback_key", "bounce_key")
    @classmethod
    def _signs(cls, given: SecretStr | None) -> SecretStr | None:
        if given is None:
            return given
        try:
            secret_of(given.get_secret_value())
        except ValueError:
            # Without what was wrong: it may hold of the key.
            raise ValueError(
                f"must be base64 of {LEAST_SECRET} bytes of chance at least, with "
                "whsec_ in front or without"
            ) from None
        return given

    @field_validator("webhook_networks", mode="before")
    @classmethod
    def _networks(cls, given: object) -> object:
        """Read a list as people write it: with commas."""
        if not isinstance(given, str):
            return given
        return tuple(each.strip() for each in given.split(",") if each.strip())


def bounce_key_of(settings: Settings) -> str | None:
    """Give the key by which letters that come back are known, if any are heard of.

    Raises:
        BadConfiguration: It comes without their address, or their address without it.
    """
    key = settings.bounce_key
    if (key is None) is not (not settings.bounce_address):
        raise BadConfiguration(
            "Set ACCORD_BOUNCE_ADDRESS and ACCORD_BOUNCE_KEY, or neither of them."
        )
    return key.get_secret_value() if key else None
