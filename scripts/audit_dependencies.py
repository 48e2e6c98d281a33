#!/usr/bin/env python3
"""Ask pip-audit whether a pinned dependency has a known vulnerability.

``make audit-dependencies``. Its data are public and not ours, so a machine without the
network cannot have them: then this says so in one sentence, and does not pretend.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

ROOT = Path(__file__).resolve().parent.parent

PATIENCE = 300.0

NOT_RUN = (
    "NOT AUDITED: pip-audit's data cannot be had here, so nothing is known about "
    "vulnerabilities of what requirements.lock names."
)


class Vulnerability(BaseModel):
    """A vulnerability that is known, and the versions that do not have it."""

    id: str
    fix_versions: tuple[str, ...] = ()


class Dependency(BaseModel):
    """What is known of one dependency; why nothing is, if nothing is."""

    name: str
    version: str = ""
    vulns: tuple[Vulnerability, ...] = ()
    skip_reason: str | None = None


class Report(BaseModel):
    """What pip-audit writes."""

    dependencies: tuple[Dependency, ...]


@dataclass(frozen=True)
class Verdict:
    """How ``make`` ends, and what it says."""

    status: int
    said: str


def judge(written: str) -> Verdict:
    """Tell what a report of pip-audit means.

    Args:
        written: What it wrote to its standard output, which is empty if it failed.
    """
    try:
        found = Report.model_validate_json(written)
    except ValidationError:
        return Verdict(0, NOT_RUN)
    passed_over = [each.name for each in found.dependencies if each.skip_reason]
    asked = len(found.dependencies) - len(passed_over)
    if not asked:
        return Verdict(0, NOT_RUN)
    lines = [
        f"{each.name} {each.version}: {one.id} "
        f"(mended in {', '.join(one.fix_versions) or 'no version yet'})"
        for each in found.dependencies
        for one in each.vulns
    ]
    if passed_over:
        lines.append(f"Not audited: {', '.join(passed_over)}.")
    if wrong := any(each.vulns for each in found.dependencies):
        lines.append("Move them in pyproject.toml, then: make lock.")
    else:
        lines.append(f"{asked} dependencies audited, no vulnerability is known.")
    return Verdict(int(wrong), "\n".join(lines))


def audited() -> str:
    """Have pip-audit look at what is pinned; give what it wrote."""
    command = [
        str(Path(sys.executable).with_name("pip-audit")),
        "--requirement", str(ROOT / "requirements.lock"),
        # The hashes are there, so nothing needs to be resolved or downloaded.
        "--require-hashes", "--disable-pip",
        "--format", "json",
        "--progress-spinner", "off",
    ]  # fmt: skip
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return ended.stdout


def main() -> int:
    """Audit, say what was found, and fail if anything was."""
    verdict = judge(audited())
    print(verdict.said)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
