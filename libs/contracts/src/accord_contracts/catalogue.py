"""Every event there is: who publishes it and who listens.

The broker's topology, the services' permissions and the documentation are generated
from here. A locality that adds a service adds listeners with a catalogue file of its
own (``Catalogue.with_listeners``); nothing else is told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from accord_contracts import allocation, notify, plans, referrals, risk
from accord_contracts.message import Event


class UnknownEvent(ValueError):
    """A listener was named for an event that is not in the catalogue."""


class RepeatedEvent(ValueError):
    """Two entries have the same type: only one of them could be heard."""


class RepeatedListener(ValueError):
    """A service was named twice as a listener of the same event."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: its type's class, its one publisher and its listeners."""

    event: type[Event]
    producer: str
    listeners: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a listener that is named twice."""
        for each in self.listeners:
            if self.listeners.count(each) > 1:
                raise RepeatedListener(f"{each} listens to {self.type} already")

    @property
    def type(self) -> str:
        """The event's type, as it stands in routing keys and file names."""
        return self.event.TYPE


@dataclass(frozen=True)
class Catalogue:
    """The entries by type."""

    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Catalogue":
        """Make a catalogue of these entries.

        Raises:
            RepeatedEvent: Two of them have the same type.
        """
        by_type: dict[str, Entry] = {}
        for each in entries:
            if each.type in by_type:
                raise RepeatedEvent(f"{each.type} is in the catalogue already")
            by_type[each.type] = each
        return cls(by_type)

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that publishes or listens, in order of first mention."""
        named = (name for each in self for name in (each.producer, *each.listeners))
        return tuple(dict.fromkeys(named))

    def __iter__(self) -> Iterator[Entry]:
        """Go through the entries."""
        return iter(self.entries.values())

    def heard_by(self, service: str) -> tuple[Entry, ...]:
        """What a service listens to."""
        return tuple(each for each in self if service in each.listeners)

    def published_by(self, service: str) -> tuple[Entry, ...]:
        """What a service publishes."""
        return tuple(each for each in self if each.producer == service)

    def with_listeners(self, added: Mapping[str, Iterable[str]]) -> "Catalogue":
        """Add a locality's own services, each with the types it listens to.

        Raises:
            UnknownEvent: A type that is not in the catalogue.
            RepeatedListener: A service listens to a type already, or names it twice.
        """
        entries = dict(self.entries)
        for service, types in added.items():
            for name in types:
                if name not in entries:
                    raise UnknownEvent(f"{service} cannot listen to {name}: no event")
                was = entries[name]
                entries[name] = Entry(
                    was.event, was.producer, (*was.listeners, service)
                )
        return Catalogue(entries)


CATALOGUE = Catalogue.of(
    (
        Entry(referrals.ReferralPosted, "referrals", ("referrals",)),
        Entry(referrals.PeopleRecognised, "referrals", ("referrals",)),
        Entry(referrals.CaseOpened, "referrals"),
        Entry(
            referrals.CaseErased,
            "referrals",
            ("referrals", "risk", "allocation", "plans", "notify"),
        ),
        Entry(referrals.PersonErased, "referrals", ("plans", "notify")),
        Entry(
            referrals.CaseMerged,
            "referrals",
            ("risk", "allocation", "plans", "notify"),
        ),
        Entry(
            referrals.CaseUnmerged,
            "referrals",
            ("risk", "allocation", "plans", "notify"),
        ),
        Entry(
            referrals.CaseTransferred,
            "referrals",
            ("referrals", "risk", "allocation", "plans", "notify"),
        ),
        Entry(
            referrals.PersonMerged,
            "referrals",
            ("risk", "allocation", "plans", "notify"),
        ),
        Entry(
            referrals.PersonUnmerged,
            "referrals",
            ("referrals", "risk", "allocation", "plans", "notify"),
        ),
        Entry(referrals.MatchAsked, "referrals", ("notify",)),
        Entry(referrals.MatchOverdue, "referrals", ("notify",)),
        Entry(referrals.ConfirmationAsked, "referrals", ("notify",)),
        Entry(referrals.ConfirmationLapsed, "referrals", ("notify",)),
        Entry(
            referrals.ReferralReceived,
            "referrals",
            ("referrals", "risk", "allocation", "plans"),
        ),
        Entry(
            referrals.RolesQuestioned,
            "referrals",
            ("referrals", "allocation", "notify"),
        ),
        Entry(referrals.RolesUndecided, "referrals", ("notify",)),
        Entry(
            referrals.RolesDecided,
            "referrals",
            ("referrals", "risk", "allocation", "plans", "notify"),
        ),
        Entry(referrals.ChangePosted, "referrals", ("referrals",)),
        Entry(referrals.ChangeRecognised, "referrals", ("referrals",)),
        Entry(
            referrals.ReferralAmended,
            "referrals",
            ("referrals", "risk", "allocation", "plans", "notify"),
        ),
        Entry(referrals.TransferOutdated, "referrals", ("notify",)),
        Entry(referrals.TransferUnconfirmed, "referrals", ("notify",)),
        Entry(referrals.TransferConfirmed, "referrals", ("notify",)),
        Entry(referrals.ReferralWithdrawn, "referrals", ("referrals", "notify")),
        Entry(referrals.TriggerTold, "referrals", ("referrals",)),
        Entry(referrals.TriggerScheduled, "referrals", ("risk", "plans", "notify")),
        Entry(referrals.TriggerCancelled, "referrals", ("risk", "plans", "notify")),
        Entry(referrals.TriggerFellDue, "referrals", ("risk", "plans", "notify")),
        Entry(
            referrals.InformationRequested,
            "referrals",
            ("referrals", "plans", "notify"),
        ),
        Entry(
            referrals.InformationDecided,
            "referrals",
            ("referrals", "risk", "plans", "notify"),
        ),
        Entry(referrals.InformationOverdue, "referrals", ("notify",)),
        Entry(
            referrals.InformationPushed, "referrals", ("referrals", "risk", "notify")
        ),
        Entry(referrals.InformationWithdrawn, "referrals", ("plans", "notify")),
        Entry(referrals.RightsOverdue, "referrals", ("notify",)),
        Entry(referrals.NoticeOverdue, "referrals", ("notify",)),
        Entry(referrals.ContactSuspended, "referrals", ("notify",)),
        Entry(referrals.OrderRecorded, "referrals", ("risk",)),
        Entry(referrals.OrderBreached, "referrals", ("risk", "plans", "notify")),
        Entry(referrals.OrderEnded, "referrals", ("risk",)),
        Entry(risk.RiskAssessed, "risk", ("referrals", "allocation", "plans")),
        Entry(risk.AssessmentCarried, "risk", ("risk",)),
        Entry(risk.RiskChanged, "risk", ("notify",)),
        Entry(risk.LoweringAsked, "risk", ("notify",)),
        Entry(risk.LoweringLapsed, "risk", ("notify",)),
        Entry(risk.ReassessmentDue, "risk", ("notify",)),
        Entry(risk.ReassessmentOverdue, "risk", ("notify",)),
        Entry(allocation.RoleWanted, "allocation", ("allocation",)),
        Entry(allocation.StaffingCarried, "allocation", ("allocation",)),
        Entry(allocation.AllocationOffered, "allocation", ("allocation", "notify")),
        Entry(
            allocation.AllocationAccepted,
            "allocation",
            ("referrals", "allocation", "plans", "notify"),
        ),
        Entry(allocation.AllocationDeclined, "allocation", ("allocation", "notify")),
        Entry(allocation.AllocationExpired, "allocation", ("notify",)),
        Entry(allocation.AllocationWithdrawn, "allocation", ("plans", "notify")),
        Entry(allocation.AllocationUnfilled, "allocation", ("notify",)),
        Entry(allocation.AllocationUnanswered, "allocation", ("notify",)),
        Entry(allocation.AllocationHandedOver, "allocation", ("allocation",)),
        Entry(allocation.AllocationEnded, "allocation"),
        Entry(allocation.AllocationNotNeeded, "allocation", ("notify",)),
        Entry(allocation.CaseTeamChanged, "allocation", ("notify",)),
        Entry(allocation.RotaChanged, "allocation", ("notify",)),
        Entry(allocation.LeaveChanged, "allocation", ("notify",)),
        Entry(allocation.GlassBroken, "allocation", ("notify",)),
        Entry(allocation.GlassReviewed, "allocation", ("notify",)),
        Entry(allocation.GlassNotReviewed, "allocation", ("notify",)),
        Entry(plans.PlanDrafted, "plans", ("plans", "notify")),
        Entry(
            plans.PlanAgreed, "plans", ("referrals", "allocation", "plans", "notify")
        ),
        Entry(plans.PlanAlarmsEnded, "plans", ("notify",)),
        Entry(plans.PlanStale, "plans", ("allocation", "notify")),
        Entry(plans.PlanReviewDue, "plans", ("plans", "notify")),
        Entry(plans.PlanReviewed, "plans", ("allocation", "plans", "notify")),
        Entry(plans.PlanBreached, "plans", ("risk", "plans", "notify")),
        Entry(plans.PlanNotInForce, "plans", ("notify",)),
        Entry(
            plans.PlanClosed,
            "plans",
            ("referrals", "risk", "allocation", "plans", "notify"),
        ),
        Entry(plans.PlanCarried, "plans", ("plans",)),
        Entry(plans.ActionAssigned, "plans"),
        Entry(plans.ActionDueSoon, "plans", ("notify",)),
        Entry(plans.ActionToConfirm, "plans", ("notify",)),
        Entry(plans.ActionNotConfirmed, "plans", ("notify",)),
        Entry(plans.ActionNotDone, "plans", ("plans", "notify")),
        Entry(plans.ActionDone, "plans", ("referrals", "risk", "plans", "notify")),
        Entry(plans.ActionOverdue, "plans", ("plans", "notify")),
        Entry(plans.PaperReleased, "plans", ("referrals",)),
        Entry(plans.MeetingAsked, "plans", ("referrals",)),
        Entry(plans.MeetingDecided, "plans", ("risk", "allocation", "plans")),
        Entry(plans.MeetingTaskPromised, "plans", ("notify",)),
        Entry(plans.MeetingTaskDone, "plans", ("plans", "notify")),
        Entry(plans.MeetingTaskDueSoon, "plans", ("notify",)),
        Entry(plans.MeetingTaskOverdue, "plans", ("notify",)),
        Entry(plans.MeetingTaskNotDone, "plans", ("plans", "notify")),
        Entry(plans.MeetingCalled, "plans", ("notify",)),
        Entry(plans.MeetingCalledOff, "plans", ("notify",)),
        Entry(plans.MeetingClosed, "plans"),
        Entry(plans.NeedAssessed, "plans"),
        Entry(plans.ServiceAsked, "plans", ("notify",)),
        Entry(plans.ServiceMoved, "plans", ("plans", "notify")),
        Entry(plans.ServiceDueSoon, "plans", ("notify",)),
        Entry(plans.ServiceOverdue, "plans", ("plans", "notify")),
        Entry(notify.NotificationSent, "notify"),
        Entry(notify.NotificationAcknowledged, "notify"),
        Entry(notify.NotificationDeclined, "notify", ("allocation",)),
        Entry(notify.NotificationHandedOver, "notify"),
        Entry(notify.NotificationReopened, "notify"),
        Entry(notify.NotificationEscalated, "notify"),
        Entry(notify.NotificationFailed, "notify"),
        Entry(notify.NotificationTexted, "notify"),
        Entry(notify.NotificationNotTexted, "notify"),
        Entry(notify.NotificationPushed, "notify"),
        Entry(notify.NotificationNotPushed, "notify"),
        Entry(notify.NotificationPassedOn, "notify"),
        Entry(notify.NotificationNotPassedOn, "notify"),
        Entry(notify.ContactMessaged, "notify"),
        Entry(notify.ContactNotMessaged, "notify", ("notify",)),
        Entry(notify.ContactAnswered, "notify", ("notify",)),
        Entry(notify.ContactStopped, "notify", ("referrals",)),
        Entry(notify.ReplyNotKnown, "notify"),
        Entry(notify.ChannelSilent, "notify"),
        Entry(notify.WebhookDisabled, "notify"),
    )
)
"""Every event of Accord's own services."""
