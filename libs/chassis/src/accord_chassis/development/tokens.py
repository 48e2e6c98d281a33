"""The development issuer on HTTP: how a machine gets a token, to be tried out.

It is the flow that a real identity provider offers to an agency's system: client
credentials (RFC 6749, 4.4), the client authenticated by a JWT that it signs with its
own key (``private_key_jwt``: RFC 7523, 2.2). On loopback, for invented data.
"""

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from accord_chassis.access import DEVELOPMENT_ISSUER, FAULTS, LONGEST_TOKEN
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.process import LOOPBACK

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
"""The longest that a client's JWT may be good: it is used at once, and once."""

TOKEN_SECONDS = 300
LONGEST_REQUEST = 16_384
REMEMBERED = 10_000
"""Client JWTs that are known to have been used, while they would still be good."""


@dataclass(frozen=True, slots=True)
class MachineClient:
    """A system that may get tokens.

    Attributes:
        id: Its ``client_id``.
        key: With which it signs; only its public half is used.
        scopes: What it may ask for.
        claims: What its tokens say besides: ``agency``.
    """

    id: str
    key: ECKey
    scopes: frozenset[str]
    claims: Mapping[str, str]

    def assertion(self, endpoint: str) -> str:
        """Sign a JWT with which this client authenticates itself, once."""
        now = int(time.time())
        said = {
            "iss": self.id, "sub": self.id, "aud": endpoint, "jti": uuid4().hex,
            "iat": now, "exp": now + ASSERTION_SECONDS,
        }  # fmt: skip
        return jwt.encode({"alg": "ES256"}, said, self.key)


class Refused(Exception):
    """No token: why, by its code of RFC 6749, 5.2."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TokenEndpoint:
    """Gives tokens to clients that prove who they are.

    Args:
        issuer: Signs them.
        clients: Who may have some.
        url: Where this is served.
        region: Which region's services believe them.
    """

    def __init__(
        self,
        issuer: DevelopmentIssuer,
        *clients: MachineClient,
        url: str,
        region: str,
    ) -> None:
        self.url = f"{url}/token"
        self._base = url
        self._issuer = issuer
        self._clients = {each.id: each for each in clients}
        self._region = region
        self._used: dict[tuple[str, str], float] = {}

    def app(self) -> Starlette:
        """Give what serves it, with its keys and what is to be known of it."""
        known = "/.well-known/oauth-authorization-server"
        return Starlette(
            routes=[
                Route("/token", self._answer, methods=["POST"]),
                Route("/jwks.json", self._keys),
                Route(known, self._metadata),
            ]
        )

    async def _keys(self, _: Request) -> Response:
        return JSONResponse(self._issuer.keys())

    async def _metadata(self, _: Request) -> Response:
        """Describe the endpoint as RFC 8414 does; the issuer's name is no address."""
        return JSONResponse(
            {
                "issuer": DEVELOPMENT_ISSUER,
                "token_endpoint": self.url,
                "jwks_uri": f"{self._base}/jwks.json",
                "response_types_supported": [],
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            }
        )

    async def _answer(self, request: Request) -> Response:
        headers = {"Cache-Control": "no-store"}
        try:
            told = self._granted(await _form(request))
        except Refused as refused:
            status = 401 if refused.code == "invalid_client" else 400
            return JSONResponse({"error": refused.code}, status, headers)
        return JSONResponse(told, headers=headers)

    def _granted(self, form: Mapping[str, str]) -> dict[str, Any]:
        if form.get("grant_type") != "client_credentials":
            raise Refused("unsupported_grant_type")
        if form.get("client_assertion_type") != ASSERTION:
            raise Refused("invalid_client")
        client = self._authenticated(form.get("client_assertion", ""))
        scopes = frozenset(form.get("scope", "").split()) or client.scopes
        if not scopes <= client.scopes:
            raise Refused("invalid_scope")
        token = self._issuer.token(
            client.id,
            *sorted(scopes),
            region=self._region,
            lifetime=TOKEN_SECONDS,
            client_id=client.id,
            jti=uuid4().hex,
            **client.claims,
        )
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": " ".join(sorted(scopes)),
        }

    def _authenticated(self, assertion: str) -> MachineClient:
        """Tell which client has signed a JWT for this endpoint, now and only once.

        Raises:
            Refused: None has.
        """
        try:
            client = self._clients[_claimed(assertion)]
            decoded = jwt.decode(assertion, client.key, algorithms=["ES256"])
            self._check(decoded.claims, client)
        except FAULTS:
            raise Refused("invalid_client") from None
        return client

    def _check(self, said: dict[str, Any], client: MachineClient) -> None:
        """Check what a client says of itself.

        Raises:
            JoseError: It is for another endpoint, of another client, or out of date.
            ValueError: It is good for too long, or was used before.
        """
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": client.id},
            sub={"essential": True, "value": client.id},
            aud={"essential": True, "value": self.url},
            exp={"essential": True},
            jti={"essential": True},
        ).validate(said)
        now = time.time()
        if said["exp"] > now + ASSERTION_SECONDS + 1:
            raise ValueError("It is good for too long.")
        self._used = {each: end for each, end in self._used.items() if end > now}
        once = (client.id, said["jti"])
        if once in self._used or len(self._used) >= REMEMBERED:
            raise ValueError("It was used before.")
        self._used[once] = said["exp"]


def _claimed(assertion: str) -> str:
    """Read which client a JWT says to come from, which proves nothing yet."""
    if len(assertion) > LONGEST_TOKEN:
        raise ValueError("The assertion is too long.")
    body = assertion.split(".")[1]
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    return str(json.loads(raw)["iss"])


async def _form(request: Request) -> dict[str, str]:
    """Read a form, each field once, from this machine alone.

    Raises:
        Refused: It is none, or comes from elsewhere.
    """
    peer = request.client.host if request.client else ""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_REQUEST:
            raise Refused("invalid_request")
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=20)
    except ValueError:
        raise Refused("invalid_request") from None
    if peer != LOOPBACK or any(len(each) > 1 for each in fields.values()):
        raise Refused("invalid_request")
    return {name: values[0] for name, values in fields.items()}
