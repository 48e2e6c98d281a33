"""Agencies' own systems over HTTP: which is told, by which secret, or none any more."""

import secrets
from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part, settled
from accord_contracts.access import Purpose
from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict

from notify.domain.delivery import DeliveryState
from notify.domain.webhook import Address, Off, Salt, Webhook, shown
from notify.handlers import hooking
from notify.routes.messages import Clock_

router = APIRouter(prefix="/agencies", tags=["webhooks"])

SALT_BYTES = 16

Hooking = Annotated[hooking.Telling, part(hooking.Telling)]
Administrator = Annotated[Asking, Security(asking, scopes=["notify.admin"])]


def _by_scope(name: str) -> Action:
    return Action(name, (Relation.SCOPE,), purposes=(Purpose.OPERATION,))


PUT_WEBHOOK = _by_scope("webhook.put")
READ_WEBHOOK = _by_scope("webhook.read")
REMOVE_WEBHOOK = _by_scope("webhook.remove")
MAKE_SECRET = _by_scope("webhook_secret.make")


class NotWithoutTls(Refusal):
    """An agency's system is told over TLS alone: its address begins with https://."""

    status = 422


class PutWebhook(BaseModel):
    """Where an agency's own system is told that something waits."""

    model_config = ConfigDict(extra="forbid")

    url: Address


class SecretView(BaseModel):
    """A secret that was just made. It is shown here, and never again."""

    secret: str


class WebhookView(BaseModel):
    """An agency's own system, and how far it has been told.

    Attributes:
        off: Why it is told nothing; none while it is.
        secrets_made_at: When the secrets were made by which messages are signed, the
            newest first.
        waiting: How many messages are still to be told.
        failed: How many were given up.
        secret: The first one, where it was made by this request; it is shown this once.
    """

    agency: Code
    url: str
    on_since: datetime
    off: Off | None
    off_at: datetime | None
    secrets_made_at: tuple[datetime, ...]
    waiting: int
    failed: int
    secret: str | None = None

    @classmethod
    async def of(
        cls, held: Webhook, by: hooking.Telling, secret: str | None = None
    ) -> Self:
        """Show a system."""
        waiting = await by.deliveries.count(held.agency, DeliveryState.WANTED)
        failed = await by.deliveries.count(held.agency, DeliveryState.FAILED)
        same = {"agency", "url", "on_since", "off", "off_at"}
        return cls(
            **held.model_dump(include=same),
            secrets_made_at=tuple(each.made_at for each in held.salts),
            waiting=waiting,
            failed=failed,
            secret=secret,
        )


@router.put("/{code}/webhook")
async def put_webhook(
    code: Code,
    told: PutWebhook,
    by: Hooking,
    clock: Clock_,
    administrator: Administrator,
) -> WebhookView:
    """Tell an agency's own system from now on, or at another address, or again.

    The first secret is in the answer that makes it, and never shown again.
    """
    await administrator.permit(PUT_WEBHOOK, Resource("webhook", code))
    if not by.hooks.may_be(told.url):
        raise NotWithoutTls
    salt, at = secrets.token_hex(SALT_BYTES), clock.now()
    put = partial(hooking.put_webhook, code, told.url, salt, at=at, by=by)
    held = await settled(put)
    made = held.salts[0] if held.salts[0].salt == salt else None
    return await WebhookView.of(held, by, _written(made, by) if made else None)


@router.get("/{code}/webhook")
async def read_webhook(
    code: Code, by: Hooking, administrator: Administrator
) -> WebhookView:
    """Read how far an agency's own system has been told."""
    await administrator.permit(READ_WEBHOOK, Resource("webhook", code))
    return await WebhookView.of(await hooking.webhook_of(code, by=by), by)


@router.post("/{code}/webhook/secrets", status_code=201)
async def make_secret(
    code: Code, by: Hooking, clock: Clock_, administrator: Administrator
) -> SecretView:
    """Make a new secret and show it this once; the one before signs for a while too."""
    await administrator.permit(MAKE_SECRET, Resource("webhook", code))
    salt, at = secrets.token_hex(SALT_BYTES), clock.now()
    held = await settled(partial(hooking.rotate, code, salt, at=at, by=by))
    return SecretView(secret=_written(held.salts[0], by))


@router.delete("/{code}/webhook", status_code=204)
async def remove_webhook(
    code: Code, by: Hooking, clock: Clock_, administrator: Administrator
) -> None:
    """Tell an agency's own system nothing more; what waits for it is given up."""
    await administrator.permit(REMOVE_WEBHOOK, Resource("webhook", code))
    await settled(partial(hooking.remove, code, at=clock.now(), by=by))


def _written(salt: Salt, by: hooking.Telling) -> str:
    return shown(salt.secret(by.key_or_refusal()))
