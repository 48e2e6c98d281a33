#!/usr/bin/env python3
"""Remove each protection in turn, in a copy, and demand that its tests notice.

``make mutants``. Every file of ``tests/mutants`` names a protection, the text that
holds it, the text that removes it, and the tests that must fail then. The tests run
against a copy of the tracked files, never against the tree itself; a witness inside
the test run makes sure that the copy is what was imported. A test that could not run
(an import that fails, a name that is not there) has noticed nothing, so it does not
count as failed.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = ROOT / "tests" / "mutants"
SOURCES = ("libs/*/src", "services/*/src", "cli/src")

PATIENCE = 180.0
"""Seconds that the tests of one mutant may take; a mutant that hangs survives."""

BROKEN = ("ImportError", "ModuleNotFoundError", "NameError", "SyntaxError", "TypeError")
"""What a mutant raises that only broke the code: no test has noticed anything."""

SURVIVED = 1

Text = Annotated[str, StringConstraints(min_length=1)]


class Mutant(BaseModel):
    """A protection, and how it is taken away.

    Attributes:
        promise: Which promise of RELIABILITY (a) rests on it.
        says: What the mutant removes, in a sentence.
        file: Which file holds the protection.
        replace: The text that holds it; it occurs once in the file.
        by: What stands there instead.
        tests: Every one of them must fail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    promise: Text
    says: Text
    file: Text
    replace: Text
    by: str
    tests: Annotated[tuple[Text, ...], Field(min_length=1)]

    def apply(self, tree: Path) -> None:
        """Take the protection away in a tree.

        Raises:
            ValueError: The text does not occur exactly once.
        """
        path = tree / self.file
        held = path.read_text()
        if held.count(self.replace) != 1:
            raise ValueError(f"{self.name}: its text must occur once in {self.file}.")
        path.write_text(held.replace(self.replace, self.by))


class Seen(BaseModel):
    """What became of one test.

    Attributes:
        fault: The class of what it failed with, if it failed.
    """

    test: str
    fault: str | None


def mutants_in(folder: Path) -> list[Mutant]:
    """Read every mutant, by name."""
    return [
        Mutant(name=path.stem, **yaml.safe_load(path.read_text()))
        for path in sorted(folder.glob("*.yaml"))
    ]


class Witness:
    """Stands in a test run: proves what was imported, and notes how each test ended.

    Args:
        tree: Where everything of ours must have been imported from.
        report: File to note it in, a line for each test.
    """

    def __init__(self, tree: Path, report: Path) -> None:
        self._tree = tree
        self._report = report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note a test that has passed, or what it failed with."""
        report = yield
        if report.when == "call" or report.failed:
            self._note(item.nodeid, report.when, call.excinfo)
        return report

    def _note(self, test: str, when: str, excinfo: Any) -> None:  # noqa: ANN401
        fault = excinfo and excinfo.typename
        if fault and when != "call":
            fault = f"{fault} in {when}"
        with self._report.open("a") as file:
            file.write(json.dumps({"test": test, "fault": fault}) + "\n")

    def pytest_sessionfinish(self) -> None:
        """Stop with a word if anything of ours came from elsewhere."""
        check_imported(self._tree)


def check_imported(tree: Path) -> None:
    """Make sure that every module of ours that was imported is the copy's.

    Raises:
        SystemExit: One is not, or none was imported.
    """
    ours = {each.name for pattern in SOURCES for each in tree.glob(f"{pattern}/*")}
    found = {
        name: Path(file)
        for name, module in sys.modules.items()
        if name.partition(".")[0] in ours and (file := module.__file__)
    }
    strange = [name for name, path in found.items() if not path.is_relative_to(tree)]
    if strange or not found:
        sys.exit(f"Not imported from the copy: {', '.join(strange) or 'anything'}.")


@contextmanager
def copied() -> Iterator[Path]:
    """Have a copy of the tracked files, as they are in this tree now."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    with tempfile.TemporaryDirectory(prefix="accord-mutants-") as folder:
        tree = Path(folder).resolve() / "copy"
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)
        yield tree


@contextmanager
def changed(tree: Path, mutant: Mutant) -> Iterator[None]:
    """Have a protection taken away for a while."""
    path = tree / mutant.file
    before = path.read_bytes()
    mutant.apply(tree)
    try:
        yield
    finally:
        path.write_bytes(before)


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """Have one broker and one store for all runs, as the tests find them."""
    from accord_chassis.development.backing import backing  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, backing(Path(folder)) as found:
        yield {
            "ACCORD_TEST_MONGO_URL": found.store_url,
            **(
                {
                    "ACCORD_TEST_AMQP_URL": found.amqp_url,
                    "ACCORD_TEST_MANAGEMENT_URL": found.management_url,
                }
                if found.amqp_url
                else {}
            ),
        }


def seen_in(
    tree: Path, tests: Sequence[str], given: dict[str, str]
) -> tuple[list[Seen], str]:
    """Run tests against a tree; give how each ended, and what pytest said."""
    report = tree.parent / "report"
    report.unlink(missing_ok=True)
    paths = (str(each) for pattern in SOURCES for each in tree.glob(pattern))
    # The bytecode of a changed file must never be the old file's.
    environment = {
        **os.environ,
        **given,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ACCORD_MUTANT_REPORT": str(report),
    }
    running = subprocess.Popen(
        [sys.executable, __file__, "--inside", *tests],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = running.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        said = running.communicate()[0] + f"\nNot done within {PATIENCE} s."
    lines = report.read_text().splitlines() if report.exists() else []
    return [Seen.model_validate_json(each) for each in lines], said


def inside(tests: Sequence[str]) -> int:
    """Run tests in a copy; what :func:`seen_in` starts there."""
    witness = Witness(Path.cwd(), Path(os.environ["ACCORD_MUTANT_REPORT"]))
    options = ["-q", "-p", "no:cacheprovider", "--tb=short"]
    return int(pytest.main([*options, *tests], plugins=[witness]))


def killers(mutant: Mutant, seen: Sequence[Seen]) -> list[str] | None:
    """Give what each named test failed with; nothing if one of them did not."""
    found = []
    for test in mutant.tests:
        # A test with parameters is many; one of them is enough.
        faults = [
            each.fault
            for each in seen
            if each.fault and each.test.partition("[")[0] == test.partition("[")[0]
        ]
        honest = [each for each in faults if " in " not in each and each not in BROKEN]
        if not honest:
            return None
        found.append(honest[0])
    return sorted(set(found))


def survivors(mutants: Sequence[Mutant]) -> list[str]:
    """Try every mutant, tell of each in a line, and name those that survived."""
    lived = []
    with copied() as tree, surroundings() as given:
        wanted = sorted({test for each in mutants for test in each.tests})
        before, said = seen_in(tree, wanted, given)
        if not before or any(each.fault for each in before):
            sys.exit(f"These tests must pass before anything is removed.\n{said}")
        print(f"{'mutant':34} {'promise':8} {'s':>5}  killed by")
        for mutant in mutants:
            started = time.monotonic()
            with changed(tree, mutant):
                seen, said = seen_in(tree, mutant.tests, given)
            by = killers(mutant, seen)
            took = time.monotonic() - started
            told = ", ".join(by) if by else "SURVIVED"
            print(f"{mutant.name:34} {mutant.promise:8} {took:5.1f}  {told}")
            if not by:
                lived.append(mutant.name)
                print(said)
    return lived


def main() -> int:
    """Try the mutants that are named, or all."""
    parser = argparse.ArgumentParser(description="Remove each protection in turn.")
    parser.add_argument("names", nargs="*", help="names of mutants; all if none")
    chosen = parser.parse_args().names
    found = [each for each in mutants_in(MUTANTS) if not chosen or each.name in chosen]
    if not found or (lost := set(chosen) - {each.name for each in found}):
        sys.exit(f"There is no such mutant: {', '.join(sorted(lost)) or 'none at all'}")
    started = time.monotonic()
    lived = survivors(found)
    took = time.monotonic() - started
    print(f"{len(found) - len(lived)} of {len(found)} killed in {took:.0f} s.")
    return SURVIVED if lived else 0


if __name__ == "__main__":
    sys.exit(inside(sys.argv[2:]) if sys.argv[1:2] == ["--inside"] else main())
