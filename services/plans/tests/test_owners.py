"""Whose an action is: an agency's from the start, one person's once they take it."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.testing import COORDINATOR, NOON, new_id
from accord_contracts.access import Side
from plans.domain.action import NoSuchAction, NotToBeTaken
from plans.domain.plan import Plan
from plans_builders import IVS, OUTREACH, POLICY, Running, assessment, owner, plan

READ, WORK = "plans.read", "plans.work"
HOUR = timedelta(hours=1)


def of(held: Plan, code: str) -> str:
    return next(each.id for each in held.actions if each.code == code)


def test_an_action_is_an_agencys_from_the_start() -> None:
    held = plan()

    assert {each.agency for each in held.actions if each.role is IVS} == {"refuge"}
    assert {e.agency for e in held.actions if e.role is OUTREACH} == {"corrections"}
    assert held.to_take == ("refuge", "corrections")


def test_whoever_takes_an_action_keeps_it_whoever_takes_its_role() -> None:
    held = plan()
    contact, advice = of(held, "safe_contact"), of(held, "safety_advice")
    taken = held.accept(contact, "one", NOON)
    assert taken.accept(contact, "one", NOON) is taken

    with_role = taken.take_role(IVS, owner("two", NOON + HOUR))
    drawn = with_role.draft(assessment(revision=9, at=NOON + HOUR), POLICY, NOON + HOUR)

    for each in (with_role, drawn):
        owners = (each.action(contact).worker_id, each.action(advice).worker_id)
        assert owners == ("one", "two")
    with pytest.raises(NotToBeTaken):
        drawn.accept(advice, "one", NOON)
    with pytest.raises(NoSuchAction):
        drawn.hand_back(advice, "two", NOON)
    back = drawn.hand_back(contact, "one", NOON + HOUR)
    assert back.action(contact).worker_id == "two"


def test_whoever_took_an_action_keeps_it_when_they_leave_another_role() -> None:
    own = owner("one", NOON, allocation_id="a", revision=1)
    held = plan().take_role(IVS, own)
    programme, advice = of(held, "programme"), of(held, "safety_advice")
    taken = held.accept(programme, "one", NOON)

    left = taken.leave_role(
        IVS, owner(None, NOON + HOUR, allocation_id="a", revision=2)
    )

    owners = [left.action(each).worker_id for each in (programme, advice)]
    assert owners == ["one", None]
    # A role that they had in what was merged into it is no reason either.
    passed_on = taken.take_role(OUTREACH, owner("two", NOON + HOUR))
    after = passed_on.handed_over({"one"}, NOON + HOUR)
    assert after.action(programme).worker_id == "one"
    # What they took goes with the role that it is of.
    own = owner("one", NOON + HOUR, allocation_id="b", revision=1)
    out = taken.take_role(OUTREACH, own).leave_role(
        OUTREACH, owner(None, NOON + 2 * HOUR, allocation_id="b", revision=2)
    )
    assert out.action(programme).worker_id is None


class Hand:
    """A worker of an agency, who is in no team unless a test says so."""

    def __init__(self, running: Running, agency: str, worker: str = "") -> None:
        self.worker = worker or new_id()
        token = running.issuer.token(
            self.worker, READ, WORK, region="test", worker=self.worker, agency=agency
        )
        self._running = running
        self._headers = {"Authorization": f"Bearer {token}"}

    async def asks(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        http = self._running.http
        return await http.request(
            method, f"/v1{path}", json=body, headers=self._headers
        )


async def test_the_people_of_its_agency_see_an_action_that_nobody_has_and_take_it(
    running: Running,
) -> None:
    held = await running.plans.save(plan())
    hers, other, his = (Hand(running, e) for e in ("refuge", "refuge", "corrections"))
    barred = Hand(running, "refuge")
    for each in (hers, other):
        running.standings.tell(each.worker, held.id)
    running.standings.tell(barred.worker, held.id, conflict=True)
    outreach = [Side.PERSON_USING_VIOLENCE]
    running.standings.tell(his.worker, held.id, own_side=outreach[0])
    contact = of(held, "safe_contact")
    path = f"/plans/{held.id}/actions/{contact}/acceptance"

    seen = (await hers.asks("GET", "/actions")).json()
    assert {e["action"] for e in seen} == {"safe_contact", "safety_advice"}
    assert {e["agency"] for e in seen} == {"refuge"}
    # The code, the clock and for whom: not how high the risk is, nor what was said.
    assert set(seen[0]) == {
        "case_id", "action_id", "action", "strand", "part", "person_id", "role",
        "mandatory", "due_at", "waits", "agency", "overdue_at",
    }  # fmt: skip
    of_his = (await his.asks("GET", "/actions")).json()
    assert [each["action"] for each in of_his] == ["programme"]
    assert (await barred.asks("GET", "/actions")).json() == []
    refused = [await e.asks("PUT", path) for e in (his, barred)]
    assert [each.status_code for each in refused] == [404, 404]

    assert (await hers.asks("PUT", path)).json()["worker_id"] == hers.worker
    assert (await other.asks("PUT", path)).status_code == 409
    [left] = (await other.asks("GET", "/actions")).json()
    assert left["action"] == "safety_advice"
    # Whoever took it reads it and settles it, though they are in no team.
    [own] = (await hers.asks("GET", f"/workers/{hers.worker}/actions")).json()
    assert own["action_id"] == contact
    done = {"evidence": {"kind": "contact_record"}}
    completion = f"/plans/{held.id}/actions/{contact}/completion"
    assert (await other.asks("POST", completion, done)).status_code == 404
    assert (await hers.asks("POST", completion, done)).status_code == 200

    advice = f"/plans/{held.id}/actions/{of(held, 'safety_advice')}/acceptance"
    assert (await hers.asks("PUT", advice)).status_code == 200
    assert (await other.asks("DELETE", advice)).status_code == 404
    assert (await hers.asks("DELETE", advice)).json()["worker_id"] is None
    [again] = (await other.asks("GET", "/actions")).json()
    assert again["action"] == "safety_advice"
    # What is another agency's since then, they can give back all the same.
    assert (await hers.asks("PUT", advice)).status_code == 200
    drawn = await running.plans.get(held.id)
    assert drawn
    now_his = {of(held, "safety_advice"): {"agency": "corrections"}}
    await running.plans.save(drawn.with_actions(now_his))
    assert (await hers.asks("DELETE", advice)).status_code == 200
    drawn = await running.plans.get(held.id)
    assert drawn
    hers_again = {of(held, "safety_advice"): {"agency": "refuge"}}
    await running.plans.save(drawn.with_actions(hers_again))
    # Who took it may have left since: whoever coordinates gives it back.
    assert (await other.asks("PUT", advice)).status_code == 200
    back = await Hand(running, "police", COORDINATOR).asks("DELETE", advice)
    assert back.json()["worker_id"] is None
