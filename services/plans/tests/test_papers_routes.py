"""Papers over HTTP: who reads which, how one is let go, and what it looks like then."""

import asyncio
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.sealing import SealedStore
from accord_chassis.service import settled
from accord_chassis.testing import (
    NOON,
    audited,
    eventually,
    message_of,
    new_id,
    sent_by,
)
from accord_contracts.access import Side
from accord_contracts.plans import PaperGroup, PaperReleased
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    PersonErased,
    PersonMerged,
    RolesDecided,
)
from papers_builders import HERS, HIS
from plans import handlers
from plans.documents.page import POLICY
from plans.documents.printing import MOST_HTML, PaperTooLong, Press, PressAway
from plans.documents.release import MOST_LOOKS, LookedTooOften, Looks
from plans.documents.store import LookedThrough, Releases, Voices
from plans.domain.merging import share_of
from plans.domain.plan import Plan
from plans.linking import note_one_person
from plans_builders import POLICY as PLANS
from plans_builders import Running, assessed
from pypdf import PdfReader
from stand_ins import Referrals

WORDS = "I want to stay at home, with new locks."
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><text>sentinel</text></svg>'
SCOPES = ("plans.read", "plans.work")


class Worker:
    """Somebody of a case's team, who speaks HTTP under a token of their own."""

    def __init__(
        self,
        running: Running,
        case: str,
        side: Side = HERS,
        subject: str = "",
        **claims: str,
    ) -> None:
        self.running = running
        self.id = new_id()
        self.path = f"/v1/plans/{case}"
        running.standings.tell(self.id, case, sides=[side])
        token = running.issuer.token(
            subject or self.id, *SCOPES, region="test", worker=self.id, **claims
        )
        self.headers = {"Authorization": f"Bearer {token}"}

    async def asks(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return await self.running.http.request(
            method, f"{self.path}{path}", headers=self.headers, json=body
        )

    async def notes(
        self, person: str, words: str = WORDS, side: Side = HERS, **fields: str
    ) -> str:
        """Write down what somebody said, and give the entry's id."""
        entry = new_id()
        body = {"kind": "wants", "strand": "immediate_safety"} | fields
        answer = await self.asks(
            "PUT",
            f"/voices/{person}/entries/{entry}",
            {**body, "side": side.value, "words": words},
        )
        assert answer.status_code == 200, answer.text
        return entry

    async def reads(self, audience: str = "team", **which: str) -> str:
        """Read a paper, and give what tells it from others."""
        query = "&".join(f"{key}={value}" for key, value in which.items())
        answer = await self.asks("GET", f"/papers/{audience}?{query}")
        assert answer.status_code == 200, answer.text
        return answer.headers["etag"].strip('"')

    async def wants_out(self, audience: str = "team", **which: str) -> httpx2.Response:
        """Ask that a paper may leave, having read it."""
        paper = await self.reads(audience, **which)
        body = {"audience": audience, "paper": paper, **which}
        return await self.asks("POST", "/releases", body)

    async def confirms(self, release: str, paper: str) -> httpx2.Response:
        path = f"/releases/{release}/confirmation"
        return await self.asks("POST", path, {"paper": paper})

    async def fetches(self, release: str, form: str = "pdf") -> httpx2.Response:
        return await self.asks("GET", f"/releases/{release}/paper?form={form}")


async def given_case(running: Running, *harmed: str) -> str:
    case = new_id()
    await running.plans.save(Plan(id=case).protects(harmed))
    await handlers.draft_plan(
        assessed(case), plans=running.plans, policy=PLANS, clock=running.service.clock
    )
    return case


async def released(
    one: Worker, other: Worker, audience: str = "team", **which: str
) -> str:
    """Have a paper let go by two people."""
    asked = await one.wants_out(audience, **which)
    assert asked.status_code == 201, asked.text
    release: str = asked.json()["release_id"]
    confirmed = await other.confirms(release, await other.reads(audience, **which))
    assert confirmed.status_code == 200, confirmed.text
    return release


def text_of(pdf: bytes) -> str:
    return " ".join(
        " ".join(
            page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages
        ).split()
    )


async def test_a_persons_own_copy_leaves_as_a_pdf_with_nothing_of_others(
    running: Running,
) -> None:
    her, child = new_id(), new_id()
    case = await given_case(running, her)
    one, other = Worker(running, case), Worker(running, case)
    await one.notes(her)
    await one.notes(child, "I like my own bed.")
    await one.notes(new_id(), "I will see my counsellor.", HIS)

    release = await released(one, other, "person", person_id=her)
    answer = await other.fetches(release)

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'attachment; filename="accord.pdf"'
    read = PdfReader(io.BytesIO(answer.content))
    assert read.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert read.trailer["/Root"]["/Lang"] == "en-NZ"
    text = text_of(answer.content)
    assert WORDS in text
    assert "We ring you." in text
    assert f"For its owner · Wed 4 Nov 2026, 1:00 am · {release[-8:]}" in text or (
        f"For its owner · Tue 3 Nov 2026, 1:00 am · {release[-8:]}" in text
    )
    for hidden in ("own bed", "counsellor", her[-8:], child[-8:], one.id[-8:]):
        assert hidden not in text
    page = (await one.fetches(release, "html")).text
    assert WORDS in page
    assert "counsellor" not in page


async def left(running: Running) -> list[PaperReleased]:
    found = await sent_by(running.service, running.broker)
    return [each.data for each in found if isinstance(each.data, PaperReleased)]


async def test_what_leaves_is_told_to_the_ledger_once_for_each_agency_that_has_it(
    running: Running,
) -> None:
    her = new_id()
    case = await given_case(running, her)
    one, other = Worker(running, case), Worker(running, case)
    police = Worker(running, case, agency="police")
    await one.notes(her)
    await one.notes(new_id(), "I will see my counsellor.", HIS)
    own = await released(one, other, "person", person_id=her)
    team = await released(one, other)

    # Nobody has it yet.
    assert await left(running) == []
    for _ in range(2):
        await other.fetches(own, "html")
        await police.fetches(team, "html")
    await one.fetches(team, "html")

    copy, theirs, whole = await left(running)
    assert (copy.person_id, copy.agency, copy.worker_id) == (her, None, other.id)
    assert {each.person_id for each in copy.told} == {her}
    assert {each.group for each in copy.told} == {PaperGroup.PLAN, PaperGroup.WORDS}
    assert (theirs.agency, theirs.audience) == ("police", "team")
    assert (whole.agency, whole.told) == (None, theirs.told)
    of_him = {e.group for e in theirs.told if e.side is HIS}
    assert {PaperGroup.PLAN, PaperGroup.WORDS} == of_him
    assert PaperGroup.RISK in {each.group for each in theirs.told}


async def test_a_copy_on_the_screen_loads_nothing_and_does_not_print(
    running: Running,
) -> None:
    case = await given_case(running)
    worker = Worker(running, case)

    answer = await worker.asks("GET", "/papers/team")

    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert '<html lang="en-NZ">' in answer.text
    assert 'class="reading"' in answer.text
    assert "Not released · read by" in answer.text
    printed = text_of(await Press().pdf_of(answer.text))
    assert printed.startswith("This is a copy to read on the screen.")
    assert "safe contact" not in printed


async def test_whoever_asks_does_not_confirm_and_one_word_is_none(
    running: Running,
) -> None:
    case = await given_case(running)
    one = Worker(running, case, subject="one")
    alias = Worker(running, case, subject="one")
    asked = (await one.wants_out()).json()["release_id"]
    paper = await one.reads()

    own = await one.confirms(asked, paper)
    as_another = await alias.confirms(asked, paper)
    early = await one.fetches(asked)

    assert (own.status_code, as_another.status_code) == (403, 403)
    assert own.json()["type"] == "urn:accord:problem:own-release"
    assert early.json()["type"] == "urn:accord:problem:not-confirmed"


async def test_a_paper_that_has_changed_since_it_was_read_does_not_leave(
    running: Running,
) -> None:
    case, her = await given_case(running), new_id()
    one, other = Worker(running, case), Worker(running, case)
    release = await released(one, other)
    before = await one.reads()
    await one.notes(her)

    gone = await one.fetches(release)
    unread = await one.asks("POST", "/releases", {"audience": "team", "paper": before})
    asked = (await one.wants_out()).json()["release_id"]
    blind = await other.confirms(asked, before)

    for each in (gone, unread, blind):
        assert each.json()["type"] == "urn:accord:problem:another-paper"


async def test_words_that_tell_where_she_is_keep_the_paper_in(
    running: Running,
) -> None:
    case, her = await given_case(running), new_id()
    one = Worker(running, case)
    await one.notes(her, "I am at 14 Rimu Street.")

    refused = await one.wants_out("person", person_id=her)

    assert refused.status_code == 422
    assert refused.json()["detail"] == "Look at: said."
    assert "Rimu" not in refused.text
    # A paper without those words may leave.
    assert (await one.wants_out("outreach")).status_code == 201


async def test_a_copy_that_is_unsafe_to_hold_is_never_printed(
    running: Running,
) -> None:
    case, her = await given_case(running), new_id()
    one, other = Worker(running, case), Worker(running, case)
    await one.notes(her)
    release = await released(one, other, "person", person_id=her)
    body = {"side": "person_harmed", "unsafe": True}
    held = await one.asks("PUT", f"/voices/{her}/holding", body)

    asked = await one.wants_out("person", person_id=her)
    fetched = [await other.fetches(release, form) for form in ("pdf", "html")]
    again = new_id()
    await one.notes(again)
    told = {"case_id": case, "match_id": new_id(), "merged_at": NOON}
    merged = PersonMerged(**told, person_id=her, other_id=again)
    await note_one_person(message_of(merged), plans=running.plans, policy=PLANS)
    known_twice = await one.wants_out("person", person_id=again)

    assert held.json()["unsafe_to_hold"] is True
    for each in (asked, *fetched, known_twice):
        assert each.json()["type"] == "urn:accord:problem:unsafe-to-hold"


async def merged_cases(running: Running) -> tuple[str, str]:
    """Give a case, and one that is merged into it."""
    case, other = await given_case(running), await given_case(running)
    held, merged = await running.plans.get(case), await running.plans.get(other)
    assert held
    assert merged
    share = share_of(merged)
    assert share
    await running.plans.save(held.model_copy(update={"shares": {other: share}}))
    await running.plans.save(merged.model_copy(update={"merged_into": case}))
    return case, other


async def test_what_was_said_in_a_merged_case_counts_for_the_papers_of_its_survivor(
    running: Running, clock: SimulatedClock
) -> None:
    case, merged = await merged_cases(running)
    her, him = new_id(), new_id()
    one, other = Worker(running, case), Worker(running, case)
    there = Worker(running, merged)
    for person in (her, him):
        await there.notes(person)
    assert WORDS in (await one.asks("GET", f"/papers/person?person_id={her}")).text
    release = await released(one, other, "person", person_id=him)

    body = {"side": "person_harmed", "unsafe": True}
    await there.asks("PUT", f"/voices/{her}/holding", body)
    refused = await one.wants_out("person", person_id=her)
    clock.advance(timedelta(minutes=1))
    told: dict[str, Any] = {"harmed": her, "using_violence": him, "corrected": True}
    decided = RolesDecided(case_id=merged, decided_at=clock.now(), **told)
    await running.hears(message_of(decided))

    assert refused.json()["type"] == "urn:accord:problem:unsafe-to-hold"

    async def over() -> bool:
        listed = (await one.asks("GET", "/releases")).json()
        copy = await one.asks("GET", f"/papers/person?person_id={him}")
        ended = [e for e in listed if e["release_id"] == release and e["ended_at"]]
        return bool(ended) and copy.status_code == 409

    await eventually(over)


async def test_what_was_let_go_ends_with_the_case_and_can_be_stopped_after(
    running: Running, clock: SimulatedClock
) -> None:
    case, her = await given_case(running), new_id()
    one, other = Worker(running, case), Worker(running, case)
    await one.notes(her)
    release = await released(one, other)
    clock.advance(timedelta(minutes=1))
    for each in (one, other):
        sides = {"sides": [HERS], "transferred": True}
        running.standings.tell(each.id, case, **sides)

    body = {"side": "person_harmed", "unsafe": True}
    held = await one.asks("PUT", f"/voices/{her}/holding", body)
    told = CaseTransferred(case_id=case, transferred_at=clock.now())
    await running.hears(message_of(told))

    async def over() -> bool:
        return "release-over" in (await one.fetches(release, "html")).text

    await eventually(over)
    stopped = await one.asks("DELETE", f"/releases/{release}")
    assert (held.status_code, stopped.status_code) == (200, 200)


async def test_outreach_has_its_own_paper_and_no_other(running: Running) -> None:
    case, her = await given_case(running), new_id()
    one, other = Worker(running, case), Worker(running, case)
    outreach = Worker(running, case, HIS)
    await one.notes(her)
    release = await released(one, other)

    papers = [
        await outreach.asks("GET", f"/papers/{each}")
        for each in (
            *("team", f"person?person_id={her}", "agency?agency=police", "outreach"),
        )
    ]

    assert [each.status_code for each in papers] == [404, 404, 404, 200]
    assert WORDS not in papers[-1].text
    assert (await outreach.fetches(release)).status_code == 404
    assert (await outreach.confirms(release, "aaaaaaaa")).status_code == 404
    assert (await outreach.asks("GET", "/releases")).json() == []
    assert (await outreach.asks("GET", "/voices")).json() == []
    asked = {"audience": "person", "person_id": her, "paper": "aaaaaaaa"}
    assert (await outreach.asks("POST", "/releases", asked)).status_code == 404
    body = {"side": "person_harmed", "unsafe": True}
    tried = await outreach.asks("PUT", f"/voices/{her}/holding", body)
    assert tried.status_code == 404


async def test_what_names_somebody_whom_only_referrals_knows_does_not_leave(
    running: Running, referrals: Referrals
) -> None:
    case, her = await given_case(running), new_id()
    one, other = Worker(running, case), Worker(running, case)
    await one.notes(her, "Tell Mrs TĀMIHANA nothing.")

    answer = await one.wants_out("person", person_id=her)

    assert answer.status_code == 422
    assert answer.json()["detail"] == "Look at: said."
    assert "mihana" not in answer.text.casefold()
    asked, token = referrals.asked[-1]
    assert (asked.case_id, asked.audience, asked.person_id) == (case, "person", her)
    assert "Tell Mrs TĀMIHANA nothing." in asked.texts
    assert token == "Bearer token"
    [listed] = (await other.asks("GET", "/releases")).json()
    assert listed["refused"]
    assert listed["ended_at"]
    refused = [
        each
        for each in await audited(running.service.audit)
        if (each.action, each.outcome) == ("paper.release", "refused")
    ]
    assert [each.worker for each in refused] == [one.id]


@pytest.mark.parametrize(
    ("status", "body"), [(503, None), (404, None), (200, b"{}"), (200, b'{"found":[]}')]
)
async def test_while_referrals_does_not_say_nothing_leaves(
    running: Running, referrals: Referrals, status: int, body: bytes | None
) -> None:
    case, her = await given_case(running), new_id()
    one, other = Worker(running, case), Worker(running, case)
    await one.notes(her)
    release = await released(one, other, "person", person_id=her)
    referrals.status, referrals.body = status, body

    answers = [
        await one.wants_out("person", person_id=her),
        await one.fetches(release),
    ]

    for each in answers:
        assert each.status_code == 503
        assert each.json()["type"] == "urn:accord:problem:screening-away"


async def test_whoever_serves_him_learns_nothing_by_a_refusal(
    running: Running, referrals: Referrals
) -> None:
    case, him = await given_case(running), new_id()
    outreach = Worker(running, case, HIS)
    one, other = (Worker(running, case) for _ in range(2))
    release = await released(one, other, "outreach")
    waiting = (await one.wants_out("outreach")).json()["release_id"]
    referrals.protected = "hornby"
    asked = len(referrals.asked)

    # Where it would be let go and where it would be refused, the same is said.
    tried = [await outreach.wants_out("outreach")]
    await outreach.notes(him, "in Hornby", HIS)
    paper = await outreach.reads("outreach")
    tried += [
        await outreach.wants_out("outreach"),
        await outreach.confirms(waiting, paper),
        await outreach.fetches(release, "html"),
    ]

    assert [each.status_code for each in tried] == [404] * 4
    assert len(referrals.asked) == asked
    refused = await one.wants_out("outreach")
    assert refused.status_code == 422
    seen = (await outreach.asks("GET", "/releases")).json()
    assert {each["release_id"] for each in seen} == {release, waiting}
    assert len((await one.asks("GET", "/releases")).json()) == 3


async def test_nobody_finds_her_by_writing_guesses_into_papers(
    running: Running, referrals: Referrals, clock: SimulatedClock
) -> None:
    case, him = await given_case(running), new_id()
    outreach = Worker(running, case, HIS)
    one, other = (Worker(running, case) for _ in range(2))
    release = await released(one, other, "outreach")
    referrals.protected = "hornby"
    # A guess that misses counts as one that hits does; the paper let go counted once.
    for each in range(MOST_LOOKS - 1):
        where = "Linwood" if each % 5 else "Hornby"
        guess = await outreach.notes(him, f"in {where}, {each}", HIS)
        code = (await one.wants_out("outreach")).status_code
        assert code == (422 if where == "Hornby" else 201)
        await outreach.asks("DELETE", f"/voices/{him}/entries/{guess}")
        clock.advance(timedelta(seconds=1))
    asked = len(referrals.asked)

    guess = await outreach.notes(him, "in Addington", HIS)
    again = [await other.wants_out("outreach"), await one.wants_out("team")]
    changed = await one.fetches(release)
    await outreach.asks("DELETE", f"/voices/{him}/entries/{guess}")
    fetched = await one.fetches(release, "html")

    assert [each.status_code for each in again] == [429, 429]
    assert again[0].json()["type"] == "urn:accord:problem:looked-too-often"
    assert changed.json()["type"] == "urn:accord:problem:another-paper"
    # What was looked through already is, again.
    assert fetched.status_code == 200
    assert len(referrals.asked) == asked + 1
    clock.advance(timedelta(hours=24))
    assert (await one.wants_out("outreach")).status_code == 201


def test_a_day_has_so_many_looks_and_the_same_paper_is_one() -> None:
    looks = Looks(id=new_id())
    for each in range(MOST_LOOKS):
        looks = looks.look(f"{each}", NOON)

    with pytest.raises(LookedTooOften):
        looks.look("another", NOON + timedelta(hours=23))
    assert looks.look("0", NOON) is looks
    assert [*looks.look("another", NOON + timedelta(hours=24)).papers] == ["another"]


async def test_what_is_counted_at_once_is_counted_once_each(running: Running) -> None:
    looks, case = running.service.store(LookedThrough), new_id()

    async def look(paper: str) -> bool:
        try:
            await settled(lambda: looks.count(case, paper, NOON))
        except LookedTooOften:
            return False
        return True

    held = {f"{each}": NOON for each in range(MOST_LOOKS - 2)}
    await looks.save(Looks(id=case, papers=held))
    at_once = await asyncio.gather(*(look(each) for each in ("a", "b", "c", "d")))

    assert sum(at_once) == 2


async def test_a_paper_let_go_that_tells_by_now_is_refused_for_good_and_noted(
    running: Running, referrals: Referrals
) -> None:
    case, her = await given_case(running), new_id()
    one, other = Worker(running, case), Worker(running, case)
    await one.notes(her, "I like my garden.")
    release = await released(one, other)
    waiting = (await one.wants_out()).json()["release_id"]
    referrals.protected = "garden"

    confirmed = await other.confirms(waiting, await other.reads())
    fetched = await other.fetches(release)

    assert (confirmed.status_code, fetched.status_code) == (422, 422)
    listed = (await one.asks("GET", "/releases")).json()
    assert [each["refused"] for each in listed] == [True, True]
    noted = [
        each.worker
        for each in await audited(running.service.audit)
        if (each.action, each.outcome) == ("paper.release", "refused")
    ]
    assert noted == [other.id] * 2


async def test_a_decision_on_who_harmed_whom_ends_what_was_let_go(
    running: Running, clock: SimulatedClock
) -> None:
    case, him, her = await given_case(running), new_id(), new_id()
    one, other = Worker(running, case), Worker(running, case)
    # He says that he is the one who is harmed, and is believed.
    await one.notes(him)
    release = await released(one, other, "person", person_id=him)
    clock.advance(timedelta(minutes=1))
    decided = RolesDecided(
        case_id=case,
        harmed=her,
        using_violence=him,
        corrected=True,
        decided_at=clock.now(),
    )

    await running.hears(message_of(decided))

    async def closed() -> bool:
        answer = await one.fetches(release, "html")
        return answer.status_code == 409 and "release-over" in answer.text

    await eventually(closed)

    async def no_copy() -> bool:
        answer = await one.asks("GET", f"/papers/person?person_id={him}")
        return answer.status_code == 409

    await eventually(no_copy)


async def test_a_release_is_listed_lapses_and_is_ended(
    running: Running, clock: SimulatedClock
) -> None:
    case = await given_case(running)
    one, other = Worker(running, case), Worker(running, case)
    asked = (await one.wants_out()).json()["release_id"]
    release = await released(one, other)
    ended = await other.asks("DELETE", f"/releases/{release}")
    assert ended.json()["ended_at"]
    assert (await one.fetches(release)).status_code == 409

    clock.advance(timedelta(hours=24))
    late = await other.confirms(asked, await other.reads())

    assert late.json()["type"] == "urn:accord:problem:release-over"
    listed = (await one.asks("GET", "/releases")).json()
    assert {each["release_id"] for each in listed} == {asked, release}
    assert "by" not in str(listed)


async def test_each_wrong_field_of_a_paper_is_named(running: Running) -> None:
    worker = Worker(running, await given_case(running))

    answers = [
        await worker.asks("GET", "/papers/person"),
        await worker.asks("GET", f"/papers/team?person_id={new_id()}&agency=police"),
        await worker.asks("GET", f"/papers/person?person_id={new_id()}"),
        await worker.asks("GET", "/papers/everybody"),
        await worker.fetches(new_id()),
    ]

    assert [each.status_code for each in answers] == [422, 422, 409, 422, 404]
    named = [each["pointer"] for each in answers[1].json()["errors"]]
    assert len(named) == 2


async def test_what_she_said_is_sealed_taken_back_and_erased(running: Running) -> None:
    case, her = await given_case(running), new_id()
    worker = Worker(running, case)
    entry = await worker.notes(her)
    kept = await worker.notes(her, "And a dog.")
    voices, releases = running.service.store(Voices), running.service.store(Releases)
    assert isinstance(voices, SealedStore)
    [document] = [e async for e in voices.documents.find({"case_id": case})]
    assert WORDS not in str(document)
    assert (await worker.wants_out()).status_code == 201

    path = f"/voices/{her}/entries/{entry}"
    taken = await worker.asks("DELETE", path)
    assert [e["entry_id"] for e in taken.json()["entries"]] == [kept]
    body = {"side": "person_harmed", "kind": "wants", "words": WORDS}
    again = await worker.asks("PUT", path, {**body, "strand": "immediate_safety"})
    assert again.json()["type"] == "urn:accord:problem:taken-back"
    assert (await worker.asks("DELETE", path)).json() == taken.json()
    never = f"/voices/{her}/entries/{new_id()}"
    assert (await worker.asks("DELETE", never)).status_code == 404

    erased = CaseErased(case_id=case, erased_at=NOON, reason="court")
    await running.hears(message_of(erased))

    async def gone() -> bool:
        left = [*await voices.of_case(case), *await releases.of_case(case)]
        return not left

    await eventually(gone)


async def test_of_who_is_erased_nothing_is_taken_and_what_kept_a_copy_back_stays(
    running: Running,
) -> None:
    case = await given_case(running)
    her, again, silent = new_id(), new_id(), new_id()
    worker = Worker(running, case)
    for person in (her, again):
        entry = await worker.notes(person)
    unsafe = {"side": "person_harmed", "unsafe": True}
    assert (await worker.asks("PUT", f"/voices/{her}/holding", unsafe)).is_success
    told: dict[str, Any] = {"match_id": new_id(), "merged_at": NOON}
    merged = PersonMerged(case_id=case, person_id=her, other_id=again, **told)
    await note_one_person(message_of(merged), plans=running.plans, policy=PLANS)

    for person in (her, silent):
        erased = PersonErased(
            case_id=case, person_id=person, reason="court", erased_at=NOON
        )
        await running.hears(message_of(erased))
    voices = running.service.store(Voices)

    async def forgotten() -> bool:
        return all([await voices.is_erased(each, case) for each in (her, silent)])

    await eventually(forgotten)
    need = {"strand": "immediate_safety", "level": "unmet", "voice": "agreed"}
    said = {"kind": "wants", "strand": "immediate_safety", "words": WORDS}
    answers = [
        await worker.asks(*asked, body | {"side": side})
        for person in (her, silent)
        for side in ("person_harmed", "person_using_violence")
        for asked, body in (
            (("PUT", f"/voices/{person}/entries/{new_id()}"), said),
            (("PUT", f"/voices/{person}/holding"), {"unsafe": False}),
            (("POST", "/needs"), need | {"person_id": person}),
        )
    ]
    assert {each.status_code for each in answers} == {404}
    shown = (await worker.asks("GET", "/voices")).json()
    assert [each["person_id"] for each in shown] == [again]
    copies = [
        await worker.asks("GET", f"/papers/person?person_id={each}")
        for each in (silent, again)
    ]
    assert [each.status_code for each in copies] == [409, 200]
    refused = await worker.wants_out("person", person_id=again)
    assert refused.json()["type"] == "urn:accord:problem:unsafe-to-hold"
    assert (await worker.asks("DELETE", f"/voices/{again}/entries/{entry}")).is_success


async def test_words_for_a_strand_or_a_case_that_there_is_not_are_refused(
    running: Running,
) -> None:
    case, her = await given_case(running), new_id()
    body = {"side": "person_harmed", "kind": "wants", "words": "W", "strand": "stars"}
    path = f"/voices/{her}/entries/{new_id()}"

    strange = await Worker(running, case).asks("PUT", path, body)
    nowhere = await Worker(running, new_id()).asks(
        "PUT", path, body | {"strand": "immediate_safety"}
    )

    assert (strange.status_code, nowhere.status_code) == (422, 404)
    assert "stars" not in strange.text


@pytest.mark.parametrize(
    "asks",
    [
        '<img alt="" src="{secret}">',
        '<link rel="attachment" href="{secret}">',
        '<p style="background: url({secret})">no</p>',
    ],
)
async def test_a_paper_that_asks_for_more_is_not_printed(
    asks: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.svg"
    secret.write_text(SVG, "utf-8")
    page = '<html lang="en"><head><title>t</title></head><body>{}</body></html>'

    with pytest.raises(PressAway):
        await Press().pdf_of(page.format(asks.format(secret=f"file://{secret}")))


async def test_no_paper_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PaperTooLong):
        await Press().pdf_of("x" * (MOST_HTML + 1))

    monkeypatch.setattr("plans.documents.printing.SECONDS", 0.0)

    with pytest.raises(PressAway):
        await Press().pdf_of("<html></html>")
