"""Whatever is done to the audit log is found, and where it begins."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from accord_chassis.entries import (
    NOTHING,
    OPENED,
    Head,
    Keys,
    canonical,
    decoded,
    entry_id,
    place_in_chain,
    recorded,
)
from accord_chassis.testing import AUDIT_KEY, NOON
from accord_chassis.verification import (
    Anchors,
    Fault,
    Finding,
    Report,
    Verifier,
    anchors_in,
)
from bson.code import Code
from bson.int64 import Int64
from chassis_audit import entry
from hypothesis import given
from hypothesis import strategies as st

Document = dict[str, Any]

KEYS = Keys(AUDIT_KEY)
STRANGER = Keys("a key that somebody made up for himself")

FIRST, SECOND = "risk/20261102T120000000-00000000000a", "risk/20261103T120000000-0b0b0b"
SECOND = f"{SECOND}0b0b0b"
THIRD = "notify/20261104T120000000-0c0c0c0c0c0c"


def sealed(document: Document, keys: Keys = KEYS) -> Document:
    return {**document, "hash": keys.seal(document)}


def chain(name: str, length: int, *, after: Document | None = None) -> list[Document]:
    """A chain as a service writes it: its beginning, and entries, each another."""
    opening: Document = {"_id": entry_id(name, 0), "at": NOON, "action": OPENED}
    if after:
        opening["after"] = after["_id"]
    previous = after["hash"] if after else NOTHING
    made = [sealed({**opening, "previous": previous})]
    for seq in range(1, length):
        told = entry(subject=f"somebody-{seq}").document()
        at = NOON + timedelta(seconds=seq)
        linked = {"_id": entry_id(name, seq), "at": at, **told}
        made.append(sealed({**linked, "previous": made[-1]["hash"]}))
    return made


def rewritten(documents: Iterable[Document], since: int, **changed: Any) -> None:
    """Change an entry as somebody would who holds the key: with all that follows."""
    held = list(documents)
    held[since].update(changed)
    for before, each in zip([None, *held], held, strict=False):
        if before is not None and place(each)[1] >= since:
            each["previous"] = before["hash"]
            each["hash"] = KEYS.seal(each)
        elif place(each)[1] == since:
            each["hash"] = KEYS.seal(each)


def place(document: Document) -> tuple[str, int]:
    found = place_in_chain(document["_id"])
    assert found
    return found


def head(document: Document) -> Head:
    return Head(*place(document), document["hash"])


def anchored(*documents: Document) -> Anchors:
    heads: dict[str, dict[int, frozenset[bytes]]] = {}
    for each in map(head, documents):
        heads.setdefault(each.chain, {})[each.seq] = frozenset({each.hash})
    return Anchors(heads)


def examine(
    documents: Iterable[Document], anchors: Anchors | None = None, keys: Keys = KEYS
) -> Report:
    """Verify what a store would hold."""
    verifier = Verifier(keys, anchors or Anchors())
    held = sorted(documents, key=lambda each: str(each["_id"]))
    for each in held:
        verifier.take(bson.encode(each))
    return verifier.close(
        {each["_id"]: each["hash"] for each in held if each["_id"] in verifier.links}
    )


def found(report: Report) -> set[tuple[str, int, Fault]]:
    return {(each.chain, each.seq, each.fault) for each in report.findings}


@dataclass(frozen=True)
class Log:
    """Three chains of ten entries; the second names the end of the first."""

    chains: Mapping[str, list[Document]]

    @property
    def documents(self) -> list[Document]:
        return [each for held in self.chains.values() for each in held]


@pytest.fixture
def log() -> Log:
    return whole()


def whole() -> Log:
    first = chain(FIRST, 10)
    return Log(
        {
            FIRST: first,
            SECOND: chain(SECOND, 10, after=first[-1]),
            THIRD: chain(THIRD, 10),
        }
    )


def test_a_whole_log_is_in_order(log: Log) -> None:
    anchors = anchored(log.chains[SECOND][6], log.chains[THIRD][9])

    report = examine(log.documents, anchors)

    assert report == Report(chains=3, entries=30, anchored=17, findings=())


def edit(log: Log) -> None:
    log.chains[FIRST][4]["subject"] = "somebody else"


def edit_and_seal_with_another_key(log: Log) -> None:
    held = log.chains[FIRST]
    held[4] = sealed({**held[4], "subject": "somebody else"}, STRANGER)


def hide_from_queries(log: Log) -> None:
    held = log.chains[FIRST][4]
    held["case_id"] = Code(held["case_id"])


def add_a_field(log: Log) -> None:
    log.chains[FIRST][4]["note"] = "something"


def take_a_field_away(log: Log) -> None:
    del log.chains[FIRST][4]["fields"]


def delete(log: Log) -> None:
    del log.chains[FIRST][4]


def delete_the_beginning(log: Log) -> None:
    del log.chains[FIRST][0]


def insert(log: Log) -> None:
    """Make room, as the ids ask for it, and put an entry there."""
    held = log.chains[FIRST]
    for each in held[4:]:
        name, seq = place(each)
        each["_id"] = entry_id(name, seq + 1)
    held.insert(4, {**held[3], "_id": entry_id(FIRST, 4), "previous": held[3]["hash"]})


def swap(log: Log) -> None:
    held = log.chains[FIRST]
    held[4]["_id"], held[5]["_id"] = held[5]["_id"], held[4]["_id"]


def add_to_the_end(log: Log) -> None:
    held = log.chains[THIRD]
    held.append({**held[9], "_id": entry_id(THIRD, 10), "previous": held[9]["hash"]})


def cut_off_the_end(log: Log) -> None:
    del log.chains[FIRST][7:]


def cut_off_the_anchored_end(log: Log) -> None:
    del log.chains[THIRD][7:]


def drop_a_chain(log: Log) -> None:
    log.chains[FIRST].clear()


def drop_an_anchored_chain(log: Log) -> None:
    log.chains[THIRD].clear()


def rewrite_with_the_key(log: Log) -> None:
    rewritten(log.chains[THIRD], 4, subject="somebody else")


def rewrite_one_entry_with_the_key(log: Log) -> None:
    held = log.chains[THIRD]
    held[6] = sealed({**held[6], "subject": "somebody else"})


def rewrite_one_entry_after_an_anchor_with_the_key(log: Log) -> None:
    held = log.chains[THIRD]
    held[4] = sealed({**held[4], "previous": held[2]["hash"]})


def rewrite_with_the_key_before_the_next_chain(log: Log) -> None:
    rewritten(log.chains[FIRST], 9, subject="somebody else")


def drop_and_begin_anew_with_the_key(log: Log) -> None:
    log.chains[THIRD][:] = chain(THIRD, 3)


def put_something_else_there(log: Log) -> None:
    log.chains[THIRD].append({"_id": "something else"})


@pytest.mark.parametrize(
    ("harm", "where", "seq", "fault"),
    [
        (edit, FIRST, 4, Fault.ALTERED),
        (edit_and_seal_with_another_key, FIRST, 4, Fault.ALTERED),
        (hide_from_queries, FIRST, 4, Fault.ALTERED),
        (add_a_field, FIRST, 4, Fault.ALTERED),
        (take_a_field_away, FIRST, 4, Fault.ALTERED),
        (delete, FIRST, 4, Fault.MISSING),
        (delete_the_beginning, FIRST, 0, Fault.MISSING),
        (insert, FIRST, 4, Fault.ALTERED),
        (swap, FIRST, 4, Fault.ALTERED),
        (add_to_the_end, THIRD, 10, Fault.ALTERED),
        (cut_off_the_end, FIRST, 7, Fault.CUT_OFF),
        (cut_off_the_anchored_end, THIRD, 7, Fault.CUT_OFF),
        (drop_a_chain, FIRST, 0, Fault.GONE),
        (drop_an_anchored_chain, THIRD, 0, Fault.GONE),
        # The anchors vouch for the first four.
        (rewrite_with_the_key, THIRD, 4, Fault.REWRITTEN),
        (rewrite_one_entry_with_the_key, THIRD, 6, Fault.REWRITTEN),
        (rewrite_one_entry_after_an_anchor_with_the_key, THIRD, 4, Fault.REWRITTEN),
        (rewrite_with_the_key_before_the_next_chain, FIRST, 9, Fault.REWRITTEN),
        (drop_and_begin_anew_with_the_key, THIRD, 3, Fault.CUT_OFF),
        (put_something_else_there, "", 1, Fault.UNKNOWN),
    ],
)
def test_whatever_is_done_is_found_where_it_begins(
    log: Log, harm: Callable[[Log], None], where: str, seq: int, fault: Fault
) -> None:
    anchors = anchored(log.chains[THIRD][3], log.chains[THIRD][9])

    harm(log)

    assert found(examine(log.documents, anchors)) == {(where, seq, fault)}


def test_without_the_key_nothing_can_be_vouched_for(log: Log) -> None:
    report = examine(log.documents, keys=STRANGER)

    assert found(report) == {(each, 0, Fault.ALTERED) for each in log.chains}


def test_a_later_chain_of_the_key_holder_does_not_excuse_a_rewritten_one(
    log: Log,
) -> None:
    rewritten(log.chains[FIRST], 9, subject="somebody else")
    # It names the new end, as though the other that names the old one were wrong.
    later = "risk/20261105T120000000-0d0d0d0d0d0d"
    log.chains[THIRD].extend(chain(later, 2, after=log.chains[FIRST][9]))

    assert (FIRST, 9, Fault.REWRITTEN) in found(examine(log.documents))


def test_two_chains_may_name_the_same_end(log: Log) -> None:
    replica = "risk/20261103T120000000-0e0e0e0e0e0e"
    log.chains[THIRD].extend(chain(replica, 2, after=log.chains[FIRST][9]))

    assert not examine(log.documents).findings


def test_a_field_that_stands_there_twice_is_found(log: Log) -> None:
    one = log.chains[FIRST][4]
    first = bson.encode({"_id": one["_id"], "case_id": "another"})
    # A query goes by the first, whoever reads it by the last.
    body = first[4:-1] + bson.encode({n: v for n, v in one.items() if n != "_id"})[4:]
    twice = (len(body) + 4).to_bytes(4, "little") + body

    document, exact = decoded(twice)

    assert document == one
    assert not exact
    assert not recorded(twice, KEYS).intact


@pytest.mark.parametrize(
    "harm",
    [
        {"subject": 7},
        {"at": "noon"},
        {"at": Int64(7)},
        {"fields": "identity"},
        {"fields": [{"identity": "x"}]},
        {"hash": "none"},
        {"previous": None},
    ],
)
def test_what_nobody_could_have_written_is_read_and_said_to_be_altered(
    log: Log, harm: Document
) -> None:
    log.chains[FIRST][4].update(harm)

    read = recorded(bson.encode(log.chains[FIRST][4]), KEYS)

    assert not read.intact
    assert read.entry.action == "plan.read"
    assert found(examine(log.documents)) >= {(FIRST, 4, Fault.ALTERED)}


def test_what_is_no_text_stops_no_verification(log: Log) -> None:
    stored = bson.encode(log.chains[FIRST][4]).replace(b"somebody-4", b"somebody\xff4")
    verifier = Verifier(KEYS, Anchors())

    for each in log.chains[FIRST][:4]:
        verifier.take(bson.encode(each))
    verifier.take(stored)

    assert found(verifier.close({})) == {(FIRST, 4, Fault.ALTERED)}


def test_different_entries_never_have_the_same_canonical_form() -> None:
    one = canonical({"a": "x", "b": 'y","c":"z'})
    other = canonical({"a": "x", "b": "y", "c": "z"})

    assert one != other
    assert canonical({"b": "y", "a": "x"}) == b'{"a":"x","b":"y"}'


HARMS = ("edit", "delete", "insert", "cut off", "drop", "rewrite")


@given(
    harm=st.sampled_from(HARMS),
    name=st.sampled_from((FIRST, SECOND, THIRD)),
    seq=st.integers(0, 9),
    text=st.text(min_size=1, max_size=8),
)
def test_any_harm_to_a_log_with_anchored_ends_is_found_no_later_than_it_begins(
    harm: str, name: str, seq: int, text: str
) -> None:
    log = whole()
    anchors = anchored(*(each[-1] for each in log.chains.values()))
    held = log.chains[name]

    match harm:
        case "edit":
            field = "issuer" if seq else "action"
            held[seq][field] = f"{held[seq][field]}{text}"
        case "delete":
            del held[seq]
        case "insert":
            forged = sealed({**held[seq], "_id": entry_id(name, 10)}, STRANGER)
            held.append({**forged, "previous": held[9]["hash"]})
            seq = 10
        case "cut off":
            del held[seq:]
        case "drop":
            held.clear()
            seq = 0
        case "rewrite":
            field = "issuer" if seq else "request_id"
            rewritten(held, seq, **{field: f"forged {text}"})

    report = examine(log.documents, anchors)
    firsts = {each.chain: each.seq for each in report.findings}
    assert name in firsts
    # Where only the last entry is anchored, nothing vouches for a rewritten chain.
    assert firsts[name] == (0 if harm == "rewrite" else seq)
    others = {each for each in log.chains if each != name}
    assert not others & set(firsts)


def lines(folder: Path, *told: Mapping[str, Any] | str) -> None:
    text = [each if isinstance(each, str) else json.dumps(each) for each in told]
    (folder / "risk.ndjson").write_text("\n".join(text) + "\n", "utf-8")


def line(document: Document, keys: Keys = KEYS) -> Document:
    told, at = head(document), "2026-11-02T12:00:00.000+00:00"
    return {
        "chain": told.chain,
        "seq": told.seq,
        "hash": told.hash.hex(),
        "at": at,
        "signature": keys.sign(told, at),
    }


def test_anchors_are_read_from_files_and_from_an_excerpt_of_a_log(
    log: Log, tmp_path: Path
) -> None:
    first, second = log.chains[FIRST][3], log.chains[FIRST][8]
    (tmp_path / "notes.txt").write_text("nothing of ours", "utf-8")
    lines(tmp_path, line(first), {"event": "audit.anchored", **line(second)})

    anchors = anchors_in(tmp_path, KEYS)

    assert anchors == anchored(first, second)


@pytest.mark.parametrize(
    "forge",
    [
        lambda told: {**told, "seq": told["seq"] + 1},
        lambda told: {**told, "hash": "00" * 32},
        lambda told: {**told, "at": "2026-11-03T12:00:00.000+00:00"},
        lambda told: {**told, "chain": SECOND},
        lambda told: {**told, "seq": "3"},
        lambda _: {"event": "service.started"},
        lambda told: [told],
        lambda _: "{",
        lambda told: {**told, "signature": 7},
    ],
)
def test_an_anchor_that_is_not_ours_is_told(
    log: Log, tmp_path: Path, forge: Callable[[Document], Any]
) -> None:
    lines(tmp_path, line(log.chains[FIRST][3]), forge(line(log.chains[FIRST][4])))

    anchors = anchors_in(tmp_path, KEYS)

    assert anchors.findings == (Finding("risk.ndjson", 2, Fault.FORGED),)
    assert anchors.heads == anchored(log.chains[FIRST][3]).heads


def test_a_line_that_the_key_holder_adds_to_the_anchors_excuses_nothing(
    log: Log, tmp_path: Path
) -> None:
    old = line(log.chains[THIRD][9])
    rewritten(log.chains[THIRD], 4, subject="somebody else")
    lines(tmp_path, old, line(log.chains[THIRD][9]))

    report = examine(log.documents, anchors_in(tmp_path, KEYS))

    assert found(report) == {(THIRD, 0, Fault.REWRITTEN)}
