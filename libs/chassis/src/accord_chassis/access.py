"""Who is asking: bearer tokens, checked against the identity provider's keys."""

import asyncio
import base64
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import structlog
from accord_contracts.problem import Refusal
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from accord_chassis.limits import Limits, Who

log = structlog.get_logger()

DEVELOPMENT_ISSUER = "urn:accord:development"
"""Signs whatever it is asked to sign; production refuses it."""

ALGORITHMS = ("ES256", "PS256", "RS256", "Ed25519")
LEEWAY = 60
"""Seconds by which clocks may differ (RELIABILITY P16)."""

KEYS_FRESH = 600.0
"""Seconds for which the provider's keys are believed, and what was checked with them:
so long may a key that the provider has withdrawn still open a door."""

KEYS_PAUSE = 60.0
"""Seconds between two looks for a key that was not known."""

KEYS_RETRY = 5.0
"""Seconds between two tries to reach a provider that does not answer."""

LONGEST_TOKEN = 8192
REMEMBERED = 4096
"""Tokens whose signatures were checked and need not be again while they are valid."""

MALFORMED = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What reading a token that is none may raise."""

TYPES = frozenset({"at+jwt", "application/at+jwt"})
"""What an access token calls itself (RFC 9068, 4)."""


class NotAuthenticated(Refusal):
    """A valid bearer token is needed."""

    status = 401


class KeysAway(Refusal):
    """The identity provider's keys cannot be had at present: try again soon."""

    status = 503


class NotAllowed(Refusal):
    """The token does not allow this."""

    status = 403


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        issuer: The identity provider who vouches.
        subject: Who, by the provider's id.
        agency: The agency the caller acts for, by its code.
        agency_kind: What kind of agency that is, as the provider says.
        worker: The worker's id in the directory, for people who work on cases.
        scopes: What kinds of calls the token is for.
        authenticated_at: When they logged in (``auth_time``), if the provider says.
    """

    issuer: str
    subject: str
    region: str
    scopes: frozenset[str]
    agency: str | None = None
    agency_kind: str | None = None
    worker: str | None = None
    authenticated_at: datetime | None = None


class Authority:
    """Checks tokens.

    Args:
        jwks_url: ``https://…`` or ``file:///…``: the provider's public keys.
        issuer: The only issuer believed.
        audience: Whom a token must be meant for.
        region: The only region a token may be for.
    """

    def __init__(
        self, jwks_url: str, *, issuer: str, audience: str, region: str
    ) -> None:
        self._jwks_url = jwks_url
        self._issuer = issuer
        self._region = region
        self._claims = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": audience},
            "sub": {"essential": True},
            "exp": {"essential": True},
        }
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = asyncio.Lock()
        self._checked: dict[str, tuple[float, Caller]] = {}

    async def verify(self, token: str) -> Caller:
        """Tell who holds a token.

        Raises:
            NotAuthenticated: The token is not one of ours, is out of date, or is for
                another audience or region.
            KeysAway: The provider's keys have never been seen and cannot be now.
        """
        if len(token) > LONGEST_TOKEN:
            raise NotAuthenticated("The token is too long.")
        known = self._checked.get(token)
        if known and known[0] > time.time():
            return known[1]
        try:
            claims = await self._decoded(token)
            caller = self._caller(claims)
        except (JoseError, *MALFORMED) as fault:
            log.info("token.refused", reason=type(fault).__name__)
            raise NotAuthenticated from None
        if len(self._checked) >= REMEMBERED:
            self._checked.clear()
        until = min(claims["exp"] + LEEWAY, time.time() + KEYS_FRESH)
        self._checked[token] = (until, caller)
        return caller

    def remembers(self, token: str) -> bool:
        """Tell whether a token was good a moment ago, without looking at it again."""
        return token in self._checked

    async def _decoded(self, token: str) -> dict[str, Any]:
        keys = await self._current_keys(token)
        decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
        if str(decoded.header.get("typ", "")).lower() not in TYPES:
            raise ValueError("The token is not an access token (RFC 9068).")
        # Decoding checks the signature alone; only this looks at the claims.
        jwt.JWTClaimsRegistry(leeway=LEEWAY, **self._claims).validate(decoded.claims)  # type: ignore[arg-type]
        return decoded.claims

    def _caller(self, claims: dict[str, Any]) -> Caller:
        if claims.get("region") != self._region:
            raise NotAuthenticated("The token is for another region.")
        return Caller(
            issuer=self._issuer,
            subject=claims["sub"],
            region=self._region,
            scopes=frozenset((_text_in(claims, "scope") or "").split()),
            agency=_text_in(claims, "agency"),
            agency_kind=_text_in(claims, "agency_kind"),
            worker=_text_in(claims, "worker"),
            authenticated_at=_time_in(claims, "auth_time"),
        )

    async def _current_keys(self, token: str) -> KeySet:
        kid = jwt_header(token).get("kid")
        if self._keys is None or self._are_old(kid):
            async with self._fetching:
                # Whoever waited for the lock finds that somebody has looked already.
                if self._keys is None or self._are_old(kid):
                    await self._fetch()
        if self._keys is None:
            raise KeysAway
        return self._keys

    def _are_old(self, kid: object) -> bool:
        now = time.monotonic()
        if now - self._tried < KEYS_RETRY:
            return False
        age = now - self._fetched
        known = self._keys is not None and any(
            key.kid == kid for key in self._keys.keys
        )
        return age > KEYS_FRESH or (not known and now - self._tried > KEYS_PAUSE)

    async def _fetch(self) -> None:
        """Get the keys; the last ones stay in use while the provider is away."""
        now = time.monotonic()
        if now - self._tried < KEYS_RETRY:
            return
        self._tried = now
        try:
            keys = KeySet.import_key_set(json.loads(await self._published()))
        except (httpx2.HTTPError, OSError, JoseError, ValueError, KeyError) as fault:
            log.warning("keys.not_fetched", fault=type(fault).__name__)
            return
        self._keys, self._fetched = keys, now

    async def _published(self) -> bytes:
        parts = urlsplit(self._jwks_url)
        if parts.scheme == "file":
            return await asyncio.to_thread(Path(parts.path).read_bytes)
        async with httpx2.AsyncClient(timeout=5) as client:
            answer = await client.get(self._jwks_url)
            answer.raise_for_status()
            return answer.content


def _text_in(claims: dict[str, Any], name: str) -> str | None:
    found = claims.get(name)
    if found is not None and not isinstance(found, str):
        raise ValueError(f"The claim {name} is no text.")
    return found


def _time_in(claims: dict[str, Any], name: str) -> datetime | None:
    found = claims.get(name)
    return None if found is None else datetime.fromtimestamp(found, UTC)


def jwt_header(token: str) -> dict[str, Any]:
    """Read a token's header, which proves nothing yet.

    Raises:
        ValueError: It is no token.
    """
    head = token.split(".", 1)[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if not isinstance(header, dict):
        raise ValueError("A token's header is an object.")  # noqa: TRY004
    return header


def who_is(found: Caller) -> Who:
    """Tell whose requests are counted together with this one."""
    machine = found.agency is not None and found.worker is None
    return Who(found.issuer, found.subject, machine=machine)


_bearer = HTTPBearer(auto_error=False, description="An access token (RFC 9068).")


async def caller(
    request: Request,
    scopes: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Tell a route who is asking.

    Raises:
        NotAuthenticated: There is no valid token.
        NotAllowed: The token lacks the scope that the route asks for.
    """
    if credentials is None:
        raise NotAuthenticated
    authority: Authority = request.app.state.authority
    limits: Limits = request.app.state.limits
    if not authority.remembers(credentials.credentials):
        limits.before_looking(request)
    try:
        found = await authority.verify(credentials.credentials)
    except NotAuthenticated:
        limits.was_bad(request)
        raise
    limits.admit(request, who_is(found), scopes.scopes)
    if not found.scopes.issuperset(scopes.scopes):
        raise NotAllowed(f"The scope {' '.join(scopes.scopes)} is needed.")
    return found
