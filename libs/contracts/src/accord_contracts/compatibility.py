"""What may change within a version of a contract: nothing but added fields.

Within a version only fields with defaults may be added; anything else is the next
version. Wider limits are no exception: a reader of the old form would refuse what the
new form allows. A keyword that this module has no words for counts as a change too, so
that nothing slips by because nobody thought of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

ANNOTATIONS = frozenset(
    {"$id", "$schema", "$defs", "$comment", "title", "description", "examples",
     "deprecated"}
)  # fmt: skip
"""What a schema says to people alone: free to change."""

LOWER, UPPER, LENGTH = "lower limit", "upper limit", "length or number of entries"

LIMITS = {
    "minimum": LOWER,
    "exclusiveMinimum": LOWER,
    "minLength": f"least {LENGTH}",
    "minItems": f"least {LENGTH}",
    "minProperties": f"least {LENGTH}",
    "maximum": UPPER,
    "exclusiveMaximum": UPPER,
    "maxLength": f"greatest {LENGTH}",
    "maxItems": f"greatest {LENGTH}",
    "maxProperties": f"greatest {LENGTH}",
}
LOWEST = frozenset(
    {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
)

CHOICES = ("anyOf", "oneOf", "allOf", "prefixItems")
PARTS = ("items", "propertyNames")
CLOSED = ("enum", "const")
LEAVES = ("type", "default")
FIELDS = ("properties", "required", "additionalProperties", "patternProperties")
SPOKEN_OF = ANNOTATIONS.union(LIMITS, CHOICES, PARTS, CLOSED, FIELDS, LEAVES)
"""The keywords that have rules of their own; any other may not change at all."""

NULL = {"type": "null"}


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """Say why the new form of a contract cannot have the version of the old one.

    Args:
        old: The published JSON Schema.
        new: The one generated now.

    Returns:
        Sentences that name the field and say what to do; none if all is well.
    """
    name = name_of(old)
    if name != name_of(new):
        return [_sentence(name, _Change("", f"was renamed to {name_of(new)}"))]
    comparison = _Comparison(old.get("$defs", {}), new.get("$defs", {}))
    return [_sentence(name, each) for each in comparison.changes(old, new, "")]


def incompatible_changes(
    old: Mapping[str, Schema], new: Mapping[str, Schema]
) -> list[str]:
    """Compare all contracts by name. One may go once its successor is published.

    Args:
        old: The published schemas by name.
        new: Those generated now.
    """
    found: list[str] = []
    for name, schema in old.items():
        if name in new:
            found += incompatibilities(schema, new[name])
        elif _successor(name) not in old:
            found.append(_sentence(name, _Change("", "was removed")))
    return found


def name_of(schema: Schema) -> str:
    """Give the name of a contract, which is the end of its schema's ``$id``."""
    return str(schema["$id"]).rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class _Change:
    """A change that the version cannot bear.

    Attributes:
        at: The path of the field; empty for the whole contract.
        what: What happened to it.
        mend: How it could be borne, if it could.
    """

    at: str
    what: str
    mend: str = ""


Changes = Iterator[_Change]
Pairs = frozenset[tuple[str, str]]


def _sentence(name: str, change: _Change) -> str:
    subject = f"Field {change.at} of {name}" if change.at else name
    advice = f"{change.mend}, or {_advice(name)}" if change.mend else _advice(name)
    return f"{subject} {change.what}. {advice[0].upper()}{advice[1:]}."


def _advice(name: str) -> str:
    if successor := _successor(name):
        version = name.rpartition(".")[2]
        return f"publish {successor} beside {version} for one release instead"
    return "answer the new form at a new path beside the old for one release instead"


def _successor(name: str) -> str:
    stem, _, number = name.rpartition(".v")
    return f"{stem}.v{int(number) + 1}" if stem and number.isdecimal() else ""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The definitions of two schemas, and the way through their parts."""

    old: Schema
    new: Schema

    def changes(
        self, old: Schema, new: Schema, at: str, within: Pairs = frozenset()
    ) -> Changes:
        """Go through what changed in one part, and in the parts of that.

        Args:
            old: The part as published.
            new: The part as generated now.
            at: Its path.
            within: The definitions that lead here, so that recursion ends.
        """
        was, now = _Part.of(old, self.old), _Part.of(new, self.new)
        yield from _nullability(was, now, at)
        if (was.definition, now.definition) in within:
            return
        if was.kind != now.kind:
            yield _Change(at, f"changed from {was.kind} to {now.kind}")
            return
        if was.definition and now.definition:
            within |= {(was.definition, now.definition)}
        for rule in (_values, _limits, _others):
            yield from rule(was.form, now.form, at)
        yield from self._default(was.form, now.form, at)
        for parts in (self._fields, self._keys, self._parts, self._choices):
            yield from parts(was.form, now.form, at, within)

    def _default(self, was: Schema, now: Schema, at: str) -> Changes:
        if ("default" in was) != ("default" in now) or not self._same(
            was.get("default"), now.get("default"), now
        ):
            yield _Change(at, "has another default")

    def _same(self, before: object, after: object, form: Schema) -> bool:
        """Whether a default says what it said; an added field may say more."""
        if not (isinstance(before, dict) and isinstance(after, dict)):
            return before == after
        fields = _Part.of(form, self.new).form.get("properties", {})
        return (before.keys() | fields.keys()) >= after.keys() >= before.keys() and all(
            self._same(before[key], after[key], fields.get(key, {})) for key in before
        )

    def _fields(self, was: Schema, now: Schema, at: str, within: Pairs) -> Changes:
        before, after = was.get("properties", {}), now.get("properties", {})
        for field, form in before.items():
            path = f"{at}.{field}" if at else field
            if field not in after:
                yield _Change(path, "was removed")
            elif _needed(was, field) != _needed(now, field):
                need = "required" if _needed(now, field) else "optional"
                yield _Change(path, f"became {need}")
            else:
                yield from self.changes(form, after[field], path, within)
        for field in after:
            if field not in before:
                path = f"{at}.{field}" if at else field
                yield from _added(was, now, field, path)

    def _keys(self, was: Schema, now: Schema, at: str, within: Pairs) -> Changes:
        before, after = _key_forms(was), _key_forms(now)
        if before.keys() != after.keys():
            yield _Change(at, "has keys of another pattern")
            return
        for pattern, form in before.items():
            if isinstance(form, dict) and isinstance(after[pattern], dict):
                yield from self.changes(form, after[pattern], f"{at}.*", within)
            elif form != after[pattern]:
                yield _Change(at, "treats unknown fields in another way")

    def _parts(self, was: Schema, now: Schema, at: str, within: Pairs) -> Changes:
        for part in PARTS:
            if part in was or part in now:
                old, new = was.get(part, {}), now.get(part, {})
                yield from self.changes(old, new, f"{at}[]", within)

    def _choices(self, was: Schema, now: Schema, at: str, within: Pairs) -> Changes:
        for choice in CHOICES:
            before, after = was.get(choice, []), now.get(choice, [])
            if len(before) != len(after):
                yield _Change(at, "takes other forms than before")
                return
            for old, new in zip(before, after, strict=True):
                yield from self.changes(old, new, at, within)


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a schema, with its references followed and its null set apart.

    Attributes:
        form: What it must look like when it is not null.
        nullable: Whether it may be null.
        definition: The name of the definition that it stands for, if it does.
    """

    form: Schema
    nullable: bool
    definition: str

    @classmethod
    def of(cls, form: Schema, definitions: Schema) -> "_Part":
        """Follow references until there are none."""
        nullable, definition = False, ""
        while True:
            if "$ref" in form:
                definition = form["$ref"].rpartition("/")[2]
                form = definitions[definition] | _without(form, "$ref")
            elif NULL in form.get("anyOf", ()):
                nullable = True
                rest = [each for each in form["anyOf"] if each != NULL]
                alone = rest[0] if len(rest) == 1 else {"anyOf": rest}
                form = alone | _without(form, "anyOf")
            else:
                return cls(form, nullable, definition)

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        return str(self.form.get("type", "one of several forms"))


def _without(schema: Schema, keyword: str) -> Schema:
    return {each: value for each, value in schema.items() if each != keyword}


def _nullability(was: _Part, now: _Part, at: str) -> Changes:
    if was.nullable != now.nullable:
        yield _Change(at, f"may {'now' if now.nullable else 'no longer'} be null")


def _values(was: Schema, now: Schema, at: str) -> Changes:
    """A closed scale is part of the version: no value may come or go."""
    before, after = _scale(was), _scale(now)
    if before is None or after is None:
        if before is not after:
            yield _Change(at, f"{'became' if before is None else 'was'} a closed scale")
        return
    for value in after:
        if value not in before:
            yield _Change(at, f"has the new value {value!r}")
    for value in before:
        if value not in after:
            yield _Change(at, f"lost the value {value!r}")


def _scale(schema: Schema) -> list[object] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _limits(was: Schema, now: Schema, at: str) -> Changes:
    for keyword, words in LIMITS.items():
        before, after = was.get(keyword, "none"), now.get(keyword, "none")
        if before == after:
            continue
        wider = keyword not in now or (
            keyword in was and (after < before) == (keyword in LOWEST)
        )
        how = "widened" if wider else "narrowed"
        yield _Change(at, f"had its {words} {how} from {before} to {after}")


def _others(was: Schema, now: Schema, at: str) -> Changes:
    for keyword in sorted((was.keys() | now.keys()) - SPOKEN_OF):
        if was.get(keyword) != now.get(keyword):
            yield _Change(at, f"has another {keyword}")


def _needed(schema: Schema, field: str) -> bool:
    return field in schema.get("required", ())


def _added(was: Schema, now: Schema, field: str, path: str) -> Changes:
    """A field may be added if every reader of the old form will ignore it.

    Its default must be visible, so that readers of the new form in any language know
    what its absence means.
    """
    if any(isinstance(form, dict) for form in _key_forms(was).values()):
        yield _Change(path, "was added where any key had a meaning already")
    elif _needed(now, field) or "default" not in now["properties"][field]:
        yield _Change(path, "was added without a default", mend="give it a default")


def _key_forms(schema: Schema) -> Schema:
    """Give what the values of unnamed keys look like, by pattern; ``""`` is any other.

    Whether unknown fields are refused is a boolean.
    """
    other = schema.get("additionalProperties", True)
    return {**schema.get("patternProperties", {}), "": True if other == {} else other}
