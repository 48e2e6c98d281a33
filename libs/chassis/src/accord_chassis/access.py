"""Who is asking: bearer tokens, checked against the identity provider's keys.

A token that is bound to a certificate (RFC 8705) is good only with that certificate,
of which the proxy that ends TLS tells the thumbprint. Where a service provides
``Keys``, a machine's own key does as well as a token.
"""

import asyncio
import base64
import ipaddress
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import structlog
from accord_contracts.access import listed_id
from accord_contracts.problem import Refusal
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from accord_chassis.asking import UNANSWERED
from accord_chassis.keys import PREFIX, Keys, WrongKey
from accord_chassis.limits import Limits, Who
from accord_chassis.settings import BadConfiguration, ChassisSettings, Network

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

FAULTS = (JoseError, ValueError, LookupError, TypeError, ArithmeticError, OSError,
          RecursionError)  # fmt: skip
"""What reading a token that somebody made up may raise."""

LONGEST_TOKEN = 8192
REMEMBERED = 4096
"""Tokens whose signatures were checked and need not be again while they are valid."""

TYPES = frozenset({"at+jwt", "application/at+jwt"})
"""What an access token calls itself (RFC 9068, 4)."""


THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 of a certificate as RFC 8705 writes it: base64url without padding."""

HEX_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{64}")
"""The same as Caddy, Envoy and HAProxy write it."""


NO_CERTIFICATE = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
"""SHA-256 of nothing, which Caddy tells where a client showed no certificate."""


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
        agency_kind: What kind of agency that is, as the provider says; a service that
            keeps a register of agencies asks that instead.
        worker: The worker's id in the directory, for people who work on cases.
        scopes: What kinds of calls the token is for.
        authenticated_at: When they last proved who they are (``auth_time``), if the
            provider says.
        roles: What they are besides, by code: ``supervisor``, ``privacy_officer``,
            ``auditor``, ``operator``.
        client: The program that asks (``client_id``, else ``azp``).
        certificate: SHA-256 of the certificate that the token is bound to.
        family_name: Theirs, if the provider says: it is never kept or told, and only
            compared with whom they look up.
    """

    issuer: str
    subject: str
    region: str
    scopes: frozenset[str]
    agency: str | None = None
    agency_kind: str | None = None
    worker: str | None = None
    roles: frozenset[str] = frozenset()
    authenticated_at: datetime | None = None
    client: str | None = None
    certificate: str | None = None
    family_name: str | None = field(default=None, repr=False)

    @property
    def listed_as(self) -> tuple[str, ...]:
        """The ids by which the lists of a case may name them.

        One that is made of who vouches for whom; before it a worker's own, if they are
        one: whoever was named before they came into the directory stays named.
        """
        outside = listed_id(self.issuer, self.subject)
        return (self.worker, outside) if self.worker else (outside,)

    @property
    def is_machine(self) -> bool:
        """Tell whether a program asks for itself.

        Where a client has a token for itself, it is the token's subject, and nobody has
        logged in (RFC 9068, 2.2). Whatever else is not known is a person.
        """
        of_itself = self.client is not None and self.client == self.subject
        return of_itself and self.authenticated_at is None and self.worker is None

    @property
    def is_service(self) -> bool:
        """Tell whether one of the platform's services asks, and no agency's system."""
        return self.is_machine and self.agency is None

    @property
    def is_person(self) -> bool:
        """Tell whether somebody is known to have logged in, or works on cases."""
        return self.authenticated_at is not None or self.worker is not None


@dataclass(frozen=True, slots=True)
class CertificateHeader:
    """Where the proxy that ends TLS tells whose certificate it has seen.

    Attributes:
        name: The header, which the proxy overwrites in every request.
        proxies: Where the proxy is. From anywhere else the header says nothing.
    """

    name: str
    proxies: tuple[Network, ...]

    def thumbprint(self, request: Request) -> str | None:
        """Give the SHA-256 of the client's certificate, if the proxy has seen one.

        A header that stands there twice was not overwritten, and says nothing.
        """
        told = request.headers.getlist(self.name)
        if len(told) != 1 or not self._is_proxy(request):
            return None
        found = _thumbprint_in(told[0])
        return None if found == NO_CERTIFICATE else found

    def _is_proxy(self, request: Request) -> bool:
        try:
            peer = ipaddress.ip_address(request.client.host if request.client else "")
        except ValueError:
            return False
        # A socket for both families shows an IPv4 address as a part of IPv6.
        mapped = getattr(peer, "ipv4_mapped", None)
        return any((mapped or peer) in each for each in self.proxies)


def _thumbprint_in(text: str) -> str | None:
    if THUMBPRINT.fullmatch(text):
        return text
    if HEX_THUMBPRINT.fullmatch(text):
        raw = base64.urlsafe_b64encode(bytes.fromhex(text))
        return raw.rstrip(b"=").decode()
    return None


class Authority:
    """Checks tokens.

    Args:
        jwks_url: ``https://…`` or ``file:///…``: the provider's public keys.
        issuer: The only issuer believed.
        audience: Whom a token must be meant for.
        region: The only region a token may be for.
        longest_life: Seconds for which a token may be good; any, if not given.
        certificates: Where the client's certificate is told of.
        bound_only: An agency needs a token that is bound to a certificate, unless it
            says that one of its people has logged in.
    """

    def __init__(
        self,
        jwks_url: str,
        *,
        issuer: str,
        audience: str,
        region: str,
        longest_life: float | None = None,
        certificates: CertificateHeader | None = None,
        bound_only: bool = False,
    ) -> None:
        self._jwks_url = jwks_url
        self._issuer = issuer
        self._region = region
        self._longest_life = longest_life
        self._certificates = certificates
        self.bound_only = bound_only
        self._claims = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": audience},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "iat": {"essential": True},
        }
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = asyncio.Lock()
        self._checked: dict[str, tuple[float, Caller]] = {}

    def certificate_of(self, request: Request) -> str | None:
        """Give the thumbprint of the certificate with which a request came."""
        told = self._certificates
        return told.thumbprint(request) if told else None

    async def verify(self, token: str, certificate: str | None = None) -> Caller:
        """Tell who holds a token.

        Args:
            token: As it was sent.
            certificate: Thumbprint of the certificate that it came with.

        Raises:
            NotAuthenticated: The token is not one of ours, is out of date, is for
                another audience or region, or is bound to another certificate.
            KeysAway: The provider's keys have never been seen and cannot be now.
        """
        caller = await self._believed(token)
        # Asked every time: the next one who sends this token may have stolen it.
        if caller.certificate is not None and caller.certificate != certificate:
            log.info("token.refused", reason="another_certificate")
            raise NotAuthenticated
        of_agency = caller.agency is not None and not caller.is_person
        if self.bound_only and caller.certificate is None and of_agency:
            log.info("token.refused", reason="not_bound")
            raise NotAuthenticated
        return caller

    async def _believed(self, token: str) -> Caller:
        if len(token) > LONGEST_TOKEN:
            raise NotAuthenticated("The token is too long.")
        known = self._checked.get(token)
        if known and known[0] > time.time():
            return known[1]
        try:
            claims = await self._decoded(token)
            caller = self._caller(claims)
        except FAULTS as fault:
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
        lived = decoded.claims["exp"] - decoded.claims["iat"]
        if self._longest_life is not None and lived > self._longest_life:
            raise ValueError("The token is good for too long.")
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
            roles=_roles_in(claims),
            authenticated_at=_time_in(claims, "auth_time"),
            client=_text_in(claims, "client_id") or _text_in(claims, "azp"),
            certificate=_certificate_in(claims),
            family_name=_text_in(claims, "family_name"),
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
        except (*UNANSWERED, JoseError, ValueError, KeyError) as fault:
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


def _roles_in(claims: dict[str, Any]) -> frozenset[str]:
    found = claims.get("roles") or []
    named = found.split() if isinstance(found, str) else found
    if not isinstance(named, list) or not all(isinstance(e, str) for e in named):
        raise ValueError("The claim roles is neither text nor a list of texts.")
    return frozenset(named)


def _time_in(claims: dict[str, Any], name: str) -> datetime | None:
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"The claim {name} is no time.")  # noqa: TRY004 - As above.
    if found > time.time() + LEEWAY:
        raise ValueError(f"The claim {name} is yet to come.")
    return datetime.fromtimestamp(found, UTC)


def _certificate_in(claims: dict[str, Any]) -> str | None:
    """Give the certificate that a token is bound to.

    Raises:
        ValueError: It is bound to something that we do not know how to ask for; taken
            for a token that anybody may carry, it would be worth stealing.
    """
    found = claims.get("cnf")
    if found is None:
        return None
    if not isinstance(found, dict) or set(found) != {"x5t#S256"}:
        raise ValueError("The token is bound to something that is not known.")
    thumbprint = found["x5t#S256"]
    if not isinstance(thumbprint, str) or not THUMBPRINT.fullmatch(thumbprint):
        raise ValueError("The token is bound to no thumbprint.")
    return thumbprint


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
    return Who(
        found.issuer,
        found.subject,
        machine=found.is_machine,
        service=found.is_service,
    )


def authority_for(settings: ChassisSettings) -> Authority:
    """Make what checks tokens, as the locality has set it.

    Raises:
        BadConfiguration: The settings about certificates do not go together.
    """
    header = certificate_header(settings)
    if settings.require_bound_tokens and header is None:
        raise BadConfiguration(
            "ACCORD_REQUIRE_BOUND_TOKENS needs ACCORD_CLIENT_CERTIFICATE_HEADER: "
            "without it no agency could come in."
        )
    return Authority(
        settings.jwks_url,
        issuer=settings.issuer,
        audience=settings.audience,
        region=settings.region,
        # A demonstration's tokens are for as long as somebody tries it out.
        longest_life=None if settings.development else settings.longest_token_life,
        certificates=header,
        bound_only=settings.require_bound_tokens,
    )


def certificate_header(settings: ChassisSettings) -> CertificateHeader | None:
    """Give where certificates are told of, if they are.

    Raises:
        BadConfiguration: Anybody could say what only the proxy may.
    """
    name = settings.client_certificate_header
    if name is None:
        return None
    everywhere = any(each.prefixlen == 0 for each in settings.trusted_proxies)
    if not settings.trusted_proxies or everywhere or not settings.tls_terminated:
        raise BadConfiguration(
            "ACCORD_CLIENT_CERTIFICATE_HEADER is believed only from a proxy that ends "
            "TLS: set ACCORD_TLS_TERMINATED=true and ACCORD_TRUSTED_PROXIES to the "
            "networks where it is, not to all there are."
        )
    return CertificateHeader(name, settings.trusted_proxies)


_bearer = HTTPBearer(
    auto_error=False,
    description="An access token (RFC 9068); for agencies' referrals also a key.",
)


async def caller(
    request: Request,
    scopes: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Tell a route who is asking.

    Raises:
        NotAuthenticated: There is no valid token, and no valid key.
        NotAllowed: The token lacks the scope that the route asks for.
    """
    if credentials is None:
        raise NotAuthenticated
    authority: Authority = request.app.state.authority
    limits: Limits = request.app.state.limits
    sent = credentials.credentials
    keys = _keys_of(request)
    if not (authority.remembers(sent) or (keys and keys.remembers(sent))):
        limits.before_looking(request)
    try:
        if sent.startswith(PREFIX):
            found = await _key_holder(request, authority, sent)
        else:
            found = await authority.verify(sent, authority.certificate_of(request))
    except NotAuthenticated:
        limits.was_bad(request)
        raise
    limits.admit(request, who_is(found), scopes.scopes)
    if not found.scopes.issuperset(scopes.scopes):
        raise NotAllowed(f"The scope {' '.join(scopes.scopes)} is needed.")
    return found


def _keys_of(request: Request) -> Keys[Caller] | None:
    """Give what knows keys, where a service takes them."""
    service = getattr(request.app.state, "service", None)
    keys: Keys[Caller] | None = service.parts.get(Keys) if service else None
    return keys


async def _key_holder(request: Request, authority: Authority, key: str) -> Caller:
    """Tell who comes with a key, where a service takes keys.

    Whoever stole a key has all of it, so none is taken where tokens must be bound.
    """
    keys = _keys_of(request)
    if keys is None or authority.bound_only:
        raise NotAuthenticated
    try:
        return await keys.holder(key)
    except WrongKey:
        log.info("key.refused")
        raise NotAuthenticated from None
