"""Who may not have to do with a case, and looking at one that is not one's own."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.store import Conflict
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_contracts.access import AGENCIES, Side, Standing, listed_id
from accord_contracts.allocation import (
    AllocationOffered,
    AllocationUnfilled,
    AllocationWithdrawn,
    CaseTeamChanged,
    DeclineReason,
    GlassBroken,
    GlassNotReviewed,
    GlassReason,
)
from accord_contracts.message import Event
from accord_contracts.notify import NotificationDeclined
from accord_contracts.referrals import ContactWish, Wishes
from accord_contracts.risk import RiskLevel
from allocation.domain.choosing import choose
from allocation.domain.glass import Glass, OwnGlass, ReviewedBefore
from allocation.domain.lists import Lists
from allocation.domain.need import AGAINST_WISH
from allocation.domain.offer import Answer, Status
from allocation.domain.staffing import Staffing
from allocation.domain.standing import standing_of
from allocation.domain.wanted import Wanted
from allocation.handlers.placing import Desk
from allocation.routes import offers
from allocation.routes.access import MOST_LISTED
from allocation.store import kept
from allocation_builders import (
    HOUR,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    Front,
    Running,
    assessed,
    choice,
    need,
    referred,
    worker,
)
from structlog.testing import capture_logs

MINUTE = timedelta(minutes=1)
DANGER = {"reason": "imminent_danger"}


@pytest.fixture
def office(running: Running) -> Front:
    return Front(running)


async def test_whoever_accepts_serves_their_side_from_then_on(office: Front) -> None:
    her = await office.hires(WHANAU)
    case_id = await office.case()
    before = await office.standing(her, case_id)

    assert (await office.accepts(her)).status_code == 204

    assert not before.sides
    after = await office.standing(her, case_id)
    assert after.sides == after.served == {Side.PERSON_HARMED}


async def test_whoever_the_directory_does_not_know_is_not_active(
    office: Front,
) -> None:
    stranger = await office.standing(new_id(), await office.case())

    assert stranger == Standing(
        case_id=stranger.case_id, worker_id=stranger.worker_id, active=False
    )


async def test_a_worker_who_is_barred_is_off_the_team(
    office: Front,
) -> None:
    first, second = await office.hires(WHANAU), await office.hires(WHANAU)
    lead = await office.hires(duty_coordinator=True)
    case_id = await office.case()
    offers = {
        each: (await office.ask("GET", f"/workers/{each}/offers", who=each)).json()
        for each in (first, second)
    }
    [asked] = [each for each, found in offers.items() if found]
    await office.accepts(asked)

    answer = await office.lists(case_id, lead, excluded=[asked])

    assert answer.status_code == 200
    assert (await office.standing(asked, case_id)).excluded
    await office.running.idle()
    teams = [e for e in office.told(CaseTeamChanged) if e.case_id == case_id]
    assert sorted(len(each.members) for each in teams) == [0, 1]  # type: ignore[attr-defined]


async def test_an_offer_to_somebody_who_is_then_excluded_looks_as_if_there_were_none(
    office: Front,
) -> None:
    her = await office.hires(WHANAU)
    lead = await office.hires(duty_coordinator=True)
    case_id = await office.case()
    allocation = (await office.offer(her))["allocation_id"]
    await office.lists(case_id, lead, excluded=[her])

    accepted = await office.ask(
        "POST", f"/allocations/{allocation}/acceptance", who=her
    )
    listed = await office.ask("GET", f"/workers/{her}/offers", who=her)

    assert accepted.status_code == 404
    assert listed.json() == []


async def test_whoever_declines_for_a_conflict_is_barred_from_the_case(
    office: Front,
) -> None:
    her = await office.hires(WHANAU)
    case_id = await office.case()
    allocation = (await office.offer(her))["allocation_id"]

    await office.ask(
        "POST",
        f"/allocations/{allocation}/decline",
        who=her,
        body={"reason": "conflict_of_interest"},
    )
    await office.running.idle()

    assert (await office.standing(her, case_id)).conflict


async def test_a_conflict_told_of_any_message_bars_from_the_whole_case(
    office: Front,
) -> None:
    her, other = [await office.hires(WHANAU) for _ in range(2)]
    case_id = await office.case()
    [held] = await office.roles(case_id)
    assert held.worker_id in {her, other}
    has, next_ = (her, other) if held.worker_id == her else (other, her)
    await office.accepts(has)
    told = NotificationDeclined(
        case_id=case_id,
        notification_id=new_id(),
        worker_id=has,
        template="action_overdue",
        reason=DeclineReason.CONFLICT_OF_INTEREST,
        declined_at=NOON,
    )

    await office.running.hears(message_of(told, at=NOON))

    standing = await office.standing(has, case_id)
    assert standing.conflict
    assert not standing.sides
    [held] = await office.roles(case_id)
    assert (held.status, held.worker_id) == (Status.OFFERED, next_)
    withdrawn = office.told(AllocationWithdrawn)
    assert [getattr(each, "worker_id", None) for each in withdrawn] == [has]
    [worker_] = [each for each in await office.workers() if each.id == has]
    assert not worker_.holds


async def test_whoever_is_barred_is_not_asked_to_take_a_role_over_any_more(
    office: Front,
) -> None:
    lead, _ = [await office.hires(duty_coordinator=True) for _ in range(2)]
    has = await office.hires(WHANAU)
    case_id = await office.case()
    await office.accepts(has)
    related = await office.hires(WHANAU)
    [held] = await office.roles(case_id)
    path = f"/allocations/{held.id}/handover"
    await office.ask("POST", path, who=has, body={"reason": "leaving"})
    [asked] = await office.roles(case_id)
    next_ = await office.hires(WHANAU)

    await office.lists(case_id, lead, conflicts=[related])
    await office.running.idle()

    assert (asked.worker_id, asked.kept_by) == (related, has)
    [held] = await office.roles(case_id)
    assert (held.worker_id, held.kept_by) == (next_, has)
    [worker_] = [each for each in await office.workers() if each.id == related]
    assert not worker_.holds
    assert (await office.standing(has, case_id)).sides


async def test_nobody_takes_themselves_off_a_list(office: Front) -> None:
    lead, barred, _ = [await office.hires(duty_coordinator=True) for _ in range(3)]
    case_id = await office.case()
    path = f"/cases/{case_id}/lists"
    await office.lists(case_id, lead, excluded=[barred])

    answer = await office.lists(case_id, barred)

    assert answer.status_code == 404
    assert (await office.ask("GET", path, who=lead)).json()["excluded"] == [barred]


async def test_late_roles_that_one_may_not_see_hide_no_others_and_are_not_counted(
    office: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (kept, offers):
        monkeypatch.setattr(module, "PAGE", 2)
    lead, barred, _ = [await office.hires(duty_coordinator=True) for _ in range(3)]
    hidden = [await office.case() for _ in range(3)]
    for case_id in hidden:
        await office.lists(case_id, lead, excluded=[barred])
    await office.running.later(HOUR)
    seen = [await office.case() for _ in range(2)]
    await office.running.later(4 * HOUR)

    async def unowned(who: str) -> tuple[set[str], bool]:
        told = (await office.ask("GET", "/unowned", who=who)).json()
        return {each["case_id"] for each in told["roles"]}, told["more"]

    assert await unowned(barred) == ({*seen}, False)
    longest, more = await unowned(lead)
    assert more
    assert longest < {*hidden}
    monkeypatch.setattr(offers, "LOOKED_THROUGH", 2)
    assert await unowned(barred) == (set(), True)


async def test_lists_never_leave_one_coordinator_alone_with_a_case(
    office: Front,
) -> None:
    lead, other = [await office.hires(duty_coordinator=True) for _ in range(2)]
    case_id = await office.case()

    answers = [
        await office.lists(case_id, lead, **body)
        for body in ({"named_only": [lead]}, {"excluded": [other]}, {"named_only": []})
    ]

    assert [each.status_code for each in answers] == [422, 422, 422]
    both = await office.lists(case_id, lead, named_only=[lead, other])
    assert both.status_code == 200


async def test_a_conflict_told_before_anything_is_wanted_bars_from_what_comes(
    office: Front,
) -> None:
    her, case_id = await office.hires(WHANAU), new_id()
    told = NotificationDeclined(
        case_id=case_id,
        notification_id=new_id(),
        worker_id=her,
        template="action_overdue",
        reason=DeclineReason.CONFLICT_OF_INTEREST,
        declined_at=NOON,
    )

    await office.running.hears(message_of(told, at=NOON))
    await office.running.hears(assessed(case_id, RiskLevel.LOW))

    assert (await office.standing(her, case_id)).conflict
    [held] = await office.roles(case_id)
    assert held.worker_id is None


async def test_lists_that_are_replaced_keep_a_conflict_that_was_declared_meanwhile(
    office: Front,
) -> None:
    her = await office.hires(WHANAU)
    lead = await office.hires(duty_coordinator=True)
    case_id = await office.case()
    allocation = (await office.offer(her))["allocation_id"]
    path = f"/allocations/{allocation}/decline"
    reason = {"reason": "conflict_of_interest"}
    await office.ask("POST", path, who=her, body=reason)
    await office.running.idle()

    answer = await office.lists(case_id, lead, excluded=[new_id()])

    assert answer.json()["conflicts"] == [her]


async def test_glass_that_was_broken_without_good_reason_closes_and_stays_closed(
    office: Front,
) -> None:
    her = await office.hires(SPECIALIST)
    lead = await office.hires(duty_coordinator=True)
    case_id = await office.case()
    broken = (await office.breaks(case_id, her, minutes=60)).json()
    path = f"/glass/{broken['glass_id']}/review"

    await office.ask("POST", path, who=lead, body={"justified": False})

    assert (await office.standing(her, case_id)).glass is None
    again = await office.breaks(case_id, her)
    assert again.status_code == 403
    assert again.json()["type"] == "urn:accord:problem:not-justified"


async def test_broken_glass_is_told_at_once_and_closes_by_itself(
    office: Front,
) -> None:
    her = await office.hires(SPECIALIST)
    case_id = await office.case()

    broken = await office.breaks(case_id, her, minutes=30)

    assert broken.status_code == 201
    [alarm] = await eventually(lambda: told_of(office, GlassBroken))
    assert (alarm.case_id, alarm.worker_id) == (case_id, her)
    assert alarm.until == NOON + 30 * MINUTE
    glass = (await office.standing(her, case_id)).glass
    assert glass
    assert glass.until == alarm.until
    office.running.clock.advance(30 * MINUTE)
    assert (await office.standing(her, case_id)).glass is None


async def test_the_glass_of_whoever_leaves_closes_and_is_reviewed_all_the_same(
    office: Front,
) -> None:
    her = await office.hires(SPECIALIST)
    lead = await office.hires(duty_coordinator=True)
    case_id = await office.case()
    broken = (await office.breaks(case_id, her, minutes=60)).json()
    entry = {"roles": [SPECIALIST], "capacity": 100}

    for active in (False, True):
        told = {**entry, "active": active}
        await office.ask("PUT", f"/workers/{her}", who=lead, body=told)
        await office.running.later(MINUTE)

    assert (await office.standing(her, case_id)).glass is None
    path = f"/glass/{broken['glass_id']}/review"
    answer = await office.ask("POST", path, who=lead, body={"justified": True})
    assert answer.status_code == 200


async def told_of(office: Front, kind: type[Event]) -> list[Any]:
    return office.told(kind)


async def test_glass_that_is_open_is_not_broken_again(office: Front) -> None:
    her = await office.hires(SPECIALIST)
    case_id = await office.case()

    once = await office.breaks(case_id, her)
    office.running.clock.advance(MINUTE)
    twice = await office.breaks(case_id, her)

    assert once.json() == twice.json()
    assert len(await eventually(lambda: told_of(office, GlassBroken))) == 1


@pytest.mark.parametrize("minutes", [14, 61])
async def test_glass_stays_open_for_no_less_than_15_and_no_more_than_60_minutes(
    office: Front, minutes: int
) -> None:
    her = await office.hires(SPECIALIST)

    answer = await office.breaks(await office.case(), her, minutes=minutes)

    assert answer.status_code == 422


@pytest.mark.parametrize("auth_time", [None, 301])
async def test_breaking_glass_needs_somebody_who_has_just_logged_in(
    office: Front, auth_time: int | None
) -> None:
    her = await office.hires(SPECIALIST)
    now = int(office.running.clock.now().timestamp())
    claims: dict[str, Any] = {"auth_time": None}
    if auth_time is not None:
        claims = {"auth_time": now - auth_time}

    path = f"/cases/{await office.case()}/glass"
    answer = await office.ask("POST", path, who=her, body=DANGER, **claims)

    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:accord:problem:log-in-again"


@pytest.mark.parametrize("bar", ["excluded", "conflicts"])
async def test_glass_overrides_no_list(office: Front, bar: str) -> None:
    her = await office.hires(SPECIALIST)
    lead = await office.hires(duty_coordinator=True)
    case_id = await office.case()
    await office.lists(case_id, lead, **{bar: [her]})

    answer = await office.breaks(case_id, her)

    assert answer.status_code == 404


async def test_whoever_broke_the_glass_cannot_review_it(office: Front) -> None:
    lead, other = [await office.hires(duty_coordinator=True) for _ in range(2)]
    glass_id = (await office.breaks(await office.case(), lead)).json()["glass_id"]
    path = f"/glass/{glass_id}/review"

    own = await office.ask("POST", path, who=lead, body={"justified": True})
    anothers = await office.ask("POST", path, who=other, body={"justified": True})

    assert own.status_code == 403
    assert own.json()["type"] == "urn:accord:problem:own-glass"
    assert anothers.status_code == 200
    assert anothers.json()["reviewer_id"] == other


async def test_glass_that_nobody_reviews_is_told_again_every_day(
    office: Front,
) -> None:
    her = await office.hires(SPECIALIST)
    case_id = await office.case()
    await office.breaks(case_id, her)

    await office.running.later(timedelta(days=2))
    once = len(await told_of(office, GlassNotReviewed))
    await office.running.later(timedelta(days=1))
    twice = len(await told_of(office, GlassNotReviewed))

    assert (once, twice) == (1, 2)


async def test_glass_that_was_reviewed_is_told_of_no_more(office: Front) -> None:
    her = await office.hires(SPECIALIST)
    lead = await office.hires(duty_coordinator=True)
    broken = await office.breaks(await office.case(), her)
    path = f"/glass/{broken.json()['glass_id']}/review"
    await office.ask("POST", path, who=lead, body={"justified": False})

    await office.running.later(timedelta(days=9))

    assert not await told_of(office, GlassNotReviewed)


def glass() -> Glass:
    return Glass.broken(
        new_id(), new_id(), GlassReason.CHILD_IN_DANGER, minutes=15, at=NOON
    )


def test_a_review_is_final_and_somebody_elses() -> None:
    broken, reviewer = glass(), new_id()

    with pytest.raises(OwnGlass):
        broken.review(broken.worker_id, NOON, justified=True)
    reviewed = broken.review(reviewer, NOON, justified=True)

    assert reviewed.review(new_id(), NOON, justified=True) is reviewed
    with pytest.raises(ReviewedBefore):
        reviewed.review(reviewer, NOON, justified=False)


async def test_who_is_in_no_directory_is_named_by_who_vouches_for_them(
    office: Front,
) -> None:
    lead, other = [await office.hires(duty_coordinator=True) for _ in range(2)]
    case_id = await office.case()
    clerk = {"issuer": "urn:test", "subject": "clerk"}

    put = await office.lists(case_id, lead, people=[clerk], agencies=["refuge"])
    named = put.json()
    again = await office.lists(case_id, lead, **named)

    listed = listed_id(**clerk)
    assert (named["subjects"], named["agencies"]) == ([listed], ["refuge"])
    assert again.json() == named
    assert "clerk" not in put.text
    refuge = listed_id(AGENCIES, "refuge")
    strangers = (listed_id("urn:other", "clerk"), listed_id(AGENCIES, "police"))
    barred = [(await office.standing(e, case_id)).excluded for e in (listed, refuge)]
    others = [(await office.standing(e, case_id)).excluded for e in strangers]
    assert (barred, others) == ([True, True], [False, False])
    assert not (await office.standing(other, case_id)).excluded


async def test_whoever_works_for_a_listed_agency_may_have_nothing_to_do_with_a_case(
    office: Front,
) -> None:
    lead, other = [await office.hires(duty_coordinator=True) for _ in range(2)]
    has = await office.hires(WHANAU, provider="refuge")
    case_id = await office.case()
    await office.accepts(has)
    next_ = await office.hires(WHANAU, provider="iwi_service")

    put = await office.lists(case_id, lead, agencies=["refuge"])
    await office.running.idle()
    later = await office.hires(WHANAU, provider="refuge")

    assert "agency_workers" not in put.json()
    [held] = await office.roles(case_id)
    assert (held.status, held.worker_id) == (Status.OFFERED, next_)
    withdrawn = office.told(AllocationWithdrawn)
    assert [getattr(each, "worker_id", None) for each in withdrawn] == [has]
    barred = [(await office.standing(e, case_id)).excluded for e in (has, later)]
    others = [(await office.standing(e, case_id)).excluded for e in (next_, other)]
    assert (barred, others) == ([True, True], [False, False])
    path = f"/allocations/{held.id}/offer"
    asked = {"worker_id": later, "against_wish": True, "over_capacity": True}
    assert (await office.ask("POST", path, who=lead, body=asked)).status_code == 409
    led = f"/cases/{case_id}/lead"
    refused = await office.ask("PUT", led, who=lead, body={"agency": "refuge"})
    assert refused.status_code == 422


async def test_a_coordinator_may_ask_against_her_wish_and_is_named_for_it(
    office: Front,
) -> None:
    lead = await office.hires(duty_coordinator=True)
    anna = await office.hires(WHANAU, provider="refuge")
    case_id, referral_id = new_id(), new_id()
    wishes = Wishes(not_told=("refuge",))
    await office.running.hears(
        referred(case_id, referral_id=referral_id, wishes=wishes),
        assessed(case_id, RiskLevel.LOW, referral_id=referral_id),
    )
    [held] = await office.roles(case_id)
    path = f"/allocations/{held.id}"

    async def offer(**told: Any) -> Any:
        body = {"worker_id": anna, **told}
        return await office.ask("POST", f"{path}/offer", who=lead, body=body)

    shown = await office.ask("GET", f"{path}/candidates", who=lead)
    refused, asked = await offer(), await offer(against_wish=True)

    assert held.worker_id is None
    assert shown.json()[0]["barred"] == [AGAINST_WISH]
    assert (refused.status_code, asked.status_code) == (409, 200)
    [last] = asked.json()["offers"]
    assert (last["against_wish"], last["decided_by"]) == (True, lead)


async def test_nobody_in_the_team_reads_whom_she_does_not_want(office: Front) -> None:
    lead = await office.hires(duty_coordinator=True)
    anna = await office.hires(WHANAU, provider="refuge", gender="man")
    case_id, referral_id = new_id(), new_id()
    wishes = Wishes(gender=ContactWish.WOMAN, not_told=("refuge",))
    await office.running.hears(
        referred(case_id, referral_id=referral_id, wishes=wishes),
        assessed(case_id, RiskLevel.LOW, referral_id=referral_id),
    )
    [held] = await office.roles(case_id)
    body = {"worker_id": anna, "against_wish": True}
    await office.ask("POST", f"/allocations/{held.id}/offer", who=lead, body=body)
    assert (await office.accepts(anna)).status_code == 204

    async def reads(who: str) -> Any:
        path = f"/allocations?case_id={case_id}"
        [shown] = (await office.ask("GET", path, who=who)).json()
        [asked] = shown["offers"]
        return shown, asked

    role, asked = await reads(lead)
    assert (role["against_wish"], role["unmet"]) == (True, ["gender"])
    assert (asked["against_wish"], asked["unmet"]) == (True, {"gender": "nobody"})
    assert "gender_not_met" in asked["reasons"]
    role, asked = await reads(anna)
    assert role["worker_id"] == anna
    assert (role["against_wish"], role["unmet"]) == (None, None)
    assert (asked["against_wish"], asked["unmet"]) == (None, None)
    assert "not_met" not in str(asked["reasons"])
    assert "asked for" not in str(asked["because"])


async def test_whoever_was_named_before_they_came_into_the_directory_stays_barred(
    office: Front,
) -> None:
    lead, other = [await office.hires(duty_coordinator=True) for _ in range(2)]
    case_id = await office.case()
    path = f"/cases/{case_id}/lists"
    relative = {"issuer": DEVELOPMENT_ISSUER, "subject": "relative"}
    await office.lists(case_id, lead, people=[relative])

    found = [
        (await office.ask("GET", path, who=other, subject=each)).status_code
        for each in ("relative", "colleague")
    ]

    assert found == [404, 200]


async def test_more_than_a_list_holds_is_refused_and_changes_nothing(
    office: Front,
) -> None:
    lead, case_id = await office.hires(duty_coordinator=True), await office.case()
    held = [new_id() for _ in range(MOST_LISTED)]
    anew = [{"issuer": "urn:test", "subject": f"clerk {n}"} for n in range(50)]

    answer = await office.lists(case_id, lead, subjects=held, people=anew)

    assert answer.status_code == 422
    full = await office.lists(case_id, lead, subjects=held[50:], people=anew)
    assert len(full.json()["subjects"]) == MOST_LISTED


async def test_conflicts_that_are_more_than_can_be_put_are_shown(
    office: Front,
) -> None:
    lead, case_id = await office.hires(duty_coordinator=True), await office.case()
    for _ in range(2):
        told = [new_id() for _ in range(MOST_LISTED)]
        answer = await office.lists(case_id, lead, conflicts=told)

    read = await office.ask("GET", f"/cases/{case_id}/lists", who=lead)
    found = [len(each.json()["conflicts"]) for each in (answer, read)]
    assert found == [2 * MOST_LISTED] * 2


async def test_whoever_has_not_read_the_lists_as_they_are_takes_nobody_off_them(
    office: Front,
) -> None:
    lead, other = [await office.hires(duty_coordinator=True) for _ in range(2)]
    case_id, relative, colleague = await office.case(), new_id(), new_id()
    path = f"/cases/{case_id}/lists"
    read = (await office.ask("GET", path, who=other)).headers["etag"]
    put = await office.lists(case_id, lead, excluded=[relative])

    async def puts(seen: str | None) -> int:
        body = {"excluded": [colleague]}
        answer = await office.ask("PUT", path, who=other, body=body, seen=seen)
        return answer.status_code

    assert [await puts(each) for each in (None, read)] == [428, 412]
    nowhere = f"/cases/{new_id()}/lists"
    absent = await office.ask("PUT", nowhere, who=other, body={})
    assert absent.status_code == 404
    held = await office.ask("GET", path, who=other)
    assert held.json()["excluded"] == [relative]
    assert held.headers["etag"] == put.headers["etag"]
    assert await puts(put.headers["etag"]) == 200


def test_of_several_lists_everybody_is_named_who_is_in_any() -> None:
    one = Lists(subjects=frozenset({"a"}), agencies=frozenset({"refuge"}))
    other = Lists(subjects=frozenset({"b"}), agencies=frozenset({"police"}))

    both = one.with_those_of([other])

    assert (both.subjects, both.agencies) == ({"a", "b"}, {"refuge", "police"})


def test_lists_bar_whoever_is_named_or_not_among_the_only_ones() -> None:
    named, other = new_id(), new_id()

    assert Lists(excluded=frozenset({named})).bar(named)
    assert Lists(conflicts=frozenset({named})).bar(named)
    assert not Lists(excluded=frozenset({named})).bar(other)
    only = Lists(named_only=frozenset({named}))
    assert (only.bar(named), only.bar(other)) == (False, True)


def test_whoever_is_barred_is_never_chosen() -> None:
    barred, unnamed, named = worker(WHANAU), worker(WHANAU), worker(WHANAU)
    lists = Lists(
        conflicts=frozenset({barred.id}), named_only=frozenset({barred.id, named.id})
    )
    staffing = Staffing(id=new_id(), lists=lists)
    needed = replace(
        need(WHANAU),
        excluded=staffing.barred_from(WHANAU),
        named_only=lists.named_only,
    )

    found = choose([barred, unnamed, named], needed, POLICY, NOON)

    assert found
    assert found.worker_id == named.id


def test_the_side_of_whoever_once_served_the_person_using_violence_is_known() -> None:
    him = worker(OUTREACH)
    staffing = Staffing(id=new_id(), served_outreach=frozenset({him.id}))

    stands = standing_of(him, staffing, (), None)

    assert stands.served == {Side.PERSON_USING_VIOLENCE}
    assert stands.own_side is Side.PERSON_USING_VIOLENCE
    assert not stands.sides


async def bars(office: Front, case_id: str, worker_id: str, how: str) -> None:
    """Have a coordinator bar a worker from a case, by one of its lists."""
    lead = await office.hires(duty_coordinator=True)
    other = await office.hires(duty_coordinator=True)
    staff = [each.id for each in await office.workers() if each.id != worker_id]
    lists = {
        "excluded": {"excluded": [worker_id]},
        "conflict": {"conflicts": [worker_id]},
        "restricted": {"named_only": [lead, other, *staff]},
    }[how]
    answer = await office.lists(case_id, lead, **lists)
    assert answer.status_code == 200
    await office.running.idle()


@pytest.mark.parametrize("how", ["excluded", "conflict", "restricted"])
@pytest.mark.parametrize("taken", [True, False])
async def test_a_role_is_taken_back_from_whoever_is_barred_and_offered_to_another(
    office: Front, how: str, *, taken: bool
) -> None:
    pair = [await office.hires(WHANAU) for _ in range(2)]
    case_id = await office.case()
    [held] = await office.roles(case_id)
    first = held.worker_id
    assert first
    if taken:
        await office.accepts(first)
    [second] = [each for each in pair if each != first]
    office.running.clock.advance(MINUTE)

    await bars(office, case_id, first, how)

    [after] = await office.roles(case_id)
    assert (after.status, after.worker_id) == (Status.OFFERED, second)
    assert after.offers[0].answer is Answer.WITHDRAWN
    assert not (await office.standing(first, case_id)).sides
    [gone] = [e for e in office.told(AllocationWithdrawn) if e.case_id == case_id]
    assert isinstance(gone, AllocationWithdrawn)
    assert (gone.worker_id, gone.allocation_id) == (first, after.id)
    asked = office.told(AllocationOffered)
    assert [e.worker_id for e in asked] == [first, second]  # type: ignore[attr-defined]
    workers = {each.id: each.holds for each in await office.workers()}
    assert workers[first] == {}
    assert set(workers[second]) == {after.id}
    assert (await office.accepts(second)).status_code == 204
    team = office.told(CaseTeamChanged)[-1]
    assert isinstance(team, CaseTeamChanged)
    assert [each.worker_id for each in team.members] == [second]


async def test_when_nobody_is_left_to_ask_the_alarm_is_raised(
    office: Front,
) -> None:
    her = await office.hires(WHANAU)
    case_id = await office.case()
    await office.accepts(her)

    await bars(office, case_id, her, "conflict")

    [role] = await office.roles(case_id)
    assert role.status is Status.UNFILLED
    alarms = [e for e in office.told(AllocationUnfilled) if e.case_id == case_id]
    assert [each.reason for each in alarms] == ["no_candidate"]  # type: ignore[attr-defined]


async def test_lists_that_bar_nobody_on_the_case_change_no_role(office: Front) -> None:
    her = await office.hires(WHANAU)
    case_id = await office.case()
    await office.accepts(her)

    await bars(office, case_id, new_id(), "excluded")

    [role] = await office.roles(case_id)
    assert (role.status, role.worker_id) == (Status.ACCEPTED, her)


def test_an_acceptance_that_is_heard_of_after_the_bar_joins_nobody() -> None:
    her, allocation_id = new_id(), new_id()
    wanted = Wanted(
        allocation_id=allocation_id,
        level=RiskLevel.LOW,
        since=NOON,
        first_referred_at=NOON,
    )
    held = Staffing(id=new_id(), roles={WHANAU: wanted}).note_conflict(her)

    joined = held.join(allocation_id, her, 0)

    assert joined.roles[WHANAU].worker_id is None
    assert joined.served_others == {her}


def test_whoever_is_barred_has_no_role_and_every_one_is_decided_anew() -> None:
    her, him = new_id(), new_id()

    def wanted(worker_id: str | None) -> Wanted:
        return Wanted(
            allocation_id=new_id(),
            level=RiskLevel.HIGH,
            since=NOON,
            first_referred_at=NOON,
            worker_id=worker_id,
        )

    roles = {SPECIALIST: wanted(her), OUTREACH: wanted(him), WHANAU: wanted(None)}
    held = Staffing(id=new_id(), roles=roles)

    barred = held.note_conflict(her)

    assert barred.newly_wanted(held).keys() == roles.keys()
    assert [who for _, who in barred.team] == [him]
    assert barred.note_conflict(her) is barred


async def test_an_offer_made_by_lists_that_have_changed_meanwhile_conflicts(
    office: Front,
) -> None:
    her = await office.hires(WHANAU)
    case_id = await office.case()
    [before] = await office.roles(case_id)
    desk: Desk = office.running.service.parts[Desk]

    await bars(office, case_id, new_id(), "excluded")

    # As by whoever had loaded the role, and the lists, before.
    late = before.expire(NOON).offered(choice(her), POLICY, NOON)
    with pytest.raises(Conflict):
        await desk.allocations.save(late)


async def test_one_attempt_of_whoever_is_barred_raises_the_alarm_and_no_list_does(
    office: Front,
) -> None:
    lead = await office.hires(duty_coordinator=True)
    relative = await office.hires(duty_coordinator=True)
    # Beside whoever sets the lists, some coordinator must be left.
    await office.hires(duty_coordinator=True)
    case_id = await office.case()
    assert (await office.lists(case_id, lead, conflicts=[relative])).status_code == 200

    async def told(path: str) -> list[str]:
        with capture_logs() as lines:
            await office.ask("GET", path, who=relative)
        odd = [each for each in lines if each["event"] == "lookups.odd"]
        assert {each["log_level"] for each in odd} <= {"critical"}
        return [each["reason"] for each in odd]

    assert await told("/unowned") == []
    assert await told(f"/cases/{case_id}/lead") == ["barred"]
    assert await told(f"/cases/{case_id}/lead") == []
