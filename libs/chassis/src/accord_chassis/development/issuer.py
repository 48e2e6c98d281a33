"""An identity provider for one machine: keys in a directory, tokens for the asking.

It signs whatever it is asked to sign, so a service believes it only when it is told
that it runs in development.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from accord_chassis.access import DEVELOPMENT_ISSUER

PORTAL = "portal"
"""The program by which people have their tokens."""


class DevelopmentIssuer:
    """Signs tokens with a key that is made once and kept in a directory.

    Args:
        directory: Where the private key and the public key set are kept.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        private, self._public = directory / "issuer.jwk", directory / "jwks.json"
        if not private.exists():
            made = ECKey.generate_key("P-256", auto_kid=True)
            handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(made.as_dict(private=True), file)
        self._key = ECKey.import_key(json.loads(private.read_text()))
        self._public.write_text(json.dumps(self.keys()))

    def keys(self) -> dict[str, Any]:
        """Give the public key set."""
        return dict(KeySet([self._key]).as_dict(private=False))

    @property
    def jwks_url(self) -> str:
        """Where services find the public key."""
        return self._public.resolve().as_uri()

    def token(
        self,
        subject: str,
        *scopes: str,
        region: str,
        audience: str = "accord",
        lifetime: float = 12 * 3600,
        **claims: Any,  # noqa: ANN401 - Whatever an identity provider may say.
    ) -> str:
        """Sign an access token (RFC 9068): a client's own, or somebody's.

        Whoever works on cases or has logged in has theirs by the portal, for which
        ``client_id`` stands if it is not given.

        Args:
            subject: Who holds it.
            scopes: What it is for.
            region: Which region's services believe it.
            audience: Whom it is meant for.
            lifetime: Seconds from now until it is out of date.
            claims: ``agency``, ``worker``, ``roles``, ``auth_time``, ``cnf`` …
        """
        now = int(time.time())
        person = claims.get("worker") or claims.get("auth_time") is not None
        return jwt.encode(
            {"alg": "ES256", "typ": "at+jwt", "kid": self._key.kid},
            {
                "iss": DEVELOPMENT_ISSUER,
                "aud": audience,
                "sub": subject,
                "iat": now,
                "exp": now + int(lifetime),
                "scope": " ".join(scopes),
                "region": region,
                "client_id": PORTAL if person else subject,
                **claims,
            },
            self._key,
        )
