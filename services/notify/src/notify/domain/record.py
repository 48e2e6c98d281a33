"""Who was told what of a case, when, and what they said: line by line, by time.

For a review after a death it must be complete and in order, and can be taken along: so
it holds ids, codes and times alone.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from notify.domain.mail import MailState
from notify.domain.notification import Notification

FINAL = frozenset({MailState.SENT, MailState.FAILED, MailState.UNKNOWN})


class Line(NamedTuple):
    """One thing that was told, sent or said.

    Attributes:
        at: When; of an e-mail that did not go out, when it was wanted.
        what: ``told`` (in their inbox), ``email_sent``, ``sms_failed`` and so on,
            ``told_again``, ``acknowledged`` (or ``acknowledged_by_link``, ``_by_sms``)
            and the other answers, or ``over``.
        to: Whom it was handed over to.
        reason: Why it could not be taken, or an e-mail could not go out.
        step: Of the chain, of whoever was told; 0 for those whom the rule names.
    """

    at: datetime
    what: str
    reference: str
    notification_id: str
    event: str
    urgency: str
    worker_id: str = ""
    to: str = ""
    reason: str = ""
    step: int | str = ""


def lines(told: Iterable[Notification]) -> list[Line]:
    """Give everything that was told of a case, first to last."""
    every = (line for each in told for line in _of(each))
    return sorted(every, key=lambda line: line.at)


def as_csv(told: Iterable[Notification]) -> str:
    """Write it as comma-separated values, with a line of names first."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(Line._fields)
    for line in lines(told):
        writer.writerow((line.at.isoformat(), *line[1:]))
    return written.getvalue()


def _of(held: Notification) -> Iterator[Line]:
    same = (held.reference, held.id, held.event, held.urgency.value)
    for each in held.told:
        yield Line(each.at, "told", *same, each.worker_id, step=each.step)
        for rang in (*each.tried, *((each.mail,) if each.mail else ())):
            if rang.state in FINAL:
                at, what = rang.sent_at or each.at, f"{rang.channel}_{rang.state}"
                reason = rang.reason or ""
                yield Line(at, what, *same, each.worker_id, reason=reason)
    for again in held.repeats:
        yield Line(again.at, "told_again", *same, held.worker_id)
    for said in held.answers:
        to, reason = said.to or "", said.reason.value if said.reason else ""
        means = "_by_link" if said.by_link else "_by_sms" if said.by_sms else ""
        what = f"{said.said}{means}"
        yield Line(said.at, what, *same, said.worker_id, to, reason)
    if held.ended_at:
        yield Line(held.ended_at, "over", *same)
