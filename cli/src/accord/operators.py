"""Who operates: known by their own token, and on record before anything is done.

Whoever holds the broker's and the store's passwords can speak to both by other means:
this binds whoever uses the command (decision 101).
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from accord_chassis.access import (
    DEVELOPMENT_ISSUER,
    Authority,
    Caller,
    KeysAway,
    NotAuthenticated,
)
from accord_chassis.audit import AuditAway, AuditLog
from accord_chassis.clock import SystemClock
from accord_chassis.entries import PERMITTED, REFUSED, Entry, Keys
from accord_chassis.oddities import Watch
from accord_chassis.store import connect

from accord.catalogue import SERVICES
from accord.deployment import Deployment
from accord.faults import CannotGoOn

CHAIN = "operator"
"""Begins the names of the chains that operators' commands write."""

OPERATOR, AUDITOR, PRIVACY_OFFICER = "operator", "auditor", "privacy_officer"
"""What the identity provider says that somebody is (``roles``)."""

OPERATION = "operation"
"""What for, where an operator gives no other reason."""

ID = re.compile(r"[0-9a-f-]{36}")
"""What a message or a case is named by on record: a text might tell more."""

UNKNOWN = "unknown"
"""Stands on record for what the catalogue does not know, whatever it says of itself."""

COMMAND = "command"
"""The channel of what was named on the command line."""

LONGEST_LIFE = 3600.0
"""Seconds for which an operator's token may be good: as long as a region may allow
anybody's."""

WAIT_MS = 5000
"""How long the audit log's store is looked for."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done with one thing, as the audit log tells it. Never a value.

    Attributes:
        action: ``dead_letter.replay``.
        resource: What kind of thing it is.
        resource_id: Which.
        case_id: The case that it is about, if it is about one.
        purpose: What for, by its code.
        fields: What is shown of it, by groups of fields.
        channel: How it was asked: named, or as one of a list.
    """

    action: str
    resource: str
    resource_id: str
    case_id: str | None = None
    purpose: str = OPERATION
    fields: tuple[str, ...] = ()
    channel: str = COMMAND

    def by(self, who: Caller, outcome: str, rule: str) -> Entry:
        """Give the entry that tells of it."""
        return Entry(
            action=self.action,
            outcome=outcome,
            rule=rule,
            purpose=self.purpose,
            resource=self.resource,
            resource_id=self.resource_id,
            case_id=self.case_id,
            fields=self.fields,
            issuer=who.issuer,
            subject=who.subject,
            agency=who.agency,
            worker=who.worker,
            channel=self.channel,
        )


class Operator:
    """Somebody who operates, and what they do on record.

    Args:
        who: As their token says.
        log: Where it is written.
        role: What they are that lets them do so.
    """

    def __init__(self, who: Caller, log: AuditLog, role: str = "") -> None:
        self.who = who
        self.log = log
        self.role = role

    async def records(self, *deeds: Deed, rule: str | None = None) -> None:
        """Write down what is about to be done or shown.

        Args:
            deeds: What.
            rule: What permits it, if not their role alone.

        Raises:
            CannotGoOn: It is not known to be written: then it must not be done.
        """
        by = rule or self.role
        await self._write(*(each.by(self.who, PERMITTED, by) for each in deeds))

    async def refused(self, deed: Deed, rule: str) -> None:
        """Write down what somebody tried and may not.

        Raises:
            CannotGoOn: It is not known to be written.
        """
        await self._write(deed.by(self.who, REFUSED, rule))

    def did(self, entry: Entry) -> bool:
        """Tell whether it was they who did a thing: two logins of a worker are one."""
        if self.who.worker is not None and self.who.worker == entry.worker:
            return True
        return (self.who.issuer, self.who.subject) == (entry.issuer, entry.subject)

    async def anchor(self) -> None:
        """Tell the head of the chain: it ends with the command, and no other follows.

        Where no folder keeps it, it goes to whoever sits there.
        """
        if told := await self.log.anchor():
            sys.stderr.write(f"{told}\n")

    async def _write(self, *entries: Entry) -> None:
        try:
            await asyncio.gather(*map(self.log.write, entries))
        except AuditAway:
            raise CannotGoOn(
                "It cannot be recorded at present, so it is not done.",
                mend="Start the audit log's store, or correct ACCORD_AUDIT_URL: its "
                "user needs the role `recorder` (insert and find).",
            ) from None
        await self.anchor()


@asynccontextmanager
async def on_record(
    deployment: Deployment, what: str, roles: Collection[str]
) -> AsyncIterator[Operator]:
    """Know who calls a command, and write down what they do while the block runs.

    Args:
        deployment: Whose operator they are.
        what: What the command looks at, for the record of a refusal.
        roles: Any of these is needed.

    Raises:
        CannotGoOn: It is not known who they are, they are none of these, or the audit
            log cannot be written.
    """
    who = await identify(deployment)
    line = deployment.audit_line()
    async with connect(
        line.url, serverSelectionTimeoutMS=WAIT_MS, **line.store_options()
    ) as client:
        log = AuditLog(
            client[deployment.audit_database],
            Keys(deployment.need_audit_key()),
            writer=CHAIN,
            watch=Watch(services=SERVICES),
            clock=SystemClock(),
            anchors=deployment.audit_anchors,
        )
        matched = sorted(who.roles & frozenset(roles))
        operator = Operator(who, log, role=matched[0] if matched else "")
        try:
            if not matched:
                await operator.refused(Deed(f"{what}.use", what, what), "no_role")
                needed = " and no ".join(sorted(roles))
                raise CannotGoOn(
                    f"Your token says that you are no {needed}.",
                    mend="Whoever keeps the identity provider gives the role.",
                )
            yield operator
        finally:
            # What was written before its head could be told.
            await operator.anchor()


async def identify(deployment: Deployment) -> Caller:
    """Tell who the operator is, by a token that a person has for having logged in.

    Raises:
        CannotGoOn: There is no token, or it is not good, or no person's.
    """
    token = deployment.need_operator().strip()
    if not deployment.jwks_url or not deployment.issuer:
        raise CannotGoOn(
            "Nobody vouches for who you are.",
            mend="Set ACCORD_JWKS_URL and ACCORD_ISSUER to your identity provider's.",
        )
    lasting = deployment.issuer == DEVELOPMENT_ISSUER
    authority = Authority(
        deployment.jwks_url,
        issuer=deployment.issuer,
        audience=deployment.audience,
        region=deployment.region,
        longest_life=None if lasting else LONGEST_LIFE,
    )
    try:
        who = await authority.verify(token)
    except NotAuthenticated:
        raise CannotGoOn(
            "The token in ACCORD_OPERATOR_TOKEN is not good.",
            mend="Log in and set it anew: for this region and audience, not bound to a "
            "certificate, good for an hour at most.",
        ) from None
    except KeysAway:
        raise CannotGoOn(
            "The identity provider's keys cannot be had.",
            mend="Correct ACCORD_JWKS_URL, or try again.",
        ) from None
    # A program's token says of nobody who sat at the keyboard.
    if who.authenticated_at is None:
        raise CannotGoOn(
            "The token in ACCORD_OPERATOR_TOKEN is a program's.",
            mend="Log in yourself: it has to say when you did (auth_time).",
        )
    return who
