"""The service over HTTP, alive, over a broker in memory."""

from typing import Any

import httpx2
import pytest
from accord_chassis.settings import BadConfiguration
from accord_chassis.testing import COORDINATOR, NOON, new_id
from accord_contracts.allocation import WorkerContact
from accord_contracts.referrals import ContactWish, Wishes
from accord_contracts.risk import RiskLevel
from allocation.app import Settings, create_app
from allocation.store.kept import Staffings
from allocation_builders import (
    HOUR,
    LOCALITIES,
    MINUTE,
    WHANAU,
    Running,
    assessed,
    closed,
    referred,
)

SENTINEL = "Zsentinel"
ADMIN, WORK, READ = "allocation.admin", "allocation.work", "allocation.read"
ASK = "allocation.ask"


async def hired(running: Running, *roles: str, **fields: Any) -> str:
    """Take a worker into the directory, and give their id."""
    worker_id = new_id()
    answer = await put(running, worker_id, roles=roles or (WHANAU,), **fields)
    assert answer.status_code == 200
    return worker_id


async def put(running: Running, worker_id: str, **fields: Any) -> httpx2.Response:
    return await running.http.put(
        f"/v1/workers/{worker_id}",
        json={"capacity": 100, **fields},
        headers=running.bearer(ADMIN),
    )


async def coordinator(running: Running) -> str:
    """Have a coordinator in the directory, and give their id."""
    await put(running, COORDINATOR, capacity=0, duty_coordinator=True)
    return COORDINATOR


async def get(
    running: Running, path: str, *scopes: str, worker: str | None = None
) -> httpx2.Response:
    if READ in scopes and worker is None:
        worker = await coordinator(running)
    bearer = running.bearer(*scopes, worker=worker)
    return await running.http.get(f"/v1{path}", headers=bearer)


async def answer(
    running: Running, allocation_id: str, worker: str | None, **declining: str
) -> httpx2.Response:
    """Accept, or decline if a reason is given."""
    kind = "decline" if declining else "acceptance"
    return await running.http.post(
        f"/v1/allocations/{allocation_id}/{kind}",
        json=declining or None,
        headers=running.bearer(WORK, worker=worker),
    )


async def offers_to(running: Running, worker: str) -> list[dict[str, Any]]:
    found = await get(running, f"/workers/{worker}/offers", WORK, worker=worker)
    assert found.status_code == 200
    listed: list[dict[str, Any]] = found.json()
    return listed


async def case_with_an_offer(running: Running, level: RiskLevel = RiskLevel.LOW) -> str:
    case_id, referral_id = new_id(), new_id()
    at = running.clock.now()
    wishes = Wishes(gender=ContactWish.WOMAN)
    await running.hears(
        referred(case_id, referral_id=referral_id, wishes=wishes, at=at),
        assessed(case_id, level, referral_id=referral_id, at=at),
    )
    return case_id


def problem(response: httpx2.Response) -> str:
    """The kind of a problem, after seeing that it is one."""
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, str] = response.json()
    return told["type"].removeprefix("urn:accord:problem:")


async def test_a_worker_is_put_read_and_replaced(running: Running) -> None:
    worker_id = await hired(running, languages=["mi"], email="w@example.org")

    first = await get(running, f"/workers/{worker_id}", ADMIN)
    await put(running, worker_id, roles=["child_specialist"], capacity=50)
    second = await get(running, f"/workers/{worker_id}", ADMIN)

    assert first.json() == {
        "worker_id": worker_id,
        "roles": [WHANAU],
        "gender": None,
        "languages": ["mi"],
        "kaupapa_maori": False,
        "provider": None,
        "team": None,
        "compartment": None,
        "skills": [],
        "iwi": [],
        "communities": [],
        "areas": [],
        "base": None,
        "hours": [],
        "contracted_hours": None,
        "absences": [],
        "capacity": 100,
        "email": "w@example.org",
        "mobile": None,
        "deputy": None,
        "team_lead": None,
        "duty_coordinator": False,
        "active": True,
        "load": 0,
        "places": 0,
        "capacity_now": 100,
    }
    assert second.json()["roles"] == ["child_specialist"]
    assert second.json()["email"] is None


async def test_hours_leave_and_a_place_to_start_from_are_kept(running: Running) -> None:
    at = running.clock.now()
    told = {
        "hours": [{"days": ["monday"], "starts": "08:00", "ends": "17:00"}],
        "contracted_hours": 20,
        "absences": [
            {
                "since": at.isoformat(),
                "until": (at + HOUR).isoformat(),
                "percent": 50,
            }
        ],
        "base": "aranui",
    }

    answered = await put(running, new_id(), **told, capacity=None)

    shown = answered.json()
    assert (shown["capacity"], shown["capacity_now"]) == (50, 25)
    assert shown["hours"] == told["hours"]
    assert shown["base"] == "aranui"


@pytest.mark.parametrize(
    "wrong",
    [
        {"base": "nowhere"},
        {"hours": [{"days": [], "starts": "08:00", "ends": "17:00"}]},
        {"hours": [{"days": ["monday"], "starts": "8", "ends": "17:00"}]},
        {"contracted_hours": 0},
        {
            "absences": [
                {"since": "2026-06-02T00:00:00Z", "until": "2026-06-01T00:00:00Z"}
            ]
        },
    ],
)
async def test_a_wrong_entry_is_refused(running: Running, wrong: Any) -> None:
    assert (await put(running, new_id(), **wrong)).status_code == 422


async def test_a_rota_is_put_overridden_and_read(running: Running) -> None:
    anna, bella = await hired(running), await hired(running)
    at, rota, override = running.clock.now(), new_id(), new_id()
    told = {"rota": "after_hours", "turns": [anna], "starts_at": at.isoformat()}
    instead = {
        "worker_id": bella,
        "since": at.isoformat(),
        "until": (at + HOUR).isoformat(),
    }

    async def asks(method: str, path: str = "", body: Any = None) -> httpx2.Response:
        return await running.http.request(
            method, f"/v1/rotas{path}", json=body, headers=running.bearer(ADMIN)
        )

    assert (await asks("PUT", f"/{rota}", told)).status_code == 200
    path = f"/{rota}/overrides/{override}"
    overridden = await asks("PUT", path, instead)
    assert [e["worker_id"] for e in overridden.json()["shifts"]] == [bella, anna]
    assert (await asks("GET", f"/{rota}")).json() == overridden.json()
    assert (await asks("GET")).json() == [overridden.json()]
    clash = await asks("PUT", f"/{rota}/overrides/{new_id()}", instead)
    assert (clash.status_code, problem(clash)) == (409, "overrides-clash")
    taken_back = await asks("DELETE", path)
    assert [e["worker_id"] for e in taken_back.json()["shifts"]] == [anna]
    assert (await asks("DELETE", path)).status_code == 404
    assert (await asks("GET", f"/{new_id()}")).status_code == 404


async def test_replacing_a_worker_keeps_their_places(running: Running) -> None:
    worker_id = await hired(running)
    await case_with_an_offer(running)

    replaced = await put(running, worker_id, roles=[WHANAU], capacity=1)

    assert (replaced.json()["load"], replaced.json()["places"]) == (1, 1)
    case_id = await case_with_an_offer(running)
    found = await get(running, f"/allocations?case_id={case_id}", READ)
    assert found.json()[0]["status"] == "unfilled"


async def test_nobody_is_taken_in_for_both_sides(running: Running) -> None:
    roles = ["independent_victim_specialist", "perpetrator_outreach"]

    refused = await put(running, new_id(), roles=roles)

    assert (refused.status_code, problem(refused)) == (422, "serves-both-sides")


async def test_nobody_changes_sides_in_the_middle_of_a_case(running: Running) -> None:
    worker_id = await hired(running)
    await case_with_an_offer(running)

    refused = await put(running, worker_id, roles=["perpetrator_outreach"])

    assert refused.status_code == 409
    assert problem(refused) == "still-serves-the-other-side"


async def test_the_directory_is_listed_by_pages(running: Running) -> None:
    ids = sorted([await hired(running) for _ in range(5)])

    first = (await get(running, "/workers?limit=3", ADMIN)).json()
    after = first["after"]
    second = (await get(running, f"/workers?limit=3&after={after}", ADMIN)).json()

    listed = [*first["workers"], *second["workers"]]
    assert [each["worker_id"] for each in listed] == ids
    assert second["after"] is None
    assert (await get(running, "/workers?limit=101", ADMIN)).status_code == 422


async def test_a_service_is_told_how_a_worker_is_reached(running: Running) -> None:
    deputy, lead = await hired(running), await hired(running)
    coordinator = await hired(running, duty_coordinator=True, email="duty@example.org")
    worker_id = await hired(
        running,
        email="w@example.org",
        mobile="+64275550100",
        deputy=deputy,
        team_lead=lead,
    )

    contact = await get(running, f"/workers/{worker_id}/contact", ASK)
    duty = await get(running, "/duty/coordinators", ASK)

    assert WorkerContact.model_validate(contact.json()) == WorkerContact(
        worker_id=worker_id,
        email="w@example.org",
        mobile="+64275550100",
        deputy=deputy,
        team_lead=lead,
        coordinator=coordinator,
    )
    [on_duty] = duty.json()
    assert WorkerContact.model_validate(on_duty) == WorkerContact(
        worker_id=coordinator, email="duty@example.org", coordinator=coordinator
    )


async def test_people_are_told_nothing_that_services_ask(running: Running) -> None:
    worker_id, case_id = await hired(running), new_id()
    asked = {"asked": [{"worker_id": worker_id, "case_ids": [case_id]}]}
    people: list[dict[str, Any]] = [
        {"worker": worker_id}, {"agency": "police"}, {"auth_time": 1_700_000_000},
        {"client_id": "portal"}, {"client_id": None},
    ]  # fmt: skip

    async def statuses(**claims: Any) -> set[int]:
        token = running.issuer.token("notify", ASK, region="test", **claims)
        http, bearer = running.http, {"Authorization": f"Bearer {token}"}
        answers = [
            await http.get(f"/v1/workers/{worker_id}/contact", headers=bearer),
            await http.get("/v1/duty/coordinators", headers=bearer),
            await http.post("/v1/standings", json=asked, headers=bearer),
        ]
        return {each.status_code for each in answers}

    assert [await statuses(**each) for each in people] == [{404}] * len(people)
    assert await statuses() == {200}


async def test_when_no_coordinator_is_on_duty_nobody_is_named(running: Running) -> None:
    coordinator = await hired(running, duty_coordinator=True)
    await put(running, coordinator, duty_coordinator=True, active=False)

    nobody = await get(running, "/duty/coordinators", ASK)

    assert (nobody.status_code, nobody.json()) == (200, [])


@pytest.mark.parametrize("path", ["/workers/{}", "/workers/{}/contact"])
async def test_an_unknown_worker_is_not_found(running: Running, path: str) -> None:
    found = await get(running, path.format(new_id()), ADMIN, ASK)

    assert (found.status_code, problem(found)) == (404, "no-such-worker")


async def test_an_offer_is_seen_accepted_and_told(running: Running) -> None:
    worker_id = await hired(running, gender="woman")
    case_id = await case_with_an_offer(running)
    [offer] = await offers_to(running, worker_id)
    allocation_id = offer["allocation_id"]

    assert offer == {
        "allocation_id": allocation_id,
        "case_id": case_id,
        "role": WHANAU,
        "level": "low",
        "status": "offered",
        "offered_at": NOON.isoformat().replace("+00:00", "Z"),
        "answer_by": (NOON + HOUR).isoformat().replace("+00:00", "Z"),
        "assign_by": (NOON + 3 * HOUR).isoformat().replace("+00:00", "Z"),
        "first_referred_at": NOON.isoformat().replace("+00:00", "Z"),
        "reasons": ["gender_met", "least_loaded"],
        "because": [
            "The gender is the one that was asked for.",
            "Of all who could be asked, most spoke for them.",
        ],
        "beyond": False,
    }
    assert (await answer(running, allocation_id, worker_id)).status_code == 204
    assert (await answer(running, allocation_id, worker_id)).status_code == 204
    await running.idle()

    assert await offers_to(running, worker_id) == []
    path = f"/allocations/{allocation_id}"
    read = (await get(running, path, WORK, worker=worker_id)).json()
    assert read["status"] == "accepted"
    staffing = await running.service.store(Staffings).get(case_id)
    assert staffing is not None
    assert staffing.team == ((WHANAU, worker_id),)


async def test_a_decline_goes_to_the_next_and_a_reader_sees_both(
    running: Running,
) -> None:
    both = {await hired(running), await hired(running)}
    case_id = await case_with_an_offer(running)
    path = f"/allocations?case_id={case_id}"
    [before] = (await get(running, path, READ)).json()
    first = before["worker_id"]
    [second] = both - {first}

    declined = await answer(
        running, before["allocation_id"], first, reason="wrong_area"
    )
    again = await answer(running, before["allocation_id"], first, reason="unsafe")

    assert (declined.status_code, again.status_code) == (204, 204)
    [after] = (await get(running, path, READ)).json()
    assert (after["worker_id"], after["status"]) == (second, "offered")
    asked = [
        (each["worker_id"], each["answer"], each["declined_for"])
        for each in after["offers"]
    ]
    assert asked == [(first, "declined", "wrong_area"), (second, None, None)]
    assert after["offers"][0]["reasons"] == ["gender_not_met", "least_loaded"]
    assert after["offers"][0]["because"][0] == (
        "Another gender was asked for: nobody in this role meets it."
    )
    assert await offers_to(running, first) == []
    refused = await answer(running, before["allocation_id"], first)
    assert (refused.status_code, problem(refused)) == (409, "offer-declined")
    path = f"/allocations/{before['allocation_id']}"
    assert (await get(running, path, WORK, worker=first)).status_code == 404


async def test_after_its_time_an_offer_is_refused_but_not_taken(
    running: Running,
) -> None:
    await hired(running)
    await hired(running)
    case_id = await case_with_an_offer(running)
    [held] = (await get(running, f"/allocations?case_id={case_id}", READ)).json()

    await running.later(HOUR + MINUTE)

    yes = await answer(running, held["allocation_id"], held["worker_id"])
    no = await answer(
        running, held["allocation_id"], held["worker_id"], reason="on_leave"
    )
    assert (yes.status_code, problem(yes)) == (409, "offer-expired")
    assert no.status_code == 204


async def test_an_accepted_role_is_not_declined(running: Running) -> None:
    worker_id = await hired(running)
    await case_with_an_offer(running)
    [offer] = await offers_to(running, worker_id)
    await answer(running, offer["allocation_id"], worker_id)

    refused = await answer(
        running, offer["allocation_id"], worker_id, reason="no_capacity"
    )

    assert (refused.status_code, problem(refused)) == (409, "offer-accepted")


async def test_a_role_whose_plan_was_closed_is_no_longer_needed(
    running: Running,
) -> None:
    worker_id = await hired(running)
    case_id = await case_with_an_offer(running)
    [offer] = await offers_to(running, worker_id)
    await running.hears(closed(case_id, at=NOON + MINUTE))

    refused = await answer(running, offer["allocation_id"], worker_id)

    assert (refused.status_code, problem(refused)) == (409, "no-longer-needed")
    read = await get(running, f"/workers/{worker_id}", ADMIN)
    assert read.json()["load"] == 0


async def test_whoever_was_not_asked_learns_nothing(running: Running) -> None:
    await hired(running)
    case_id = await case_with_an_offer(running)
    [held] = (await get(running, f"/allocations?case_id={case_id}", READ)).json()
    known, unknown = held["allocation_id"], new_id()

    answers = []
    for asks in (new_id(), None):
        for allocation_id in (known, unknown):
            path = f"/allocations/{allocation_id}"
            answers += [
                await answer(running, allocation_id, asks),
                await answer(running, allocation_id, asks, reason="unsafe"),
                await get(running, path, WORK, worker=asks),
            ]
    others = f"/workers/{held['worker_id']}/offers"
    answers.append(await get(running, others, WORK, worker=new_id()))
    answers.append(await get(running, others, WORK))

    assert {each.status_code for each in answers} == {404}
    told = [{**each.json(), "instance": None} for each in answers]
    assert all(each == told[0] for each in told)
    assert problem(answers[0]) == "no-such-offer"


async def test_risk_that_nobody_owns_is_listed(running: Running) -> None:
    await hired(running, "independent_victim_specialist")
    case_id = await case_with_an_offer(running, RiskLevel.HIGH)
    nothing = (await get(running, "/unowned", READ)).json()
    assert nothing == {"at": f"{NOON:%Y-%m-%dT%H:%M:%SZ}", "roles": [], "more": False}

    await running.later(HOUR)

    listed = (await get(running, "/unowned", READ)).json()
    assert not listed["more"]
    assert {each["case_id"] for each in listed["roles"]} == {case_id}
    assert {each["role"] for each in listed["roles"]} == {
        "independent_victim_specialist",
        "perpetrator_outreach",
        "lead_agency_coordinator",
    }


async def test_silence_moves_on_by_itself(running: Running) -> None:
    both = {await hired(running), await hired(running)}
    case_id = await case_with_an_offer(running)
    [first] = (await get(running, f"/allocations?case_id={case_id}", READ)).json()

    await running.later(HOUR)

    [second] = (await get(running, f"/allocations?case_id={case_id}", READ)).json()
    assert {first["worker_id"], second["worker_id"]} == both
    assert second["offers"][0]["answer"] == "expired"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("PUT", "/workers/{}", ADMIN),
        ("GET", "/workers/{}", ADMIN),
        ("GET", "/workers", ADMIN),
        ("GET", "/workers/{}/contact", ASK),
        ("GET", "/duty/coordinators", ASK),
        ("GET", "/offers-of-help?need=housing", ASK),
        ("POST", "/allocations/{}/acceptance", WORK),
        ("POST", "/allocations/{}/decline", WORK),
        ("GET", "/allocations/{}", WORK),
        ("GET", "/workers/{}/offers", WORK),
        ("GET", "/allocations?case_id={}", READ),
        ("GET", "/unowned", READ),
    ],
)
async def test_each_call_needs_its_scope(
    running: Running, method: str, path: str, scope: str
) -> None:
    bodies = {"PUT": {}, "POST": {"reason": "unsafe"}}
    url = "/v1" + path.format(new_id())

    async def called(headers: dict[str, str]) -> int:
        response = await running.http.request(
            method, url, json=bodies.get(method), headers=headers
        )
        return response.status_code

    others = {ADMIN, WORK, READ, ASK} - {scope}
    assert await called({}) == 401
    assert await called(running.bearer(*others, worker=new_id())) == 403
    assert await called(running.bearer(scope, worker=new_id())) not in {401, 403}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": SENTINEL},
        {"roles": [SENTINEL]},
        {"gender": SENTINEL},
        {"languages": [SENTINEL]},
        {"areas": ["x" * 65]},
        {"areas": [f"area_{number}" for number in range(201)]},
        {"capacity": -1},
        {"capacity": SENTINEL},
        {"email": SENTINEL},
        {"email": f"{SENTINEL}@{'x' * 300}"},
        {"deputy": SENTINEL},
        {"team_lead": SENTINEL},
    ],
)
async def test_what_does_not_fit_is_refused_and_not_echoed(
    running: Running, fields: dict[str, Any]
) -> None:
    refused = await put(running, new_id(), **fields)

    assert (refused.status_code, problem(refused)) == (422, "invalid-request")
    assert SENTINEL not in refused.text


@pytest.mark.parametrize(
    "path", [f"/workers/{SENTINEL}", f"/workers/{SENTINEL}/contact"]
)
async def test_what_is_no_id_is_refused_and_not_echoed(
    running: Running, path: str
) -> None:
    refused = await get(running, path, ADMIN, ASK)

    assert (refused.status_code, problem(refused)) == (422, "invalid-request")
    assert SENTINEL not in refused.text


async def test_a_decline_needs_a_known_reason(running: Running) -> None:
    refused = await answer(running, new_id(), new_id(), reason=SENTINEL)

    assert (refused.status_code, problem(refused)) == (422, "invalid-request")
    assert SENTINEL not in refused.text


async def test_the_service_is_ready(running: Running) -> None:
    assert (await running.http.get("/ready")).status_code == 200


def test_a_missing_policy_stops_the_start(settings: Settings, tmp_path: Any) -> None:
    elsewhere = settings.model_copy(update={"locality": tmp_path})

    with pytest.raises(BadConfiguration, match=r"There is no allocation\.yaml in"):
        create_app(elsewhere)


def test_the_other_locality_starts_too(settings: Settings) -> None:
    create_app(settings.model_copy(update={"locality": LOCALITIES / "waikato"}))


async def test_nobody_says_of_themselves_who_they_are(running: Running) -> None:
    own, other = new_id(), new_id()
    await put(running, own, roles=[WHANAU])
    headers = running.bearer(ADMIN, worker=own)
    entry = {"duty_coordinator": True}

    mine, others = [
        await running.http.put(f"/v1/workers/{each}", headers=headers, json=entry)
        for each in (own, other)
    ]

    assert (mine.status_code, others.status_code) == (403, 200)
    assert mine.json()["type"] == "urn:accord:problem:own-entry"
    held = await get(running, f"/workers/{own}", ADMIN)
    assert held.json()["duty_coordinator"] is False


async def test_whoever_has_left_does_not_come_back_by_their_own_hand(
    running: Running,
) -> None:
    left, another = new_id(), new_id()
    await put(running, left, active=False)
    headers = running.bearer(ADMIN, worker=left)

    answers = [
        await running.http.put(f"/v1/workers/{left}", headers=headers, json={}),
        await running.http.put(f"/v1/workers/{another}", headers=headers, json={}),
        await running.http.get("/v1/workers", headers=headers),
    ]

    assert [each.status_code for each in answers] == [404] * 3
    assert (await get(running, f"/workers/{left}", ADMIN)).json()["active"] is False
