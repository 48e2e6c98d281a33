"""The region's keys: how many records rest on which version, and a new version."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accord_chassis.store import connect
from accord_chassis.vault import Vault, VaultSettings, vault_of
from pydantic import ValidationError

from accord.deployment import HERE, Deployment, running
from accord.faults import CannotGoOn
from accord.reset import SUFFIX

WAIT_MS = 5000
"""How long the vault's store is looked for."""


def settings() -> VaultSettings:
    """Give where the vault is: as services are told, or the demonstration's.

    Raises:
        CannotGoOn: A variable is missing or wrong, and no demonstration runs here.
    """
    state = None if "ACCORD_STORE_URL" in os.environ else running(HERE)
    try:
        if state is not None:
            demonstration = Deployment.model_validate(state["deployment"])
            return VaultSettings(
                development=True,
                store_url=demonstration.store_url,
                vault_database=f"vault{SUFFIX}",
                kms_key_file=HERE / "master-key",
            )
        return VaultSettings(_secrets_dir=os.environ.get("ACCORD_SECRETS_DIR"))
    except ValidationError as wrong:
        names = ", ".join(
            f"ACCORD_{each['loc'][0]}".upper() if each["loc"] else each["msg"]
            for each in wrong.errors(include_url=False, include_input=False)
        )
        raise CannotGoOn(f"Correct {names}.") from None


@asynccontextmanager
async def opened() -> AsyncIterator[Vault]:
    """Open the vault for one command."""
    told = settings()
    url = (told.vault_url or told.store_url).get_secret_value()
    async with connect(url, serverSelectionTimeoutMS=WAIT_MS) as client:
        vault = vault_of(told.model_copy(update={"vault_url": None}), client)
        await vault.open()
        yield vault


async def status() -> dict[int, int]:
    """Count the records by the version of the regional key that theirs rest on."""
    async with opened() as vault:
        return await vault.status()


async def rotate() -> tuple[int, int]:
    """Make a new version, and wrap everything under it; say which, and how many."""
    async with opened() as vault:
        version = await vault.rotate()
        return version, await _rewrap(vault)


async def rewrap() -> int:
    """Wrap under the latest version what is not yet: after a rotation broken off."""
    async with opened() as vault:
        return await _rewrap(vault)


async def renew_guard() -> int:
    """Have the roots guarded by the key that the settings name now."""
    async with opened() as vault:
        return await vault.renew_guard()


async def _rewrap(vault: Vault) -> int:
    count = 0
    while done := await vault.rewrap():
        count += done
    return count
