"""Keys that can be destroyed: sealing, blind indexes, shredding and rotation."""

import copy
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.process import kept_master_key
from accord_chassis.sealing import ERASED, SealedStore
from accord_chassis.settings import BadConfiguration
from accord_chassis.store import Conflict, Database, Document
from accord_chassis.testing import new_id, vault_in
from accord_chassis.vault import (
    KeysMissing,
    NotSealedHere,
    NotYetOpen,
    Vault,
    VaultSettings,
    seal,
    unseal,
    vault_of,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError
from pymongo import AsyncMongoClient
from pymongo.errors import EncryptionError

SENTINEL = "Sentinel Street 7"

Client = AsyncMongoClient[dict[str, Any]]


class Home(BaseModel):
    """Where somebody lives."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    address: str | None = None
    rooms: int = 1


class Homes(SealedStore[Home]):
    """The homes, their addresses sealed."""

    entity = Home
    collection: ClassVar[str] = "homes"

    def take_apart(self, fields: Document) -> dict[str, Any]:
        return {"address": fields.pop("address")} if "address" in fields else {}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        address = parts.get("address")
        fields["address"] = "erased" if address is ERASED else address


class Watch:
    """A clock of one process, which the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def vault_name(store_client: Client) -> AsyncIterator[str]:
    name = f"test_vault_{new_id()[:8]}"
    yield name
    await store_client.drop_database(name)


async def process(
    client: Client, name: str, master_key: Path, watch: Watch | None = None
) -> Vault:
    """Open the vault as one more process does."""
    made = vault_in(client, name, master_key, watch or Watch())
    await made.open()
    return made


def homes(database: Database, vault: Vault, clock: SimulatedClock) -> Homes:
    """Give the store as a process with this vault has it."""
    own = Database(database.client, database.name, source="/test", clock=clock)
    own.vault = vault
    return Homes(own)


async def test_a_sealed_field_comes_back_and_is_not_in_the_document(
    database: Database, vault: Vault, clock: SimulatedClock
) -> None:
    held = homes(database, vault, clock)
    saved = await held.save(Home(id=new_id(), address=SENTINEL))

    found = await homes(database, vault, clock).get(saved.id)

    stored = await held.documents.find_one({"_id": saved.id})
    assert found == saved
    assert SENTINEL not in repr(stored)
    assert stored
    assert "address" not in stored


async def test_before_it_is_open_no_id_is_derived(
    store_client: Client, vault_name: str, master_key: Path
) -> None:
    fresh = vault_in(store_client, vault_name, master_key)

    with pytest.raises(NotYetOpen):
        fresh.id_of("referral", "theirs")


async def test_what_did_not_change_is_not_sealed_anew(
    database: Database, vault: Vault, clock: SimulatedClock
) -> None:
    held = homes(database, vault, clock)
    saved = await held.save(Home(id=new_id(), address=SENTINEL))
    before = await held.documents.find_one({"_id": saved.id})

    changed = await held.save(saved.model_copy(update={"rooms": 2}))
    after = await held.documents.find_one({"_id": saved.id})
    moved = await held.save(changed.model_copy(update={"address": "elsewhere"}))

    assert before
    assert after
    assert after["rooms"] == 2
    assert after["sealed"] == before["sealed"]
    assert await held.get(saved.id) == moved


async def test_saving_again_after_a_crash_uses_the_keys_of_then(
    database: Database, vault: Vault, clock: SimulatedClock
) -> None:
    held, home = homes(database, vault, clock), Home(id=new_id(), address=SENTINEL)
    await vault.make(held.record(home.id), ["address"])

    saved = await held.save(home)
    with pytest.raises(Conflict):
        await held.save(home)

    assert await held.get(home.id) == saved


async def test_a_part_that_came_later_gets_a_key(
    database: Database, vault: Vault, clock: SimulatedClock
) -> None:
    held = homes(database, vault, clock)
    saved = await held.save(Home(id=new_id()))

    moved = await held.save(saved.model_copy(update={"address": SENTINEL}))

    assert await held.get(saved.id) == moved


async def test_a_value_that_was_moved_to_another_record_is_refused(
    database: Database, vault: Vault, clock: SimulatedClock
) -> None:
    held = homes(database, vault, clock)
    one, other = [
        await held.save(Home(id=new_id(), address=each)) for each in (SENTINEL, "there")
    ]
    stored = await held.documents.find_one({"_id": one.id})
    assert stored
    await held.documents.update_one(
        {"_id": other.id}, {"$set": {"sealed": stored["sealed"]}}
    )

    with pytest.raises(NotSealedHere):
        await held.get(other.id)
    assert await held.get(one.id) == one


async def test_a_value_opens_in_its_own_place_only(vault: Vault) -> None:
    keys = await vault.make(new_id(), ["person/0"])
    key = keys["person/0"]
    assert key
    sealed = seal(key, [SENTINEL], "referrals/a", "person/0")

    assert unseal(key, sealed, "referrals/a", "person/0") == [SENTINEL]
    for record, part in (("referrals/a", "person/1"), ("referrals/b", "person/0")):
        with pytest.raises(NotSealedHere):
            unseal(key, sealed, record, part)
    with pytest.raises(NotSealedHere):
        unseal(key, b"\x02" + sealed[1:], "referrals/a", "person/0")


async def test_a_key_that_was_moved_to_another_record_is_refused(
    store_client: Client, vault_name: str, master_key: Path
) -> None:
    vault = await process(store_client, vault_name, master_key)
    await vault.make("homes/a", ["address"])
    await vault.make("homes/b", ["address"])
    records = store_client[vault_name]["records"]
    stolen = await records.find_one({"_id": "homes/a"})
    assert stolen
    await records.update_one({"_id": "homes/b"}, {"$set": {"keys": stolen["keys"]}})

    with pytest.raises(NotSealedHere):
        await (await process(store_client, vault_name, master_key)).keys_of("homes/b")


async def test_two_vaults_seal_differently(vault: Vault) -> None:
    one = await vault.make(new_id(), ["a", "b"])

    first, second = one["a"], one["b"]

    assert first
    assert second
    assert seal(first, SENTINEL, "r", "a") != seal(first, SENTINEL, "r", "a")
    with pytest.raises(NotSealedHere):
        unseal(second, seal(first, SENTINEL, "r", "a"), "r", "a")


async def test_who_was_erased_is_unreadable_everywhere_within_a_minute(
    database: Database,
    clock: SimulatedClock,
    vault_name: str,
    master_key: Path,
) -> None:
    client, watch = database.client, Watch()
    here = homes(database, await process(client, vault_name, master_key, watch), clock)
    there = homes(database, await process(client, vault_name, master_key, watch), clock)
    saved = await here.save(Home(id=new_id(), address=SENTINEL))
    backup = await here.documents.find_one({"_id": saved.id})
    assert await there.get(saved.id) == saved

    await here.vault.shred(here.record(saved.id), ["address"])
    at_once = await here.get(saved.id)
    watch.seconds = 59.9
    soon = await there.get(saved.id)
    await here.documents.delete_one({"_id": saved.id})
    await here.documents.insert_one(copy.deepcopy(backup) or {})
    restored = [await each.get(saved.id) for each in (here, there)]

    for each in (at_once, soon, *restored):
        assert each
        assert each.address == "erased"


async def test_what_was_erased_is_not_sealed_again_by_who_still_had_it(
    database: Database, vault: Vault, clock: SimulatedClock
) -> None:
    held = homes(database, vault, clock)
    saved = await held.save(Home(id=new_id(), address=SENTINEL))
    await vault.shred(held.record(saved.id))

    await held.save(saved.model_copy(update={"address": "elsewhere"}))

    found = await held.get(saved.id)
    assert found
    assert found.address is None


async def test_another_vault_is_not_taken_for_an_erasure(
    database: Database,
    vault: Vault,
    clock: SimulatedClock,
    vault_name: str,
    master_key: Path,
) -> None:
    saved = await homes(database, vault, clock).save(
        Home(id=new_id(), address=SENTINEL)
    )
    other = await process(database.client, vault_name, master_key)

    with pytest.raises(KeysMissing):
        await homes(database, other, clock).get(saved.id)


@pytest.mark.parametrize("root", ["regional/1", "blind"])
async def test_a_vault_that_lost_a_root_is_not_begun_anew(
    store_client: Client, vault_name: str, master_key: Path, root: str
) -> None:
    vault = await process(store_client, vault_name, master_key)
    await vault.make("homes/a", ["address"])
    await store_client[vault_name]["roots"].delete_one({"_id": root})

    with pytest.raises(KeysMissing):
        await process(store_client, vault_name, master_key)


async def test_one_part_is_destroyed_and_the_others_stay(vault: Vault) -> None:
    record = new_id()
    await vault.make(record, ["person/0", "person/1", "narrative"])

    await vault.shred(record, ["person/1"])

    keys = await vault.keys_of(record)
    assert {part for part, key in keys.items() if key} == {"person/0", "narrative"}


def test_no_process_may_hold_keys_for_longer_than_a_minute(master_key: Path) -> None:
    with pytest.raises(ValidationError):
        settings(master_key, key_cache_seconds=60.1)


async def test_after_a_rotation_everything_rests_on_the_new_key(
    store_client: Client, vault_name: str, master_key: Path
) -> None:
    vault = await process(store_client, vault_name, master_key)
    keys = await vault.make("homes/a", ["address"])
    key = keys["address"]
    assert key
    sealed = seal(key, SENTINEL, "homes/a", "address")
    lagging = await process(store_client, vault_name, master_key)

    version = await vault.rotate()
    counts = [await vault.rewrap(), await vault.rewrap()]

    late = (await lagging.keys_of("homes/a"))["address"]
    assert late
    assert version == 2
    assert counts == [1, 0]
    assert await vault.status() == {1: 0, 2: 1}
    assert unseal(late, sealed, "homes/a", "address") == SENTINEL


async def test_the_key_services_own_key_is_replaced_without_touching_a_record(
    store_client: Client, vault_name: str, master_key: Path
) -> None:
    vault = await process(store_client, vault_name, master_key)
    keys = await vault.make("homes/a", ["address"])
    key = keys["address"]
    assert key
    sealed = seal(key, SENTINEL, "homes/a", "address")
    data_keys = store_client[vault_name]["datakeys"]
    before = {each["_id"]: each["keyMaterial"] async for each in data_keys.find()}

    count = await vault.renew_guard()

    after = {each["_id"]: each["keyMaterial"] async for each in data_keys.find()}
    later = await process(store_client, vault_name, master_key)
    opened = (await later.keys_of("homes/a"))["address"]
    assert opened
    assert count == len(before) == 2
    assert before.keys() == after.keys()
    assert all(after[each] != before[each] for each in before)
    assert unseal(opened, sealed, "homes/a", "address") == SENTINEL
    assert await later.status() == {1: 1}


async def test_a_rotation_brings_nothing_back_that_was_destroyed(
    store_client: Client, vault_name: str, master_key: Path
) -> None:
    vault = await process(store_client, vault_name, master_key)
    await vault.make("homes/a", ["address", "place"])
    await vault.shred("homes/a", ["address"])

    await vault.rotate()
    await vault.rewrap()

    keys = await (await process(store_client, vault_name, master_key)).keys_of(
        "homes/a"
    )
    assert keys["address"] is None
    assert keys["place"]


async def test_another_master_key_opens_nothing(
    store_client: Client, vault_name: str, master_key: Path, tmp_path: Path
) -> None:
    await process(store_client, vault_name, master_key)
    other = kept_master_key(tmp_path / "other")

    with pytest.raises(EncryptionError):
        await process(store_client, vault_name, other)


async def test_no_key_stands_in_the_vault_in_the_clear(
    store_client: Client, vault_name: str, master_key: Path
) -> None:
    vault = await process(store_client, vault_name, master_key)
    await vault.make("homes/a", ["address"])
    regional = await store_client[vault_name]["roots"].find({}).to_list()

    assert {each["_id"] for each in regional} == {"regional/1", "blind"}
    assert {each["value"].subtype for each in regional} == {6}


@given(value=st.text(max_size=40), other=st.text(max_size=40))
def test_a_blind_index_is_equal_for_what_is_equal_only(
    vault: Vault, value: str, other: str
) -> None:
    blind = vault.blind(f"nhi:{value}")

    assert blind == vault.blind(f"nhi:{value}")
    assert blind.startswith("nhi:")
    assert (blind == vault.blind(f"nhi:{other}")) == (value == other)


def test_the_same_value_of_another_kind_is_not_known_by_its_index(
    vault: Vault,
) -> None:
    one, other = vault.blind("nhi:abc1234"), vault.blind("prn:abc1234")

    assert one.partition(":")[2] != other.partition(":")[2]
    assert "abc1234" not in one


async def test_two_regions_have_other_blind_indexes(
    store_client: Client, vault: Vault, vault_name: str, master_key: Path
) -> None:
    other = await process(store_client, vault_name, master_key)

    assert vault.blind("nhi:abc1234") != other.blind("nhi:abc1234")


async def test_an_id_is_derived_alike_by_whoever_has_the_key_and_by_nobody_else(
    store_client: Client, vault: Vault, vault_name: str, master_key: Path
) -> None:
    other = await process(store_client, vault_name, master_key)
    again = await process(store_client, vault_name, master_key)

    made = other.id_of("case", "17")

    assert str(UUID(made)) == made == again.id_of("case", "17")
    assert made not in {
        vault.id_of("case", "17"),
        other.id_of("case", "18"),
        other.id_of("person", "17"),
    }


def settings(master_key: Path | None, **given: Any) -> VaultSettings:
    """Give settings as a developer has them."""
    told: dict[str, Any] = {
        "development": True,
        "store_url": "mongodb://127.0.0.1:1/",
        "kms_key_file": master_key,
        **given,
    }
    return VaultSettings(**told)


@pytest.mark.parametrize(
    "given_",
    [
        {"development": False},
        {"kms_key_file": None},
        {"kms_provider": "aws"},
        {"kms_provider": "a drawer"},
    ],
    ids=str,
)
def test_a_key_service_that_guards_nothing_is_refused(
    master_key: Path, given_: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        settings(master_key, **given_)


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_production_names_a_key_service(provider: str) -> None:
    chosen = settings(
        None, development=False, kms_provider=provider, kms_credentials='{"key": "x"}'
    )

    assert chosen.providers() == {provider: {"key": "x"}}


def test_a_kmip_server_and_the_service_show_each_other_certificates(
    tmp_path: Path,
) -> None:
    """What the driver is told; no KMIP server was ever spoken to."""
    own, authority = tmp_path / "own.pem", tmp_path / "ca.pem"
    chosen = settings(
        None,
        development=False,
        kms_provider="kmip",
        kms_credentials='{"endpoint": "kmip.example:5696"}',
        kms_tls_ca_file=authority,
        kms_tls_certificate_file=own,
    )

    assert chosen.providers() == {"kmip": {"endpoint": "kmip.example:5696"}}
    assert chosen.tls() == {
        "kmip": {"tlsCAFile": str(authority), "tlsCertificateKeyFile": str(own)}
    }


def test_credentials_that_are_wrong_are_named_and_not_shown(
    database: Database,
) -> None:
    wrong = settings(None, kms_provider="gcp", kms_credentials="sentinel")

    with pytest.raises(BadConfiguration) as refused:
        vault_of(wrong, database.client)
    assert "sentinel" not in str(refused.value)


def test_a_master_key_of_another_length_is_refused(
    database: Database, tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_text("x")

    with pytest.raises(BadConfiguration, match="96 bytes"):
        vault_of(settings(short), database.client)
