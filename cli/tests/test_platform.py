"""Services as processes: started, killed, started again at the same address."""

from pathlib import Path

import pytest
from accord.client import Client, Gone
from accord.faults import CannotGoOn
from accord.gateway import gateway
from accord.platform import Platform
from accord.serving import listen, serving
from accord.surroundings import Surroundings
from accord_chassis.testing import eventually

NOWHERE = "http://127.0.0.1:1"

NOBODY = "00000000-0000-0000-0000-000000000000"


async def test_a_killed_service_is_started_again_at_its_address(
    region: Surroundings, tmp_path: Path
) -> None:
    token = region.issuer.token("test", "risk.read", region="test")
    async with Platform(region, tmp_path, services=("risk",)) as platform:
        risk = platform["risk"]
        risk.environment["ACCORD_ALLOCATION_URL"] = NOWHERE
        await platform.start()
        first = risk.pid

        await risk.kill()
        async with Client(risk.url) as client:
            with pytest.raises(Gone):
                await client.get("/live")
        await risk.start()

        assert risk.pid != first
        async with Client(risk.url, token=token) as client:
            answer = await client.get(f"/v1/assessments/{NOBODY}")
        assert answer.status == 404
        await risk.stop()
        assert "service.drained" in risk.log.read_text()


async def test_a_service_that_cannot_start_is_told_of_with_its_log(
    region: Surroundings, tmp_path: Path
) -> None:
    async with Platform(region, tmp_path, services=("risk",)) as platform:
        risk = platform["risk"]
        risk.environment["ACCORD_LOCALITY"] = str(tmp_path)

        with pytest.raises(CannotGoOn, match="risk was not ready") as told:
            await risk.start(within=3)

        async def it_says_why() -> bool:
            return "There is no risk.yaml" in risk.log.read_text()

        assert str(risk.log) in told.value.mend
        # A busy machine may take longer than that to come to the end of the start.
        await eventually(it_says_why, within=60)


async def test_the_gateway_passes_on_and_says_when_a_service_is_away(
    region: Surroundings, tmp_path: Path
) -> None:
    listening = listen(None)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    token = region.issuer.token("test", "risk.work", region="test")
    async with (
        Platform(region, tmp_path, services=("risk",), behind="/api") as platform,
        gateway(platform.addresses) as app,
        serving(app, listening),
        Client(url, token=token) as client,
    ):
        path = f"/api/risk/v1/assessments/{NOBODY}/answers"
        away = await client.send("POST", path, {"answers": {}})
        platform["risk"].environment["ACCORD_ALLOCATION_URL"] = NOWHERE
        await platform.start()
        wrong = await client.send("POST", path, {"answers": {"sentinel x": "yes"}})
        described = await client.get("/api/risk/openapi.json")
        unknown = await client.get("/api/other/v1/x")

    assert (away.status, unknown.status) == (503, 404)
    assert wrong.status == 422
    assert b"sentinel" not in wrong.body
    assert described.json()["servers"] == [{"url": "/api/risk"}]


def test_a_taken_port_is_told() -> None:
    taken = listen(None)

    with pytest.raises(CannotGoOn, match="is taken"):
        listen(taken.getsockname()[1])
    taken.close()
