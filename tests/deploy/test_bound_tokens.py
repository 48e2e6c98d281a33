"""A token that is bound to a certificate, over real mutual TLS through a real Caddy."""

import base64
import ipaddress
import json
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import Annotated

import pytest
import uvicorn
from accord_chassis import problems
from accord_chassis.access import Authority, Caller, CertificateHeader, caller
from accord_chassis.limits import Limits
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI, Security
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from .programs import found
from .test_gateway import answers_soon, free_port

HEADER = "X-Accord-Client-Certificate"
LOOPBACK, NAME = "127.0.0.1", "localhost"
KEY = ECKey.generate_key("P-256", {"kid": "ours"})

CADDYFILE = f"""
{{
	admin off
	auto_https off
	persist_config off
}}

https://{NAME}:{{$PORT}} {{
	bind {LOOPBACK}
	tls {{$HOME}}/server.pem {{$HOME}}/server.key {{
		client_auth {{
			mode verify_if_given
			trust_pool file {{$HOME}}/ca.pem
		}}
	}}
	reverse_proxy {LOOPBACK}:{{$BEHIND}} {{
		header_up {HEADER} {{http.request.tls.client.fingerprint}}
	}}
}}
"""


class Certificates:
    """A private authority, and what it has signed, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Authority of a test")
        made = self._signed(self._name, self._key.public_key(), authority=True)
        self._write("ca", made, self._key)

    def issue(self, name: str) -> str:
        """Make a certificate, and give its thumbprint as RFC 8705 writes it."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(_name(name), key.public_key(), authority=False)
        self._write(name, made, key)
        digest = made.fingerprint(hashes.SHA256())
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        address = x509.DNSName(NAME)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(
        self, name: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> None:
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
        (self.folder / f"{name}.key").write_bytes(private)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Proxied:
    """A service behind a proxy that ends mutual TLS."""

    port: int
    folder: Path
    thumbprint: str

    def ask(
        self, certificate: str | None, *, bound_to: str, told: str | None = None
    ) -> int:
        """Ask with a token and a certificate, and give the status."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if certificate:
            mine = self.folder / f"{certificate}.pem"
            context.load_cert_chain(mine, mine.with_suffix(".key"))
        headers = {"Authorization": f"Bearer {token(bound_to)}"}
        if told:
            headers[HEADER] = told
        connection = HTTPSConnection(NAME, self.port, context=context, timeout=10)
        try:
            connection.request("GET", "/mine", headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()


def token(bound_to: str) -> str:
    now = int(time.time())
    said = {
        "iss": "https://identity.example", "aud": "accord", "sub": "system",
        "iat": now, "exp": now + 300, "region": "waikato", "agency": "police",
        "cnf": {"x5t#S256": bound_to},
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "ours"}, said, KEY)


@contextmanager
def service(folder: Path) -> Iterator[int]:
    """A service that believes a proxy on loopback."""
    keys = folder / "jwks.json"
    keys.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
    app = FastAPI()
    problems.install(app)
    app.state.limits = Limits(
        "toy", requests=100, guesses=100, people=100, machines=100
    )
    app.state.authority = Authority(
        keys.as_uri(),
        issuer="https://identity.example",
        audience="accord",
        region="waikato",
        certificates=CertificateHeader(
            HEADER, (ipaddress.IPv4Network(f"{LOOPBACK}/32"),)
        ),
        bound_only=True,
    )

    @app.get("/mine")
    async def mine(who: Annotated[Caller, Security(caller)]) -> str:
        return who.subject

    port = free_port()
    config = uvicorn.Config(app, port=port, log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        answers_soon(port)
        yield port
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    program = found("caddy")
    if program is None:
        pytest.skip("no caddy here: nothing ended TLS")
    folder = tmp_path_factory.mktemp("tls")
    certificates = Certificates(folder)
    certificates.issue("server")
    certificates.issue("hospital")
    thumbprint = certificates.issue("police")
    (folder / "Caddyfile").write_text(CADDYFILE)
    with service(folder) as behind:
        port = free_port()
        own = {"PORT": str(port), "BEHIND": str(behind), "HOME": str(folder),
               "XDG_DATA_HOME": str(folder)}  # fmt: skip
        process = subprocess.Popen(
            [program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
            cwd=folder,
            env=os.environ | own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answers_soon(port)
            yield Proxied(port, folder, thumbprint)
        finally:
            process.terminate()
            process.wait(10)


def test_a_bound_token_is_good_with_its_certificate(proxied: Proxied) -> None:
    assert proxied.ask("police", bound_to=proxied.thumbprint) == 200


@pytest.mark.parametrize("certificate", ["hospital", None])
def test_a_stolen_token_is_worth_nothing_without_the_certificate(
    proxied: Proxied, certificate: str | None
) -> None:
    assert proxied.ask(certificate, bound_to=proxied.thumbprint) == 401


@pytest.mark.parametrize("certificate", ["hospital", None])
def test_the_proxy_overwrites_what_a_client_says_of_its_certificate(
    proxied: Proxied, certificate: str | None
) -> None:
    status = proxied.ask(
        certificate, bound_to=proxied.thumbprint, told=proxied.thumbprint
    )

    assert status == 401
