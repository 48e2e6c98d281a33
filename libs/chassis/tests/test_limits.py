"""How much one may ask for."""

import threading
import time
from ipaddress import ip_network
from threading import Timer
from types import SimpleNamespace
from typing import Any

import pytest
from accord_chassis.limits import (
    ENOUGH,
    HOUR,
    Limits,
    Rate,
    Records,
    TooManyRequests,
    Who,
    _Memory,
    peer_of,
)
from accord_chassis.settings import ChassisSettings
from accord_chassis.testing import AUDIT_KEY
from chassis_surroundings import logged
from fastapi import FastAPI, Request

ISSUER = "https://identity.example"
AROHA = Who(ISSUER, "aroha")
POLICE = Who(ISSUER, "police", machine=True)
NOTIFY = Who(ISSUER, "notify", machine=True, service=True)


class Seconds:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def counted(records: Records, who: Who, record: str) -> bool:
    try:
        records.count(who, record, route="/v1/cases/{case_id}")
    except TooManyRequests:
        return False
    return True


def test_one_too_many_is_told_when_to_come_back() -> None:
    rate = Rate("requests", 3)
    for _ in range(3):
        rate.count("aroha")

    with pytest.raises(TooManyRequests) as refused:
        rate.count("aroha")

    headers = refused.value.headers
    wait = int(headers["Retry-After"])
    assert 1 <= wait <= 120
    assert headers["RateLimit-Policy"] == '"requests";q=3;w=60'
    assert headers["RateLimit"] == f'"requests";r=0;t={wait}'
    rate.count("somebody else")


def test_nought_is_no_limit() -> None:
    rate = Rate("requests", 0)

    for _ in range(1000):
        rate.count("aroha")
        rate.check("aroha")


def test_what_is_out_of_date_is_forgotten() -> None:
    memory = _Memory()
    for each in range(3 * ENOUGH):
        memory.incr(str(each), expiry=-1)

    assert len(memory.expirations) <= ENOUGH + 1


def test_counting_starts_no_thread() -> None:
    rate = Rate("requests", 100)
    for each in threading.enumerate():
        if isinstance(each, Timer):
            each.join()

    rate.count("aroha")

    assert not [each for each in threading.enumerate() if isinstance(each, Timer)]


def test_a_person_asks_for_so_many_records_an_hour_and_the_alarm_is_raised() -> None:
    clock = Seconds()
    records = Records("toy", people=3, machines=5, now=clock)

    with logged() as lines:
        taken = [counted(records, AROHA, str(each)) for each in range(5)]

    assert taken == [True, True, True, False, False]
    [line] = lines.of("enumeration.suspected")
    assert line["caller"] == AROHA.digest
    assert (line["route"], line["count"]) == ("/v1/cases/{case_id}", 3)
    assert "aroha" not in lines.stream.getvalue()


def test_whoever_has_reached_the_limit_goes_on_with_what_is_at_hand() -> None:
    records = Records("toy", people=2, machines=2, now=Seconds())
    assert all(counted(records, AROHA, each) for each in "abababab")

    assert not counted(records, AROHA, "c")
    assert counted(records, AROHA, "a")


def test_after_an_hour_there_is_room_again() -> None:
    clock = Seconds()
    records = Records("toy", people=2, machines=2, now=clock)
    assert [counted(records, AROHA, each) for each in "abc"] == [True, True, False]

    clock.now += HOUR - 1
    assert counted(records, AROHA, "a")
    clock.now += 2

    assert counted(records, AROHA, "d")
    assert not counted(records, AROHA, "e")


def test_an_agencys_system_has_a_limit_of_its_own() -> None:
    records = Records("toy", people=1, machines=3, now=Seconds())

    assert [counted(records, POLICE, each) for each in "abcd"] == [True] * 3 + [False]


def test_callers_are_counted_apart() -> None:
    records = Records("toy", people=1, machines=1, now=Seconds())

    assert counted(records, AROHA, "a")
    assert counted(records, Who("https://other.example", "aroha"), "b")


def request(
    method: str = "GET",
    host: str = "192.0.2.1",
    forwarded: str | None = None,
    route: str = "/v1/records/{record_id}",
    query: str = "",
    **path_params: str,
) -> Request:
    app = FastAPI()
    app.state.proxies = (ip_network("10.0.0.0/8"),)
    told = forwarded.encode() if forwarded else b""
    return Request(
        {
            "app": app,
            "type": "http",
            "method": method,
            "path_params": path_params,
            "query_string": query.encode(),
            "route": SimpleNamespace(path=route),
            "client": (host, 1),
            "headers": [(b"x-forwarded-for", told)] if told else [],
        }
    )


def limits(**changed: Any) -> Limits:
    given = {
        "region": "test",
        "locality": "/nowhere",
        "amqp_url": "amqp://toy@broker/",
        "store_url": "mongodb://store/",
        "jwks_url": "https://identity.example/jwks.json",
        "issuer": ISSUER,
        "audit_key": AUDIT_KEY,
        **changed,
    }
    return Limits.of(ChassisSettings(**given), "toy")


def test_what_belongs_to_a_case_is_no_record_of_its_own() -> None:
    toy = limits(records_an_hour=1)
    for each in "abc":
        toy.admit(request(case_id="one", action_id=each), AROHA, ["plans.work"])

    with pytest.raises(TooManyRequests):
        toy.admit(request(case_id="two"), AROHA, ["plans.work"])


def test_each_case_of_a_meeting_is_a_record() -> None:
    toy = limits(records_an_hour=1)
    route = "/v1/meetings/{meeting_id}/cases/{case_id}"
    for task in "ab":
        sat = request(route=route, meeting_id="one", case_id="a", task_id=task)
        toy.admit(sat, AROHA, ["plans.meet"])

    another = request(route=route, meeting_id="one", case_id="b")
    with pytest.raises(TooManyRequests):
        toy.admit(another, AROHA, ["plans.meet"])


def test_a_directory_may_be_put_in_at_once() -> None:
    toy = limits(records_an_hour=1)

    for each in "abc":
        toy.admit(request("PUT", worker_id=each), AROHA, ["allocation.admin"])


def test_what_is_put_to_a_record_that_there_is_counts() -> None:
    toy = limits(records_an_hour=1)
    route = "/v1/cases/{case_id}/lists"

    toy.admit(request("PUT", route=route, case_id="a"), AROHA, ["allocation.admin"])

    with pytest.raises(TooManyRequests):
        toy.admit(request("PUT", route=route, case_id="b"), AROHA, ["allocation.admin"])


def test_a_case_that_is_asked_for_in_a_query_counts() -> None:
    toy = limits(records_an_hour=1)

    toy.admit(request(query="case_id=a"), AROHA, ["allocation.read"])

    with pytest.raises(TooManyRequests):
        toy.admit(request(query="case_id=b"), AROHA, ["allocation.read"])


def test_services_that_ask_each_other_have_no_limit() -> None:
    toy = limits(records_an_hour=1, requests_a_minute=1)

    for each in "abc":
        for scope in ("allocation.ask", "referrals.reach", "referrals.screen"):
            toy.admit(request(worker_id=each), NOTIFY, [scope])


def test_whoever_else_holds_a_scope_of_services_is_counted() -> None:
    toy = limits(records_an_hour=1)

    toy.admit(request(worker_id="a"), AROHA, ["allocation.ask"])

    with pytest.raises(TooManyRequests):
        toy.admit(request(worker_id="b"), AROHA, ["allocation.ask"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("unix", "unix", True),
    ],
)
def test_guesses_from_one_place_are_counted_together(
    one: str, other: str, *, same: bool
) -> None:
    assert (peer_of(request(host=one)) == peer_of(request(host=other))) is same


@pytest.mark.parametrize(
    ("host", "forwarded", "place"),
    [
        ("10.1.2.3", "192.0.2.9", "192.0.2.9"),
        ("10.1.2.3", "198.51.100.1, 192.0.2.9", "192.0.2.9"),
        ("10.1.2.3", None, "10.1.2.3"),
        ("203.0.113.5", "192.0.2.9", "203.0.113.5"),
    ],
)
def test_where_a_guess_comes_from_is_told_by_what_stands_in_front_alone(
    host: str, forwarded: str | None, place: str
) -> None:
    assert peer_of(request(host=host, forwarded=forwarded)) == place


def test_counting_costs_microseconds() -> None:
    toy = limits(requests_a_minute=1_000_000)
    asked = request(case_id="one")
    started = time.perf_counter()

    for _ in range(2000):
        toy.admit(asked, AROHA, ["plans.read"])

    # About 8 µs on an idle machine; what is asserted is only that it is no millisecond.
    assert (time.perf_counter() - started) / 2000 < 0.0005
