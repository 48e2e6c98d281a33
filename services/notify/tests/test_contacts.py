"""Messages to people's own devices: only where it is safe, asked for, and once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    audited,
    eventually,
    message_of,
    new_id,
    sent_by,
)
from accord_contracts.access import Side
from accord_contracts.notify import ContactNotMessaged
from accord_contracts.referrals import CaseErased, PersonErased
from notify.domain.contact import (
    MOST,
    Asked,
    ContactMessage,
    Permission,
    PersonalContact,
    SentState,
    TooManyMessages,
)
from notify.domain.mail import Outcome
from notify.domain.people import PeoplePolicy
from notify.domain.policy import Policy
from notify.post import Posted
from notify.store import PersonalContacts
from notify_builders import MINUTE, POLICY, Running, WorkersDirectory
from notify_devices import (
    AS_SENT,
    NUMBER,
    Gateway,
    SafeNumbers,
)
from pydantic import SecretStr, ValidationError

KEY = "c" * 32
PEOPLE = POLICY.people
assert PEOPLE
TEXT = PEOPLE.texts["we_will_ring"].text


@pytest.fixture
async def writing(
    start: Any, with_gateway: Path, safe: SafeNumbers, workers: WorkersDirectory
) -> AsyncIterator[Running]:
    """The service, alive, with a gateway."""
    workers.has_on_duty()
    async with start(
        sms_secret=SecretStr("s"),
        sms_callback_key=SecretStr(KEY),
        referrals_url=safe.url,
        locality=with_gateway,
    ) as running:
        yield running


async def ask(
    running: Running, safe: SafeNumbers, message_id: str = "", **told: Any
) -> httpx2.Response:
    """Ask for a message to the person, by whoever works on the case."""
    headers = running.bearer("notify.contact", worker=told.pop("worker", new_id()))
    case_id = told.pop("case_id", safe.case_id)
    person = told.pop("person", safe.person_id)
    contact = told.pop("contact", safe.contact_id)
    path = f"/v1/cases/{case_id}/people/{person}/contacts/{contact}/messages"
    body = {"text": "we_will_ring", "language": "en", "purpose": "fva20_c", **told}
    return await running.http.put(
        f"{path}/{message_id or new_id()}", headers=headers, json=body
    )


async def tasks(running: Running, workers: WorkersDirectory) -> list[dict[str, Any]]:
    """What the coordinator on duty is asked to do about the person's device."""
    found: list[dict[str, Any]] = await eventually(
        lambda: running.inbox(workers.on_duty or "")
    )
    return found


async def test_what_a_worker_asks_for_goes_to_a_safe_number_once(
    writing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    worker, message = new_id(), new_id()

    first = await ask(writing, safe, message, worker=worker)
    again = await ask(writing, safe, message, worker=worker)
    other = await ask(writing, safe, message, worker=worker, language="mi")

    assert first.status_code == 200, first.text
    assert (first.json()["state"], first.json()["reason"]) == ("sent", None)
    assert again.json() == first.json()
    assert other.status_code == 409
    [(_, body)] = gateway.taken
    assert body == f'{{"to":"{AS_SENT}","message":"{TEXT["en"]}"}}'
    assert safe.asked[0] == {
        "channel": "text",
        "purpose": "fva20_c",
        "case_id": safe.case_id,
    }
    kept = writing.service.store(PersonalContacts).documents
    assert AS_SENT[-7:] not in str([each async for each in kept.find({})])
    log = await audited(writing.service.audit)
    assert "contact.write" in {each.action for each in log}


async def test_what_is_not_safe_is_not_sent_and_becomes_a_task(
    writing: Running, safe: SafeNumbers, gateway: Gateway, workers: WorkersDirectory
) -> None:
    safe.told |= {"permitted": False, "refused": "expired", "value": None}

    answer = await ask(writing, safe)

    assert (answer.json()["state"], answer.json()["reason"]) == ("not_sent", "expired")
    assert gateway.taken == []
    [seen] = await tasks(writing, workers)
    assert seen["event"] == ContactNotMessaged.TYPE
    assert seen["about_id"] == safe.contact_id


SAFE = Permission(
    contact_id="c", permitted=True, value=NUMBER, say_who=False, word_agreed=True
)
CONTACT = PersonalContact.of("p", "c")


def message_to_her(
    state: SentState, case_id: str = "one", at: datetime = NOON
) -> ContactMessage:
    """A message to the person's device, for a case."""
    asked = Asked(id=new_id(), case_id=case_id, text="t", language="en", by="w")
    return ContactMessage(asked=asked, policy_version="1", at=at, state=state)


@pytest.mark.parametrize(
    ("told", "held", "text", "reason"),
    [
        (SAFE, CONTACT, {}, None),
        (SAFE.model_copy(update={"value": None}), CONTACT, {}, "unknown"),
        (
            SAFE.model_copy(update={"permitted": False, "refused": "unsafe"}),
            CONTACT,
            {},
            "unsafe",
        ),
        (SAFE, CONTACT.stop(NOON), {}, "stopped"),
        (
            SAFE.model_copy(update={"confirmed_at": NOON}),
            CONTACT.stop(NOON),
            {},
            "stopped",
        ),
        (
            SAFE.model_copy(update={"confirmed_at": NOON}),
            CONTACT.stop(NOON - MINUTE),
            {},
            None,
        ),
        (
            SAFE.model_copy(update={"confirmed_at": NOON}),
            CONTACT.stop(NOON - MINUTE).stop(NOON),
            {},
            "stopped",
        ),
        (SAFE.model_copy(update={"word_agreed": False}), CONTACT, {}, "no_word"),
        (
            SAFE.model_copy(update={"word_agreed": False}),
            CONTACT,
            {"needs_word": False},
            None,
        ),
        (SAFE, CONTACT, {"says_who": True}, "says_who"),
        (
            SAFE.model_copy(update={"say_who": True}),
            CONTACT,
            {"says_who": True},
            None,
        ),
        (SAFE.model_copy(update={"value": "the desk"}), CONTACT, {}, "no_number"),
    ],
)
def test_nothing_is_sent_unless_everything_says_yes(
    told: Permission,
    held: PersonalContact,
    text: dict[str, Any],
    reason: str | None,
) -> None:
    assert PEOPLE
    agreed = PEOPLE.texts["we_will_ring"].model_copy(update=text)

    assert held.refusal(told, agreed, NOON, PEOPLE) == reason


async def test_a_text_that_needs_no_word_is_sent_without_one_and_not_twice_an_hour(
    writing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    safe.told["word_agreed"] = False

    first = await ask(writing, safe, text="when_it_suits")
    writing.clock.advance(59 * MINUTE)
    soon = await ask(writing, safe, text="when_it_suits")
    writing.clock.advance(MINUTE)
    later = await ask(writing, safe, text="when_it_suits")

    told = [each.json()["reason"] or each.json()["state"] for each in (first, soon)]
    assert told == ["sent", "too_soon"]
    assert later.json()["state"] == "sent"
    assert len(gateway.taken) == 2


@pytest.mark.parametrize("status", [303, 307, 408, 409, 425, 500, 503])
async def test_what_may_have_gone_out_is_never_sent_again_by_itself(
    writing: Running,
    safe: SafeNumbers,
    gateway: Gateway,
    workers: WorkersDirectory,
    status: int,
) -> None:
    gateway.status, message, worker = status, new_id(), new_id()

    answer = await ask(writing, safe, message, worker=worker)
    gateway.status = 202
    await writing.later(timedelta(days=3))
    again = await ask(writing, safe, message, worker=worker)

    assert answer.json()["state"] == again.json()["state"] == "unknown"
    assert answer.json()["reason"] == f"status_{status}"
    assert len(gateway.taken) == 1
    assert len(await tasks(writing, workers)) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
async def test_what_a_gateway_says_it_did_not_take_has_surely_not_gone_out(
    writing: Running, safe: SafeNumbers, gateway: Gateway, status: int
) -> None:
    gateway.status = status

    answer = await ask(writing, safe)
    gateway.status = 202
    await writing.later(timedelta(days=3))

    assert answer.json()["state"] == "not_sent"
    assert len(gateway.taken) == 1


@pytest.mark.parametrize(
    ("posted", "surely"),
    [
        (Posted(Outcome.REFUSED, "message_refused"), True),
        (Posted(Outcome.NOT_TAKEN, "server_away"), True),
        (Posted(Outcome.NOT_TAKEN, "status_500", failed=True), False),
        (Posted(Outcome.UNKNOWN, "no_answer"), False),
    ],
)
def test_only_what_has_surely_not_gone_out_is_said_not_to_have(
    posted: Posted, *, surely: bool
) -> None:
    assert posted.surely is surely


async def test_a_sending_that_broke_off_counts_as_one_that_may_have_arrived(
    writing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    gateway.slow = asyncio.Event()
    message, worker = new_id(), new_id()
    asked = asyncio.create_task(ask(writing, safe, message, worker=worker))

    async def taken() -> bool:
        return len(gateway.taken) == 1

    await eventually(taken)
    meanwhile = await ask(writing, safe, message, worker=worker)
    await writing.later(timedelta(minutes=10))
    lost = await ask(writing, safe, message, worker=worker)
    gateway.slow.set()
    await asked

    assert meanwhile.json()["reason"] == "on_its_way"
    assert (lost.json()["state"], lost.json()["reason"]) == ("unknown", "no_answer")
    assert len(gateway.taken) == 1


@pytest.mark.parametrize(
    ("says", "state", "reason"),
    [
        ("failed", "not_sent", "message_refused"),
        ("queued", "unknown", "unclear_answer"),
    ],
)
async def test_a_no_within_a_200_becomes_a_task_and_counts_as_no_message(
    start: Any,
    *,
    with_gateway: Path,
    safe: SafeNumbers,
    gateway: Gateway,
    workers: WorkersDirectory,
    says: str,
    state: str,
    reason: str,
) -> None:
    written, url = with_gateway / "notify.yaml", f"url: {gateway.url}"
    taken = "  taken: {path: status, words: [taken], refused: [failed]}"
    text = written.read_text("utf-8").replace(url, f"{url}\n{taken}")
    written.write_text(text)
    gateway.status, gateway.says = 200, {"status": says}
    workers.has_on_duty()
    async with start(
        locality=with_gateway, sms_secret=SecretStr("s"), referrals_url=safe.url
    ) as writing:
        answer = await ask(writing, safe)

        assert (answer.json()["state"], answer.json()["reason"]) == (state, reason)
        assert len(gateway.taken) == 1
        [seen] = await tasks(writing, workers)
        assert seen["event"] == ContactNotMessaged.TYPE


async def test_nobody_is_written_to_who_is_not_theirs_to_write_to(
    writing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    outreach, barred, stranger = new_id(), new_id(), new_id()
    other = new_id()
    sides = frozenset({Side.PERSON_USING_VIOLENCE})
    writing.standings.tell(outreach, safe.case_id, sides=sides)
    writing.standings.tell(barred, other, excluded=True)
    writing.standings.tell(stranger, safe.case_id)
    safe.also_in = (other,)

    answers = [
        await ask(writing, safe, worker=outreach),
        await ask(writing, safe, worker=barred),
        await ask(writing, safe, worker=stranger),
        await ask(writing, safe, person=new_id()),
        await ask(writing, safe, case_id=new_id()),
    ]

    assert [each.status_code for each in answers] == [404] * 5
    assert len({each.json()["type"] for each in answers}) == 1
    assert gateway.taken == []
    # Nobody is told of it, and everything stands in the audit log.
    assert await sent_by(writing.service, writing.broker) == []
    log = await audited(writing.service.audit)
    assert [
        (each.worker, each.outcome)
        for each in log
        if each.action == "contact.write" and each.worker in (outreach, stranger)
    ] == [(outreach, "refused"), (stranger, "refused")]
    elsewhere = [e for e in log if e.action == "contact.write_of_another_case"]
    assert (barred, other, "refused") in [
        (each.worker, each.case_id, each.outcome) for each in elsewhere
    ]
    tried = {e.resource_id for e in log if e.action == "contact.write"}
    assert tried == {safe.contact_id}


async def test_a_point_that_is_not_known_is_answered_alike_and_leaves_nothing(
    writing: Running, safe: SafeNumbers
) -> None:
    contact, worker = new_id(), new_id()

    answer = await ask(writing, safe, contact=contact, worker=worker)

    assert answer.status_code == 404
    log = await audited(writing.service.audit)
    asked = [e for e in log if (e.action, e.resource_id) == ("contact.write", contact)]
    assert [(each.worker, each.purpose) for each in asked] == [(worker, "fva20_c")]
    assert await sent_by(writing.service, writing.broker) == []
    assert answer.json()["type"].endswith("no-such-contact")
    kept = writing.service.store(PersonalContacts).documents
    assert await kept.count_documents({}) == 0


def test_what_comes_back_is_told_to_every_case_that_may_have_written() -> None:
    sent, lost, refused = SentState.SENT, SentState.UNKNOWN, SentState.NOT_SENT
    told = (("one", sent), ("two", lost), ("one", sent), ("three", refused))
    messages = tuple(message_to_her(state, case) for case, state in told)
    held = PersonalContact.of(new_id(), new_id())
    held = held.model_copy(update={"messages": messages})
    bounced = held.model_copy(update={"messages": messages[3:]})

    assert held.answering == ["one", "two"]
    assert bounced.answering == ["three"]


def test_one_name_of_two_people_is_two_points() -> None:
    assert PersonalContact.of("p", "c").id != PersonalContact.of("q", "c").id


def test_however_often_one_is_told_no_what_may_be_sent_still_is() -> None:
    refused = message_to_her(SentState.NOT_SENT)
    full = CONTACT.model_copy(update={"messages": (refused,) * MOST})

    with pytest.raises(TooManyMessages):
        full.add(refused)
    assert full.add(message_to_her(SentState.CLAIMED)).messages[-1].may_have_left


async def test_what_holds_for_a_device_holds_for_whoever_is_reached_by_it(
    writing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    daughter = new_id()
    safe.beside = (daughter,)

    await ask(writing, safe)
    soon = await ask(writing, safe, contact=daughter)
    store = writing.service.store(PersonalContacts)
    [mother] = [
        each
        for each in await store.of_case(safe.case_id)
        if each.contact_id == safe.contact_id
    ]
    await store.save(mother.stop(writing.clock.now()))
    writing.clock.advance(timedelta(days=1))
    stopped = await ask(writing, safe, contact=daughter)

    assert [e.json()["reason"] for e in (soon, stopped)] == ["too_soon", "stopped"]
    assert len(gateway.taken) == 1


async def test_two_at_once_to_one_device_are_never_two(
    writing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    safe.beside = (daughter := new_id(),)

    both = await asyncio.gather(
        ask(writing, safe), ask(writing, safe, contact=daughter)
    )

    told = {each.json()["reason"] or each.json()["state"] for each in both}
    assert "too_soon" in told <= {"sent", "too_soon"}
    assert len(gateway.taken) <= 1


async def test_while_it_cannot_be_known_whether_it_is_safe_nothing_is_sent(
    writing: Running, safe: SafeNumbers, gateway: Gateway
) -> None:
    safe.status = 500
    away = await ask(writing, safe)
    safe.status = 200
    unknown = await ask(writing, safe, text="anything")
    aimless = await ask(writing, safe, purpose="operation")

    assert [e.status_code for e in (away, unknown, aimless)] == [503, 422, 403]
    assert gateway.taken == []
    assert await sent_by(writing.service, writing.broker) == []
    log = await audited(writing.service.audit)
    asked = [e.outcome for e in log if e.action == "contact.write"]
    assert asked == ["permitted", "permitted", "refused"]


async def test_without_a_gateway_nobody_is_ever_written_to(
    start: Any, safe: SafeNumbers, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    async with start(referrals_url=safe.url) as running:
        answer = await ask(running, safe)

    assert (answer.json()["state"], answer.json()["reason"]) == ("not_sent", "off")


async def test_what_was_sent_is_read_by_who_works_on_the_case_until_it_is_erased(
    writing: Running, safe: SafeNumbers
) -> None:
    worker = new_id()
    sent = await ask(writing, safe, worker=worker)
    path = f"/v1/cases/{safe.case_id}/contact-messages"
    headers = writing.bearer("notify.contact", worker=COORDINATOR)

    read = await writing.http.get(path, headers=headers)
    erased = CaseErased(
        case_id=safe.case_id, reason="retention", erased_at=writing.clock.now()
    )
    await writing.hears(message_of(erased))
    gone = await writing.http.get(path, headers=headers)
    writing.clock.advance(timedelta(days=1))
    late = await ask(writing, safe, worker=worker)

    assert late.status_code == 404
    assert read.json()["messages"] == [sent.json()]
    assert gone.status_code == 404
    [kept] = [
        each async for each in writing.service.store(PersonalContacts).documents.find()
    ]
    assert kept["reach"] is None


async def test_nothing_sent_to_an_erased_person_is_kept_where_their_case_stays(
    writing: Running, safe: SafeNumbers
) -> None:
    path = f"/v1/cases/{safe.case_id}/contact-messages"
    headers = writing.bearer("notify.contact", worker=COORDINATOR)
    contacts = writing.service.store(PersonalContacts)
    await ask(writing, safe)
    told = {"case_id": safe.case_id, "reason": "court", "erased_at": NOON}

    await writing.hears(message_of(PersonErased(person_id=new_id(), **told)))
    stays = await writing.http.get(path, headers=headers)
    await writing.hears(message_of(PersonErased(person_id=safe.person_id, **told)))
    gone = await writing.http.get(path, headers=headers)

    assert len(stays.json()["messages"]) == 1
    assert gone.status_code == 404
    [kept] = [each async for each in contacts.documents.find()]
    assert (kept["reach"], kept["messages"]) == (None, [])


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({"text": {"en": "Ring {link}"}}, "nothing may be filled in"),
        ({"text": {"en": "Ring 0800 000 000"}}, "no room for"),
        ({"text": {"en": "See www.refuge.example"}}, "no room for"),
        ({"text": {"en": "x" * 161}}, "at most 160"),
        ({"text": {"en": "Hi"}, "asks": True}, "not permitted"),
    ],
)
def test_a_text_that_could_tell_anything_else_does_not_load(
    told: dict[str, Any], rule: str
) -> None:
    people = {"country": "64", "apart_minutes": 60, "texts": {"one": told}}

    with pytest.raises(ValidationError, match=rule):
        PeoplePolicy.model_validate(people)


def test_a_text_that_is_not_in_every_language_does_not_load() -> None:
    told = POLICY.model_dump(mode="json")
    for each in told["people"]["texts"].values():
        del each["text"]["mi"]

    with pytest.raises(ValidationError, match="is not written in mi"):
        Policy.model_validate(told)


@pytest.mark.parametrize(
    ("told", "number"),
    [
        (NUMBER, AS_SENT),
        ("(021) 555-0100", AS_SENT),
        ("0064 21 555 0100", AS_SENT),
        ("+61 4 1234 5678", "+61412345678"),
        ("+64 (0)21 555 0100", AS_SENT),
        ("555", None),
        ("ask at the desk", None),
    ],
)
def test_a_number_is_read_as_it_is_meant_or_not_at_all(
    told: str, number: str | None
) -> None:
    assert PEOPLE
    assert PEOPLE.number(told) == number
