"""Every mutant says what is true of the tree, so that ``make mutants`` can try it."""

import ast
import re
from pathlib import Path

import pytest
from mutants import MUTANTS, ROOT, Mutant, Seen, check_imported, killers, mutants_in

FOUND = mutants_in(MUTANTS)


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        each.name
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("mutant", FOUND, ids=lambda each: each.name)
def test_a_mutant_fits_the_tree(mutant: Mutant) -> None:
    held = (ROOT / mutant.file).read_text()

    assert re.fullmatch(r"P\d+", mutant.promise)
    assert held.count(mutant.replace) == 1
    assert mutant.replace != mutant.by
    ast.parse(held.replace(mutant.replace, mutant.by))
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in functions_in(ROOT / path)


def test_a_mutant_changes_one_place_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text("a = 1\na = 1\n")
    twice = mutant_of(replace="a = 1")

    with pytest.raises(ValueError, match="must occur once"):
        twice.apply(tmp_path)

    mutant_of(replace="a = 1\na").apply(tmp_path)
    assert (tmp_path / "held.py").read_text() == "b = 1\n"


@pytest.mark.parametrize(
    ("fault", "noticed"),
    [
        ("AssertionError", True),
        ("Failed", True),
        (None, False),
        ("ImportError", False),
        ("NameError", False),
        ("AssertionError in setup", False),
    ],
)
def test_only_a_test_that_ran_and_failed_has_noticed(
    fault: str | None, *, noticed: bool
) -> None:
    seen = [Seen(test="test_it.py::test_a[one]", fault=fault)]

    assert (killers(mutant_of(), seen) is not None) is noticed


def test_every_named_test_must_notice() -> None:
    mutant = mutant_of(tests=("test_it.py::test_a", "test_it.py::test_b"))
    seen = [Seen(test="test_it.py::test_a", fault="AssertionError")]

    assert killers(mutant, seen) is None


def test_what_is_imported_from_elsewhere_is_noticed(tmp_path: Path) -> None:
    check_imported(ROOT)

    (tmp_path / "libs/chassis/src/accord_chassis").mkdir(parents=True)
    with pytest.raises(SystemExit, match="accord_chassis"):
        check_imported(tmp_path)


def mutant_of(
    replace: str = "a", tests: tuple[str, ...] = ("test_it.py::test_a",)
) -> Mutant:
    return Mutant(
        name="any",
        promise="P1",
        says="Anything.",
        file="held.py",
        replace=replace,
        by="b",
        tests=tests,
    )
