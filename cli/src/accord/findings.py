"""What a doctor finds: how a thing is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing is found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"

    @property
    def code(self) -> int:
        """The command's exit code, if this is the worst that was found."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Which.
        verdict: How it is.
        told: What was found, in a phrase.
        mend: What to do about it, if anything.
    """

    what: str
    verdict: Verdict
    told: str
    mend: str = ""

    def document(self) -> dict[str, str]:
        """Give it for a machine."""
        told = {"what": self.what, "verdict": self.verdict.value, "told": self.told}
        return {**told, "mend": self.mend} if self.mend else told


def ok(what: str, told: str) -> Finding:
    """Find that something is well."""
    return Finding(what, Verdict.OK, told)


def warn(what: str, told: str, mend: str) -> Finding:
    """Find that somebody should look at something."""
    return Finding(what, Verdict.WARN, told, mend)


def fail(what: str, told: str, mend: str) -> Finding:
    """Find that something does not work."""
    return Finding(what, Verdict.FAIL, told, mend)


def worst(findings: list[Finding]) -> Verdict:
    """Give the worst verdict."""
    return max((each.verdict for each in findings), key=lambda each: each.code)
