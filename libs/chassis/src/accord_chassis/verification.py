"""Whether the audit log is as it was written, and from which entry on it is not.

Three witnesses are heard. The seals find an entry that was edited, inserted or taken
away. The beginning of each chain names the last entry of one before it, which finds an
end that was cut off. The anchored heads, kept where whoever rules the store has no say,
find what was cut off or written anew by somebody who holds the key.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection

from accord_chassis.audit import raw
from accord_chassis.entries import (
    NOTHING,
    OPENED,
    Document,
    Head,
    Keys,
    decoded,
    place_in_chain,
)


class Fault(StrEnum):
    """What is wrong with a chain."""

    ALTERED = "altered"
    """The entry is not as it was sealed, or none of ours."""
    MISSING = "missing"
    """The entry is not there, though later ones are."""
    CUT_OFF = "cut_off"
    """The entry is not there, though it is known that it was."""
    GONE = "gone"
    """The whole chain is not there, though it is known that it was."""
    REWRITTEN = "rewritten"
    """The seals are right, but these are not the entries that were anchored, or that
    another chain names: whoever wrote them holds the key."""
    UNKNOWN = "unknown"
    """There is a document that no chain has a place for."""
    FORGED = "forged"
    """An anchor was not signed with our key, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a chain goes wrong first.

    Attributes:
        chain: Which; for an anchor, the file's name.
        seq: The first entry that is not to be trusted, from 0; for an anchor, the line.
        fault: What is wrong.
    """

    chain: str
    seq: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a verification.

    Attributes:
        chains: How many chains there are.
        entries: How many entries, the beginnings of chains included.
        anchored: How many of the entries an anchor vouches for.
        findings: At most one for each chain.
    """

    chains: int
    entries: int
    anchored: int
    findings: tuple[Finding, ...]

    def document(self) -> dict[str, Any]:
        """Give it for a machine."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Anchors:
    """The heads that were told to somebody else.

    Attributes:
        heads: By chain and place, the hashes that were anchored: two are one too many.
        findings: Those that are none of ours.
    """

    heads: Mapping[str, Mapping[int, frozenset[bytes]]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def anchors_in(folder: Path, keys: Keys) -> Anchors:
    """Read the anchors of a folder: every ``.ndjson`` file, an excerpt of a log too.

    Raises:
        OSError: The folder or a file cannot be read.
    """
    heads: dict[str, dict[int, frozenset[bytes]]] = {}
    findings = []
    for file in sorted(folder.iterdir()):
        if file.suffix != ".ndjson":
            continue
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            head = _anchored(line, keys)
            if head is None:
                findings.append(Finding(file.name, number, Fault.FORGED))
                continue
            places = heads.setdefault(head.chain, {})
            places[head.seq] = places.get(head.seq, frozenset()) | {head.hash}
    return Anchors(heads, tuple(findings))


def _anchored(line: str, keys: Keys) -> Head | None:
    """Read an anchor, or nothing if it is none of ours."""
    try:
        told = json.loads(line)
        head = Head(told["chain"], told["seq"], bytes.fromhex(told["hash"]))
        signed = keys.sign(head, told["at"])
        return head if hmac.compare_digest(signed, told["signature"]) else None
    except (ValueError, LookupError, TypeError):
        return None


@dataclass(slots=True)
class _Chain:
    """How far a chain has been followed.

    Attributes:
        length: Entries seen, while nothing was wrong.
        hash: The last one's.
        vouched: How many entries an anchor vouches for.
        finding: What went wrong first.
    """

    length: int = 0
    hash: bytes = NOTHING
    vouched: int = 0
    finding: Finding | None = None


def _follows(chain: _Chain, document: Document) -> bool:
    """Tell whether an entry was sealed to the one before it, or begins the chain.

    What the beginning was sealed to is another chain's, and looked at in the end.
    """
    if chain.length == 0:
        return document.get("action") == OPENED
    return document.get("previous") == chain.hash


class Verifier:
    """Follows chains, entry by entry, in the order of their ids.

    Args:
        keys: What they were sealed with.
        anchors: What is known of them from elsewhere.
    """

    def __init__(self, keys: Keys, anchors: Anchors) -> None:
        self._keys = keys
        self._anchors = anchors
        self._chains: dict[str, _Chain] = {}
        self._entries = 0
        self._unknown = 0
        self.links: dict[str, set[bytes]] = {}
        """Entries that beginnings of chains name, each with the hash that it must have:
        two are one too many."""

    def take(self, stored: bytes) -> None:
        """Follow a chain by one entry."""
        self._entries += 1
        document, exact = decoded(stored)
        place = place_in_chain(document.get("_id"))
        if place is None:
            self._unknown += 1
            return
        chain, seq = place
        followed = self._chains.setdefault(chain, _Chain())
        if followed.finding is not None:
            return
        if seq > followed.length:
            self._report(chain, followed.length, Fault.MISSING)
        elif not exact or not self._keys.seals(document):
            self._report(chain, seq, Fault.ALTERED)
        elif not _follows(followed, document):
            # Both are sealed, so the key was used, and one of the two is not the first
            # that stood there: the one before, unless an anchor vouches for it.
            since = max(seq - 1, followed.vouched)
            self._report(chain, since, Fault.REWRITTEN)
        else:
            self._follow(chain, followed, document)

    def _follow(self, name: str, chain: _Chain, document: Document) -> None:
        if chain.length == 0 and "after" in document:
            wanted = self.links.setdefault(document["after"], set())
            wanted.add(document.get("previous", NOTHING))
        seq, chain.hash = chain.length, document["hash"]
        chain.length += 1
        anchored = self._anchors.heads.get(name, {}).get(seq)
        if anchored == frozenset({chain.hash}):
            chain.vouched = chain.length
        elif anchored is not None:
            # Which of the entries since the last good anchor was changed is not told.
            self._report(name, chain.vouched, Fault.REWRITTEN)

    def _report(self, chain: str, seq: int, fault: Fault) -> None:
        found = self._chains.setdefault(chain, _Chain())
        if found.finding is None or found.finding.seq > seq:
            found.finding = Finding(chain, seq, fault)

    def close(self, linked: Mapping[str, bytes]) -> Report:
        """Compare where chains end with what is known of them, and sum up.

        Args:
            linked: The hashes of the entries that ``links`` names, as far as they are
                there.
        """
        for name, wanted in self.links.items():
            self._compare_link(name, wanted, linked.get(name))
        for chain, heads in self._anchors.heads.items():
            self._compare_end(chain, max(heads))
        unknown = [Finding("", self._unknown, Fault.UNKNOWN)] if self._unknown else []
        found = [each.finding for each in self._chains.values() if each.finding]
        return Report(
            chains=sum(1 for each in self._chains.values() if each.length),
            entries=self._entries,
            anchored=sum(each.vouched for each in self._chains.values()),
            findings=(*self._anchors.findings, *unknown, *found),
        )

    def _compare_link(self, name: str, wanted: set[bytes], found: bytes | None) -> None:
        place = place_in_chain(name)
        if place is None:
            return
        if found is None:
            self._compare_end(*place)
        elif wanted != {found}:
            self._report(*place, Fault.REWRITTEN)

    def _compare_end(self, chain: str, seq: int) -> None:
        """Report a chain that ends before an entry that it is known to have had."""
        followed = self._chains.setdefault(chain, _Chain())
        if followed.finding is None and followed.length <= seq:
            fault = Fault.CUT_OFF if followed.length else Fault.GONE
            self._report(chain, followed.length, fault)


async def verify(
    entries: AsyncCollection[Document], keys: Keys, anchors: Anchors
) -> Report:
    """Follow every chain of an audit log.

    Services may go on writing: what comes while it runs may or may not be looked at.

    Args:
        entries: The log.
        keys: What it was sealed with.
        anchors: What is known of it from elsewhere, read before this begins.
    """
    verifier = Verifier(keys, anchors)
    async for each in raw(entries).find({}).sort("_id", 1):
        verifier.take(bytes(each.raw))
    linked = entries.find(
        {"_id": {"$in": list(verifier.links)}}, projection={"hash": 1}
    )
    found = {each["_id"]: each.get("hash", NOTHING) async for each in linked}
    return verifier.close(found)
