"""A person or whānau who asks for help themselves, through whomever they spoke with."""

from typing import Any

import pytest
from accord_chassis.testing import COORDINATOR, NOON, eventually, new_id
from referrals.domain.sheet import Row
from referrals_builders import JOHN, MERE, POLICY, Running, body, telling

SAFE = {"channel": "text", "value": "021 555 0100", "safety": "safe"}
HERSELF = {**MERE, "contact_points": [SAFE]}
AUNTIE = {"role": "other", "given_name": "Ngaire", "contact_points": [SAFE]}
UNREACHED = {"person": 0, "agreed": True, "no_safe_contact": True}


def misfits(asked: dict[str, Any], **told: Any) -> list[tuple[str, str]]:
    fields = {"people": [HERSELF, JOHN], **told, "asked_by": {"agreed": True, **asked}}
    found = POLICY.misfits(telling(**fields), NOON)
    return [("/".join(map(str, each.at)), each.rule) for each in found]


def test_she_asks_herself_and_can_be_reached_at_once() -> None:
    assert misfits({"who": "person_harmed", "person": 0}) == []


def test_he_asks_for_help_himself() -> None:
    him = {"role": "person_using_violence", **JOHN, "contact_points": [SAFE]}

    found = misfits({"who": "person_using_violence", "person": 1}, people=[MERE, him])

    assert found == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"who": "whanau", "person": 1}, {"people": [MERE, AUNTIE]}),
        ({"who": "whanau"}, {}),
        ({"who": "somebody_else"}, {"people": [MERE]}),
        ({"who": "person_harmed", **UNREACHED}, {"people": [MERE]}),
    ],
)
def test_whanau_ask_named_or_not_and_nobody_must_be_reachable(
    asked: dict[str, Any], told: dict[str, Any]
) -> None:
    assert misfits(asked, **told) == []


UNASKED = {"purpose": "fva20_a", "consulted": False, "why_not_safe": "He was there."}


@pytest.mark.parametrize(
    ("asked", "told", "wrong"),
    [
        (
            {"who": "person_harmed"},
            {},
            [("asked_by/person", "missing")],
        ),
        (
            {"who": "whanau", "person": 2},
            {},
            [("asked_by/person", "no_such_person")],
        ),
        (
            {"who": "person_harmed", "person": 1, "no_safe_contact": True},
            {},
            [
                ("asked_by/who", "asks_in_another_part"),
                ("people/1/role", "asks_in_another_part"),
            ],
        ),
        (
            {"who": "person_harmed", "person": 0},
            {"people": [MERE]},
            [
                ("asked_by/no_safe_contact", "safe_contact_missing"),
                ("people/0/contact_points", "safe_contact_missing"),
            ],
        ),
        (
            {"who": "person_harmed", "person": 0},
            {"people": [{**MERE, "contact_points": [{**SAFE, "safety": "unknown"}]}]},
            [
                ("asked_by/no_safe_contact", "safe_contact_missing"),
                ("people/0/contact_points", "safe_contact_missing"),
            ],
        ),
        (
            {"who": "person_harmed", **UNREACHED},
            {},
            [
                ("asked_by/no_safe_contact", "safe_contact_told"),
                ("people/0/contact_points", "safe_contact_told"),
            ],
        ),
        (
            {"who": "person_harmed", "person": 0},
            {"sharing": UNASKED},
            [("sharing/consulted", "asked_and_not_consulted")],
        ),
        (
            {"who": "whanau", "agreed": False},
            {},
            [
                ("asked_by/agreed", "did_not_agree"),
                ("sharing/purpose", "did_not_agree"),
            ],
        ),
        (
            {"who": "whanau", "agreed": False},
            {"sharing": {**UNASKED, "purpose": "fva20_c"}},
            [],
        ),
    ],
)
def test_what_cannot_be_so_of_whoever_asked_is_named(
    asked: dict[str, Any], told: dict[str, Any], wrong: list[Any]
) -> None:
    assert misfits(asked, **told) == wrong


def test_a_sheet_counts_people_from_one_and_may_leave_some_out() -> None:
    row = {"asked_by": "whanau", "asked_by_agreed": "yes", "person3.role": "other"}

    def person(number: str) -> Any:
        cells = {"person1.role": "person_harmed", "asked_by_person": number, **row}
        told = Row(tuple(cells), tuple(cells.values())).fields()
        return told["asked_by"]["person"]

    assert (person("1"), person("3"), person("2")) == (0, 1, -1)


async def test_whoever_works_on_the_case_sees_that_she_asked_herself(
    running: Running,
) -> None:
    await running.register("helpline", kind="helpline")
    asked = {"who": "person_harmed", "person": 0, "agreed": True}
    told = body(people=[HERSELF, JOHN], asked_by=asked)
    answer = await running.submit(told, key=new_id(), agency="helpline")
    referral_id = answer.json()["referral_id"]
    found = await eventually(lambda: running.cases.of_referral(referral_id))
    assert found

    worker = running.bearer("referrals.history", agency="", worker=COORDINATOR)
    history = await running.http.get(f"/v1/cases/{found.id}/history", headers=worker)

    [episode] = history.json()["episodes"]
    assert (episode["agency_kind"], episode["asked_by"]) == (
        "helpline",
        "person_harmed",
    )
    [person] = (e for e in found.people if e.role == "person_harmed")
    reach = running.bearer("referrals.contacts", agency="", worker=COORDINATOR)
    contacts = await running.http.get(
        f"/v1/people/{person.person_id}/contacts?purpose=fva20_c", headers=reach
    )
    assert SAFE["value"] in contacts.text


async def test_the_agency_corrects_who_asked(running: Running) -> None:
    asked = {"who": "whanau", "agreed": True}
    referral_id = (await running.submit(body(asked_by=asked), key="1")).json()[
        "referral_id"
    ]

    wrong = await running.amend(
        referral_id, {"asked_by": {"who": "person_harmed", "agreed": True}}
    )
    right = await running.amend(
        referral_id, {"asked_by": {"who": "somebody_else", "agreed": True}}, key="b"
    )

    assert wrong.status_code == 422
    [error] = wrong.json()["errors"]
    assert (error["pointer"], error["rule"]) == ("/body/asked_by/person", "missing")
    assert (right.status_code, right.json()["fields"]) == (202, ["asked_by"])
