"""Nobody is there to ask: a named person is alarmed, by inbox and by real e-mail."""

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from app import Region, eventually
from people import OUTREACH, SPECIALIST, UNFILLED, Coordinator, ReferringAgency
from regions import Ground, in_one_process


def only_the_coordinator(region: Region) -> None:
    region.actors.staff = [region.actors.coordinator]


@pytest.fixture(scope="module")
async def region(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    """A region in which nobody works but the coordinator on duty."""
    folder = tmp_path_factory.mktemp("unfilled")
    async with in_one_process(ground, folder, staff=only_the_coordinator) as running:
        yield running


def mails_about(region: Region, reference: str) -> list[EmailMessage]:
    """Read the e-mails that have arrived with a reference."""
    raw = [each.read_bytes() for each in region.mail.folder.glob("*.eml")]
    mails = [message_from_bytes(each, policy=policy.default) for each in raw]
    return [each for each in mails if reference in each["Subject"]]


async def test_the_coordinator_is_alarmed_when_there_is_nobody_to_ask(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    case = await eventually(
        region.case_of(await police.refers(region.grave_referral()))
    )

    async def both_roles() -> list[dict[str, object]]:
        alarms = await coordinator.all_seen(UNFILLED, case)
        return alarms if len(alarms) == 2 else []

    alarms = await eventually(both_roles)
    roles = await coordinator.roles_of(case)
    unfilled = {roles[each]["allocation_id"] for each in (SPECIALIST, OUTREACH)}
    assert {each["about_id"] for each in alarms} == unfilled
    assert {each["urgency"] for each in alarms} == {"critical"}
    told = [each.data for each in region.bus.all(UNFILLED, case_id=case)]
    assert {each["reason"] for each in told} == {"no_candidate"}


async def test_the_alarm_comes_by_mail_with_a_reference_and_a_link_only(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    told = region.grave_referral()
    case = await eventually(region.case_of(await police.refers(told)))
    alarm = await eventually(coordinator.sees(UNFILLED, case))

    async def arrived() -> list[EmailMessage]:
        return mails_about(region, alarm["reference"])

    [mail] = await eventually(arrived)

    assert mail["To"] == coordinator.entry["email"]
    text = mail.get_content()
    assert alarm["link"] in text
    told_of = {case, alarm["about_id"], "high", "specialist", told["reference"]}
    told_of |= {each["family_name"] for each in told["people"]}
    assert not [each for each in told_of if each in str(mail)]
    sent = region.hears("notification.sent.v1", case_id=case, channel="email")
    await eventually(sent)


async def test_a_role_that_nobody_could_take_is_found_by_who_looks_for_it(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    case = await eventually(
        region.case_of(await police.refers(region.grave_referral()))
    )
    role = await eventually(coordinator.finds(case, SPECIALIST, "unfilled"))

    assert role["worker_id"] is None
    assert role["offers"] == []
    assert role["retry_at"] is not None
