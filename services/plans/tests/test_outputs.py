"""Whatever is answered, whoever meets the person using violence learns of nobody else.

Every route is in the inventory, with what looks through it. What is read over HTTP is
looked through here, for random families in which every code and word is found nowhere
else; the rest by the test that is named.
"""

from pathlib import Path

import httpx2
from accord_chassis.testing import COORDINATOR, new_id
from hypothesis import HealthCheck, Phase, given, settings
from plans.documents.store import Voices
from plans.domain.template import Part
from plans.needs.store import Needs
from plans_builders import IVS, OUTREACH, Running, plan
from test_papers import HIS, Family, families

TESTS = Path(__file__).parent
READS = ("plans.read", "plans.work", "plans.meet")

READ = (
    "/plans/{case_id}",
    "/plans/{case_id}/versions",
    "/plans/{case_id}/versions/1",
    "/plans/{case_id}/comparison?from=1&to=1",
    "/plans/{case_id}/needs",
    "/plans/{case_id}/voices",
    "/plans/{case_id}/releases",
    "/plans/{case_id}/papers/outreach",
    "/plans/{case_id}/papers/team",
    "/plans/{case_id}/papers/person?person_id={hers}",
    "/plans/{case_id}/papers/agency?agency=police",
    "/plans/{case_id}/needs/{her_need}/providers",
    "/workers/{worker}/actions",
    "/actions",
    "/meetings",
    "/meetings/calendar",
    "/meetings/statement",
    "/tasks",
)
"""What is read here, as somebody who meets the person using violence."""

PLAN = "/v1/plans/{case_id}"
MEETING = "/v1/meetings/{meeting_id}"
CASE = f"{MEETING}/cases/{{case_id}}"
TASK = f"{CASE}/tasks/{{task_id}}"
PACK = f"{MEETING}/packs/{{pack}}/releases"
SETTLED = "test_outreach_settles_nothing_that_is_done_for_others"
TABLE = "test_outreach_sees_where_a_case_stands_and_only_its_own_compartment"
EXTRACT = "test_an_extract_holds_nothing_of_another_compartment"
PAPER = "test_nothing_of_one_compartment_is_on_a_paper_of_another"
PACKED = "test_a_pack_leaves_on_two_words_for_whoever_reads_the_same"
HELPED = "test_what_the_person_harmed_needs_is_not_for_outreach"
PROVIDED = "test_a_provider_answers_for_itself_what_it_was_asked_and_nothing_else"
OWNED = "test_the_people_of_its_agency_see_an_action_that_nobody_has_and_take_it"
TASKED = "test_who_settles_a_task_of_their_agency_is_shown_no_others"
HERE = "test_nothing_of_anybody_else_is_answered_to_who_meets_him"

OUTPUTS: dict[tuple[str, str], str] = {
    ("GET", PLAN): HERE,
    ("POST", f"{PLAN}/agreement"): HERE,
    ("POST", f"{PLAN}/review"): HERE,
    ("POST", f"{PLAN}/revision"): HERE,
    ("POST", f"{PLAN}/breaches"): HERE,
    ("POST", f"{PLAN}/closure"): HERE,
    ("POST", f"{PLAN}/closure/confirmation"): HERE,
    ("POST", f"{PLAN}/actions/{{action_id}}/completion"): SETTLED,
    ("POST", f"{PLAN}/actions/{{action_id}}/undone"): SETTLED,
    ("POST", f"{PLAN}/actions/{{action_id}}/confirmation"): SETTLED,
    ("PUT", f"{PLAN}/actions/{{action_id}}/acceptance"): OWNED,
    ("DELETE", f"{PLAN}/actions/{{action_id}}/acceptance"): OWNED,
    ("GET", "/v1/actions"): OWNED,
    ("GET", "/v1/workers/{worker_id}/actions"): HERE,
    ("GET", f"{PLAN}/versions"): HERE,
    ("GET", f"{PLAN}/versions/{{plan_version}}"): HERE,
    ("GET", f"{PLAN}/comparison"): HERE,
    ("GET", f"{PLAN}/needs"): HERE,
    ("POST", f"{PLAN}/needs"): HELPED,
    ("GET", f"{PLAN}/needs/{{need_id}}/providers"): HERE,
    ("POST", f"{PLAN}/needs/{{need_id}}/services"): HELPED,
    ("POST", f"{PLAN}/needs/{{need_id}}/services/{{service_id}}/steps"): HELPED,
    ("GET", "/v1/services"): PROVIDED,
    ("POST", "/v1/services/{service_id}/steps"): PROVIDED,
    ("GET", f"{PLAN}/papers/{{audience}}"): PAPER,
    ("GET", f"{PLAN}/releases"): HERE,
    ("POST", f"{PLAN}/releases"): PAPER,
    ("POST", f"{PLAN}/releases/{{release_id}}/confirmation"): PAPER,
    ("DELETE", f"{PLAN}/releases/{{release_id}}"): PAPER,
    ("GET", f"{PLAN}/releases/{{release_id}}/paper"): PAPER,
    ("GET", f"{PLAN}/voices"): HERE,
    ("PUT", f"{PLAN}/voices/{{person_id}}/entries/{{entry_id}}"): HERE,
    ("DELETE", f"{PLAN}/voices/{{person_id}}/entries/{{entry_id}}"): HERE,
    ("PUT", f"{PLAN}/voices/{{person_id}}/holding"): HERE,
    ("GET", "/v1/meetings"): HERE,
    ("GET", "/v1/meetings/calendar"): HERE,
    ("GET", "/v1/meetings/statement"): HERE,
    ("PUT", MEETING): TABLE,
    ("DELETE", MEETING): TABLE,
    ("GET", MEETING): TABLE,
    ("POST", f"{MEETING}/inquiries"): TABLE,
    ("POST", f"{MEETING}/attendance"): TABLE,
    ("POST", f"{MEETING}/beginning"): TABLE,
    ("POST", f"{MEETING}/closure"): TABLE,
    ("PUT", CASE): TABLE,
    ("GET", CASE): TABLE,
    ("POST", f"{CASE}/decision"): TABLE,
    ("GET", f"{MEETING}/minutes"): TABLE,
    ("GET", f"{MEETING}/extract"): EXTRACT,
    ("GET", f"{MEETING}/pack"): PACKED,
    ("GET", f"{MEETING}/extract/pack"): PACKED,
    ("POST", PACK): PACKED,
    ("POST", f"{PACK}/{{release_id}}/confirmation"): PACKED,
    ("DELETE", f"{PACK}/{{release_id}}"): PACKED,
    ("GET", f"{PACK}/{{release_id}}/paper"): PACKED,
    ("GET", "/v1/tasks"): TASKED,
    ("POST", f"{TASK}/completion"): TASKED,
    ("POST", f"{TASK}/undone"): TASKED,
    ("POST", f"{TASK}/confirmation"): TASKED,
}
"""By which test it is looked through what each route shows. What changes something
shows what reading it does, or is refused to whoever may not see what it is about."""


async def test_whatever_is_answered_is_looked_through(running: Running) -> None:
    described = (await running.http.get("/openapi.json")).json()["paths"]
    routes = {
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if path.startswith("/v1/")
    }
    kept = "".join(each.read_text("utf-8") for each in TESTS.glob("test_*.py"))

    assert routes == OUTPUTS.keys()
    assert not [each for each in OUTPUTS.values() if f"def {each}(" not in kept]


@settings(
    max_examples=8,
    # The family that is found is small enough, and to make it smaller takes minutes.
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(family=families())
async def test_nothing_of_anybody_else_is_answered_to_who_meets_him(
    running: Running, family: Family
) -> None:
    outreach = new_id()
    # All are theirs, as if the parts of the case had been told the wrong way round.
    actions = tuple(
        each.model_copy(update={"worker_id": outreach}) for each in family.plan.actions
    )
    held = family.plan.model_copy(update={"actions": actions})
    await running.plans.save(held.settled())
    for need in family.needs:
        await running.service.store(Needs).save(need)
    for said in family.voices:
        await running.service.store(Voices).save(said)
    running.standings.tell(outreach, held.id, sides=[HIS], served=[HIS], own_side=HIS)
    hers = (each for each in family.voices if each.side is not HIS)
    her_needs = (each for each in family.needs if each.side is not HIS)
    names = {
        "case_id": held.id,
        "hers": next((each.person_id for each in hers), new_id()),
        "her_need": next((each.id for each in her_needs), new_id()),
        "worker": outreach,
    }

    async def reads(path: str, worker: str) -> httpx2.Response:
        return await running.get(f"/v1{path.format(**names)}", *READS, worker=worker)

    of_others = {
        token for token, (_, side, _) in family.told.items() if side is not HIS
    }
    known = {each.code for each in actions if each.part is Part.PERSON_USING_VIOLENCE}
    shown = ""
    for path in READ:
        answer = await reads(path, outreach)
        found = {each for each in of_others if each in answer.text}
        assert not found, (path, found)
        shown += answer.text
    # Not because nothing is shown at all.
    assert all(code in shown for code in known)
    whole = (await reads("/plans/{case_id}", COORDINATOR)).text
    assert all(each.code in whole for each in actions)


async def test_what_became_theirs_by_mistake_is_nothing_that_who_meets_him_may_see(
    running: Running,
) -> None:
    outreach = new_id()
    held = await running.plans.save(plan(owners={IVS: outreach, OUTREACH: outreach}))
    running.standings.tell(outreach, held.id, sides=[HIS], own_side=HIS)

    own = await running.get(
        f"/v1/workers/{outreach}/actions", "plans.read", worker=outreach
    )

    assert {each["part"] for each in own.json()} == {Part.PERSON_USING_VIOLENCE}
    hers = next(e for e in held.actions if e.role is IVS)
    path = f"/v1/plans/{held.id}/actions/{hers.id}/completion"
    refused = await running.post(path, "plans.work", worker=outreach)
    assert refused.status_code == 404
