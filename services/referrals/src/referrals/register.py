"""The register of agencies as every request asks it: who is this, and may they now?

What a token says of its agency is worth nothing here but the code: whether the agency
may refer, and what it is, stands in the register. So it is effective within seconds
that one may no longer, whatever tokens are still about.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from accord_chassis.access import Caller, NotAllowed
from accord_chassis.clock import Clock
from accord_chassis.keys import HeldKey
from accord_chassis.store import Conflict

from referrals.domain.agency import Agency, NotRegistered, Standing, agency_id
from referrals.store import Agencies

FRESH_SECONDS = 5.0
"""How long the register's word is believed."""

REMEMBERED = 4096

KEYS_ISSUER = "urn:accord:keys"
"""Vouches for whoever comes with a key: this service itself."""


class Register:
    """The register, as it is asked again and again.

    Args:
        agencies: Where it is kept.
        clock: Tells whether an agency or a key is good by now.
        region: Whose register it is.
    """

    def __init__(self, agencies: Agencies, clock: Clock, *, region: str) -> None:
        self._agencies = agencies
        self._clock = clock
        self._region = region
        self._answers: dict[str, tuple[float, Agency | None]] = {}

    async def held(self, key_id: str) -> HeldKey[Caller] | None:
        """Give a key that is good now, with whoever comes with it."""
        ask = partial(self._agencies.with_key, key_id)
        found = await self._fresh(f"key {key_id}", ask)
        now = self._clock.now()
        key = found.key(key_id, now) if found else None
        if found is None or key is None or not found.may_come(key, now):
            return None
        holder = Caller(
            issuer=KEYS_ISSUER,
            subject=key.id,
            # A machine has it: nobody logs in with a key.
            client=key.id,
            region=self._region,
            scopes=found.scopes_by(key),
            agency=found.code,
        )
        return HeldKey(key.hash, holder)

    async def agency_of(self, caller: Caller) -> Caller:
        """Tell who asks as the register knows them: the kind, and what they may.

        Raises:
            NotAllowed: The token names no agency.
            NotRegistered: The agency is not in the register, or may not refer now.
        """
        if not caller.agency:
            raise NotAllowed("The token names no agency.")
        ask = partial(self._agencies.get, agency_id(caller.agency))
        found = await self._fresh(f"agency {caller.agency}", ask)
        now, by_key = self._clock.now(), caller.issuer == KEYS_ISSUER
        key = found.key(caller.subject, now) if found and by_key else None
        if found is None or not found.may_come(key, now):
            raise NotRegistered
        if by_key:
            await self._note_use(found, caller.subject)
        may = caller.scopes & found.scopes_by(key)
        return replace(caller, scopes=may, agency_kind=found.told.kind.value)

    async def standing(self, code: str, at: datetime) -> Standing | None:
        """Say as what an agency is registered (s 19) at a time."""
        ask = partial(self._agencies.get, agency_id(code))
        found = await self._fresh(f"agency {code}", ask)
        return found.told.standing(at) if found else None

    def forget(self) -> None:
        """Ask anew, because something was changed; what is being asked is not kept."""
        self._answers = {}

    async def _note_use(self, found: Agency, key_id: str) -> None:
        used = found.used(key_id, self._clock.now())
        if used is not found:
            self.forget()
            # Whoever changed the agency meanwhile has the next use noted.
            with suppress(Conflict):
                await self._agencies.save(used)

    async def _fresh(
        self, question: str, ask: Callable[[], Awaitable[Agency | None]]
    ) -> Agency | None:
        answers, asked_at = self._answers, time.monotonic()
        known = answers.get(question)
        if known and asked_at - known[0] < FRESH_SECONDS:
            return known[1]
        found = await ask()
        if len(answers) >= REMEMBERED:
            answers.clear()
        answers[question] = (asked_at, found)
        return found
