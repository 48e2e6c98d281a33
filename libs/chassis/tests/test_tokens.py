"""The development issuer on HTTP: who gets a token from it, and who does not."""

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from accord_chassis.access import DEVELOPMENT_ISSUER, Authority
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.tokens import (
    ASSERTION,
    LONGEST_REQUEST,
    MachineClient,
    TokenEndpoint,
)
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

URL = "http://127.0.0.1:8000/issuer"
SCOPES = frozenset({"referrals.submit", "referrals.read"})
OURS = MachineClient(
    "police", ECKey.generate_key("P-256"), SCOPES, {"agency": "police"}
)
OTHER = MachineClient(
    "refuge", ECKey.generate_key("P-256"), SCOPES, {"agency": "refuge"}
)


def app_of(issuer: DevelopmentIssuer) -> Any:
    return TokenEndpoint(issuer, OURS, OTHER, url=URL, region="test").app()


@pytest.fixture
async def http(issuer: DevelopmentIssuer) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app_of(issuer), client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://issuer"
    ) as opened:
        yield opened


def form(assertion: str, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": assertion,
        **changed,
    }


def signed(key: ECKey | OctKey = OURS.key, alg: str = "ES256", **changed: Any) -> str:
    """A client's JWT that is good but for what is changed; ``None`` leaves it out."""
    now = int(time.time())
    said = {"iss": "police", "sub": "police", "aud": f"{URL}/token", "exp": now + 50,
            "jti": str(time.perf_counter_ns()), **changed}  # fmt: skip
    kept = {name: each for name, each in said.items() if each is not None}
    return jwt.encode({"alg": alg}, kept, key, algorithms=[alg])


async def test_a_client_that_signs_gets_a_token_that_services_believe(
    http: httpx2.AsyncClient, issuer: DevelopmentIssuer
) -> None:
    answer = await http.post("/token", data=form(OURS.assertion(f"{URL}/token")))

    told = answer.json()
    assert (answer.status_code, told["token_type"], told["expires_in"]) == (
        200,
        "Bearer",
        300,
    )
    assert answer.headers["cache-control"] == "no-store"
    authority = Authority(
        issuer.jwks_url,
        issuer=DEVELOPMENT_ISSUER,
        audience="accord",
        region="test",
        longest_life=300,
    )
    found = await authority.verify(told["access_token"])
    assert (found.agency, found.client, found.scopes) == ("police", "police", SCOPES)


async def test_less_may_be_asked_for_and_not_more(http: httpx2.AsyncClient) -> None:
    less = await http.post("/token", data=form(signed(), scope="referrals.read"))
    more = await http.post("/token", data=form(signed(), scope="referrals.admin"))

    assert less.json()["scope"] == "referrals.read"
    assert (more.status_code, more.json()) == (400, {"error": "invalid_scope"})


BAD: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "garbage": lambda: "garbage",
    "dots": lambda: "..",
    "too long": lambda: "a" * 9000,
    "another's key": lambda: signed(OTHER.key),
    "the public key as a secret": lambda: signed(
        OctKey.import_key(json.dumps(OURS.key.as_dict(private=False))), "HS256"
    ),
    "an unknown client": lambda: signed(iss="kura", sub="kura"),
    "in another's name": lambda: signed(sub="refuge"),
    "no name": lambda: signed(iss=None),
    "for another endpoint": lambda: signed(aud="https://elsewhere.example/token"),
    "for nobody": lambda: signed(aud=None),
    "out of date": lambda: signed(exp=int(time.time()) - 1),
    "good for too long": lambda: signed(exp=int(time.time()) + 120),
    "without end": lambda: signed(exp=None),
    "without a number": lambda: signed(jti=None),
}


@pytest.mark.parametrize("why", BAD)
async def test_a_client_that_does_not_prove_itself_gets_nothing(
    http: httpx2.AsyncClient, why: str
) -> None:
    answer = await http.post("/token", data=form(BAD[why]()))

    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


async def test_a_clients_jwt_is_good_once(http: httpx2.AsyncClient) -> None:
    sent = form(signed())

    answers = [(await http.post("/token", data=sent)).status_code for _ in range(2)]

    assert answers == [200, 401]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", "unsupported_grant_type"),
        (b"grant_type=password", "unsupported_grant_type"),
        (b"grant_type=client_credentials", "invalid_client"),
        (b"grant_type=client_credentials&grant_type=x", "invalid_request"),
        (b"&".join([b"a=1"] * 30), "invalid_request"),
        (b"\xff\xfe", "unsupported_grant_type"),
        (b"a" * (LONGEST_REQUEST + 1), "invalid_request"),
    ],
)
async def test_what_is_no_request_for_a_token_is_refused(
    http: httpx2.AsyncClient, sent: bytes, error: str
) -> None:
    assert (await http.post("/token", content=sent)).json() == {"error": error}


async def test_only_this_machine_is_answered(issuer: DevelopmentIssuer) -> None:
    transport = httpx2.ASGITransport(app_of(issuer), client=("192.0.2.7", 1))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://issuer"
    ) as elsewhere:
        answer = await elsewhere.post("/token", data=form(signed()))

    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


async def test_it_says_how_to_use_it(
    http: httpx2.AsyncClient, issuer: DevelopmentIssuer
) -> None:
    told = (await http.get("/.well-known/oauth-authorization-server")).json()
    keys = (await http.get("/jwks.json")).json()

    assert told["token_endpoint"] == f"{URL}/token"
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert keys == issuer.keys()
    assert "d" not in keys["keys"][0]
