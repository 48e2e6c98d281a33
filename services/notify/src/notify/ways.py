"""Choosing how messages go out, by what there is and what may be."""

from collections.abc import Sequence

import structlog
from accord_chassis.settings import BadConfiguration, Network

from notify.domain.bounce import LETTERS
from notify.domain.channels import SmsPolicy
from notify.domain.push import PushPolicy
from notify.domain.vapid import Vapid
from notify.domain.wide import WidePolicy
from notify.post import ADDRESS, NoPost, Post, Server, SmtpPost
from notify.sms import SmsPost
from notify.wide import WidePost

log = structlog.get_logger()

ROOM = 64 - len("+") - LETTERS
"""What the mark of a letter leaves of the 64 characters that a mailbox may have (RFC
5321, 4.5.3.1.1)."""


def by_email(url: str, sender: str, *, bounces: str = "", development: bool) -> Post:
    """Choose how e-mail goes out.

    Raises:
        BadConfiguration: It could be read on its way, or has no sender.
    """
    if not url:
        log.info("channel.off", type="email", reason="ACCORD_SMTP_URL is not set")
        return NoPost()
    try:
        server = Server.at(url)
    except ValueError as wrong:
        raise BadConfiguration(f"Correct ACCORD_SMTP_URL: {wrong}.") from None
    if server.readable and not development:
        raise BadConfiguration(
            "ACCORD_SMTP_URL sends e-mail where others can read it on its way: begin "
            "it with smtps:// or smtp+starttls://."
        )
    if not ADDRESS.fullmatch(sender):
        raise BadConfiguration(
            "Set ACCORD_MAIL_FROM to the address that e-mails come from."
        )
    if bounces and not (ADDRESS.fullmatch(bounces) and _has_room(bounces)):
        raise BadConfiguration(
            "Correct ACCORD_BOUNCE_ADDRESS: it must be an e-mail address with "
            f"{ROOM} characters at most before the @."
        )
    return SmtpPost(server, sender, bounces=bounces)


def _has_room(address: str) -> bool:
    return len(address.rpartition("@")[0]) <= ROOM


def by_sms(policy: SmsPolicy | None, secret: str, *, development: bool) -> Post:
    """Choose how SMS go out.

    Raises:
        BadConfiguration: They could be read on their way.
    """
    if policy is None or not secret:
        log.info("channel.off", type="sms", reason="ACCORD_SMS_SECRET is not set")
        return NoPost()
    if not policy.url.startswith("https://") and not development:
        raise BadConfiguration(
            "Correct the locality's notify.yaml: sms.url sends messages where others "
            "can read them on their way: begin it with https://."
        )
    return SmsPost(policy, secret)


def by_wide(
    policy: WidePolicy | None,
    url: str,
    *,
    allowed: Sequence[Network],
    development: bool,
) -> Post:
    """Choose how messages go out by the wide way, if they do.

    Raises:
        BadConfiguration: There is no such service, or Apprise is not installed.
    """
    if policy is None or not url:
        log.info("channel.off", type="wide", reason="ACCORD_WIDE_URL is not set")
        return NoPost()
    post = WidePost(url, policy, allowed=allowed, plain=development)
    post.check()
    return post


def by_push(policy: PushPolicy | None, key: str, contact: str) -> Vapid | None:
    """Choose as whom something is pushed to browsers, if anything is.

    Raises:
        BadConfiguration: The key comes without whom to write to, or that without the
            key, or is none.
    """
    if bool(key) is not bool(contact):
        raise BadConfiguration(
            "Set ACCORD_PUSH_KEY and ACCORD_PUSH_CONTACT, or neither of them."
        )
    if policy is None or not key:
        log.info("channel.off", type="push", reason="ACCORD_PUSH_KEY is not set")
        return None
    if not contact.startswith(("mailto:", "https://")):
        raise BadConfiguration(
            "Correct ACCORD_PUSH_CONTACT: it must begin with mailto: or https://."
        )
    try:
        return Vapid.of(key, contact)
    except ValueError:
        # Without what was wrong: it may hold of the key.
        raise BadConfiguration(
            "Correct ACCORD_PUSH_KEY: it must be a private key of P-256, 32 bytes as "
            "base64url."
        ) from None
