"""Between the services too nobody reads or answers: each shows a certificate."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import uvicorn
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.doors import Shown, Trust
from accord_chassis.settings import BadConfiguration
from accord_chassis.standing import AskedStandings, allocation_of
from accord_chassis.testing import new_id
from accord_contracts.access import AskStandings, Standing, Standings
from chassis_certificates import Authority
from chassis_toy import settings_for
from fastapi import FastAPI
from pydantic import SecretStr

app = FastAPI()


@app.post("/v1/standings")
async def standings(asked: AskStandings) -> Standings:
    """Answer as allocation does."""
    return Standings(
        standings=tuple(
            Standing(case_id=case_id, worker_id=each.worker_id, active=True)
            for each in asked.asked
            for case_id in each.case_ids
        )
    )


@dataclass
class Secure:
    """A service that speaks TLS itself."""

    authority: Authority
    file: Path
    port: int

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    async def shows(self) -> int:
        """Connect, and give the number of the certificate that is shown."""
        context = Trust(self.authority.ca_file).context()
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        found = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        await writer.wait_closed()
        return int(found, 16)


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Secure]:
    authority = Authority(tmp_path)
    file = authority.certificate("server.pem")
    shown = Shown(file)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="critical",
                lifespan="off",
                ssl_context_factory=shown.context,
            )
        )
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield Secure(authority, file, listening.getsockname()[1])
        server.should_exit = True
        await running


async def test_a_service_is_asked_over_tls_by_those_who_trust_its_authority(
    secure: Secure, issuer: DevelopmentIssuer
) -> None:
    settings = settings_for(
        "mongodb://store/",
        issuer,
        allocation_url=secure.url,
        ca_file=secure.authority.ca_file,
        service_token=SecretStr("token"),
    )
    peer = allocation_of(settings)
    asking = AskedStandings(peer)
    worker, case = new_id(), new_id()

    answer = await asking.of(worker, [case])

    await peer.close()
    assert answer[case].active


async def test_whoever_does_not_know_the_authority_asks_nothing(
    secure: Secure, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")

    async with httpx2.AsyncClient(verify=Trust(other.ca_file).context()) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(secure.url)


def test_an_older_tls_is_refused(secure: Secure) -> None:
    assert Shown(secure.file).context().minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_renewed_certificate_is_shown_to_whoever_connects_next(
    secure: Secure,
) -> None:
    before = await secure.shows()

    secure.authority.certificate("server.pem", ends=timedelta(hours=1))

    assert await secure.shows() != before


async def test_half_a_certificate_changes_nothing_until_it_is_whole(
    secure: Secure,
) -> None:
    before = await secure.shows()
    whole = secure.authority.certificate("next.pem").read_text("utf-8")

    secure.file.write_text(whole[:200], "utf-8")
    assert await secure.shows() == before

    secure.file.write_text(whole, "utf-8")
    assert await secure.shows() != before


def test_without_its_certificate_a_service_does_not_start(
    issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    settings = settings_for(
        "mongodb://store/", issuer, server_cert_file=tmp_path / "none.pem"
    )

    with pytest.raises(BadConfiguration, match="ACCORD_SERVER_CERT_FILE"):
        Shown.of(settings)
