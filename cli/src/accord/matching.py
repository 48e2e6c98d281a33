"""How well a locality's own people would be matched, measured on a file of them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from referrals.domain.matching.evaluating import (
    Figures,
    at_thresholds,
    judged,
    true_pairs,
)
from referrals.domain.matching.learning import Learned, TooFewRecords, learn
from referrals.domain.matching.record import FIELDS, Record, record
from referrals.domain.matching.weights import Verdict, Weights

from accord.faults import CannotGoOn

IDENTIFIER = "identifier."
"""Begins the name of a register in a mapping: ``identifier.nhi=NHI``."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was learned from a file, and how well it finds who is who in it."""

    records: int
    compared: int
    expected: float
    true: int
    weights: Weights
    at: dict[Verdict, Figures]

    def document(self) -> dict[str, Any]:
        """Give it for a machine; no value of the file is in it."""
        return {
            "records": self.records,
            "compared": self.compared,
            "expected_pairs": round(self.expected, 1),
            "true_pairs": self.true,
            "prior": self.weights.prior,
            "thresholds_bits": {
                "upper": round(self.weights.upper, 2),
                "lower": round(self.weights.lower, 2),
            },
            "linked": _document(self.at[Verdict.LINKED]),
            "linked_or_review": _document(self.at[Verdict.REVIEW]),
        }


def told(report: Report) -> list[tuple[str, Figures]]:
    """Give the figures beside what each threshold means."""
    upper, lower = report.weights.upper, report.weights.lower
    return [
        (f"linked (from {upper:+.1f} bits)", report.at[Verdict.LINKED]),
        (f"linked or review (from {lower:+.1f})", report.at[Verdict.REVIEW]),
    ]


def written(weights: Weights) -> str:
    """Write what was learned as a locality's ``matching.yaml`` has it."""
    learned = {"weights": weights.model_dump()}
    return yaml.safe_dump(learned, sort_keys=False, allow_unicode=True)


def _document(held: Figures) -> dict[str, float]:
    return {
        "pairs": held.pairs,
        "precision": held.precision,
        "recall": held.recall,
        "f1": held.f1,
    }


def evaluate(file: Path, mapping: Iterable[str], truth: str) -> Report:
    """Learn from a file's own pairs, untold, and compare what is found with the truth.

    Args:
        file: People as CSV in UTF-8, its first line the names of its columns.
        mapping: ``ours=theirs`` for each column that is compared.
        truth: The column with the true person's id; nothing is learned from it.

    Raises:
        CannotGoOn: The file cannot be read, a column is missing, or there is no pair.
    """
    columns = _columns(mapping)
    rows = _rows(file, {*columns.values(), truth})
    records = [_record(row, columns) for row in rows]
    learned = _learned(file, records)
    # Whoever has no id is of nobody else's.
    known = true_pairs([row[truth] or at for at, row in enumerate(rows)])
    return Report(
        records=len(records),
        compared=len(learned.pairs),
        expected=learned.expected,
        true=len(known),
        weights=learned.weights,
        at=at_thresholds(judged(learned, records), known),
    )


def weights_of(file: Path, mapping: Iterable[str]) -> Weights:
    """Learn from a file's own pairs alone, where nobody knows who is the same person.

    Raises:
        CannotGoOn: The file cannot be read, a column is missing, or there is no pair.
    """
    columns = _columns(mapping)
    rows = _rows(file, {*columns.values()})
    return _learned(file, [_record(row, columns) for row in rows]).weights


def _learned(file: Path, records: list[Record]) -> Learned:
    try:
        return learn(records)
    except TooFewRecords:
        raise CannotGoOn(
            f"{file} has no two records.", mend="Give it more than one line of data."
        ) from None


def _columns(mapping: Iterable[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for each in mapping:
        ours, parted, theirs = each.partition("=")
        if not parted or not theirs or not _is_field(ours):
            raise CannotGoOn(
                f"--map {each} maps nothing.",
                mend=f"Write ours=theirs; ours is one of {', '.join(FIELDS)}, "
                f"or {IDENTIFIER}REGISTER.",
            )
        columns[ours] = theirs
    return columns


def _is_field(name: str) -> bool:
    return name in FIELDS or (name.startswith(IDENTIFIER) and name != IDENTIFIER)


def _rows(file: Path, needed: set[str]) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, skipinitialspace=True, restval="")
            missing = sorted(needed - set(reader.fieldnames or ()))
            rows = [] if missing else list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        # The texts of two of these quote the file.
        raise CannotGoOn(
            f"{file} cannot be read ({type(wrong).__name__}).",
            mend="It has to be CSV in UTF-8.",
        ) from None
    if missing:
        raise CannotGoOn(f"{file} has no column {', '.join(missing)}.")
    return rows


def _record(row: dict[str, str], columns: dict[str, str]) -> Record:
    told = {ours: row[theirs] for ours, theirs in columns.items() if ours in FIELDS}
    codes = {
        ours.removeprefix(IDENTIFIER): row[theirs]
        for ours, theirs in columns.items()
        if ours.startswith(IDENTIFIER)
    }
    return record(told, codes)
