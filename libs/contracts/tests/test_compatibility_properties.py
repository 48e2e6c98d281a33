"""Every change that one can think of: the allowed are accepted, the others refused.

Contracts are made at random and changed in one place, in one way. An accepted change is
tried out: each side must understand what the other sends.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import pytest
from accord_contracts.compatibility import Schema, incompatibilities
from accord_contracts.message import Code, Id
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
)


class Short(StrEnum):
    """A closed scale."""

    LOW = "low"
    HIGH = "high"


class Long(StrEnum):
    """The same with one more."""

    LOW = "low"
    HIGH = "high"
    TOP = "top"


@dataclass(frozen=True)
class Kind:
    """What a field may hold: its annotation, its default and some values in JSON."""

    annotation: Any
    default: Any
    values: st.SearchStrategy[Any]


AN_ID = "0190f000-0000-4000-8000-000000000000"
KINDS = {
    "id": Kind(Id, AN_ID, st.uuids().map(str)),
    "text": Kind(str, "a", st.text("abc", max_size=3)),
    "code": Kind(Code, "a", st.from_regex(r"\A[a-z][a-z0-9_]{0,9}\Z")),
    "short_code": Kind(
        Annotated[str, StringConstraints(pattern=r"^[a-z]{1,3}$")],
        "a",
        st.from_regex(r"\A[a-z]{1,3}\Z"),
    ),
    "time": Kind(
        AwareDatetime,
        datetime(2026, 7, 4, tzinfo=UTC),
        st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
            datetime.isoformat
        ),
    ),
    "claim": Kind(bool, False, st.booleans()),
    "count": Kind(Annotated[int, Field(ge=0, le=9)], 1, st.integers(0, 9)),
    "more": Kind(Annotated[int, Field(ge=0, le=99)], 1, st.integers(0, 99)),
    "from_one": Kind(Annotated[int, Field(ge=1, le=9)], 1, st.integers(1, 9)),
    "measure": Kind(Annotated[float, Field(ge=0)], 1.0, st.floats(0, 1e6)),
    "short": Kind(Short, Short.LOW, st.sampled_from(Short)),
    "long": Kind(Long, Long.LOW, st.sampled_from(Long)),
    "answers": Kind(
        Annotated[dict[Code, Short], Field(max_length=9)],
        {},
        st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(Short)),
    ),
    "long_answers": Kind(
        Annotated[dict[Code, Long], Field(max_length=9)],
        {},
        st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(Long)),
    ),
}
"""Kinds of which none may take another's place within a version."""

SWAPS = [
    (one, other)
    for family in (
        ("text", "short", "long"),
        ("text", "code", "short_code"),
        ("id", "text", "time"),
        ("count", "more", "from_one", "measure"),
        ("answers", "long_answers"),
        ("claim", "count", "text"),
    )
    for one in family
    for other in family
    if one != other
]
"""Kinds that differ by little: a check that lets anything pass lets these pass."""


@dataclass(frozen=True)
class Slot:
    """A field: what it holds, how often, and whether it may be left out."""

    holds: "str | Group"
    how: str = "one"
    optional: bool = False


@dataclass(frozen=True)
class Group:
    """The fields of an object."""

    slots: tuple[tuple[str, Slot], ...]


def model_of(group: Group) -> type[BaseModel]:
    """Make the model as somebody would have written it."""
    strict = ConfigDict(frozen=True, strict=True, extra="forbid")
    fields: dict[str, Any] = {name: field_of(slot) for name, slot in group.slots}
    return create_model("Thing", __config__=strict, **fields)


def field_of(slot: Slot) -> tuple[Any, Any]:
    one, default = one_of(slot.holds)
    annotation, usual = {
        "one": (one, default),
        "many": (Annotated[tuple[one, ...], Field(max_length=3)], ()),  # type: ignore[valid-type]
        "maybe": (one | None, None),
    }[slot.how]
    return annotation, usual if slot.optional else ...


def one_of(holds: str | Group) -> tuple[Any, Any]:
    """What one value looks like, and one that may be its default."""
    if not isinstance(holds, Group):
        return KINDS[holds].annotation, KINDS[holds].default
    model = model_of(holds)
    value = {name: default_of(slot) for name, slot in holds.slots}
    return model, model.model_validate(value)


def default_of(slot: Slot) -> object:
    return {"one": one_of(slot.holds)[1], "many": (), "maybe": None}[slot.how]


def schema_of(group: Group) -> Schema:
    schema = model_of(group).model_json_schema()
    return {**schema, "$id": "urn:accord:schema:thing.changed.v1"}


NAMES = st.sampled_from(["a", "b", "c", "d"])


def slots_of(holding: st.SearchStrategy[Any]) -> st.SearchStrategy[Slot]:
    hows = st.sampled_from(["one", "many", "maybe"])
    return st.builds(Slot, holding, hows, st.booleans())


PLAIN = slots_of(st.sampled_from(sorted(KINDS)))


def groups_of(slots: st.SearchStrategy[Slot]) -> st.SearchStrategy[Group]:
    fields = st.dictionaries(NAMES, slots, min_size=1, max_size=3)
    return fields.map(lambda each: Group(tuple(each.items())))


GROUPS = groups_of(PLAIN | slots_of(groups_of(PLAIN)))


@st.composite
def instances(draw: st.DrawFn, group: Group) -> dict[str, Any]:
    """What somebody might send: every field that is required, and some others."""
    found = {}
    for name, slot in group.slots:
        if slot.optional and draw(st.booleans()):
            continue
        one = (
            instances(slot.holds)
            if isinstance(slot.holds, Group)
            else KINDS[slot.holds].values
        )
        how = {"one": one, "many": st.lists(one, max_size=3), "maybe": st.none() | one}
        found[name] = draw(how[slot.how])
    return found


@dataclass(frozen=True)
class Change:
    """A contract before and after, and the path of the field that changed."""

    old: Group
    new: Group
    path: str

    def within(self, outer: Group, name: str) -> "Change":
        """The same change in an object that a field of another contract holds."""
        slot = dict(outer.slots)[name]
        return Change(
            with_slot(outer, name, replace(slot, holds=self.old)),
            with_slot(outer, name, replace(slot, holds=self.new)),
            f"{name}{'[]' if slot.how == 'many' else ''}.{self.path}",
        )


@st.composite
def changes(
    draw: st.DrawFn, of: Callable[[Group], st.SearchStrategy[Change]]
) -> Change:
    """Change one field of a contract, or of an object within it."""
    outer = draw(GROUPS)
    groups = {n: s.holds for n, s in outer.slots if isinstance(s.holds, Group)}
    if draw(st.booleans()) and groups:
        name = draw(st.sampled_from(sorted(groups)))
        return draw(of(groups[name])).within(outer, name)
    return draw(of(outer))


def with_slot(group: Group, name: str, slot: Slot) -> Group:
    return Group(tuple((dict(group.slots) | {name: slot}).items()))


@st.composite
def additions(draw: st.DrawFn, group: Group) -> Change:
    """The one change that is allowed, and a new order of the fields besides."""
    slot = replace(draw(PLAIN), optional=True)
    slots = with_slot(group, "added", slot).slots
    return Change(group, Group(tuple(draw(st.permutations(slots)))), "added")


def breaches(group: Group) -> st.SearchStrategy[Change]:
    """Any other change."""
    return st.one_of(swaps(group), turns(group), losses(group), demands(group))


@st.composite
def swaps(draw: st.DrawFn, group: Group) -> Change:
    """A field holds another kind."""
    name, slot = draw(st.sampled_from(group.slots))
    one, other = draw(st.sampled_from(SWAPS))
    return Change(
        with_slot(group, name, replace(slot, holds=one)),
        with_slot(group, name, replace(slot, holds=other)),
        name,
    )


@st.composite
def turns(draw: st.DrawFn, group: Group) -> Change:
    """A field becomes a list or none, may be null or not, or may be left out or not."""
    name, slot = draw(st.sampled_from(group.slots))
    hows = ["one", "many", "maybe"]
    choices = [replace(slot, how=each) for each in hows if each != slot.how]
    choices.append(replace(slot, optional=not slot.optional))
    return Change(group, with_slot(group, name, draw(st.sampled_from(choices))), name)


@st.composite
def losses(draw: st.DrawFn, group: Group) -> Change:
    """A field is gone."""
    lost, _ = draw(st.sampled_from(group.slots))
    kept = tuple((name, slot) for name, slot in group.slots if name != lost)
    return Change(group, Group(kept), lost)


@st.composite
def demands(draw: st.DrawFn, group: Group) -> Change:
    """A field is added that must be there."""
    slot = replace(draw(PLAIN), optional=False)
    return Change(group, with_slot(group, "added", slot), "added")


Checker = Callable[[Schema, Schema], list[str]]

THOROUGH = settings(deadline=None, max_examples=150)
QUICK = settings(
    deadline=None,
    derandomize=True,
    max_examples=1000,
    phases=[Phase.generate],
)


def passes_allowed(change: Change, check: Checker) -> None:
    assert check(schema_of(change.old), schema_of(change.new)) == []


def passes_forbidden(change: Change, check: Checker) -> None:
    told = check(schema_of(change.old), schema_of(change.new))

    field = rf"Field {re.escape(change.path)}(\[\]|\.\*)* of thing.changed.v1 "
    assert any(re.match(field, each) for each in told)
    assert all("thing.changed.v2 beside v1" in each for each in told)


@THOROUGH
@given(changes(additions))
def test_any_added_field_with_a_default_is_accepted(change: Change) -> None:
    passes_allowed(change, incompatibilities)


@THOROUGH
@given(changes(breaches))
def test_any_other_change_is_refused(change: Change) -> None:
    passes_forbidden(change, incompatibilities)


@THOROUGH
@given(changes(additions), st.data())
def test_both_sides_of_an_accepted_change_understand_each_other(
    change: Change, data: st.DataObject
) -> None:
    old, new = model_of(change.old), model_of(change.new)
    before = old.model_validate(data.draw(instances(change.old)), strict=False)
    after = new.model_validate(data.draw(instances(change.new)), strict=False)

    read_by_new = new.model_validate_json(before.model_dump_json(), extra="ignore")
    read_by_old = old.model_validate_json(after.model_dump_json(), extra="ignore")

    assert holds(read_by_new.model_dump(), before.model_dump())
    assert holds(after.model_dump(), read_by_old.model_dump())


def holds(more: object, less: object) -> bool:
    """Whether everything that ``less`` says is also said by ``more``."""
    if isinstance(less, dict) and isinstance(more, dict):
        return all(key in more and holds(more[key], less[key]) for key in less)
    if isinstance(less, tuple) and isinstance(more, tuple):
        return len(more) == len(less) and all(map(holds, more, less))
    return more == less


SPOKEN = [
    "was removed",
    "without a default",
    "changed from",
    "may now be null",
    "may no longer be null",
    "has the new value",
    "lost the value",
    "became required",
    "became optional",
    "lower limit",
    "upper limit",
    "another pattern",
    "became a closed",
    "was a closed",
]


@pytest.mark.parametrize("forgotten", SPOKEN)
def test_a_rule_that_were_forgotten_would_be_missed(forgotten: str) -> None:
    def forgetful(old: Schema, new: Schema) -> list[str]:
        told = incompatibilities(old, new)
        return [each for each in told if forgotten not in each]

    @QUICK
    @given(changes(breaches))
    def check(change: Change) -> None:
        passes_forbidden(change, forgetful)

    with pytest.raises(AssertionError):
        check()


def test_a_check_that_refuses_everything_would_be_noticed() -> None:
    @QUICK
    @given(changes(additions))
    def check(change: Change) -> None:
        passes_allowed(change, lambda _, __: ["No."])

    with pytest.raises(AssertionError):
        check()
