"""Who is asking: which tokens are believed, and which are not."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from accord_chassis import problems
from accord_chassis.access import (
    DEVELOPMENT_ISSUER,
    KEYS_FRESH,
    KEYS_PAUSE,
    KEYS_RETRY,
    LONGEST_TOKEN,
    NO_CERTIFICATE,
    REMEMBERED,
    Authority,
    Caller,
    CertificateHeader,
    KeysAway,
    NotAuthenticated,
    authority_for,
    caller,
    who_is,
)
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.limits import Limits
from accord_chassis.settings import BadConfiguration, ChassisSettings
from chassis_surroundings import logged
from fastapi import FastAPI, Security
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

ISSUER = "https://identity.example"
LIFE = 600

BOUND, OTHER = "c" * 43, "o" * 43
"""Thumbprints of two certificates."""

OURS = ECKey.generate_key("P-256", {"kid": "ours", "use": "sig", "alg": "ES256"})
NEXT = ECKey.generate_key("P-256", {"kid": "next", "use": "sig", "alg": "ES256"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
THEIRS = ECKey.generate_key("P-256", {"kid": "ours", "use": "sig", "alg": "ES256"})

Key = ECKey | RSAKey


def publish(jwks: Path, *keys: Key) -> None:
    jwks.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))


def withdraw(jwks: Path) -> None:
    """Have the provider answer with something else, as one that is away does."""
    jwks.write_text("<html>Sorry</html>")


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    """What the identity provider publishes."""
    file = tmp_path / "jwks.json"
    publish(file, OURS, RSA)
    return file


@pytest.fixture
def authority(jwks: Path) -> Authority:
    return Authority(
        jwks.as_uri(),
        issuer=ISSUER,
        audience="accord",
        region="waikato",
        longest_life=LIFE,
        certificates=CertificateHeader("X-Thumbprint", (ip_network("192.0.2.0/24"),)),
    )


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, but for what is changed; ``None`` leaves a claim out."""
    now = int(time.time())
    said = {
        "iss": ISSUER, "aud": "accord", "sub": "somebody", "iat": now,
        "exp": now + 300, "scope": "referrals.submit referrals.read",
        "region": "waikato", "agency": "police", "agency_kind": "police", **changed,
    }  # fmt: skip
    return {name: each for name, each in said.items() if each is not None}


def token(key: Key = OURS, header: Mapping[str, Any] = {}, **changed: Any) -> str:
    """A token that is good but for what is changed."""
    said = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **header}
    kept = {name: each for name, each in said.items() if each is not None}
    return jwt.encode(kept, claims(**changed), key, algorithms=[kept["alg"]])


def by_hand(header: Mapping[str, Any], secret: bytes = b"") -> str:
    """A token that no library would sign, with an HMAC for its signature."""
    said = ".".join(map(encoded, (json.dumps(header), json.dumps(claims()))))
    signature = hmac.digest(secret, said.encode(), "sha256") if secret else b""
    return f"{said}.{encoded(signature)}"


def bound_to(thumbprint: str) -> dict[str, str]:
    """Say in a token which certificate it is bound to (RFC 8705, 3.1)."""
    return {"x5t#S256": thumbprint}


def encoded(part: str | bytes) -> str:
    raw = part.encode() if isinstance(part, str) else part
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_a_good_token_tells_who_asks(authority: Authority) -> None:
    found = await authority.verify(token(worker="w-1"))

    assert found == Caller(
        issuer=ISSUER,
        subject="somebody",
        region="waikato",
        scopes=frozenset({"referrals.submit", "referrals.read"}),
        agency="police",
        agency_kind="police",
        worker="w-1",
    )


async def test_a_token_tells_how_and_by_what_somebody_asks(
    authority: Authority,
) -> None:
    sent = token(
        roles="supervisor auditor",
        auth_time=1_700_000_000,
        client_id="portal",
        cnf=bound_to(BOUND),
    )

    found = await authority.verify(sent, BOUND)

    assert found.roles == {"supervisor", "auditor"}
    assert found.authenticated_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (found.client, found.certificate) == ("portal", BOUND)
    assert (await authority.verify(token(azp="app", roles=["a b"]))).roles == {"a b"}


@pytest.mark.parametrize(
    "good",
    [
        lambda: token(RSA, {"alg": "RS256"}),
        lambda: token(RSA, {"alg": "PS256"}),
        lambda: token(header={"typ": "application/at+jwt"}),
        lambda: token(header={"typ": "AT+JWT"}),
        lambda: token(aud=["portal", "accord"]),
        lambda: token(exp=int(time.time()) - 30),
        lambda: token(nbf=int(time.time()) + 30),
        lambda: token(scope=None),
    ],
)
async def test_other_ways_to_say_the_same_are_good(
    authority: Authority, good: Any
) -> None:
    assert (await authority.verify(good())).subject == "somebody"


BAD: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "garbage": lambda: "garbage",
    "dots": lambda: "..",
    "no JSON": lambda: "e30.e30.e30",
    "a list for a header": lambda: f"{base64.b64encode(b'[1]').decode()}.e30.e30",
    "a deep header": lambda: f"{base64.b64encode(b'[' * 4000).decode()}.e30.e30",
    "no text": lambda: "ÿ.ÿ.ÿ",
    "too long": lambda: "a" * (LONGEST_TOKEN + 1),
    "no signature": lambda: token().rpartition(".")[0] + ".",
    "cut": lambda: token()[:-2],
    "alg none": lambda: by_hand({"alg": "none", "typ": "at+jwt"}),
    "alg None": lambda: by_hand({"alg": "None", "typ": "at+jwt", "kid": "ours"}),
    "alg a number": lambda: by_hand({"alg": 1, "typ": "at+jwt", "kid": "ours"}),
    "kid a list": lambda: by_hand({"alg": "ES256", "typ": "at+jwt", "kid": []}),
    # Whoever lets the token choose takes the public key, which anybody has, for it.
    "HS256 with the public key": lambda: by_hand(
        {"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}, RSA.as_pem(private=False)
    ),
    "HS256 with the published key": lambda: by_hand(
        {"alg": "HS256", "typ": "at+jwt", "kid": "ours"},
        json.dumps(OURS.as_dict(private=False)).encode(),
    ),
    "a key of somebody else's": lambda: token(THEIRS),
    "a key in the token itself": lambda: token(
        THEIRS, {"jwk": THEIRS.as_dict(private=False), "kid": None}
    ),
    "an unknown key": lambda: token(NEXT),
    "no key named": lambda: token(header={"kid": None}),
    "an extension we do not know": lambda: by_hand(
        {"alg": "ES256", "typ": "at+jwt", "kid": "ours", "crit": ["exp"], "exp": 1}
    ),
    "an identity token": lambda: token(header={"typ": "JWT"}),
    "no type": lambda: by_hand({"alg": "ES256", "kid": "ours"}),
    "expired": lambda: token(exp=int(time.time()) - 61),
    "no end": lambda: token(exp=None),
    "good for too long": lambda: token(exp=int(time.time()) + LIFE + 1),
    "good for ever": lambda: token(exp=10**400),
    "no beginning": lambda: token(iat=None),
    "a beginning that is no time": lambda: token(iat="yesterday"),
    "issued in the future": lambda: token(iat=int(time.time()) + 120),
    "logged in in the future": lambda: token(auth_time=int(time.time()) + 120),
    "logged in at no time": lambda: token(auth_time="noon"),
    "logged in always": lambda: token(auth_time=True),
    "logged in before all time": lambda: token(auth_time=-(10**20)),
    "an extension that changes what is signed": lambda: by_hand(
        {"alg": "ES256", "typ": "at+jwt", "kid": "ours", "crit": ["b64"], "b64": False}
    ),
    "roles that are none": lambda: token(roles={"supervisor": True}),
    "roles that are numbers": lambda: token(roles=[1]),
    # Bound to what we cannot ask for, it is still not anybody's to carry.
    "bound without the certificate": lambda: token(cnf=bound_to(BOUND)),
    "bound to a key of its own": lambda: token(cnf={"jkt": BOUND}),
    "bound to two things": lambda: token(cnf={**bound_to(BOUND), "jkt": BOUND}),
    "bound to nothing": lambda: token(cnf={}),
    "bound to a text": lambda: token(cnf=BOUND),
    "bound to no thumbprint": lambda: token(cnf=bound_to("abc")),
    "bound to a number": lambda: token(cnf={"x5t#S256": 7}),
    "an end that is no time": lambda: token(exp="tomorrow"),
    "not yet valid": lambda: token(nbf=int(time.time()) + 120),
    "another issuer": lambda: token(iss="https://evil.example"),
    "no issuer": lambda: token(iss=None),
    "another audience": lambda: token(aud="portal"),
    "no audience": lambda: token(aud=None),
    "nobody": lambda: token(sub=None),
    "nobody by name": lambda: token(sub=""),
    "a number for a name": lambda: token(sub=7),
    "another region": lambda: token(region="canterbury"),
    "no region": lambda: token(region=None),
    "regions": lambda: token(region=["waikato"]),
    "agencies": lambda: token(agency=["police"]),
    "a list of scopes": lambda: token(scope=["referrals.submit"]),
}


@pytest.mark.parametrize("why", BAD)
async def test_a_bad_token_is_not_believed(authority: Authority, why: str) -> None:
    with pytest.raises(NotAuthenticated):
        await authority.verify(BAD[why]())


@pytest.mark.parametrize("why", BAD)
async def test_a_bad_token_is_answered_with_a_challenge_that_echoes_nothing(
    client: httpx2.AsyncClient, why: str
) -> None:
    sent = BAD[why]().encode("latin-1")

    with logged() as lines:
        answer = await client.get(
            "/mine", headers=[(b"authorization", b"Bearer " + sent)]
        )

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    told = answer.json()
    assert told["type"] == "urn:accord:problem:not-authenticated"
    for part in (each for each in sent.decode("latin-1").split(".") if len(each) > 3):
        assert part not in answer.text + lines.stream.getvalue()


async def test_a_long_token_is_refused_before_it_is_read(
    client: httpx2.AsyncClient, jwks: Path
) -> None:
    withdraw(jwks)
    header = {"Authorization": f"Bearer {token(padding='x' * LONGEST_TOKEN)}"}

    answer = await client.get("/mine", headers=header)

    # Whoever reads it asks for the provider's keys, which cannot be had: 503.
    assert answer.status_code == 401


@given(text=st.one_of(st.text(), st.text(alphabet="eyJ0.-_ABCDabcd")))
def test_no_text_at_all_breaks_the_check(text: str) -> None:
    here = Path("/nowhere")
    authority = Authority(
        here.as_uri(), issuer=ISSUER, audience="accord", region="waikato"
    )
    authority._keys = KeySet([OURS])
    authority._fetched = time.monotonic()

    with pytest.raises(NotAuthenticated):
        asyncio.run(authority.verify(text))


async def test_a_refusal_says_nothing_of_the_token(authority: Authority) -> None:
    sent = token(iss="https://evil.example")
    with logged() as lines, pytest.raises(NotAuthenticated) as caught:
        await authority.verify(sent)

    [line] = lines.of("token.refused")
    assert line["reason"] == "InvalidClaimError"
    assert "evil" not in lines.stream.getvalue() + str(caught.value)


async def test_a_token_is_believed_no_longer_than_it_is_valid(
    authority: Authority,
) -> None:
    sent = token(exp=int(time.time()) - 58, iat=int(time.time()) - 300)
    await authority.verify(sent)

    async def refused() -> bool:
        try:
            await authority.verify(sent)
        except NotAuthenticated:
            return True
        return False

    deadline = time.monotonic() + 10
    while not await refused():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_keys_are_rotated_without_a_restart(
    authority: Authority, jwks: Path
) -> None:
    await authority.verify(token())
    publish(jwks, OURS, NEXT)

    # A stranger cannot have the provider asked with every token that is made up.
    with pytest.raises(NotAuthenticated):
        await authority.verify(token(NEXT))

    pass_seconds(authority, KEYS_PAUSE + 1)
    assert await authority.verify(token(NEXT))
    assert await authority.verify(token())

    publish(jwks, NEXT)
    pass_seconds(authority, KEYS_FRESH + 1)
    assert await authority.verify(token(NEXT, jti="2"))
    with pytest.raises(NotAuthenticated):
        await authority.verify(token(jti="2"))


async def test_a_key_that_was_withdrawn_is_not_believed_for_long(
    authority: Authority, jwks: Path
) -> None:
    authority._longest_life = None
    sent = token(exp=int(time.time()) + 12 * 3600)
    await authority.verify(sent)
    publish(jwks, NEXT)
    assert await authority.verify(sent)

    until, _ = authority._checked[sent]
    assert until <= time.time() + KEYS_FRESH
    pass_seconds(authority, KEYS_FRESH + 1)
    with pytest.raises(NotAuthenticated):
        await authority.verify(sent)


def pass_seconds(authority: Authority, seconds: float) -> None:
    """Let time pass for what an authority keeps."""
    authority._fetched -= seconds
    authority._tried -= seconds
    authority._checked = {
        each: (until - seconds, found)
        for each, (until, found) in authority._checked.items()
    }


async def test_while_the_provider_is_away_its_last_keys_are_used(
    authority: Authority, jwks: Path
) -> None:
    await authority.verify(token())
    withdraw(jwks)
    pass_seconds(authority, KEYS_FRESH + 1)

    with logged() as lines:
        assert await authority.verify(token())

    assert lines.of("keys.not_fetched")


async def test_without_any_keys_nobody_is_refused_for_good(
    authority: Authority, jwks: Path
) -> None:
    withdraw(jwks)
    for _ in range(3):
        with pytest.raises(KeysAway):
            await authority.verify(token())

    publish(jwks, OURS)
    pass_seconds(authority, KEYS_RETRY)
    assert await authority.verify(token())


async def test_what_is_remembered_of_tokens_has_an_end(authority: Authority) -> None:
    found = await authority.verify(token())
    authority._checked = {
        str(each): (time.time() + 300, found) for each in range(REMEMBERED)
    }

    await authority.verify(token(jti="another"))

    assert len(authority._checked) == 1


class Provider:
    """An identity provider on HTTP that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = "200 OK"

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps(KeySet([OURS]).as_dict(private=False)).encode()
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    made = Provider()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield made, f"http://127.0.0.1:{port}/jwks.json"
    server.close()
    await server.wait_closed()


async def test_many_who_come_at_once_have_the_provider_asked_once(
    provider: tuple[Provider, str],
) -> None:
    served, url = provider
    authority = Authority(url, issuer=ISSUER, audience="accord", region="waikato")

    await asyncio.gather(*(authority.verify(token(jti=str(n))) for n in range(20)))

    assert served.asked == 1


async def test_a_provider_that_fails_is_not_asked_by_everybody(
    provider: tuple[Provider, str],
) -> None:
    served, url = provider
    served.status = "500 Internal Server Error"
    authority = Authority(url, issuer=ISSUER, audience="accord", region="waikato")

    outcomes = await asyncio.gather(
        *(authority.verify(token(jti=str(n))) for n in range(20)),
        return_exceptions=True,
    )

    assert {type(each) for each in outcomes} == {KeysAway}
    assert served.asked == 1


def toy(authority: Authority) -> FastAPI:
    """An application with one route."""
    app = FastAPI()
    app.state.authority = authority
    app.state.limits = Limits(
        "toy", requests=100, guesses=100, people=100, machines=100
    )
    problems.install(app)

    @app.get("/mine")
    async def mine(
        who: Annotated[Caller, Security(caller, scopes=["referrals.read"])],
    ) -> str:
        return who.subject

    return app


@pytest.fixture
async def client(authority: Authority) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(toy(authority)), base_url="http://toy"
    ) as opened:
        yield opened


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (lambda: None, 401),
        (lambda: "", 401),
        (lambda: "Bearer", 401),
        (lambda: "Bearer garbage", 401),
        (lambda: f"Basic {token()}", 401),
        (lambda: f"Bearer {token(scope='referrals.submit')}", 403),
        (lambda: f"Bearer {token(scope='referrals.readers')}", 403),
        (lambda: f"Bearer {token()}", 200),
        (lambda: f"bearer {token()}", 200),
    ],
)
async def test_a_route_asks_for_a_token_with_its_scope(
    client: httpx2.AsyncClient, header: Any, status: int
) -> None:
    given_ = header()
    headers = {} if given_ is None else {"Authorization": given_}

    answer = await client.get("/mine", headers=headers)

    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_a_missing_scope_is_named(client: httpx2.AsyncClient) -> None:
    sent = {"Authorization": f"Bearer {token(scope='')}"}

    answer = await client.get("/mine", headers=sent)

    assert answer.json()["type"] == "urn:accord:problem:not-allowed"
    assert answer.json()["detail"] == "The scope referrals.read is needed."


async def test_the_development_issuer_signs_good_tokens(
    issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    authority = Authority(
        issuer.jwks_url, issuer=DEVELOPMENT_ISSUER, audience="accord", region="test"
    )

    signed = issuer.token("somebody", "a.read", "b.read", region="test", worker="w")

    found = await authority.verify(signed)
    assert (found.scopes, found.worker) == (frozenset({"a.read", "b.read"}), "w")
    again = DevelopmentIssuer(tmp_path / "issuer")
    assert await authority.verify(again.token("another", region="test"))


PROXY, ELSEWHERE = "192.0.2.7", "198.51.100.7"
HEXADECIMAL = base64.urlsafe_b64decode(BOUND + "=").hex()


def behind(authority: Authority, peer: str | None) -> httpx2.AsyncClient:
    """A client of a route whose requests come from somewhere."""
    transport = httpx2.ASGITransport(toy(authority), client=(peer or "", 1))
    return httpx2.AsyncClient(transport=transport, base_url="http://toy")


@pytest.mark.parametrize(
    ("peer", "told", "status"),
    [
        (PROXY, [BOUND], 200),
        (PROXY, [HEXADECIMAL], 200),
        (PROXY, [HEXADECIMAL.upper()], 200),
        (f"::ffff:{PROXY}", [BOUND], 200),
        (f"::ffff:{ELSEWHERE}", [BOUND], 401),
        (PROXY, [], 401),
        (PROXY, [""], 401),
        (PROXY, [OTHER], 401),
        (PROXY, [BOUND + "="], 401),
        (PROXY, [HEXADECIMAL[:40]], 401),
        # Whoever adds a header before the proxy does has two of them arrive.
        (PROXY, [BOUND, BOUND], 401),
        (PROXY, [OTHER, BOUND], 401),
        (PROXY, [f"{OTHER}, {BOUND}"], 401),
        (ELSEWHERE, [BOUND], 401),
        ("::1", [BOUND], 401),
        (None, [BOUND], 401),
        ("somewhere", [BOUND], 401),
    ],
)
async def test_a_bound_token_needs_its_certificate_told_of_by_the_proxy(
    authority: Authority, peer: str | None, told: list[str], status: int
) -> None:
    bearer = f"Bearer {token(cnf=bound_to(BOUND))}"
    headers = [("Authorization", bearer), *(("X-Thumbprint", each) for each in told)]

    async with behind(authority, peer) as client:
        answer = await client.get("/mine", headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize("told", [NO_CERTIFICATE, hashlib.sha256(b"").hexdigest()])
async def test_the_thumbprint_of_nothing_is_no_certificate(
    authority: Authority, told: str
) -> None:
    bearer = f"Bearer {token(cnf=bound_to(NO_CERTIFICATE))}"

    async with behind(authority, PROXY) as client:
        headers = {"Authorization": bearer, "X-Thumbprint": told}
        assert (await client.get("/mine", headers=headers)).status_code == 401


async def test_a_bound_token_that_was_believed_is_worth_nothing_to_a_thief(
    authority: Authority,
) -> None:
    sent = token(cnf=bound_to(BOUND))
    assert await authority.verify(sent, BOUND)

    for certificate in (OTHER, None):
        with pytest.raises(NotAuthenticated):
            await authority.verify(sent, certificate)


async def test_without_a_proxy_no_bound_token_is_good(jwks: Path) -> None:
    authority = Authority(
        jwks.as_uri(), issuer=ISSUER, audience="accord", region="waikato"
    )
    headers = {
        "Authorization": f"Bearer {token(cnf=bound_to(BOUND))}",
        "X-Thumbprint": BOUND,
    }

    async with behind(authority, PROXY) as client:
        assert (await client.get("/mine", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        {"agency": "police", "cnf": {"x5t#S256": BOUND}},
        {"agency": "police", "worker": "w-1"},
        {"agency": "police", "auth_time": 1_700_000_000},
        {"agency": None},
    ],
)
async def test_an_agencys_machine_may_be_required_to_be_bound(
    authority: Authority, said: dict[str, Any]
) -> None:
    authority.bound_only = True

    assert await authority.verify(token(**said), BOUND)
    for client in (None, "portal", "somebody"):
        with pytest.raises(NotAuthenticated):
            await authority.verify(token(agency="police", client_id=client), BOUND)


SERVICE = {"agency": None, "client_id": "somebody"}


@pytest.mark.parametrize(
    ("said", "machine", "service"),
    [
        (SERVICE, True, True),
        ({"agency": None, "azp": "somebody"}, True, True),
        ({**SERVICE, "agency": "police"}, True, False),
        ({**SERVICE, "auth_time": 1_700_000_000}, False, False),
        ({**SERVICE, "worker": "w-1"}, False, False),
        ({**SERVICE, "client_id": "portal"}, False, False),
        ({**SERVICE, "client_id": None}, False, False),
        # A clerk, for whom no worker stands in the directory.
        ({"auth_time": 1_700_000_000, "client_id": "portal"}, False, False),
        ({}, False, False),
    ],
)
async def test_a_machine_is_known_by_being_its_own_client_without_a_login(
    authority: Authority, said: dict[str, Any], *, machine: bool, service: bool
) -> None:
    found = await authority.verify(token(**said))

    assert (found.is_machine, found.is_service) == (machine, service)
    counted = who_is(found)
    assert (counted.machine, counted.service) == (machine, service)


PROXIED = {
    "client_certificate_header": "X-Thumbprint",
    "trusted_proxies": "192.0.2.0/24, 2001:db8::/32",
    "tls_terminated": True,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"trusted_proxies": ""},
        {"trusted_proxies": "0.0.0.0/0"},
        {"trusted_proxies": "192.0.2.0/24,::/0"},
        {"tls_terminated": False},
        {"client_certificate_header": None, "require_bound_tokens": True},
    ],
)
def test_a_header_that_anybody_could_set_stops_the_start(
    common_settings: dict[str, Any], tmp_path: Path, wrong: dict[str, Any]
) -> None:
    settings = {**common_settings, "locality": tmp_path, **PROXIED, **wrong}

    with pytest.raises(BadConfiguration, match="ACCORD_"):
        authority_for(ChassisSettings(**settings))


async def test_tokens_that_live_long_are_for_development_alone(
    common_settings: dict[str, Any], tmp_path: Path, issuer: DevelopmentIssuer
) -> None:
    chosen = {**common_settings, "locality": tmp_path, **PROXIED}
    sent = issuer.token("somebody", region="test", lifetime=3600.0)

    development = authority_for(ChassisSettings(**chosen))
    production = authority_for(ChassisSettings(**{**chosen, "development": False}))

    assert await development.verify(sent)
    with pytest.raises(NotAuthenticated):
        await production.verify(sent)
