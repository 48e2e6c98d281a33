"""What Accord is made of: pinned, hashed, listed, and looked through."""

import json
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from audit_dependencies import NOT_RUN, judge
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"

PINNED = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;\\]+)(?P<rest>.*)$"
)


def pins_in(path: Path) -> dict[str, str]:
    """Every requirement of a lock, by name, with all that stands there of it."""
    text = path.read_text().replace("\\\n", " ")
    lines = [each for each in text.splitlines() if each.strip()[:1] not in ("", "#")]
    found = [PINNED.match(each) for each in lines]
    assert all(found), "a line of the lock pins nothing"
    return {canonicalize_name(each["name"]): each["rest"] for each in found if each}


def packages() -> list[Path]:
    return [
        ROOT / "pyproject.toml",
        *ROOT.glob("libs/*/pyproject.toml"),
        *ROOT.glob("services/*/pyproject.toml"),
        ROOT / "cli" / "pyproject.toml",
    ]


@pytest.mark.parametrize("lock", [LOCK, ROOT / "deploy/image/build.txt"])
def test_everything_is_pinned_to_its_hashes_and_names_no_index(lock: Path) -> None:
    pins = pins_in(lock)

    assert pins
    for name, rest in pins.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", rest), name
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("package", packages(), ids=lambda each: each.parent.name)
def test_no_package_needs_what_is_not_pinned(package: Path) -> None:
    told = tomllib.loads(package.read_text())
    project = told.get("project", {})
    needed = [
        *project.get("dependencies", []),
        *chain(*project.get("optional-dependencies", {}).values()),
        *chain(*told.get("dependency-groups", {}).values()),
        *told.get("build-system", {}).get("requires", []),
    ]
    ours = {
        canonicalize_name(tomllib.loads(each.read_text())["project"]["name"])
        for each in packages()
    }
    known = {*ours, *pins_in(LOCK), *pins_in(ROOT / "deploy/image/build.txt")}

    names = {canonicalize_name(Requirement(each).name) for each in needed}

    assert names <= known


def test_the_list_of_parts_is_valid_and_has_every_hash(tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"

    subprocess.run(["make", "sbom", f"SBOM={path}"], cwd=ROOT, check=True)  # noqa: S607

    text = path.read_text()
    validator = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    listed: dict[str, Any] = json.loads(text)
    assert listed["specVersion"] == "1.6"
    hashed = {
        canonicalize_name(each["name"])
        for each in listed["components"]
        if any(one.get("hashes") for one in each["externalReferences"])
    }
    assert hashed == {*pins_in(LOCK)}


CLEAN = '{"dependencies": [{"name": "yes", "version": "1", "vulns": []}], "fixes": []}'
KNOWN = """{"dependencies": [
  {"name": "python-jose", "version": "3.3.0", "vulns": [
    {"id": "PYSEC-2024-232", "fix_versions": ["3.4.0"], "aliases": ["CVE-2024-33663"],
     "description": "Algorithm confusion."},
    {"id": "PYSEC-2024-233", "fix_versions": [], "aliases": [], "description": ""}]},
  {"name": "fine", "version": "2", "vulns": []}], "fixes": []}"""
SKIPPED = """{"dependencies": [
  {"name": "ours", "skip_reason": "Dependency not found on the index"},
  {"name": "fine", "version": "2", "vulns": []}], "fixes": []}"""
ALL_SKIPPED = '{"dependencies": [{"name": "ours", "skip_reason": "Not found"}]}'


@pytest.mark.parametrize(
    ("written", "status", "said"),
    [
        (CLEAN, 0, "1 dependencies audited, no vulnerability is known."),
        (KNOWN, 1, "python-jose 3.3.0: PYSEC-2024-232 (mended in 3.4.0)"),
        (KNOWN, 1, "python-jose 3.3.0: PYSEC-2024-233 (mended in no version yet)"),
        (SKIPPED, 0, "Not audited: ours."),
        (ALL_SKIPPED, 0, NOT_RUN),
        ("", 0, NOT_RUN),
        ("Traceback (most recent call last):", 0, NOT_RUN),
        ('{"dependencies": []}', 0, NOT_RUN),
    ],
)
def test_what_pip_audit_found_is_said(written: str, status: int, said: str) -> None:
    verdict = judge(written)

    assert verdict.status == status
    assert said in verdict.said
    assert (verdict.said == NOT_RUN) == (said == NOT_RUN)
