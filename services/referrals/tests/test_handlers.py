"""What happens to referrals, people and cases, on a real store."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from accord_chassis.service import settled
from accord_chassis.store import AlreadyHandled, Conflict, Database, Store
from accord_chassis.testing import NOON, message_of, new_id, published, vault_in
from accord_contracts.allocation import AllocationAccepted, Role
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import ActionDone, PlanAgreed, PlanClosed
from accord_contracts.referrals import (
    AgencyKind,
    Answer,
    CaseOpened,
    ContactWish,
    FilledIn,
    IncidentKind,
    PeopleRecognised,
    ReferralPosted,
    ReferralReceived,
    Wishes,
)
from accord_contracts.risk import RiskAssessed, RiskLevel
from pymongo import AsyncMongoClient
from referrals import handlers
from referrals.domain.case import EPISODES_KEPT, Case, Stage
from referrals.domain.referral import KeyUsedBefore, NotReferred, Referral
from referrals.review_store import Reviews
from referrals.store import Cases, People, Referrals
from referrals_builders import (
    JOHN,
    MATCHING,
    MERE,
    NAMELESS,
    POLICE,
    POLICY,
    RULES,
    nhi,
    referral,
    telling,
)

E = TypeVar("E", bound=Event)
Handler = Callable[..., Awaitable[None]]

MINUTE = timedelta(minutes=1)

note_closing = partial(
    handlers.note_closing, retention=POLICY.retention, rules=POLICY.feedback
)
note_contact = partial(handlers.note_contact, rules=POLICY.feedback)


@dataclass(frozen=True)
class Intake:
    """The stores, and messages brought to their handlers as the bus brings them."""

    referrals: Referrals
    people: People
    cases: Cases
    reviews: Reviews

    async def deliver(self, handler: Handler, message: Message[Any]) -> None:
        async def handle() -> None:
            with contextlib.suppress(AlreadyHandled):
                await handler(message)

        await settled(handle)

    async def post(self, posted: Referral) -> Message[Any]:
        await self.referrals.save(posted)
        return message_of(ReferralPosted(referral_id=posted.id), lane=posted.lane)

    async def recognise(self, message: Message[Any]) -> None:
        recognise = partial(
            handlers.recognise_people,
            referrals=self.referrals,
            people=self.people,
            reviews=self.reviews,
            rules=RULES,
            matching=MATCHING,
        )
        await self.deliver(recognise, message)

    async def recognised(self, posted: Referral) -> Message[Any]:
        """Post a referral and recognise its people; give what is told of them."""
        await self.recognise(await self.post(posted))
        told = await told_by(self.referrals, PeopleRecognised)
        [mine] = [each for each in told if each.data.referral_id == posted.id]
        return mine

    async def open_or_join(self, message: Message[Any]) -> None:
        join = partial(
            handlers.open_or_join_case,
            referrals=self.referrals,
            cases=self.cases,
            reviews=self.reviews,
            rules=POLICY.roles,
            one_incident=POLICY.history.same_incident,
            clock=self.referrals._database.clock,
        )
        await self.deliver(join, message)

    async def refer(self, posted: Referral) -> Case:
        """Bring a referral all the way to its case."""
        await self.open_or_join(await self.recognised(posted))
        held = await self.cases.of_referral(posted.id)
        assert held
        return held

    async def note(self, handler: Handler, message: Message[Any]) -> None:
        await self.deliver(partial(handler, cases=self.cases), message)

    async def count(self, store: Store[Any]) -> int:
        return await store.documents.count_documents({})


@pytest.fixture
def intake(
    referrals: Referrals, people: People, cases: Cases, reviews: Reviews
) -> Intake:
    return Intake(referrals, people, cases, reviews)


async def told_by(store: Store[Any], kind: type[E]) -> list[Message[E]]:
    """Give what a store's saves have said of one kind."""
    told: list[Message[Any]] = [*await published(store)]
    return [each for each in told if isinstance(each.data, kind)]


async def received(intake: Intake, posted: Referral) -> Message[ReferralReceived]:
    told = await told_by(intake.cases, ReferralReceived)
    [mine] = [each for each in told if each.data.referral_id == posted.id]
    return mine


def assessed(held: Case, referral_id: str | None = None, **told: Any) -> Message[Any]:
    fields: dict[str, Any] = {
        "level": RiskLevel.MEDIUM,
        "previous": None,
        "provisional": False,
        "reasons": (),
        "unknowns": (),
        "policy_version": "test",
        "assessed_at": NOON + MINUTE,
        "reassess_by": NOON + MINUTE,
        "first_referred_at": NOON,
        **told,
    }
    return message_of(RiskAssessed(case_id=held.id, referral_id=referral_id, **fields))


def accepted(held: Case, minutes: int = 2) -> Message[Any]:
    return message_of(
        AllocationAccepted(
            case_id=held.id,
            allocation_id=new_id(),
            role=Role.INDEPENDENT_VICTIM_SPECIALIST,
            first_referred_at=NOON,
            worker_id=new_id(),
            accepted_at=NOON + minutes * MINUTE,
        )
    )


def agreed(held: Case) -> Message[Any]:
    return message_of(
        PlanAgreed(case_id=held.id, plan_version=1, agreed_at=NOON + 3 * MINUTE)
    )


def contacted(held: Case) -> Message[Any]:
    return message_of(
        ActionDone(
            case_id=held.id,
            plan_version=1,
            action_id=new_id(),
            action="safe_contact",
            role=Role.WHANAU_SUPPORT_WORKER,
            worker_id=new_id(),
            done_at=NOON + 4 * MINUTE,
        )
    )


def closed(held: Case) -> Message[Any]:
    return message_of(
        PlanClosed(
            case_id=held.id,
            plan_version=1,
            reason="goals_met",
            assessment_revision=1,
            closed_at=NOON + 5 * MINUTE,
        )
    )


async def post(intake: Intake, key: str | None = "17", **fields: Any) -> Any:
    return await handlers.post_referral(
        telling(**fields),
        POLICE,
        key=key,
        at=NOON,
        referrals=intake.referrals,
        policy=POLICY,
    )


async def test_a_posted_referral_is_one_write_that_tells_itself(
    intake: Intake,
) -> None:
    posted = await post(intake, answers={"strangulation": "yes"})

    assert not posted.repeated
    [told] = await published(intake.referrals)
    assert told.data == ReferralPosted(referral_id=posted.referral.id)
    assert (told.lane, told.subject) == (Lane.URGENT, posted.referral.id)
    assert await intake.referrals.get(posted.referral.id) == posted.referral


async def test_fifty_who_post_the_same_at_once_make_one_referral(
    intake: Intake,
) -> None:
    outcomes = await asyncio.gather(*(post(intake) for _ in range(50)))

    assert all(each.referral == outcomes[0].referral for each in outcomes)
    assert sum(not each.repeated for each in outcomes) == 1
    assert len(await published(intake.referrals)) == 1


async def test_a_key_used_for_another_referral_is_refused(intake: Intake) -> None:
    first = await post(intake)

    with pytest.raises(KeyUsedBefore):
        await post(intake, incidents=["stalking"])

    assert await intake.referrals.get(first.referral.id) == first.referral


async def test_who_knows_what_an_agency_knows_can_derive_no_id(
    intake: Intake,
    database: Database,
    store_client: AsyncMongoClient[dict[str, Any]],
    master_key: Path,
) -> None:
    # Whoever lacks this region's key is no better off than another region.
    name = f"test_elsewhere_{new_id()[:8]}"
    elsewhere = Database(store_client, name, source="/e", clock=database.clock)
    elsewhere.vault = vault_in(store_client, name, master_key)
    await elsewhere.vault.open()
    there = Intake(*(each(elsewhere) for each in (Referrals, People, Cases, Reviews)))

    told = telling(reference="26/1701")
    known = (POLICE, None, told)
    assert intake.referrals.id_of(*known) == intake.referrals.id_of(*known)
    assert intake.referrals.id_of(*known) != there.referrals.id_of(*known)

    posted = referral(MERE, JOHN)
    here, other = await intake.refer(posted), await there.refer(posted)

    assert here.id != other.id
    met = [await each.referrals.get(posted.id) for each in (intake, there)]
    assert not set(met[0].person_ids) & set(met[1].person_ids)
    await store_client.drop_database(name)


async def test_a_referral_that_has_moved_on_still_gets_its_receipt(
    intake: Intake,
) -> None:
    first = (await post(intake)).referral
    await intake.recognise(message_of(ReferralPosted(referral_id=first.id)))

    again = await post(intake)

    assert again.repeated
    assert again.referral.expected == first.expected


async def test_people_are_recognised_by_id_and_role_alone(intake: Intake) -> None:
    told = await intake.recognised(referral(MERE, JOHN))

    held = await intake.referrals.get(told.data.referral_id)
    assert held
    assert [each.person_id for each in told.data.parties] == [*held.person_ids]
    assert [each.role for each in told.data.parties] == [
        each.role for each in held.told.people
    ]
    assert await intake.count(intake.people) == 2


async def test_recognising_again_changes_nothing(intake: Intake) -> None:
    posted = await intake.post(referral(MERE, JOHN, NAMELESS))

    await intake.recognise(posted)
    before = await published(intake.referrals)
    await intake.recognise(posted)

    assert await published(intake.referrals) == before
    assert await intake.count(intake.people) == 3


async def test_recognising_after_a_crash_between_the_writes_finds_the_same_people(
    intake: Intake,
) -> None:
    posted = referral(MERE, JOHN, NAMELESS)
    message = await intake.post(posted)
    await intake.recognise(message)
    first = await intake.referrals.get(posted.id)
    await intake.referrals.documents.delete_one({"_id": posted.id})
    await intake.post(posted)

    await intake.recognise(message)

    second = await intake.referrals.get(posted.id)
    assert first
    assert second
    assert second.person_ids == first.person_ids
    assert await intake.count(intake.people) == 3


async def test_two_referrals_at_once_about_a_new_person_make_one_person(
    intake: Intake,
) -> None:
    messages = [await intake.post(referral(MERE, JOHN)) for _ in range(8)]

    await asyncio.gather(*(intake.recognise(each) for each in messages))

    told = await told_by(intake.referrals, PeopleRecognised)
    assert len({each.data.parties for each in told}) == 1
    assert await intake.count(intake.people) == 2


async def test_a_known_person_is_not_written_again(intake: Intake) -> None:
    await intake.recognised(referral(MERE, JOHN))

    await intake.recognised(referral(MERE, {**JOHN, "identifiers": [nhi("ZZZ0016")]}))

    versions = [each["version"] async for each in intake.people.documents.find({})]
    assert sorted(versions) == [1, 2]


async def test_what_is_learned_of_a_person_recognises_them_next_time(
    intake: Intake,
) -> None:
    code = {"identifiers": [nhi("ZZZ0016")]}
    first = await intake.recognised(referral(MERE))
    await intake.recognised(referral({**MERE, **code}))

    third = await intake.recognised(
        referral({"role": "person_harmed", "given_name": "M", **code})
    )

    assert third.data.parties == first.data.parties


async def test_a_referral_that_was_erased_is_passed_over(intake: Intake) -> None:
    gone = new_id()

    await intake.recognise(message_of(ReferralPosted(referral_id=gone)))
    await intake.open_or_join(
        message_of(PeopleRecognised(referral_id=gone, parties=()))
    )

    assert await intake.count(intake.people) == 0
    assert await intake.count(intake.cases) == 0


async def test_a_first_referral_opens_a_case_and_tells_both(intake: Intake) -> None:
    posted = referral(
        incidents=["physical_harm", "threats_of_harm"],
        answers={"injury": "yes", "stalking": "not_asked"},
        wishes={"gender": "woman", "languages": ["mi"], "kaupapa_maori": True},
        place={"area": "phillipstown", "address": "1 Somewhere Street"},
        instruments=[{"instrument": "odara", "total": 7, "certified": True}],
    )

    held = await intake.refer(posted)

    [opened, _] = await published(intake.cases)
    told = await received(intake, posted)
    assert opened.data == CaseOpened(case_id=held.id, opened_at=NOON)
    recognised = await intake.referrals.get(posted.id)
    assert recognised
    assert told.data == ReferralReceived(
        case_id=held.id,
        referral_id=posted.id,
        agency_kind=AgencyKind.POLICE,
        incidents=(IncidentKind.PHYSICAL_HARM, IncidentKind.THREATS_OF_HARM),
        answers={"injury": Answer.YES, "stalking": Answer.NOT_ASKED},
        parties=told.data.parties,
        wishes=Wishes(
            gender=ContactWish.WOMAN,
            languages=("mi",),
            kaupapa_maori=True,
        ),
        repeat=False,
        occurred_at=posted.told.occurred_at,
        first_referred_at=NOON,
        instruments=(FilledIn(instrument="odara", total=7, certified=True),),
        place_area="phillipstown",
        agency="police",
    )
    assert [each.person_id for each in told.data.parties] == [*recognised.person_ids]
    assert told.subject == held.id


async def test_no_word_of_a_referral_leaves_in_its_events(intake: Intake) -> None:
    secret = "Sentinel"
    posted = referral(
        {
            **MERE,
            "given_name": secret,
            "identifiers": [nhi("ZZZ0016")],
            "contact_points": [
                {"channel": "phone", "value": secret, "code_word": secret}
            ],
        },
        narrative=secret,
        reference=secret,
        place={"address": secret},
        sharing={"purpose": "fva20_c", "consulted": False, "why_not_safe": secret},
    )

    await intake.refer(posted)

    for store in (intake.referrals, intake.people, intake.cases):
        for told in await published(store):
            text = told.data.model_dump_json()
            assert secret.casefold() not in text.casefold()
            assert "zzz0016" not in text.casefold()


async def test_a_redelivered_message_changes_no_case(intake: Intake) -> None:
    message = await intake.recognised(referral(NAMELESS, JOHN))

    await intake.open_or_join(message)
    before = await published(intake.cases)
    await intake.open_or_join(message)

    assert await published(intake.cases) == before
    assert await intake.count(intake.cases) == 1


async def test_a_message_that_the_inbox_forgot_changes_no_case(
    intake: Intake,
) -> None:
    message = await intake.recognised(referral())
    await intake.open_or_join(message)
    await intake.cases.documents.update_many({}, {"$set": {"inbox": []}})

    await intake.open_or_join(message)

    assert len(await told_by(intake.cases, ReferralReceived)) == 1


async def test_a_second_referral_joins_the_case_as_a_repeat(intake: Intake) -> None:
    first, again = referral(), referral(at=NOON + 300 * 24 * 60 * MINUTE)

    opened = await intake.refer(first)
    joined = await intake.refer(again)

    assert joined.id == opened.id
    assert (await received(intake, first)).data.repeat is False
    assert (await received(intake, again)).data.repeat is True
    assert len(await told_by(intake.cases, CaseOpened)) == 1


async def test_two_first_referrals_at_once_make_one_case(intake: Intake) -> None:
    messages = [await intake.recognised(referral()) for _ in range(8)]

    await asyncio.gather(*(intake.open_or_join(each) for each in messages))

    assert await intake.count(intake.cases) == 1
    assert len(await told_by(intake.cases, CaseOpened)) == 1
    told = await told_by(intake.cases, ReferralReceived)
    assert sorted(each.data.repeat for each in told) == [False, *[True] * 7]


async def test_one_who_does_not_know_who_harmed_makes_no_second_case(
    intake: Intake,
) -> None:
    known, unknown = referral(MERE, JOHN), referral(MERE)
    messages = [await intake.recognised(each) for each in (known, unknown)]

    await asyncio.gather(*(intake.open_or_join(each) for each in messages))

    assert await intake.count(intake.cases) == 1


async def test_people_whom_nothing_tells_apart_get_a_case_each_time(
    intake: Intake,
) -> None:
    one, two = (
        await intake.refer(referral(NAMELESS)),
        await intake.refer(referral(NAMELESS)),
    )

    assert one.id != two.id


async def test_a_stale_case_is_decided_on_anew(intake: Intake) -> None:
    held = await intake.refer(referral())
    await intake.note(handlers.note_acceptance, accepted(held))

    with pytest.raises(Conflict):
        await intake.cases.save(held.agree(NOON))


async def test_what_follows_a_high_risk_is_urgent_whatever_was_told(
    intake: Intake,
) -> None:
    held = await intake.refer(referral())
    await intake.note(handlers.note_assessment, assessed(held, level=RiskLevel.EXTREME))
    again = referral()

    await intake.refer(again)

    assert again.lane is Lane.ROUTINE
    assert (await received(intake, again)).lane is Lane.URGENT


async def test_an_urgent_referral_stays_urgent_on_its_way(intake: Intake) -> None:
    posted = referral(answers={"threat_to_kill": "yes"})

    await intake.refer(posted)

    assert {each.lane for each in await published(intake.cases)} == {Lane.URGENT}
    [recognised] = await told_by(intake.referrals, PeopleRecognised)
    assert recognised.lane is Lane.URGENT


async def stands(intake: Intake, posted: Referral, agency: str = "police") -> Any:
    _, episode = await handlers.where_it_stands(
        posted.id, agency, referrals=intake.referrals, cases=intake.cases
    )
    return episode


async def test_the_loop_closes_stage_by_stage(intake: Intake) -> None:
    posted = referral()
    await intake.post(posted)
    seen = [await stands(intake, posted)]
    held = await intake.refer(posted.model_copy(update={"version": 1}))
    seen.append(await stands(intake, posted))

    await intake.note(handlers.note_assessment, assessed(held, posted.id))
    seen.append(await stands(intake, posted))
    await intake.note(handlers.note_acceptance, accepted(held))
    seen.append(await stands(intake, posted))
    await intake.note(handlers.note_agreement, agreed(held))
    seen.append(await stands(intake, posted))
    await intake.note(note_contact, contacted(held))
    seen.append(await stands(intake, posted))
    await intake.note(note_closing, closed(held))
    seen.append(await stands(intake, posted))

    assert [each.stage for each in seen] == [Stage.RECEIVED, *Stage]
    assert [seen[-1].at(each) for each in Stage] == [
        NOON + minutes * MINUTE for minutes in range(6)
    ]


async def test_stages_that_come_early_and_twice_are_noted_once(
    intake: Intake,
) -> None:
    posted = referral()
    held = await intake.refer(posted)
    late: list[tuple[Handler, Message[Any]]] = [
        (note_closing, closed(held)),
        (note_contact, contacted(held)),
        (handlers.note_agreement, agreed(held)),
        (handlers.note_acceptance, accepted(held, 9)),
        (handlers.note_acceptance, accepted(held)),
        (handlers.note_assessment, assessed(held, posted.id)),
    ]
    for handler, message in late:
        await intake.note(handler, message)
    before = await intake.cases.get(held.id)

    for handler, message in late:
        await intake.note(handler, message)

    assert await intake.cases.get(held.id) == before
    episode = await stands(intake, posted)
    assert [episode.at(each) for each in Stage] == [
        NOON + minutes * MINUTE for minutes in range(6)
    ]


async def test_news_that_is_none_costs_no_write(intake: Intake) -> None:
    held = await intake.refer(referral())
    await intake.note(handlers.note_acceptance, accepted(held, 2))

    await intake.note(handlers.note_acceptance, accepted(held, 3))

    after = await intake.cases.get(held.id)
    assert after
    assert after.version == held.version + 1


async def test_news_of_a_case_that_was_erased_is_passed_over(intake: Intake) -> None:
    gone = Case(id=new_id(), opened_at=NOON)

    await intake.note(handlers.note_assessment, assessed(gone))
    await intake.note(handlers.note_acceptance, accepted(gone))
    await intake.note(handlers.note_agreement, agreed(gone))
    await intake.note(note_closing, closed(gone))

    assert await intake.count(intake.cases) == 0


async def test_another_agency_has_made_no_such_referral(intake: Intake) -> None:
    posted = referral()
    await intake.post(posted)

    with pytest.raises(NotReferred):
        await stands(intake, posted, agency="hospital")
    with pytest.raises(NotReferred):
        await stands(intake, referral())


async def test_a_referral_keeps_where_it_stood_when_its_case_lets_go_of_it(
    intake: Intake,
) -> None:
    first = referral()
    held = await intake.refer(first)
    await intake.note(handlers.note_assessment, assessed(held, first.id))
    await intake.note(handlers.note_acceptance, accepted(held))
    messages = [
        await intake.recognised(referral(at=NOON + each * MINUTE))
        for each in range(EPISODES_KEPT)
    ]

    for each in messages:
        await intake.open_or_join(each)

    assert await intake.cases.of_referral(first.id) is None
    assert (await stands(intake, first)).stage is Stage.ALLOCATED
