"""The region's keys as an operator sees and changes them."""

import json
from pathlib import Path

import pytest
from accord.surroundings import PREFIX, Surroundings
from accord_chassis.store import connect
from accord_chassis.testing import vault_in
from cli_verbs import run_in


@pytest.fixture
def named(region: Surroundings) -> dict[str, str]:
    """Give the settings under which a service of the region seals."""
    told = region.environment("referrals", port=1, addresses={})
    names = ("STORE_URL", "VAULT_DATABASE", "KMS_KEY_FILE", "DEVELOPMENT")
    return {f"{PREFIX}{name}": told[f"{PREFIX}{name}"] for name in names}


async def test_a_rotation_wraps_everything_anew(
    region: Surroundings, named: dict[str, str], tmp_path: Path
) -> None:
    key = Path(named["ACCORD_KMS_KEY_FILE"])
    async with connect(region.store_url) as client:
        vault = vault_in(client, region.vault_database, key)
        await vault.open()
        for number in range(3):
            await vault.make(f"referrals/{number}", ["person/0", "narrative"])

        rotated = run_in(tmp_path, "keys", "rotate", **named)
        again = run_in(tmp_path, "keys", "rewrap", **named)
        renewed = run_in(tmp_path, "keys", "renew-guard", **named)
        status = run_in(tmp_path, "keys", "status", "--json", **named)
        await client.drop_database(region.vault_database)

    assert rotated.stdout == "version 2: 3 records wrapped anew.\n", rotated.stderr
    assert again.stdout == "0 records wrapped anew.\n"
    # Two versions of the regional key, and the root of the blind indexes.
    assert renewed.stdout == "3 data keys wrapped anew.\n", renewed.stderr
    assert json.loads(status.stdout) == {"1": 0, "2": 3}


def test_without_a_key_service_it_says_what_is_missing(
    named: dict[str, str], tmp_path: Path
) -> None:
    del named["ACCORD_KMS_KEY_FILE"]

    refused = run_in(tmp_path, "keys", "status", **named)

    assert refused.returncode == 1
    assert "ACCORD_KMS_KEY_FILE" in refused.stderr
