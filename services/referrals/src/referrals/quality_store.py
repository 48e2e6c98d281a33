"""What an agency has referred, as far as its quality goes. Nothing sealed is opened."""

from datetime import datetime
from typing import Any

from referrals.domain.quality import Sent
from referrals.store import Referrals

COUNTED = 10_000
"""Referrals of one agency that are counted, the latest: a region has 800 a month."""


async def sent_by(
    agency: str, since: datetime, until: datetime, referrals: Referrals
) -> tuple[list[Sent], bool]:
    """Give an agency's referrals after a time and until another, the latest first.

    What is erased, also in part, is left out.

    Returns:
        At most ``COUNTED`` of them, and whether those are all.
    """
    told = ("told.occurred_at", "told.triggers.kind")
    wanted = ("lane", "received_at", *told, "gaps", "erased")
    found = referrals.documents.find(
        {"sender.agency": agency, "received_at": {"$gt": since, "$lte": until}},
        projection=dict.fromkeys((*wanted, "changes.reason"), 1),
    )
    latest = found.sort("received_at", -1).limit(COUNTED + 1)
    documents = [each async for each in latest]
    sent = [_sent(e) for e in documents[:COUNTED] if not e.get("erased")]
    return sent, len(documents) <= COUNTED


def _sent(document: dict[str, Any]) -> Sent:
    changes = document.get("changes", ())
    reasons = [each["reason"] for each in changes if each.get("reason")]
    return Sent(
        lane=document["lane"],
        occurred_at=document["told"]["occurred_at"],
        received_at=document["received_at"],
        gaps=document.get("gaps", ()),
        dated=bool(document["told"].get("triggers")),
        amended=len(changes) > len(reasons),
        withdrawn=next(iter(reasons), None),
    )
