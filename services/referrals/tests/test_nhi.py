"""Numbers of the National Health Index: their form, and what they are checked by."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from referrals.domain import nhi
from referrals_builders import JOHN, MERE, Running, body


@pytest.mark.parametrize(
    ("number", "wrong"),
    [
        # HISO 10046, and numbers for tests that Te Whatu Ora has published.
        ("ABC1235", None),
        ("ZZZ0016", None),
        ("zzz 00-16", None),
        ("ZAC5361", None),
        ("WLD9413", None),
        ("ZBN77VL", None),
        ("zsc21tn", None),
        ("ZVB97XQ", None),
        ("ABC1234", "wrong_check_digit"),
        ("ZZZ0044", "wrong_check_digit"),
        ("ZZZ00AA", "wrong_check_digit"),
        # The sum is a multiple of 11: no number begins so.
        ("ZZZ0060", "wrong_check_digit"),
        ("ZZI0016", "not_an_nhi_number"),
        ("ZZZ001", "not_an_nhi_number"),
        ("ZZZ00167", "not_an_nhi_number"),
        ("ZZZ.0016", "not_an_nhi_number"),
        ("ZBN7VL7", "not_an_nhi_number"),
        ("1", "not_an_nhi_number"),
    ],
)
def test_a_number_is_right_by_its_form_and_its_last_character(
    number: str, wrong: str | None
) -> None:
    assert nhi.wrong_with(number) == wrong


LETTER = st.sampled_from(nhi.LETTERS)
DIGIT = st.sampled_from(string.digits)
STARTS = st.tuples(LETTER, LETTER, LETTER, DIGIT, DIGIT, DIGIT | LETTER).map("".join)


@given(STARTS, st.sampled_from(range(6)), st.data())
def test_one_wrong_character_is_always_found(
    start: str, place: int, data: st.DataObject
) -> None:
    right = nhi.check(start)
    alike = LETTER if start[place].isalpha() else DIGIT
    other = data.draw(alike.filter(lambda each: each != start[place]))
    mistyped = f"{start[:place]}{other}{start[place + 1 :]}"

    if right is not None and {start[place], other} not in NOT_TOLD_APART:
        assert nhi.wrong_with(start + right) is None
        assert nhi.wrong_with(mistyped + right) == "wrong_check_digit"


NOT_TOLD_APART = [
    {one, other}
    for one in nhi.LETTERS
    for other in nhi.LETTERS
    if abs(nhi.LETTERS.index(one) - nhi.LETTERS.index(other)) in {11, 22, 23}
]
"""Letters that count alike: 11 apart where it ends in a digit, else 23."""


async def test_a_mistyped_number_is_refused_by_its_field_and_never_shown(
    running: Running,
) -> None:
    codes = [
        {"system": "police_person_record", "value": "ABC1234"},
        {"system": "nhi", "value": "ABC1234"},
    ]
    people = [{**MERE, "identifiers": codes}, JOHN]

    answer = await running.submit(body(people=people), key="k")

    assert answer.status_code == 422
    [wrong] = answer.json()["errors"]
    assert wrong["pointer"] == "/body/people/0/identifiers/1/value"
    assert wrong["rule"] == "wrong check digit"
    assert "ABC" not in answer.text
    assert await running.referrals.documents.count_documents({}) == 0
