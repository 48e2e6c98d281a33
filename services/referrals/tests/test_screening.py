"""What must not be on a paper is found however it is written, and told to nobody."""

import random
import unicodedata
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from accord_chassis.testing import COORDINATOR, audited, eventually, new_id
from accord_contracts.papers import AskScreening, Audience, Screening
from accord_contracts.referrals import PersonRole
from hypothesis import given, settings
from hypothesis import strategies as st
from referrals.domain.screening import Described, Known, screen
from referrals.domain.telling import Channel
from referrals_builders import JOHN, MERE, Running, body

HARMED, USING, CHILD, _ = PersonRole

HARMLESS = "she wants new locks and a lift to school on monday, 3 times a week"

PLAIN = dict(zip("āēīōū", "aeiou", strict=True))

WRITTEN: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    str.lower,
    str.title,
    lambda text: text.translate(str.maketrans(PLAIN)),
    lambda text: text.translate(str.maketrans({e: PLAIN[e] * 2 for e in PLAIN})),
    "  ".join,
    "\u200b".join,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: text.replace(" ", "\u00a0-"),
)
"""The ways in which people write the same."""


def sentinel(chance: random.Random) -> str:
    """Give a word that stands in no other text."""
    return "zq" + "".join(chance.choices("bdfghkmnprtwāēīōū", k=6)) + "x"


def family(chance: random.Random) -> tuple[Known, dict[str, tuple[str, str]]]:
    """Give a family, and what must be found: the text, and of whom and what it is."""
    people: dict[str, Described] = {}
    ways: set[tuple[Channel, str]] = set()
    told: dict[str, tuple[str, str]] = {}
    for role in chance.choices((HARMED, USING, CHILD), k=chance.randint(2, 5)):
        person = new_id()
        names = {sentinel(chance), sentinel(chance)}
        street, suburb = sentinel(chance), sentinel(chance)
        mailbox = sentinel(chance).translate(str.maketrans(PLAIN))
        number, phone = chance.randint(10, 99), f"021{chance.randint(10**6, 10**7 - 1)}"
        people[person] = Described(frozenset({role}), frozenset(names))
        comma = chance.choice((",", ""))
        whole = f"{number} {street} Street{comma} {suburb}{comma} Christchurch"
        ways |= {
            (Channel.VISIT, whole),
            (Channel.PHONE, phone),
            (Channel.EMAIL, f"{mailbox}@example.org"),
        }
        told |= dict.fromkeys(names, (person, "name"))
        parts = (
            whole, f"{number} {street}", f"{street} st", f"{street} Street",
            f"kei {suburb}", f"in {street}", "to Christchurch",
            phone[-7:], f"{mailbox}@other.test",
        )  # fmt: skip
        told |= dict.fromkeys(parts, (person, "way"))
    return Known(people=people, ways=frozenset(ways)), told


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(Audience))
def test_whatever_names_or_places_somebody_is_found_however_it_is_written(
    seed: int, audience: Audience
) -> None:
    chance = random.Random(seed)  # noqa: S311  # nosec B311 - Of a test's family.
    known, told = family(chance)
    own = chance.choice([*known.people]) if audience is Audience.PERSON else None

    for text, (whose, kind) in told.items():
        written = chance.choice(WRITTEN)(text)
        using = known.people[whose].roles == {USING}
        named = whose == own or (audience is Audience.OUTREACH and using)

        found = screen([HARMLESS, f"so, {written}, yes"], known, audience, own)

        assert found == (() if kind == "name" and named else (1,)), written


@pytest.mark.parametrize(
    "text",
    [
        "Mere's house", "the Tāmihanas", "mary-jane came", "MARYJANE",
        "I stay on Kowhai now", "we moved to hornby", "7b kōwhai", "7b koowhai rd",
        "her code is Pīwakawaka!", "ZZZ 0016", "ring 55 50 199",
    ],
)  # fmt: skip
def test_parts_of_it_are_found(text: str) -> None:
    mere = Described(frozenset({HARMED}), frozenset({"Mere", "Tāmihana", "Mary Jane"}))
    ways = {(Channel.POST, "7b Kōwhai Road, Hornby"), (Channel.TEXT, "+64 21 555 0199")}
    known = Known(
        {"a": mere}, frozenset(ways), codes=frozenset({"piwakawaka", "zzz0016"})
    )

    assert screen([text], known, Audience.TEAM, None) == (0,)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("12 Rimu Street Hornby Christchurch", "we moved to Hornby"),
        ("12 Rimu Street Hornby Christchurch", "he is in christchurch"),
        ("7 Rimu Road, Saint Albans", "in St Albans"),
        ("7 Rimu Road St Albans", "she lives in Saint Albans"),
        ("7 Rimu Road Saint Albans", "near Albans"),
        ("2 Rimu Road, Mount Eden", "in Mt Eden"),
        ("Rimu House, Hornby", "at Rimu"),
        ("3 Elm Lane Te Ao", "kei Te Ao"),
    ],
)
def test_a_place_is_found_with_or_without_commas(address: str, text: str) -> None:
    known = Known(ways=frozenset({(Channel.VISIT, address)}))

    assert screen([text], known, Audience.TEAM, None) == (0,)


def test_the_article_of_a_street_is_no_place() -> None:
    known = Known(ways=frozenset({(Channel.VISIT, "2 The Terrace, Hornby")}))

    assert screen(["in the end", "on The Terrace"], known, Audience.TEAM, None) == (1,)


def test_a_family_called_as_streets_are_is_found() -> None:
    lane = Described(frozenset({HARMED}), frozenset({"Lane"}))

    found = screen(["Mrs Lane", "along"], Known({"a": lane}), Audience.TEAM, None)

    assert found == (0,)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jo li cries", (0,)),
        ("li, jo", (0,)),
        ("Jo cries", (0,)),
        ("at LI's house", (0,)),
        ("J\u014d cries", (0,)),
        ("the job is light, join us", ()),
        ("jo cries", ()),
    ],
)
def test_a_short_name_is_found_beside_another_or_where_it_is_capitalised(
    text: str, found: tuple[int, ...]
) -> None:
    known = Known({"a": Described(frozenset({HARMED}), frozenset({"Jo", "Li", "Q"}))})

    assert screen([text], known, Audience.TEAM, None) == found
    own = screen([text], known, Audience.PERSON, "a")
    assert own == ()


@pytest.mark.parametrize(
    "text",
    [
        "merely a road",
        "Te Tiriti, on the street",
        "a kowhai tree",
        "17b kowhais",
        "he is in the way",
        "3 ways",
    ],
)
def test_what_tells_nobody_is_not_found(text: str) -> None:
    mere = Described(frozenset({HARMED}), frozenset({"Mere", "Te Ao", "St John"}))
    known = Known({"a": mere}, frozenset({(Channel.POST, "7b Kōwhai Way")}))

    assert screen([text], known, Audience.TEAM, None) == ()


def test_whoever_was_harmed_as_well_is_named_to_nobody() -> None:
    both = Described(frozenset({HARMED, USING}), frozenset({"Hemi"}))
    him = Described(frozenset({USING}), frozenset({"John"}))
    known = Known({"a": both, "b": him})

    assert screen(["Hemi", "John"], known, Audience.OUTREACH, None) == (0,)


def test_whoever_was_harmed_under_another_id_is_named_to_nobody() -> None:
    """A victim was once recorded as who used violence, under an id since merged."""
    harmed = Described(frozenset({HARMED}), frozenset({"Mere"}))
    recorded = Described(frozenset({USING}), frozenset({"Mary"}))
    known = Known({"a": harmed, "b": recorded}, same={"b": "a"})

    assert screen(["Mere", "Mary"], known, Audience.OUTREACH, None) == (0, 1)
    # Her own copy may name her, by whichever id it is asked for.
    for own in ("a", "b"):
        assert screen(["Mere", "Mary"], known, Audience.PERSON, own) == ()


async def told_of(running: Running, **fields: Any) -> str:
    """Have Mere referred, with where she lives; give her case."""
    home = {"channel": "visit", "value": "7b Kōwhai Road, Hornby"}
    people = [{**MERE, "contact_points": [home]}, JOHN]
    posted = await running.submit(body(people=people, **fields), key=new_id())
    referral = posted.json()["referral_id"]
    found = await eventually(lambda: running.cases.of_referral(referral))
    return found.id


async def ask(running: Running, case: str, *texts: str, **told: Any) -> httpx2.Response:
    asked = AskScreening(
        case_id=case, audience=told.pop("audience", Audience.TEAM), texts=texts
    )
    claims = {"agency": "", "subject": "plans", **told}
    return await running.http.post(
        "/v1/screenings",
        headers=running.bearer("referrals.screen", **claims),
        json=asked.model_dump(mode="json"),
    )


async def test_plans_learns_which_text_and_never_what(running: Running) -> None:
    case = await told_of(running, place={"address": "9 Elm Grove"})
    # What another referral tells of her counts, though it is of another household.
    moved = [{**MERE, "contact_points": [{"channel": "post", "value": "3 Ash Mews"}]}]
    there = {"address": "4 Yew Rise"}
    people = [*moved, {**JOHN, "given_name": "Tom"}]
    await running.submit(body(people=people, place=there), key="b")

    async def found() -> bool:
        texts = (
            "New locks.",
            "mere",
            "on kowhai rd",
            "9 elm",
            "3 ash",
            "4 yew",
            "hornby",
        )
        answer = await ask(running, case, *texts)
        assert answer.status_code == 200, answer.text
        assert {*answer.json()} == {"case_id", "found"}
        return Screening.model_validate_json(answer.content).found == (1, 2, 3, 4, 5)

    assert await eventually(found)
    [entry, *_] = [
        e for e in await audited(running.service.audit) if e.action == "texts.screen"
    ]
    assert (entry.resource_id, entry.subject) == (case, "plans")


@pytest.mark.parametrize(
    "claims", [{"worker": COORDINATOR}, {"agency": "police"}], ids=["worker", "agency"]
)
async def test_nobody_guesses_their_way_to_her(
    running: Running, claims: dict[str, str]
) -> None:
    case = await told_of(running)

    assert (await ask(running, case, "hornby", **claims)).status_code == 404


async def test_of_no_case_nothing_is_known(running: Running) -> None:
    assert (await ask(running, new_id(), "hornby")).status_code == 404
