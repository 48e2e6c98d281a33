"""A batch of referrals as a sheet, over HTTP and on a real store."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from accord_contracts.problem import WrongField
from hypothesis import given
from hypothesis import strategies as st
from referrals.domain import sheet
from referrals.domain.sheet import MOST_COLUMNS, BadSheet, Row, inert
from referrals.domain.telling import Telling
from referrals_builders import POLICY, Running, body

TEMPLATE = Path(__file__).parents[3] / "docs/referrals-template.csv"
SECRET = "Sentinelname"

MERE = {
    "reference": "P-1",
    "occurred_at": "2026-11-02T09:30:00Z",
    "incidents": "verbal_abuse; stalking",
    "purpose": "fva20_a",
    "consulted": "yes",
    "person1.role": "person_harmed",
    "person1.given_name": "Mere",
    "person1.family_name": "Tāmihana",
    "person1.date_of_birth": "1991-03-07",
    "person1.register": "nhi",
    "person1.code": "ZZZ0016",
    "person1.contact_by": "phone",
    "person1.contact": "021 000 111",
    "person1.contact_safety": "safe",
    "person1.contact_days": "monday; friday",
    "person1.contact_from": "21:00",
    "person1.contact_until": "23:00",
    "person1.duress_word": "tūī",
    "person3.role": "person_using_violence",
    "person3.given_name": "John",
    "answer.injury": "no",
    "narrative": 'Two lines,\nand a "quote".',
}


def file(*rows: dict[str, str]) -> bytes:
    headings = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, headings)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


async def sends(running: Running, content: bytes) -> Any:
    headers = {**running.bearer(), "Content-Type": "text/csv; charset=utf-8"}
    return await running.http.post(
        "/v1/referrals/batch", headers=headers, content=content
    )


def results(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_a_sheet_is_taken_once_however_often_it_is_sent(running: Running) -> None:
    content = file(MERE, {**MERE, "reference": "P-2"})

    first = results(await sends(running, content))
    again = results(await sends(running, b"\xef\xbb\xbf" + content))

    assert [each["status"] for each in first] == ["accepted", "accepted"]
    assert [each["status"] for each in again] == ["repeated", "repeated"]
    # The first one has a line break in a cell.
    assert [each["line"] for each in first] == ["2", "4"]
    ids = [each["referral_id"] for each in first]
    assert ids == [each["referral_id"] for each in again]
    assert await running.referrals.documents.count_documents({}) == 2
    held = await running.referrals.get(ids[0])
    assert held
    assert held.told == Telling.model_validate(
        body(
            reference="P-1",
            incidents=["verbal_abuse", "stalking"],
            narrative='Two lines,\nand a "quote".',
            answers={"injury": "no"},
            people=[
                {
                    "role": "person_harmed",
                    "given_name": "Mere",
                    "family_name": "Tāmihana",
                    "date_of_birth": "1991-03-07",
                    "identifiers": [{"system": "nhi", "value": "ZZZ0016"}],
                    "contact_points": [
                        {
                            "channel": "phone",
                            "value": "021 000 111",
                            "safety": "safe",
                            "windows": [
                                {
                                    "days": ["monday", "friday"],
                                    "starts": "21:00",
                                    "ends": "23:00",
                                }
                            ],
                            "duress_word": "tūī",
                        }
                    ],
                },
                {"role": "person_using_violence", "given_name": "John"},
            ],
        )
    )


async def test_what_is_wrong_is_named_by_line_and_column_and_spoils_no_other(
    running: Running,
) -> None:
    wrong = {
        "occurred_at": SECRET,
        "person3.date_of_birth": "2020-01-01",
        "answer.injury": SECRET,
    }
    content = file(
        {**MERE, "person3.date_of_birth": ""}, {**MERE, **wrong, "reference": "P-2"}
    )

    answer = await sends(running, content)

    good, bad = results(answer)
    assert good["status"] == "accepted"
    assert (bad["line"], bad["status"]) == ("4", "refused")
    columns = list(MERE)
    for name in ("occurred_at", "answer.injury"):
        assert f"column {columns.index(name) + 1} ({name})" in bad["columns"]
    assert SECRET not in answer.text


async def test_whoever_is_too_young_is_named_by_their_own_column(
    running: Running,
) -> None:
    row = {**MERE, "person3.date_of_birth": "2020-01-01"}

    [bad] = results(await sends(running, file(row)))

    number = list(row).index("person3.date_of_birth") + 1
    assert f"column {number} (person3.date_of_birth): too young" in bad["columns"]


async def test_a_row_without_a_reference_or_too_long_is_refused(
    running: Running,
) -> None:
    content = file({**MERE, "reference": ""}) + b"," * len(MERE) + b"more\r\n"

    first, second = results(await sends(running, content))

    assert first["problem"].startswith("An Idempotency-Key or the agency's own")
    assert second["problem"].startswith("The line has more cells")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "Line 1: there are no headings."),
        (b"\n\n", "Line 1: there are no headings."),
        (SECRET.encode(), "Line 1, column 1: this heading is not known."),
        (
            b"reference,Sentinelname\n",
            "Line 1, column 2: this heading is not known.",
        ),
        (b"reference,reference\n", "Line 1, column 2: this heading stands twice."),
        (b"reference\nok\n\xff\n", "Line 3: this is not UTF-8."),
        (b'reference\n"Sentinelname', "Line 2: the quotes do not match."),
        (b'reference\n"a"b\n', "Line 2: the quotes do not match."),
        (
            b"reference" + b"," * MOST_COLUMNS,
            f"Line 1: there are more than {MOST_COLUMNS} columns.",
        ),
    ],
)
async def test_a_file_that_is_no_sheet_is_refused_as_a_whole(
    running: Running, content: bytes, detail: str
) -> None:
    answer = await sends(running, content)

    assert answer.status_code == 422
    assert answer.json()["detail"] == detail
    assert await running.referrals.documents.count_documents({}) == 0


def test_a_sheet_has_so_many_rows_and_no_more() -> None:
    most = sheet.MOST_ROWS
    assert len(sheet.read(b"reference\n" + b"a\n" * most)) == most
    with pytest.raises(BadSheet):
        sheet.read(b"reference\n" + b"a\n" * (most + 1))


async def test_no_cell_of_the_results_is_a_formula(running: Running) -> None:
    formula = '=HYPERLINK("https://example.org")'

    [result] = results(await sends(running, file({**MERE, "reference": formula})))

    assert result["reference"] == f"'{formula}"


@given(st.text(max_size=20))
def test_what_is_written_begins_no_formula_and_reads_the_same(text: str) -> None:
    line = sheet.written([text, "end"])

    [[cell, end]] = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert end == "end"
    assert cell in (text, f"'{text}")
    assert not cell.strip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert inert(cell) == cell


@given(st.binary(max_size=200))
def test_any_bytes_are_a_sheet_or_are_refused(content: bytes) -> None:
    try:
        rows = sheet.read(content)
    except BadSheet:
        return
    assert all(isinstance(row, Row) for _, row in rows)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "reference": st.text(min_size=1).filter(str.strip),
                "narrative": st.text(),
                "person2.given_name": st.text(),
            }
        ),
        max_size=5,
    )
)
def test_every_row_is_read_as_it_was_written(rows: list[dict[str, str]]) -> None:
    read = sheet.read(file(*rows)) if rows else []

    assert [row.fields().get("reference") for _, row in read] == [
        each["reference"].strip() for each in rows
    ]


def test_a_wrong_field_without_a_column_has_none() -> None:
    row = Row(("reference",), ("a",))

    assert row.column(WrongField(pointer="/people", rule="missing")) is None


async def test_the_template_is_served_and_stands_in_the_documentation(
    running: Running,
) -> None:
    answer = await running.http.get(
        "/v1/referrals/batch/template", headers=running.bearer()
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content == TEMPLATE.read_bytes()
    assert sheet.read(answer.content) == []
    assert answer.text == sheet.template(POLICY.questions)
