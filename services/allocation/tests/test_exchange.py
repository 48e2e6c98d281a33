"""The directory as files: organisations as HSDS 3.1, workers as a sheet."""

import csv
import io
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Role
from accord_contracts.calendar import DAYS
from allocation.domain import sheet
from allocation.domain.directory import Gender, Worker
from allocation.domain.hsds.reading import Misfit, listings
from allocation.domain.hsds.standard import Page
from allocation.domain.hsds.writing import Room, page_of
from allocation.domain.providers import About, Listing, Offered, Phone, Provider
from allocation.handlers.exchange import rooms
from allocation.routes.directory import ToldWorker
from allocation.store.kept import Providers
from allocation_builders import (
    HOUR,
    LOCALITIES,
    OUTREACH,
    POLICY,
    SPECIALIST,
    Running,
    worker,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ADMIN, ASK = "allocation.admin", "allocation.ask"
SENTINEL = "Zsentinel"
ALL = f"{','.join(sheet.HEADINGS)}\n"

codes = st.sampled_from(["mi", "en_nz", "a", "linwood2", "z_9"])
some = st.frozensets(codes, max_size=3)
times = st.times().map(lambda each: each.strftime("%H:%M"))
windows = st.builds(
    lambda days, starts, ends: {"days": days, "starts": starts, "ends": ends},
    st.frozensets(st.sampled_from(DAYS), min_size=1),
    times,
    times,
)
emails = st.text("-+='.a", min_size=1, max_size=5).map("{}@example.org".format)
letters = st.characters(codec="utf-8", exclude_categories=["C"])
lines = st.text(letters, min_size=1, max_size=200)


@st.composite
def offers(draw: st.DrawFn) -> tuple[Offered, ...]:
    roles = draw(st.sets(st.sampled_from(Role), min_size=1))
    return tuple(
        Offered.model_validate(
            {
                "role": role,
                "open": draw(st.booleans()),
                "languages": draw(some),
                "areas": draw(some),
                "places": draw(st.frozensets(st.sampled_from(sorted(POLICY.places)))),
                "hours": draw(st.lists(windows, max_size=2)),
            }
        )
        for role in sorted(roles)
    )


abouts = st.builds(
    About,
    name=lines,
    description=lines,
    email=st.none() | emails,
    website=st.none() | st.just("https://refuge.example.org"),
    phones=st.lists(
        st.builds(Phone, number=st.integers(100, 10**9).map("+{}".format)),
        max_size=2,
    ).map(tuple),
)
listed = st.builds(
    Listing,
    organization_id=st.none() | st.uuids(version=4).map(str),
    about=abouts,
    services=offers(),
)


@given(st.dictionaries(codes, listed, max_size=3))
@settings(max_examples=40, deadline=None)
def test_organisations_that_are_written_are_read_as_they_were(
    told: dict[str, Listing],
) -> None:
    providers = [Provider.of(code, each) for code, each in told.items()]

    written = json.loads(json.dumps(page_of(providers, {}, POLICY.places, NOON)))
    found, wrong = listings(Page.model_validate(written), POLICY.places, NOON)

    assert wrong == []
    assert [Provider.of(code, each) for code, each in found.items()] == providers


def test_the_ids_of_another_directory_are_the_same_when_they_are_given_out() -> None:
    page = page_of([refuge()], {}, POLICY.places, NOON)
    theirs_id = new_id()
    for each in page["contents"]:
        each["id"] = new_id()
        each["organization"] = {**each["organization"], "id": theirs_id}
    told, wrong = listings(Page.model_validate(page), POLICY.places, NOON)

    theirs = Provider.of("refuge", told["refuge"], refuge())
    given = page_of([theirs], {}, POLICY.places, NOON)["contents"]

    assert wrong == []
    assert {each["id"] for each in given} == {each["id"] for each in page["contents"]}
    assert {each["organization"]["id"] for each in given} == {theirs_id}
    # Told again without ids, they stay.
    plain = Listing.model_validate(
        refuge().model_dump(include={"about"})
        | {"services": [{"role": SPECIALIST}, {"role": OUTREACH}]}
    )
    again = Provider.of("refuge", plain, theirs)
    assert [e.service_id for e in again.services] == [
        e.service_id for e in theirs.services
    ]


absences = st.builds(
    lambda begins, lasts, percent: {
        "since": NOON + begins * HOUR,
        "until": NOON + (begins + lasts) * HOUR,
        "percent": percent,
    },
    st.integers(-1000, 1000),
    st.integers(1, 100),
    st.integers(0, 99),
)
workers_ = st.builds(
    lambda **told: Worker.model_validate(told),
    id=st.uuids(version=4).map(str),
    roles=st.frozensets(st.sampled_from(Role)),
    gender=st.none() | st.sampled_from(Gender),
    languages=some,
    kaupapa_maori=st.booleans(),
    provider=st.none() | codes,
    team=st.none() | codes,
    compartment=st.none() | codes,
    skills=some,
    iwi=some,
    communities=some,
    areas=some,
    base=st.none() | st.sampled_from(sorted(POLICY.places)),
    hours=st.lists(windows, max_size=2),
    contracted_hours=st.none() | st.floats(0.1, 80),
    absences=st.lists(absences, max_size=2),
    capacity=st.integers(0, 100_000),
    email=st.none() | emails,
    mobile=st.none() | st.integers(10**6, 10**14).map("+{}".format),
    deputy=st.none() | st.uuids(version=4).map(str),
    team_lead=st.none() | st.uuids(version=4).map(str),
    duty_coordinator=st.booleans(),
    active=st.booleans(),
)


@given(st.lists(workers_, max_size=3))
@settings(max_examples=40, deadline=None)
def test_workers_that_are_written_are_read_as_they_were(told: list[Worker]) -> None:
    text = sheet.written(told)

    rows = sheet.read(text.encode())

    read = [ToldWorker.model_validate(row) for _, row in rows]
    assert [each.entry(each.worker_id, POLICY) for each in read] == told
    # A spreadsheet program calculates none of it.
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not [each for each in cells if each.startswith(sheet.FORMULA)]


def refuge(**fields: Any) -> Provider:
    told = {
        "about": {"name": "Refuge", "description": "A refuge.", "email": "a@b.nz"},
        "services": [
            {
                "role": SPECIALIST,
                "languages": ["mi"],
                "areas": ["linwood"],
                "places": ["linwood"],
                "hours": [{"days": ["monday"], "starts": "08:00", "ends": "16:30"}],
            },
            {"role": OUTREACH, "open": False},
        ],
    }
    return Provider.of("refuge", Listing.model_validate({**told, **fields}))


REQUIRED = {
    "service": {"id", "name", "status"},
    "organization": {"id", "name", "description"},
    "phone": {"id", "number"},
    "location": {"id", "location_type"},
    "service_capacity": {"id", "unit", "available", "updated"},
    "unit": {"id", "name"},
    "taxonomy_term": {"id", "name", "description"},
    "organization_identifier": {"id", "identifier_type", "identifier"},
}
"""What the standard's schemas require; of all others nothing but an id."""

CALLED = {
    "contents": "service", "phones": "phone", "capacities": "service_capacity",
    "organization_identifiers": "organization_identifier",
}  # fmt: skip


def parts_of(document: Any, name: str = "page") -> list[tuple[str, dict[str, Any]]]:
    """Give every object of a document, with what the standard calls it."""
    if isinstance(document, list):
        return [e for each in document for e in parts_of(each, CALLED.get(name, name))]
    if not isinstance(document, dict):
        return []
    below = [e for key, each in document.items() for e in parts_of(each, key)]
    return [(name, document), *below]


def test_what_is_written_has_what_the_standard_requires() -> None:
    room = {("refuge", SPECIALIST): Room(12, 200)}

    page = page_of([refuge()], room, POLICY.places, NOON)

    found = parts_of(page)
    assert {name for name, _ in found} >= REQUIRED.keys() - {"phone"}
    for name, each in found[1:]:
        assert REQUIRED.get(name, {"id"}) <= each.keys(), name
        assert UUID(each["id"])
    [first] = [each for each in page["contents"] if "capacities" in each]
    [capacity] = first["capacities"]
    assert (capacity["available"], capacity["maximum"]) == (12, 200)
    assert first["schedules"][0]["byday"] == "MO"
    assert first["service_at_locations"][0]["location"]["latitude"] == (
        POLICY.places["linwood"].latitude
    )


def test_room_is_that_of_the_workers_at_work_without_what_they_carry() -> None:
    there = [
        worker(SPECIALIST, OUTREACH, provider="refuge", capacity=100, load=40),
        worker(SPECIALIST, provider="refuge", capacity=50, load=60),
        worker(SPECIALIST, provider="refuge", capacity=100, active=False),
        worker(SPECIALIST, capacity=100),
    ]

    assert rooms(there, NOON) == {
        ("refuge", SPECIALIST): Room(60, 150),
        ("refuge", OUTREACH): Room(60, 100),
    }


def test_whatever_of_a_page_cannot_be_taken_is_named_by_its_place() -> None:
    page = page_of([refuge()], {}, POLICY.places, NOON)
    first, second = page["contents"]
    at = first if first["service_at_locations"] else second
    number = page["contents"].index(at)
    at["service_at_locations"][0]["location"]["external_identifier"] = SENTINEL
    other = second if at is first else first
    other["attributes"] = []
    other["organization"] = {**other["organization"], "organization_identifiers": []}

    found, wrong = listings(Page.model_validate(page), POLICY.places, NOON)

    assert found == {}
    elsewhere = ("contents", 1 - number)
    where = ("service_at_locations", 0, "location", "external_identifier")
    assert {(each.loc, each.rule) for each in wrong} == {
        (("contents", number, *where), "no_such_place"),
        ((*elsewhere, "attributes"), "no_role"),
        ((*elsewhere, "organization", "organization_identifiers"), "no_code"),
    }


BEFORE, TODAY, AFTER = (
    (NOON + days * timedelta(days=1)).date().isoformat() for days in (-1, 0, 1)
)


def with_schedules(*changes: dict[str, Any], at: datetime = NOON) -> dict[str, Any]:
    """A page whose one service has a schedule for each of some changes of it."""
    page = page_of([refuge()], {}, POLICY.places, at)
    [service] = [each for each in page["contents"] if each["schedules"]]
    [weekly] = service["schedules"]
    service["schedules"] = [{**weekly, **each} for each in changes]
    return {"contents": [service]}


@pytest.mark.parametrize(
    "change",
    [
        {"freq": "MONTHLY"},
        {"interval": 2, "dtstart": BEFORE},
        {"count": 3},
        {"until": TODAY},
        {"valid_to": AFTER},
        {"valid_from": AFTER},
        {"dtstart": AFTER},
        {"byweekno": "41,42"},
        {"bymonthday": "2"},
        {"byyearday": "-1"},
    ],
)
def test_a_schedule_that_is_not_the_same_every_week_is_refused(
    change: dict[str, Any],
) -> None:
    page = with_schedules({}, change)

    found, wrong = listings(Page.model_validate(page), POLICY.places, NOON)

    assert found == {}
    assert wrong == [Misfit(("contents", 0, "schedules", 1), "not_weekly")]


@pytest.mark.parametrize(
    "ended", [{"until": BEFORE}, {"valid_to": BEFORE, "interval": 2}]
)
def test_a_schedule_that_has_ended_is_left_out(ended: dict[str, Any]) -> None:
    still = {"interval": 1, "dtstart": BEFORE, "valid_from": TODAY}
    page = Page.model_validate(with_schedules(ended, still))

    found, wrong = listings(page, POLICY.places, NOON)
    none_left = Page.model_validate(with_schedules(ended))

    assert wrong == []
    [service] = found["refuge"].services
    assert len(service.hours) == 1
    # Without hours it would be read as open at any time.
    assert listings(none_left, POLICY.places, NOON) == (
        {},
        [Misfit(("contents", 0, "schedules"), "all_ended")],
    )


def test_times_bear_the_offset_of_the_regions_clocks_summer_or_not() -> None:
    summer, winter = (datetime(2026, month, 2, tzinfo=POLICY.zone) for month in (1, 7))
    pages = [with_schedules({}, at=each) for each in (summer, winter)]
    elsewhere = with_schedules({"timezone": 0})

    offsets = [each["contents"][0]["schedules"][0]["timezone"] for each in pages]

    assert offsets == [13, 12]
    for page in pages:
        _, wrong = listings(Page.model_validate(page), POLICY.places, summer)
        assert wrong == []
    _, wrong = listings(Page.model_validate(elsewhere), POLICY.places, summer)
    where = ("contents", 0, "schedules", 0, "timezone")
    assert wrong == [Misfit(where, "other_timezone")]


def test_an_organisation_that_is_told_in_two_ways_is_not_taken() -> None:
    page = page_of([refuge()], {}, POLICY.places, NOON)
    page["contents"][1]["organization"] = {
        **page["contents"][1]["organization"], "name": SENTINEL,
    }  # fmt: skip
    page["contents"].append(page["contents"][0])

    _, wrong = listings(Page.model_validate(page), POLICY.places, NOON)

    assert wrong == [
        Misfit(("contents", 1, "organization"), "told_differently"),
        Misfit(("contents", 2, "attributes"), "named_twice"),
    ]


async def ask(running: Running, method: str, path: str, **sent: Any) -> httpx2.Response:
    headers = {**running.bearer(ADMIN), **sent.pop("headers", {})}
    return await running.http.request(method, f"/v1{path}", headers=headers, **sent)


async def sends(running: Running, text: str, kind: str = "text/csv") -> httpx2.Response:
    headers = {"content-type": kind}
    return await ask(
        running, "PUT", "/directory/workers", content=text.encode(), headers=headers
    )


async def test_organisations_are_told_one_by_one_and_as_a_file(
    running: Running,
) -> None:
    told = refuge().model_dump(mode="json", exclude={"id", "version"})
    told["teams"] = {"north": ["women", "men"]}
    put = await ask(running, "PUT", "/providers/refuge", json=told)
    assert put.status_code == 200

    given_ = await ask(running, "GET", "/directory/hsds")
    taken = await ask(running, "PUT", "/directory/hsds", json=given_.json())

    assert taken.json() == {"taken": 1}
    read = (await ask(running, "GET", "/providers/refuge")).json()
    assert sorted(read["teams"]["north"]) == ["men", "women"]
    assert read["about"] == told["about"]
    found = (await ask(running, "GET", "/providers")).json()
    assert [each["code"] for each in found] == ["refuge"]
    assert (await ask(running, "GET", "/providers/none")).status_code == 404
    # What organisations say of themselves is sealed.
    raw = await running.service.parts[Providers].documents.find_one({})
    assert raw
    assert "about" not in raw

    told["services"][0]["places"] = ["nowhere"]
    wrong = await ask(running, "PUT", "/providers/refuge", json=told)
    assert wrong.json()["type"] == "urn:accord:problem:no-such-place"


async def test_a_service_is_told_who_meets_a_need_and_no_more(
    running: Running,
) -> None:
    about = {"name": "Rental homes", "description": "Homes.", "email": "a@b.nz"}
    told = {"about": about, "meets": ["housing", "income"]}
    assert (await ask(running, "PUT", "/providers/homes", json=told)).is_success
    refuge_ = refuge().model_dump(mode="json", exclude={"id", "version"})
    refuge_["meets"] = ["housing"]
    assert (await ask(running, "PUT", "/providers/refuge", json=refuge_)).is_success
    # A file of the standard says nothing of needs: what is known of them stays.
    page = (await ask(running, "GET", "/directory/hsds")).json()
    assert (await ask(running, "PUT", "/directory/hsds", json=page)).is_success

    async def who_meets(need: str, **claims: Any) -> httpx2.Response:
        token = running.issuer.token("plans", ASK, region="test", **claims)
        bearer, path = {"Authorization": f"Bearer {token}"}, "/v1/offers-of-help"
        return await running.http.get(path, params={"need": need}, headers=bearer)

    found = (await who_meets("housing")).json()
    assert found == [
        {"provider": "homes", "name": "Rental homes"},
        {"provider": "refuge", "name": refuge().about.name},
    ]
    assert (await who_meets("pets")).json() == []
    # Nobody but a service, whatever their scopes.
    assert (await who_meets("housing", worker=new_id())).status_code == 404
    assert (await who_meets("housing", agency="police")).status_code == 404
    told["meets"] = ["yachts"]
    wrong = await ask(running, "PUT", "/providers/homes", json=told)
    assert wrong.json()["type"] == "urn:accord:problem:no-such-need"
    nothing = await ask(running, "PUT", "/providers/homes", json={"about": about})
    assert nothing.status_code == 422


async def test_a_file_of_organisations_is_taken_whole_or_not_at_all(
    running: Running,
) -> None:
    page = page_of([refuge()], {}, POLICY.places, NOON)
    page["contents"][1]["attributes"] = []
    page["contents"][0]["organization"] = {
        **page["contents"][0]["organization"], "email": SENTINEL,
    }  # fmt: skip

    first = await ask(running, "PUT", "/directory/hsds", json=page)
    page["contents"][0]["organization"]["email"] = "a@b.nz"
    second = await ask(running, "PUT", "/directory/hsds", json=page)

    assert (first.status_code, second.status_code) == (422, 422)
    assert SENTINEL not in first.text + second.text
    assert first.json()["errors"][0]["pointer"].endswith("/organization/email")
    assert "/contents/1/attributes" in {e["pointer"] for e in second.json()["errors"]}
    assert (await ask(running, "GET", "/providers")).json() == []


def sheet_of(*rows: dict[str, str]) -> str:
    """Write a sheet, with all headings and these cells."""
    text = io.StringIO()
    writer = csv.DictWriter(text, sheet.HEADINGS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


async def test_a_sheet_of_workers_is_taken_whole_or_not_at_all(
    running: Running,
) -> None:
    good, other = new_id(), new_id()
    fine = {
        "worker_id": good,
        "roles": "whanau_support_worker",
        "base": "linwood",
        "capacity": "50",
        "hours": "monday,friday 08:00-16:30",
    }
    both = {
        "worker_id": other,
        "roles": "perpetrator_outreach;independent_victim_specialist",
    }
    unread = {**dict.fromkeys(fine, SENTINEL), "worker_id": other}
    away = {"worker_id": other, "base": SENTINEL.lower()}

    async def wrong(*rows: dict[str, str]) -> set[tuple[str, str]]:
        answer = await sends(running, sheet_of(*rows))
        assert answer.status_code == 422
        assert SENTINEL.lower() not in answer.text.lower()
        return {(e["pointer"], e["rule"]) for e in answer.json()["errors"]}

    assert {pointer for pointer, _ in await wrong(fine, unread)} == {
        "/3/roles", "/3/base", "/3/capacity", "/3/hours",
    }  # fmt: skip
    assert await wrong(fine, away) == {("/3/base", "no such place")}
    assert await wrong(fine, both) == {("/3/roles", "serves both sides")}
    assert await wrong(fine, fine) == {("/3/worker_id", "named twice")}
    assert not (await ask(running, "GET", "/workers")).json()["workers"]

    taken = await sends(running, sheet_of(fine))
    given_ = await ask(running, "GET", "/directory/workers")
    again = await sends(running, given_.text)

    assert (taken.json(), again.json()) == ({"taken": 1}, {"taken": 1})
    [held] = (await ask(running, "GET", "/workers")).json()["workers"]
    assert (held["worker_id"], held["capacity"]) == (good, 50)
    assert given_.headers["content-type"].startswith("text/csv")


async def test_nobody_sends_their_own_row(running: Running) -> None:
    own, other = new_id(), new_id()
    told = {"active": "yes", "duty_coordinator": "no"}
    taken = await sends(running, sheet_of({"worker_id": own, **told}))
    assert taken.status_code == 200
    rows = [
        {"worker_id": each, **told, "duty_coordinator": "yes"} for each in (own, other)
    ]
    headers = {"content-type": "text/csv", **running.bearer(ADMIN, worker=own)}

    answer = await ask(
        running,
        "PUT",
        "/directory/workers",
        content=sheet_of(*rows).encode(),
        headers=headers,
    )

    assert answer.status_code == 422
    [wrong] = answer.json()["errors"]
    assert (wrong["pointer"], wrong["rule"]) == ("/2/worker_id", "own entry")
    for each, status in ((own, 200), (other, 404)):
        held = await ask(running, "GET", f"/workers/{each}")
        assert held.status_code == status
        assert not held.json().get("duty_coordinator")

    # As it was given out it may be sent back whole, with what changes of others.
    given_ = await ask(running, "GET", "/directory/workers", headers=headers)
    whole = given_.text + sheet_of(rows[1]).partition("\n")[2]
    again = await ask(
        running, "PUT", "/directory/workers", content=whole.encode(), headers=headers
    )
    assert (again.status_code, again.json()) == (200, {"taken": 2})
    held = await ask(running, "GET", f"/workers/{other}")
    assert held.json()["duty_coordinator"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"worker_id,{SENTINEL}\n", "Line 1, column 2"),
        ("worker_id,worker_id\n", "Line 1, column 2"),
        ("roles\n", "worker_id"),
        (ALL.replace(",email", ""), "email"),
        (f'{ALL}"{SENTINEL}', "Line 2"),
        (f"{ALL}{SENTINEL}{',' * len(sheet.HEADINGS)}\n", "Line 2"),
        ("", "Line 1"),
    ],
)
def test_what_is_no_sheet_is_named_by_its_place(text: str, named: str) -> None:
    with pytest.raises(sheet.BadSheet) as refused:
        sheet.read(text.encode())

    assert named in str(refused.value)
    assert SENTINEL not in str(refused.value)


def test_the_template_has_every_heading() -> None:
    template = LOCALITIES.parent / "docs/workers-template.csv"

    assert template.read_text("utf-8").strip().split(",") == [*sheet.HEADINGS]


def test_a_sheet_says_all_that_is_told_of_a_worker() -> None:
    assert {*sheet.HEADINGS} == {*ToldWorker.model_fields}


async def test_workers_come_as_a_sheet_alone(running: Running) -> None:
    answer = await sends(running, "{}", kind="application/json")

    assert answer.json()["type"] == "urn:accord:problem:not-a-sheet"
