"""Nothing that identifies or locates stands in a document or a file of the store."""

import asyncio
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import bson
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.store import LocalStore
from accord_chassis.store import Database, connect
from accord_chassis.testing import NOON, message_of, new_id, vault_in
from accord_contracts.referrals import ReferralPosted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from referrals.domain.referral import Referral
from referrals.domain.telling import Telling
from referrals.handlers import post_referral, recognise_people
from referrals.review_store import Reviews
from referrals.store import People, Referrals
from referrals_builders import MATCHING, POLICE, POLICY, RULES

LETTERS = "abcdefghijklmnopqrstuvwxyz"

# Long enough that no other value holds it by chance.
SECRETS = st.text(LETTERS, min_size=12, max_size=24).map("Zq{}".format)
CODES = st.integers(10**11, 10**12 - 1).map(str)


@st.composite
def people(draw: st.DrawFn, role: str) -> dict[str, Any]:
    """Draw a person, every field of whom is told."""
    contact = {
        "channel": draw(st.sampled_from(["phone", "email", "post"])),
        **{name: draw(SECRETS) for name in ("value", "read_by", "hours", "code_word")},
    }
    return {
        "role": role,
        "given_name": draw(SECRETS),
        "family_name": draw(SECRETS),
        "date_of_birth": draw(st.dates(date(1930, 1, 1), date(2020, 1, 1))).isoformat(),
        "identifiers": [
            {"system": "nhi", "value": draw(CODES)},
            {"system": "school_roll", "value": draw(CODES)},
        ],
        "contact_points": [contact],
    }


@st.composite
def families(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a referral, with free text wherever there can be any."""
    children = draw(st.lists(people("child"), max_size=2))
    adults = [draw(people("person_harmed")), draw(people("person_using_violence"))]
    return {
        "people": [*adults, *children],
        "incidents": ["verbal_abuse"],
        "occurred_at": "2026-11-02T09:30:00Z",
        "sharing": {
            "purpose": "fva20_a",
            "consulted": False,
            "why_not_safe": draw(SECRETS),
        },
        "place": {"area": "linwood", "address": draw(SECRETS)},
        "narrative": draw(SECRETS),
        "reference": draw(SECRETS),
    }


def secrets_of(told: Any) -> set[bytes]:
    """Give every value that nobody may find."""
    values: list[str] = [told["narrative"], told["reference"], told["place"]["address"]]
    values.append(told["sharing"]["why_not_safe"])
    for person in told["people"]:
        values += [person["given_name"], person["family_name"], person["date_of_birth"]]
        values += [each["value"] for each in person["identifiers"]]
        for contact in person["contact_points"]:
            names = ("value", "read_by", "hours", "code_word")
            values += [contact[name] for name in names]
    # As it is told, and as recognition compares it.
    return {form.encode() for each in values for form in (each, each.casefold())}


async def take_in(
    told: Any, referrals: Referrals, known: People, reviews: Reviews
) -> Referral:
    """Post a referral and recognise its people."""
    posted = await post_referral(
        Telling.model_validate(told),
        POLICE,
        key=new_id(),
        at=NOON,
        referrals=referrals,
        policy=POLICY,
    )
    message = message_of(ReferralPosted(referral_id=posted.referral.id))
    await recognise_people(
        message,
        referrals=referrals,
        people=known,
        reviews=reviews,
        rules=RULES,
        matching=MATCHING,
    )
    return posted.referral


async def documents_of(database: Database) -> list[bytes]:
    """Give every document of a database as the store has it."""
    names = await database.documents.list_collection_names()
    return [
        bson.encode(each)
        for name in names
        async for each in database.documents[name].find({})
    ]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(told=families())
async def test_no_document_holds_what_identifies_or_locates(
    referrals: Referrals,
    people: People,
    reviews: Reviews,
    database: Database,
    told: Any,
) -> None:
    made = await take_in(told, referrals, people, reviews)

    documents = b"".join(await documents_of(database))
    loaded = await Referrals(database).get(made.id)
    assert loaded
    assert loaded.told == Telling.model_validate(told)
    assert [each for each in secrets_of(told) if each in documents] == []


@pytest.mark.timeout(120)
async def test_no_file_of_the_store_holds_what_identifies_or_locates(
    tmp_path: Path, clock: SimulatedClock, master_key: Path
) -> None:
    family, control = _a_family(), "Zqcontrolthatisnotsealed"
    with LocalStore(tmp_path / "store").running() as store:
        client = connect(store.url)
        database = Database(client, "referrals", source="/test", clock=clock)
        database.vault = vault_in(client, "vault", master_key)
        await database.vault.open()
        referrals, known = Referrals(database), People(database)
        reviews = Reviews(database)
        await asyncio.gather(referrals.prepare(), known.prepare())
        await take_in(family, referrals, known, reviews)
        await database.documents["control"].insert_one({"_id": "x", "text": control})
        await client.close()

    files = [each for each in (tmp_path / "store").rglob("*") if each.is_file()]
    contents = b"".join(each.read_bytes() for each in files)
    assert control.encode() in contents, "what is not sealed would be found"
    assert [each for each in secrets_of(family) if each in contents] == []


def _a_family() -> dict[str, Any]:
    def person(number: int, role: str) -> dict[str, Any]:
        return {
            "role": role,
            "given_name": f"Zqgivenname{number}",
            "family_name": f"Zqfamilyname{number}",
            "date_of_birth": f"1987-0{number}-17",
            "identifiers": [{"system": "nhi", "value": f"98765432100{number}"}],
            "contact_points": [
                {
                    "channel": "post",
                    "value": f"Zqaddress{number}",
                    "read_by": f"Zqreader{number}",
                    "hours": f"Zqhours{number}",
                    "code_word": f"Zqcodeword{number}",
                }
            ],
        }

    roles = ("person_harmed", "person_using_violence", "child")
    return {
        "people": [person(number, role) for number, role in enumerate(roles, 1)],
        "incidents": ["verbal_abuse"],
        "occurred_at": "2026-11-02T09:30:00Z",
        "sharing": {
            "purpose": "fva20_a",
            "consulted": False,
            "why_not_safe": "Zqwhynotsafe",
        },
        "place": {"area": "linwood", "address": "Zqplaceaddress"},
        "narrative": "Zqnarrative of what happened",
        "reference": "Zqreference17",
    }


async def test_the_fingerprint_is_keyed(referrals: Referrals) -> None:
    told = Telling.model_validate(_a_family())
    other = told.model_copy(update={"narrative": "another"})

    assert referrals.fingerprint(told) == referrals.fingerprint(told.model_copy())
    assert referrals.fingerprint(told) != referrals.fingerprint(other)
    bare = sha256(told.canonical.encode()).hexdigest()
    assert not bare.startswith(referrals.fingerprint(told))


async def test_people_are_kept_by_blind_keys_alone(
    referrals: Referrals, people: People, reviews: Reviews
) -> None:
    await take_in(_a_family(), referrals, people, reviews)

    kept = [each async for each in people.documents.find({})]

    assert len(kept) == 3
    for each in kept:
        kinds = [key.partition(":")[0] for key in each["keys"]]
        assert kinds == ["nhi", "name"]
        blind = [*each["keys"], *each["blocks"]]
        assert all(len(key.partition(":")[2]) == 32 for key in blind)
        assert [*each["sealed"]] == ["likeness"]
