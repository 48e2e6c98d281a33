"""Whether a person may be reached in some way now, by all that is known of it.

The default is no: whatever is unknown, out of date, read by somebody else or called
unsafe by anybody is not used (DOMAIN 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from accord_contracts.access import Purpose

from referrals.domain.contact import Confirmation, ContactRules, Kind, Point
from referrals.domain.telling import Channel, Safety
from referrals.domain.window import outside

CONTACT_PURPOSES = frozenset({Purpose.ASSESSMENT, Purpose.PLAN, Purpose.PROTECTION})
"""What somebody may be reached for: nobody is called to run the service."""


class RefusedFor(StrEnum):
    """Why a point may not be used."""

    PURPOSE = "purpose"
    CLOSED = "closed"
    SUSPENDED = "suspended"
    UNSAFE = "unsafe"
    READ_BY_OTHERS = "read_by_others"
    MOVED = "moved"
    CHANNEL = "channel"
    UNKNOWN = "unknown"
    NOT_CONFIRMED = "not_confirmed"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"
    HOURS_UNREAD = "hours_unread"
    OUTSIDE_HOURS = "outside_hours"


@dataclass(frozen=True, slots=True)
class Permitted:
    """It may be used, and how.

    Attributes:
        value: What to call, or where to write.
        leave_message: A message may be left.
        say_who: Whoever calls may say where from.
    """

    value: str
    leave_message: bool
    say_who: bool
    code_word: str | None = None
    duress_word: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not be used."""

    code: RefusedFor


def may_use(
    point: Point,
    channel: Channel,
    at: datetime,
    purpose: Purpose,
    rules: ContactRules,
) -> Permitted | Refused:
    """Decide whether a point may be used.

    Args:
        point: All that is known of it.
        channel: In which way.
        at: When.
        purpose: What for.
        rules: The locality's.
    """
    confirmed = point.confirmation
    denials = {
        RefusedFor.PURPOSE: purpose not in CONTACT_PURPOSES,
        RefusedFor.CLOSED: point.decided.closed_at is not None,
        RefusedFor.SUSPENDED: point.decided.suspension is not None or point.stopped,
        RefusedFor.UNSAFE: any(e.safety is Safety.UNSAFE for e in point.warnings),
        RefusedFor.READ_BY_OTHERS: point.warned,
        RefusedFor.MOVED: point.moved,
        RefusedFor.CHANNEL: channel not in point.channels,
    }
    if denied := _first(denials):
        return Refused(denied)
    if confirmed:
        return _as_confirmed(confirmed, channel, at, rules)
    return _as_told(point, channel, at, rules)


def _as_confirmed(
    told: Confirmation, channel: Channel, at: datetime, rules: ContactRules
) -> Permitted | Refused:
    """Decide by what the person said alone: no agency knows it better."""
    held = told.held
    if held is None:
        return Refused(RefusedFor.UNREADABLE)
    zone = ZoneInfo(rules.time_zone)
    denials = {
        RefusedFor.CHANNEL: channel not in told.channels,
        RefusedFor.EXPIRED: not told.at <= at < told.until,
        RefusedFor.READ_BY_OTHERS: held.read_by is not None,
        RefusedFor.OUTSIDE_HOURS: outside(held.hours, at, zone),
    }
    if denied := _first(denials):
        return Refused(denied)
    return Permitted(
        held.value,
        told.leave_message,
        told.say_who,
        held.code_word,
        held.duress_word,
    )


def _as_told(
    point: Point, channel: Channel, at: datetime, rules: ContactRules
) -> Permitted | Refused:
    """Decide by what agencies told, of which the strictest counts."""
    said = [each for each in point.heard if each.channel is channel]
    safe = [each for each in said if each.safety is Safety.SAFE]
    fresh = [e for e in safe if e.received_at <= at < e.received_at + rules.told_for]
    other = point.kind is Kind.PERSON
    windows = [each.windows for each in point.heard]
    zone = ZoneInfo(rules.time_zone)
    denials = {
        RefusedFor.UNKNOWN: not safe,
        RefusedFor.NOT_CONFIRMED: other or not point.complete or point.new_to(at),
        RefusedFor.EXPIRED: not fresh,
        RefusedFor.READ_BY_OTHERS: any(each.read_by for each in point.heard),
        RefusedFor.HOURS_UNREAD: any(each.hours for each in point.heard),
        RefusedFor.OUTSIDE_HOURS: any(outside(e, at, zone) for e in windows),
    }
    if denied := _first(denials):
        return Refused(denied)
    latest = max(fresh, key=lambda each: each.received_at)
    return Permitted(
        latest.value,
        all(each.leave_message for each in said),
        all(each.say_who for each in said),
        latest.code_word,
        latest.duress_word,
    )


def _first(denials: Mapping[RefusedFor, bool]) -> RefusedFor | None:
    return next((code for code, holds in denials.items() if holds), None)
