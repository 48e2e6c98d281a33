"""Who is asking: which tokens are believed, and which are not."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
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
    REMEMBERED,
    Authority,
    Caller,
    KeysAway,
    NotAuthenticated,
    caller,
)
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.limits import Limits
from chassis_surroundings import logged
from fastapi import FastAPI, Security
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

ISSUER = "https://identity.example"

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
    return Authority(jwks.as_uri(), issuer=ISSUER, audience="accord", region="waikato")


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
    sent = token(exp=int(time.time()) - 58)
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


async def test_a_key_that_was_withdrawn_is_not_believed_for_long(
    authority: Authority, jwks: Path
) -> None:
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


@pytest.fixture
async def client(authority: Authority) -> AsyncIterator[httpx2.AsyncClient]:
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

    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://toy"
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
