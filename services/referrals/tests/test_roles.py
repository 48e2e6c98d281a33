"""Who harmed whom: what turns it round waits, and what a person decides counts."""

from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import EPOCH, Conflict
from accord_chassis.testing import COORDINATOR, NOON, eventually, new_id
from accord_contracts.message import Lane
from accord_contracts.referrals import (
    ReferralAmended,
    ReferralReceived,
    ReferralWithdrawn,
    RolesDecided,
    RolesQuestioned,
    RolesUndecided,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from referrals.domain.agency import Standing
from referrals.domain.case import Case
from referrals.domain.erasure import Decision
from referrals.domain.feedback import FeedbackRules
from referrals.domain.household import Household, Member, Settled
from referrals.domain.roles import (
    NoSuchPair,
    RoleRules,
    doubt_id,
    members_of,
    put_right,
    settle,
    turned_round,
)
from referrals.roles import Doubts
from referrals_builders import HARMED, JOHN, MERE, POLICY, USING, Running, body, case
from referrals_builders import household as people_of
from test_contacts import NUMBER, contact, points, refusals
from test_history import read as history_of
from test_merging import asks as merges
from test_one_person import HEMI, Desk

DECISION = Decision(reason="looked_into", by="somebody", at=NOON)
# The same two, told the other way round.
HE_SAYS = ({**JOHN, "role": "person_harmed"}, {**MERE, "role": "person_using_violence"})
CORRECTIONS = "/v1/referrals/corrections"
BRIEFLY = timedelta(minutes=1)

people = st.sampled_from("abcd")
couples = st.tuples(people, people).filter(lambda two: two[0] != two[1])
quick = settings(deadline=None, derandomize=True, max_examples=200)


def household(harmed: str, using: str) -> Household:
    return people_of((harmed, HARMED), (using, USING))


def right(harmed: str, using: str) -> Settled:
    return Settled(harmed=harmed, using_violence=using, decision=DECISION)


@given(st.lists(couples, min_size=1, max_size=8), st.data())
@quick
def test_what_a_person_decides_counts_before_all_that_is_told(
    told: list[tuple[str, str]], data: Any
) -> None:
    held = case(*(household(*each) for each in told))
    harmed, using = data.draw(st.sampled_from(told))
    if data.draw(st.booleans()):
        harmed, using = using, harmed

    new, turned = settle(held, right(harmed, using))

    assert turned == ((using, harmed) in told)
    assert settle(new, right(harmed, using)) == (new, False)
    of_two = [e for e in new.pairs if {e.harmed, e.using_violence} == {harmed, using}]
    assert [(each.harmed, each.using_violence) for each in of_two] == [(harmed, using)]
    assert turned_round(household(harmed, using), [new], {}) is None
    assert turned_round(household(using, harmed), [new], {}) is not None
    # Nobody else's part has changed, and everybody has one whom a pair gives it.
    others = {e for e in held.people if e.person_id not in {harmed, using}}
    assert others == {e for e in new.people if e.person_id not in {harmed, using}}
    assert {*new.people} >= {part for each in new.pairs for part in members_of(each)}


@given(st.lists(couples, max_size=8), couples)
@quick
def test_what_turns_known_parts_round_is_found_and_nothing_else(
    told: list[tuple[str, str]], new: tuple[str, str]
) -> None:
    held = [case(household(*each)) for each in told]

    found = turned_round(household(*new), held, {})

    assert (found is not None) == (new[::-1] in told)


def test_who_is_one_with_somebody_is_known_by_what_was_told_of_them() -> None:
    held = [case(household("mere", "john"))]

    assert turned_round(household("john", "other"), held, {"mere": "other"})
    assert not turned_round(household("john", "other"), held, {})


def test_of_two_of_whom_neither_harmed_the_other_nothing_is_decided() -> None:
    with pytest.raises(NoSuchPair):
        settle(case(household("mere", "john")), right("mere", "hemi"))


def test_a_part_is_put_right_only_where_it_was_told_wrongly() -> None:
    told = household("john", "mere").members
    child = Member(person_id="mere", role=HARMED)

    assert put_right(told, "mere", "john") == {"mere": HARMED, "john": USING}
    assert put_right(told, "john", "mere") == {}
    assert put_right((child,), "mere", "john") == {}


def test_nothing_waits_for_longer_than_an_hour() -> None:
    minutes = {Lane.URGENT: 10, Lane.ROUTINE: 61}

    with pytest.raises(ValidationError):
        RoleRules(decide_within_minutes=minutes)


class Table(Desk):
    """The service, and coordinators who say who harmed whom."""

    async def decides(  # type: ignore[override]  # Something else is decided here.
        self, case_id: str, harmed: str, using: str, worker: str = COORDINATOR
    ) -> httpx2.Response:
        told = {"harmed": harmed, "using_violence": using, "reason": "looked_into"}
        return await self.running.http.post(
            f"/v1/cases/{case_id}/roles", headers=self.headers(worker), json=told
        )

    async def lists(self) -> dict[str, Any]:
        headers = self.headers(COORDINATOR)
        answer = await self.running.http.get("/v1/roles", headers=headers)
        told: dict[str, Any] = answer.json()
        return told

    def headers(self, worker: str) -> dict[str, str]:
        return self.running.bearer("referrals.roles", agency="", worker=worker)

    async def heard(self, kind: type[Any], number: int, service: str = "risk") -> Any:
        async def look() -> Any:
            found = self.hears(kind, service)
            return found[number - 1] if len(found) >= number else None

        return await eventually(look)

    async def waits(self) -> tuple[str, str, Case]:
        """Refer her, and then have him say that it was she; give both and the case."""
        (mere, john), _ = await self.refers(MERE, JOHN)
        await self.heard(ReferralReceived, 1)
        _, held = await self.refers(*HE_SAYS)
        await self.heard(RolesQuestioned, 1, "notify")
        await eventually(self.doubted)
        return mere, john, held

    async def counted(self) -> bool:
        return bool((await self.lists())["counts"]["corrected"])

    async def changed(self, held: Case) -> bool:
        """Tell whether a change of a referral was taken over into its case."""
        case = await self.running.cases.get(held.id)
        return bool(case and case.version > held.version)

    async def undecided(self) -> bool:
        """Tell whether something that has gone out is to be decided."""
        return bool((await self.lists())["counts"]["undecided"])

    async def doubted(self) -> bool:
        return bool((await self.lists())["waiting"])


@pytest.fixture
def table(running: Running) -> Table:
    return Table(running)


async def test_what_turns_known_parts_round_is_told_to_nobody_but_who_decides(
    table: Table,
) -> None:
    _, john, held = await table.waits()

    [waiting] = (await table.lists())["waiting"]
    assert len(table.hears(ReferralReceived, "risk")) == 1
    assert len(table.hears(ReferralReceived, "allocation")) == 1
    assert (waiting["case_id"], waiting["harmed"]) == (held.id, john)
    status = await table.running.status(waiting["referral_id"])
    assert status.json()["status"] == "received"


async def test_what_was_told_wrongly_goes_out_with_the_parts_put_right(
    table: Table,
) -> None:
    mere, john, held = await table.waits()

    for _ in range(2):
        assert (await table.decides(held.id, mere, john)).status_code == 204
    sent = await table.heard(ReferralReceived, 2)

    assert {each.person_id: each.role for each in sent.parties} == {
        mere: HARMED, john: USING,
    }  # fmt: skip
    [told] = table.hears(RolesDecided, "risk")
    assert (told.harmed, told.using_violence, told.corrected) == (mere, john, True)
    looked = (await history_of(table.running, held.id)).json()
    assert [(each["harmed"], each["episodes"]) for each in looked["pairs"]] == [
        (mere, 2)
    ]
    listed = await table.lists()
    assert (listed["waiting"], listed["counts"]["corrected"]) == ([], 1)


async def test_nothing_waits_longer_than_its_time_and_the_alarm_stays(
    table: Table, clock: SimulatedClock
) -> None:
    mere, john, held = await table.waits()
    within = timedelta(minutes=POLICY.roles.decide_within_minutes[Lane.ROUTINE])

    clock.advance(within - BRIEFLY)
    early = len(table.hears(ReferralReceived, "risk"))
    clock.advance(2 * BRIEFLY)
    sent = await table.heard(ReferralReceived, 2)

    assert early == 1
    assert {each.person_id: each.role for each in sent.parties}[john] is HARMED
    late = await table.heard(RolesUndecided, 1, "notify")
    assert (late.case_id, late.harmed, late.using_violence) == (held.id, john, mere)
    assert len((await table.lists())["waiting"]) == 1
    await table.decides(held.id, mere, john)
    await table.heard(RolesDecided, 1)
    await eventually(table.counted)
    assert len(table.hears(ReferralReceived, "risk")) == 2


async def test_what_is_decided_and_not_followed_yet_goes_out_decided(
    table: Table, clock: SimulatedClock
) -> None:
    mere, john, held = await table.waits()
    case = await table.running.cases.get(held.id)
    assert case is not None
    told = DECISION.model_copy(update={"at": NOON + BRIEFLY})
    settled = Settled(harmed=mere, using_violence=john, decision=told)
    # Nobody has heard of it yet.
    await table.running.cases.save(settle(case, settled)[0])

    clock.advance(timedelta(hours=1))
    sent = await table.heard(ReferralReceived, 2)

    assert {each.person_id: each.role for each in sent.parties}[john] is USING
    assert table.hears(RolesUndecided, "notify") == []
    assert (await table.lists())["waiting"] == []


async def test_once_decided_only_what_contradicts_it_waits(table: Table) -> None:
    mere, john, held = await table.waits()
    await table.decides(held.id, john, mere)
    await table.heard(ReferralReceived, 2)
    await eventually(table.counted)
    counts = (await table.lists())["counts"]
    # It was as the doubtful one told it, and the one before it was corrected.
    assert (counts["as_told"], counts["corrected"]) == (1, 1)

    await table.refers(*HE_SAYS)
    await table.heard(ReferralReceived, 3)
    await table.refers(MERE, JOHN)
    await table.heard(RolesQuestioned, 2, "notify")

    await eventually(table.doubted)
    assert len(table.hears(ReferralReceived, "risk")) == 3


async def test_what_was_told_wrongly_from_the_first_is_put_right_unasked(
    table: Table,
) -> None:
    shared = [contact(NUMBER)]
    told = (
        {**HE_SAYS[0], "contact_points": shared},
        {**HE_SAYS[1], "contact_points": shared},
    )
    (john, mere), held = await table.refers(*told)

    async def warned() -> bool:
        """Whoever of the two harms the other, what both have reaches nobody alone."""
        each = [await points(table.running, one) for one in (john, mere)]
        return [refusals(one[0]) for one in each] == [["read_by_others"]] * 2

    assert await warned()

    async def righted() -> bool:
        """The referral has the parts as they are now, where it was told otherwise."""
        own = await table.running.referrals.get(held.episodes[0].referral_id)
        return own is not None and own.corrected_at is not None

    await table.decides(held.id, mere, john)

    async def counted() -> bool:
        return bool((await table.lists())["counts"]["corrected"] == 1)

    await eventually(righted)
    await eventually(counted)
    assert await warned()
    # Told so again, it is not taken; told rightly, it is.
    await table.refers(MERE, JOHN)
    await table.heard(ReferralReceived, 2)
    assert table.hears(RolesQuestioned, "notify") == []


async def test_the_agency_learns_what_was_put_right_if_it_is_registered(
    table: Table, clock: SimulatedClock
) -> None:
    running = table.running
    await running.register("police", registered_as="family_violence_agency")
    (john, mere), held = await table.refers(*HE_SAYS)
    referral_id = held.episodes[0].referral_id
    before = (await running.status(referral_id)).json()

    await table.decides(held.id, mere, john)

    async def told() -> Any:
        answer = await running.http.get(CORRECTIONS, headers=running.bearer())
        return answer.json()

    async def put_right() -> bool:
        found = await running.referrals.get(referral_id)
        return found is not None and found.corrected_at is not None

    await eventually(put_right)
    # A family that nobody knew has nobody who puts parts right within minutes.
    assert await told() == []
    assert (await running.status(referral_id)).json()["parts_corrected_at"] is None
    clock.advance(timedelta(days=2))

    [shown] = await told()
    after = (await running.status(referral_id)).json()
    assert before["parts_corrected_at"] is None
    assert after["parts_corrected_at"] == shown["parts_corrected_at"]
    assert shown["referral_id"] == referral_id
    # Whoever is registered as nothing is not told which of the two is believed.
    await running.register("police")
    assert await told() == []
    assert (await running.status(referral_id)).json()["parts_corrected_at"] is None
    which = {"sender.agency": "police", "put_right_at": {"$gt": EPOCH}}
    plan = await running.referrals.documents.find(which).explain()
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])


@pytest.mark.parametrize(
    ("told_to", "told"),
    [("nobody", [False, False]), ("registered", [True, False]), ("everybody", [1, 1])],
)
def test_a_locality_says_who_is_told_what_was_put_right(
    told_to: str, told: list[bool]
) -> None:
    said = {**POLICY.feedback.model_dump(), "tell_corrections": told_to}
    rules = FeedbackRules.model_validate(said)
    standings = (Standing.SOCIAL_SERVICES_PRACTITIONER, None)

    assert [rules.corrections_told(each) for each in standings] == told


async def test_what_is_decided_back_is_no_correction_any_more(table: Table) -> None:
    (john, mere), held = await table.refers(*HE_SAYS)
    referrals, referral_id = table.running.referrals, held.episodes[0].referral_id

    async def corrected() -> bool:
        return bool(await referrals.corrected("police", NOON + timedelta(days=2)))

    async def as_told() -> bool:
        return not await corrected()

    await table.decides(held.id, mere, john)
    await eventually(corrected)
    await table.decides(held.id, john, mere)
    await eventually(as_told)

    found = await referrals.get(referral_id)
    assert found
    assert found.put_right_at
    assert found.corrected_at is None


async def test_it_is_decided_in_every_case_of_a_family_that_tells_of_the_two(
    table: Table,
) -> None:
    running = table.running
    _, one = await table.refers({**MERE, "given_name": "Hana"}, JOHN)
    (john, mere), other = await table.refers(*HE_SAYS)
    await merges(running, "merge", one.id, other.id)
    # The next one joins the survivor, so that both tell of the two.
    await running.submit(body(people=HE_SAYS), key=new_id())

    async def joined() -> bool:
        held = await running.cases.get(one.id)
        return bool(held and len(held.episodes) == 2)

    await eventually(joined)
    for _ in range(2):
        assert (await table.decides(one.id, mere, john)).status_code == 204

    await table.heard(RolesDecided, 2, "allocation")
    told = table.hears(RolesDecided, "allocation")
    assert {(each.case_id, each.harmed, each.corrected) for each in told} == {
        (one.id, mere, True), (other.id, mere, True),
    }  # fmt: skip
    assert len(told) == 2


async def test_it_is_decided_by_either_case_where_one_alone_tells_of_the_two(
    table: Table,
) -> None:
    _, one = await table.refers({**MERE, "given_name": "Hana"}, JOHN)
    (john, mere), other = await table.refers(*HE_SAYS)
    await merges(table.running, "merge", one.id, other.id)

    answer = await table.decides(one.id, mere, john)

    assert answer.status_code == 204
    assert (await table.heard(RolesDecided, 1)).case_id == other.id


async def test_what_is_counted_tells_nothing_of_a_case_that_one_is_barred_from(
    table: Table,
) -> None:
    mere, john, held = await table.waits()
    before = (await table.lists())["counts"]
    await table.decides(held.id, mere, john)
    await eventually(table.counted)

    barred = {"coordinator": True, "excluded": True}
    table.running.standings.tell(COORDINATOR, held.id, **barred)
    listed = await table.lists()

    assert before["waiting"] == 1
    assert listed["waiting"] == []
    assert {*listed["counts"].values()} == {0}


async def test_an_amendment_of_what_waits_is_told_when_it_goes_out(
    table: Table,
) -> None:
    mere, john, held = await table.waits()
    [waiting] = (await table.lists())["waiting"]
    referral_id = waiting["referral_id"]
    more = {"add_incidents": ["strangulation"], "answers": {"threat_to_kill": "yes"}}

    assert (await table.running.amend(referral_id, more)).status_code == 202
    await eventually(partial(table.changed, held))
    early = [table.hears(kind, "risk") for kind in (ReferralAmended, ReferralReceived)]
    await table.decides(held.id, mere, john)
    await table.heard(ReferralReceived, 2)

    assert [len(each) for each in early] == [0, 1]
    received = table.hears(ReferralReceived, "risk")
    [sent] = [each for each in received if each.referral_id == referral_id]
    assert "strangulation" in sent.incidents
    assert sent.answers["threat_to_kill"] == "yes"
    assert table.hears(ReferralAmended, "risk") == []
    again = {"answers": {"threat_to_kill": "no"}}
    await table.running.amend(referral_id, again, key="b", seen=1)
    assert (await table.heard(ReferralAmended, 1)).number == 2


SWAPPED = {
    "people": [
        {"person": 0, "role": "person_using_violence"},
        {"person": 1, "role": "person_harmed"},
    ]
}


async def test_an_amendment_that_turns_the_parts_round_is_questioned(
    table: Table,
) -> None:
    await table.refers(MERE, JOHN)
    await table.heard(ReferralReceived, 1)
    (mere, john), held = await table.refers(MERE, JOHN)
    again = (await table.heard(ReferralReceived, 2)).referral_id

    assert (await table.running.amend(again, SWAPPED)).status_code == 202

    asked = await table.heard(RolesQuestioned, 1, "notify")
    assert (asked.case_id, asked.referral_id, asked.sent) == (held.id, again, True)
    assert (asked.harmed, asked.using_violence) == (john, mere)
    assert await table.heard(ReferralAmended, 1)
    await eventually(table.undecided)
    # Nothing waits for it, and it is not sent a second time.
    [open_] = (await table.lists())["waiting"]
    assert open_["decide_by"] is None
    more = {"add_incidents": ["stalking"]}
    await table.running.amend(again, more, key="b", seen=1)
    assert await table.heard(ReferralAmended, 2)
    assert len(table.hears(RolesQuestioned, "notify")) == 1
    await table.decides(held.id, mere, john)
    await eventually(table.counted)
    assert len(table.hears(ReferralReceived, "risk")) == 2


async def test_an_agency_that_corrects_its_own_word_alone_is_not_questioned(
    table: Table,
) -> None:
    await table.refers(MERE, JOHN)
    only = (await table.heard(ReferralReceived, 1)).referral_id

    await table.running.amend(only, SWAPPED)

    assert await table.heard(ReferralAmended, 1)
    assert table.hears(RolesQuestioned, "notify") == []


async def test_two_who_are_one_and_were_told_both_ways_are_questioned(
    table: Table,
) -> None:
    (mere, john), first = await table.refers(MERE, JOHN)
    he = {**HEMI, "role": "person_harmed"}
    (hemi, _), other = await table.refers(he, HE_SAYS[1])
    await table.heard(ReferralReceived, 2)

    await Desk(table.running).merges(john, hemi)

    asked = await table.heard(RolesQuestioned, 1, "notify")
    # Both tell of one moment: either may be the one that is asked about.
    told = {first.id: (mere, john), other.id: (hemi, mere)}
    assert (asked.harmed, asked.using_violence) == told[asked.case_id]
    assert asked.sent
    await eventually(table.undecided)


async def test_what_waits_and_is_withdrawn_is_told_of_at_once(table: Table) -> None:
    await table.waits()
    [waiting] = (await table.lists())["waiting"]

    await table.running.withdraw(waiting["referral_id"])

    assert await table.heard(ReferralWithdrawn, 1, "notify")
    assert len(table.hears(ReferralReceived, "risk")) == 1


async def test_who_read_what_waits_before_it_was_amended_does_not_send_it(
    table: Table,
) -> None:
    await table.waits()
    [waiting] = (await table.lists())["waiting"]
    doubts = table.running.service.store(Doubts)
    read = await doubts.get(doubt_id(waiting["referral_id"]))
    assert read

    await table.running.amend(waiting["referral_id"], {"narrative": "More."})

    async def noted() -> bool:
        now = await doubts.get(read.id)
        return bool(now and now.version > read.version)

    await eventually(noted)
    with pytest.raises(Conflict):
        await doubts.save(read.give_up())


async def test_nobody_else_decides_and_of_others_nothing_is_decided(
    table: Table,
) -> None:
    mere, john, held = await table.waits()

    statuses = [
        (await table.decides(held.id, mere, john, worker=new_id())).status_code,
        (await table.decides(new_id(), mere, john)).status_code,
        (await table.decides(held.id, mere, new_id())).status_code,
    ]

    assert statuses == [404, 404, 422]
    assert table.hears(RolesDecided, "risk") == []
