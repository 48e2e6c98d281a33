"""Whoever weighs by an instrument can read what it asks and how little it says."""

from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.testing import COORDINATOR, Alive
from risk.domain.instruments import SHIPPED, shipped
from risk.routes.instruments import shown
from risk_builders import POLICY, policy


async def test_every_instrument_is_shown_with_its_licence_and_how_good_it_is(
    risk: Alive, issuer: DevelopmentIssuer
) -> None:
    token = issuer.token("worker", "risk.read", region="test", worker=COORDINATOR)
    headers = {"Authorization": f"Bearer {token}"}

    answer = await risk.http.get("/v1/instruments", headers=headers)

    told = answer.json()
    by_key = {each["key"]: each for each in told["instruments"]}
    used = [each["key"] for each in told["instruments"] if each["used"]]
    assert told["policy_fingerprint"] == POLICY.fingerprint
    assert set(by_key) == {*SHIPPED}
    assert used == [*POLICY.instruments]
    for key, each in by_key.items():
        assert (each["version"], each["licence"]) == (
            shipped(key).version,
            shipped(key).licence,
        )
        assert each["validity"]
        assert each["sources"]
    assert by_key["odara"]["certified"]
    assert by_key["dyra"]["evidence_only"]
    assert by_key["da5"]["questions"]["da5_worse_in_6_months"] == "escalation"
    assert not by_key["da5"]["items"]["da5_weapon"]["says"]


def test_an_instrument_is_shown_as_the_locality_uses_it() -> None:
    dash = {"cutoffs": {"visible_high_risk": 12}}
    changed = shown(policy(instruments={"triage": {}, "dash": dash}))

    [used] = [each for each in changed.instruments if each.key == "dash"]

    bands = {band.code: band.at_least for each in used.bands.values() for band in each}
    assert (used.used, bands["visible_high_risk"]) == (True, 12)
    assert "odara" in {each.key for each in changed.instruments if not each.used}
