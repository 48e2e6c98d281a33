"""What the notify service publishes, and its closed scales."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.allocation import DeclineReason
from accord_contracts.message import Code, Event, Id


class Channel(StrEnum):
    """The ways a message goes to a worker."""

    INBOX = "inbox"
    EMAIL = "email"


class NotificationEvent(Event):
    """What every event about one message to one worker says.

    Attributes:
        worker_id: Who is told. The locality's coordinator has a worker's id too.
        template: Which text: a reference and a link, nothing else.
    """

    notification_id: Id
    worker_id: Id
    template: Code


class NotificationSent(NotificationEvent):
    """A message stands in a worker's inbox, or left for their mailbox.

    Attributes:
        channel: Which of the two.
    """

    TYPE: ClassVar[str] = "notification.sent.v1"

    channel: Channel
    sent_at: AwareDatetime


class NotificationTexted(NotificationEvent):
    """A message left for a worker's telephone, by SMS."""

    TYPE: ClassVar[str] = "notification.texted.v1"

    sent_at: AwareDatetime


class NotificationNotTexted(NotificationEvent):
    """A message could not be sent by SMS.

    Attributes:
        reason: A code of what stood in the way.
    """

    TYPE: ClassVar[str] = "notification.not_texted.v1"

    reason: Code
    failed_at: AwareDatetime


class NotificationPushed(NotificationEvent):
    """A push service took a message for a worker's browsers: of them, one at least."""

    TYPE: ClassVar[str] = "notification.pushed.v1"

    sent_at: AwareDatetime


class NotificationNotPushed(NotificationEvent):
    """A message could be pushed to none of a worker's browsers.

    Attributes:
        reason: A code of what stood in the way: ``gone``, where none of them is known
            to its push service any more.
    """

    TYPE: ClassVar[str] = "notification.not_pushed.v1"

    reason: Code
    failed_at: AwareDatetime


class NotificationPassedOn(NotificationEvent):
    """The wide way took a message: it says yes, and nothing more after that."""

    TYPE: ClassVar[str] = "notification.passed_on.v1"

    sent_at: AwareDatetime


class NotificationNotPassedOn(NotificationEvent):
    """Of a message by the wide way nobody knows that it was taken; it may have been.

    Attributes:
        reason: A code of what stood in the way.
    """

    TYPE: ClassVar[str] = "notification.not_passed_on.v1"

    reason: Code
    failed_at: AwareDatetime


class NotificationAcknowledged(NotificationEvent):
    """A worker has said that they know, or has answered what they were asked.

    Attributes:
        worker_id: Who has: any of those who were told.
    """

    TYPE: ClassVar[str] = "notification.acknowledged.v1"

    acknowledged_at: AwareDatetime


class NotificationDeclined(NotificationEvent):
    """A worker cannot take what they were told of, so the next in the chain is told.

    If it was an offer of a role, they decline it. Whoever has a conflict of interest is
    barred from the case, whatever they were told of.

    Attributes:
        worker_id: Who cannot: any of those who were told; of an offer, whoever it was
            made to.
        reason: Why.
        allocation_id: The role that they were offered; none: it was no offer.
    """

    TYPE: ClassVar[str] = "notification.declined.v1"

    reason: DeclineReason
    declined_at: AwareDatetime
    allocation_id: Id | None = None


class NotificationHandedOver(NotificationEvent):
    """A worker has handed over to another what they were told of, or their role.

    Attributes:
        worker_id: Who has.
        to: Who is told now in their place.
    """

    TYPE: ClassVar[str] = "notification.handed_over.v1"

    to: Id
    handed_over_at: AwareDatetime


class NotificationReopened(NotificationEvent):
    """Nothing came of an acknowledgement in time, so an answer is waited for again.

    Attributes:
        worker_id: Who had acknowledged it.
    """

    TYPE: ClassVar[str] = "notification.reopened.v1"

    reopened_at: AwareDatetime


class NotificationEscalated(NotificationEvent):
    """Nobody acknowledged in time, so the next in the chain is told.

    Attributes:
        worker_id: Who was told first.
        step: Which step of the locality's chain, from 1.
        told: Who is told now.
        late_by: Seconds between the end of the time to acknowledge and when that was
            noticed.
    """

    TYPE: ClassVar[str] = "notification.escalated.v1"

    step: Annotated[int, Field(ge=1)]
    told: Id
    escalated_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class NotificationFailed(NotificationEvent):
    """A message could not be handed over by a channel.

    Attributes:
        channel: Which.
        reason: A code of what stood in the way.
    """

    TYPE: ClassVar[str] = "notification.failed.v1"

    channel: Channel
    reason: Code
    failed_at: AwareDatetime


class ContactEvent(Event):
    """What every event about messages to a person's own device says.

    Attributes:
        person_id: Whose it is.
        contact_id: By which way to reach them; what it is, nobody is told.
    """

    person_id: Id
    contact_id: Id


class ContactMessaged(ContactEvent):
    """A message left for a person's own device, because a worker asked for it.

    Attributes:
        template: Which of the locality's agreed texts.
    """

    TYPE: ClassVar[str] = "contact.messaged.v1"

    message_id: Id
    template: Code
    sent_at: AwareDatetime


class ContactNotMessaged(ContactEvent):
    """A message to a person's own device was not sent, or may not have arrived.

    It is not tried again by itself: a worker decides how the person is reached.

    Attributes:
        reason: A code of why.
        uncertain: It may have arrived all the same.
    """

    TYPE: ClassVar[str] = "contact.not_messaged.v1"

    message_id: Id
    reason: Code
    uncertain: bool
    noted_at: AwareDatetime


class ContactAnswered(ContactEvent):
    """Something came back from a person's own device; who wrote it, nobody can tell."""

    TYPE: ClassVar[str] = "contact.answered.v1"

    answered_at: AwareDatetime


class ContactStopped(ContactEvent):
    """From a person's own device came that nothing more is to be sent there."""

    TYPE: ClassVar[str] = "contact.stopped.v1"

    stopped_at: AwareDatetime


class ReplyNotKnown(Event):
    """Something came by SMS from nobody who is known: a person has to look at it.

    Attributes:
        case_id: None: it is of no case that is known.
        reply_id: Which it is; what it says stands with the gateway alone.
    """

    TYPE: ClassVar[str] = "reply.not_known.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is of no case.
    reply_id: Id
    received_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The reply, because there is no case."""
        return self.reply_id


class ChannelSilent(Event):
    """Nothing has left by a channel for too long, though something was due.

    Attributes:
        case_id: None: it is for no case in particular.
        way: ``email`` or ``sms``; ``inbox``: nobody can be found to be told next.
        since: Since when what is due has not left.
    """

    TYPE: ClassVar[str] = "channel.silent.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is for no case.
    channel_id: Id
    way: Code
    since: AwareDatetime
    noticed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The channel, because there is no case."""
        return self.channel_id


class WebhookOff(StrEnum):
    """Why an agency's own system is told nothing."""

    FAILING = "failing"
    """It has taken nothing for too long."""

    REMOVED = "removed"
    """Somebody has taken it out."""


class WebhookDisabled(Event):
    """An agency's own system is told nothing more, until somebody has looked at it.

    What has happened meanwhile waits for that.

    Attributes:
        case_id: None: a system is for no case in particular.
        agency: Whose system it is, by code.
        reason: Why.
        gone: It has said itself that it is to be told nothing more (410).
    """

    TYPE: ClassVar[str] = "webhook.disabled.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is for no case.
    webhook_id: Id
    agency: Code
    reason: WebhookOff
    disabled_at: AwareDatetime
    gone: bool = False

    @property
    def subject(self) -> str:
        """The webhook, because there is no case."""
        return self.webhook_id
