"""Her own device: written to once, where she said it is safe, and silent after STOP.

Referrals decides whether it is, notify writes, and a gateway takes it; the services'
time is simulated.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from accord.client import Answer
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, new_id
from accord_contracts.calendar import DAYS
from app import LOCALITY, Region, eventually
from notify.sms import SmsPost
from people import EVERY_SCOPE, Somebody
from phones import SETTINGS, Phones, phones_in, replies
from regions import Ground, in_one_process
from wiretap import Heard

MESSAGED, NOT_MESSAGED = "contact.messaged.v1", "contact.not_messaged.v1"
STOPPED, SUSPENDED = "contact.stopped.v1", "contact.suspended.v1"

NOTIFY = yaml.safe_load((LOCALITY / "notify.yaml").read_text("utf-8"))
TEXT = NOTIFY["people"]["texts"]["we_will_ring"]["text"]["en"]
APART = timedelta(minutes=NOTIFY["people"]["apart_minutes"])

CONFIRMED = timedelta(hours=6)
"""For how long what she said is good here: a month's other work would fall due in a
month."""

HOUR = timedelta(hours=1)
PATIENCE_SECONDS, LATE_SECONDS = 1.0, 1.5


@pytest.fixture(scope="module")
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


@pytest.fixture(scope="module")
async def phones(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Phones]:
    async with phones_in(tmp_path_factory.mktemp("phones") / "locality") as found:
        file = found.locality / "referrals.yaml"
        told = file.read_text("utf-8")
        assert told.count("confirmed_days: 28") == 1
        days = CONFIRMED / timedelta(days=1)
        file.write_text(told.replace("confirmed_days: 28", f"confirmed_days: {days}"))
        yield found


@pytest.fixture(scope="module")
async def region(
    ground: Ground,
    clock: SimulatedClock,
    phones: Phones,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Region]:
    """A region with a gateway, which loses patience with it early."""
    folder = tmp_path_factory.mktemp("own_device")
    with pytest.MonkeyPatch.context() as patched:
        told = SmsPost.__init__.__kwdefaults__
        patched.setitem(told, "timeout_seconds", PATIENCE_SECONDS)
        patched.setitem(told, "away_seconds", 0.0)
        async with in_one_process(
            ground, folder, clock=clock, extra=SETTINGS, locality=phones.locality
        ) as running:
            yield running


@dataclass
class Her:
    """Somebody who was harmed, and whoever works on her case.

    Attributes:
        known_by: Her number in a register, by which agencies' words of her meet.
        number: Her telephone's, as a gateway is told it.
        contact: Her telephone, as referrals knows it.
    """

    region: Region
    lead: Somebody
    known_by: str
    case: str = ""
    person: str = ""
    number: str = ""
    contact: str = ""

    async def is_referred(self, agency: str = "police", **contact: Any) -> None:
        """Have an agency tell of her, and of how she is reached."""
        told = self.region.grave_referral()
        harmed = next(e for e in told["people"] if e["role"] == "person_harmed")
        harmed["identifiers"] = [
            {"system": "police_person_record", "value": self.known_by}
        ]
        harmed["contact_points"] = [contact] if contact else []
        referral = await self.region.agency(agency).refers({**told, "people": [harmed]})
        self.case = await eventually(self.region.case_of(referral))
        held = await self.region.database("referrals")["cases"].find_one(
            {"_id": self.case}
        )
        assert held
        self.person = held["people"][0]["person_id"]

    async def says_it_is_safe(self, **said: Any) -> None:
        """Have her asked, and say that her telephone may be texted."""
        told = {"channels": ["text"], "value": self.number, "code_word": "Kererū"}
        path = f"/api/referrals/v1/people/{self.person}/contacts/{self.contact}"
        answer = await self.lead.sends(
            "PUT", path, {"state": "confirmed", **told, **said}
        )
        assert answer.ok, answer.body

    async def is_written_to(self, message: str = "") -> dict[str, Any]:
        """Have whoever leads ask for a message, and give what became of it."""
        path = (
            f"/api/notify/v1/cases/{self.case}/people/{self.person}"
            f"/contacts/{self.contact}/messages/{message or new_id()}"
        )
        body = {"text": "we_will_ring", "language": "en", "purpose": "fva20_c"}
        answer: Answer = await self.lead.sends("PUT", path, body)
        assert answer.ok, answer.body
        found: dict[str, Any] = answer.json()
        return found

    async def is_a_task(self) -> None:
        """Wait until somebody is told that they are to reach her in another way.

        Notify tells it itself alone, so nobody hears it on the bus.
        """
        look = self.region.coordinator.sees(NOT_MESSAGED, self.case)
        seen: dict[str, Any] = await eventually(look)
        assert seen["about_id"] == self.contact
        assert seen["acknowledge_by"]


@pytest.fixture
async def her(region: Region) -> AsyncIterator[Her]:
    """Somebody who was harmed, whom the Police have told of."""
    lead = Somebody(region, "lead", *EVERY_SCOPE, worker=region.coordinator.id)
    her = Her(region, lead, known_by=f"Z{new_id()[:8]}1", contact=new_id())
    her.number = f"+6421{int(new_id()[:6], 16) % 10**7:07}"
    await her.is_referred()
    yield her
    lead.hang_up()


async def test_her_telephone_is_written_to_once_and_says_what_was_agreed_alone(
    region: Region, phones: Phones, her: Her
) -> None:
    await her.says_it_is_safe()
    message = new_id()

    first = await her.is_written_to(message)
    again = await her.is_written_to(message)

    assert (first["state"], first["reason"]) == ("sent", None)
    assert again == first
    assert phones.at(her.number) == [TEXT]
    assert set(phones.sent[-1]) == {"to", "message"}
    told: Heard = await eventually(region.hears(MESSAGED, case_id=her.case))
    assert her.number[4:].encode() not in told.raw
    # Another so soon is none: what stands on her screen is for one glance.
    assert (await her.is_written_to())["reason"] == "too_soon"
    assert phones.at(her.number) == [TEXT]


async def test_what_another_agency_calls_unsafe_is_a_task_and_no_text(
    phones: Phones, her: Her
) -> None:
    await her.says_it_is_safe()
    case = her.case
    unsafe = {"channel": "phone", "value": her.number, "safety": "unsafe"}
    await her.is_referred("hospital", **unsafe)
    assert her.case == case

    answer = await her.is_written_to()

    assert (answer["state"], answer["reason"]) == ("not_sent", "unsafe")
    await her.is_a_task()
    assert phones.at(her.number) == []


async def test_outside_of_her_hours_it_is_a_task_and_no_text(
    clock: SimulatedClock, phones: Phones, her: Her
) -> None:
    begins = (clock.now() + 2 * HOUR).astimezone(ZoneInfo("Pacific/Auckland"))
    hours = {
        "days": [DAYS[begins.weekday()].value],
        "starts": f"{begins:%H:%M}",
        "ends": f"{begins + HOUR:%H:%M}",
    }
    await her.says_it_is_safe(hours=[hours])

    before = await her.is_written_to()
    await her.is_a_task()
    assert phones.at(her.number) == []
    clock.advance(2 * HOUR)
    within = await her.is_written_to()

    assert (before["state"], before["reason"]) == ("not_sent", "outside_hours")
    assert within["state"] == "sent"
    assert phones.at(her.number) == [TEXT]


@pytest.mark.parametrize(
    ("status", "seconds", "reason"),
    [
        (500, 0.0, "status_500"),
        (202, LATE_SECONDS, "no_answer"),
    ],
)
async def test_what_may_have_reached_her_is_never_sent_again_by_itself(
    clock: SimulatedClock,
    phones: Phones,
    her: Her,
    *,
    status: int,
    seconds: float,
    reason: str,
) -> None:
    await her.says_it_is_safe()
    phones.status, phones.seconds, message = status, seconds, new_id()

    first = await her.is_written_to(message)
    phones.status, phones.seconds = 202, 0.0
    await her.is_a_task()
    clock.advance(2 * HOUR)
    await eventually(her.region.is_quiet)
    again = await her.is_written_to(message)

    assert (first["state"], first["reason"]) == ("unknown", reason)
    assert again == first
    assert phones.at(her.number) == [TEXT]


async def test_after_stop_referrals_lets_nobody_write_until_she_was_asked_again(
    region: Region, clock: SimulatedClock, phones: Phones, her: Her
) -> None:
    await her.says_it_is_safe()
    assert (await her.is_written_to())["state"] == "sent"

    assert (await replies(region, her.number, "STOP")).status == 204

    await eventually(region.hears(STOPPED, case_id=her.case))
    suspended: Heard = await eventually(region.hears(SUSPENDED, case_id=her.case))
    assert suspended.data["contact_id"] == her.contact
    await eventually(region.coordinator.sees(SUSPENDED, her.case))
    clock.advance(APART)
    after = await her.is_written_to()
    assert (after["state"], after["reason"]) == ("not_sent", "suspended")
    await her.is_a_task()
    assert phones.at(her.number) == [TEXT]

    await her.says_it_is_safe()
    assert (await her.is_written_to())["state"] == "sent"
    assert phones.at(her.number) == [TEXT, TEXT]


async def test_what_she_said_too_long_ago_is_a_task_and_no_text(
    clock: SimulatedClock, phones: Phones, her: Her
) -> None:
    await her.says_it_is_safe()
    clock.advance(CONFIRMED)

    answer = await her.is_written_to()

    assert (answer["state"], answer["reason"]) == ("not_sent", "expired")
    await her.is_a_task()
    assert phones.at(her.number) == []
