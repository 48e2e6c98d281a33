"""A worker's own browsers over HTTP: which are told when something rings."""

from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.decision import Action, Resource
from accord_chassis.service import part, settled
from accord_contracts.message import Id
from fastapi import APIRouter
from pydantic import BaseModel, Field

from notify.domain.notification import NoInbox
from notify.domain.push import NoSuchSubscription, Reached, Subscription
from notify.handlers import pushing
from notify.routes.messages import OWN, Clock_, Owner

router = APIRouter(prefix="/push-subscriptions", tags=["inbox"])

READ_SUBSCRIPTIONS = Action("push_subscriptions.read", OWN)
PUT_SUBSCRIPTION = Action("push_subscription.put", OWN)
REMOVE_SUBSCRIPTION = Action("push_subscription.remove", OWN)

Pushing = Annotated[pushing.Pushing, part(pushing.Pushing)]


class PutSubscription(Reached):
    """A browser, as its ``PushSubscription.toJSON()`` writes it.

    Attributes:
        expiration_time: Is not read: when it is over, its push service says so.
    """

    expiration_time: Annotated[float | None, Field(alias="expirationTime")] = None


class SubscriptionView(BaseModel):
    """One of one's own browsers; where it is reached is shown to nobody.

    Attributes:
        forget_at: When it is told nothing more unless it is put again.
    """

    id: Id
    put_at: datetime
    forget_at: datetime

    @classmethod
    def of(cls, held: Subscription) -> Self:
        """Show it."""
        return cls(**held.model_dump(include={"id", "put_at", "forget_at"}))


class SubscriptionsView(BaseModel):
    """One's own browsers, and by which key another one is put.

    Attributes:
        key: The ``applicationServerKey``; none: nothing is pushed here.
    """

    key: str | None
    subscriptions: list[SubscriptionView]


async def own(owner: Owner, action: Action) -> str:
    """Give whose browsers somebody would read or change: their own.

    Raises:
        NoInbox: The token names no worker.
    """
    worker_id = owner.worker
    if worker_id is None:
        raise NoInbox
    whose = Resource("push_subscriptions", worker_id, workers=frozenset({worker_id}))
    await owner.permit(action, whose, otherwise=NoInbox)
    return worker_id


@router.get("")
async def read_subscriptions(by: Pushing, owner: Owner) -> SubscriptionsView:
    """Read which of one's own browsers are told when something rings."""
    worker_id = await own(owner, READ_SUBSCRIPTIONS)
    found = await by.subscriptions.of_worker(worker_id)
    return SubscriptionsView(
        key=by.vapid.public if by.vapid else None,
        subscriptions=[SubscriptionView.of(each) for each in found],
    )


@router.put("")
async def put_subscription(
    browser: PutSubscription, by: Pushing, owner: Owner, clock: Clock_
) -> SubscriptionView:
    """Have one's own browser told when something rings, from now on or again.

    Its id is made of its address: to put it twice is as good as once.
    """
    worker_id = await own(owner, PUT_SUBSCRIPTION)
    put = partial(
        pushing.put,
        Reached(endpoint=browser.endpoint, keys=browser.keys),
        worker_id,
        at=clock.now(),
        by=by,
    )
    return SubscriptionView.of(await settled(put))


@router.delete("/{subscription_id}", status_code=204)
async def remove_subscription(subscription_id: Id, by: Pushing, owner: Owner) -> None:
    """Tell one of one's own browsers nothing more: it is logged out of, say."""
    held = await by.subscriptions.get(subscription_id)
    whose = frozenset({held.worker_id} if held else ())
    resource = Resource("push_subscription", subscription_id, workers=whose)
    await owner.permit(REMOVE_SUBSCRIPTION, resource, otherwise=NoSuchSubscription)
    if held:
        await settled(partial(by.subscriptions.remove, held))
