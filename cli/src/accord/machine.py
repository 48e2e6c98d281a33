"""What this machine has: Python, packages, a port, the means for a demonstration."""

import importlib.metadata
import sys
from collections.abc import Iterator

from accord_chassis.development.machine import Means, choose_broker, choose_store, look
from accord_chassis.development.process import Unavailable, is_free

from accord.catalogue import SERVICES
from accord.findings import Finding, Verdict, fail, ok, warn

OLDEST_PYTHON = (3, 11)
PORT = 8000


def look_around() -> Iterator[Finding]:
    """Look at this machine: what it has, and what a demonstration would use."""
    yield _python()
    yield _packages()
    yield _port()
    yield from _means()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        return ok("python", version)
    return fail("python", version, "Use Python 3.11 or later.")


def _packages() -> Finding:
    ours = (
        "accord",
        "accord-chassis",
        "accord-contracts",
        *(f"accord-{each}" for each in SERVICES),
    )
    versions, missing = {}, []
    for name in (*ours, "aio-pika", "fastapi", "pydantic", "pymongo"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        told = f"not installed: {', '.join(missing)}"
        return fail("packages", told, "Run `make setup`.")
    if len({versions[each] for each in ours}) > 1:
        told = ", ".join(f"{each} {versions[each]}" for each in ours)
        return warn(
            "packages", f"of different versions: {told}", "Install all of one release."
        )
    told = ", ".join(f"{k} {v}" for k, v in versions.items() if k not in ours[1:])
    return ok("packages", told)


def _port() -> Finding:
    told = "free" if is_free(PORT) else "taken: a demonstration takes the next"
    return ok(f"port {PORT}", told)


def _means() -> Iterator[Finding]:
    """Say how a demonstration would have a broker and a store on this machine."""
    offered = look()
    for what, choose in (("broker here", choose_broker), ("store here", choose_store)):
        try:
            choice = choose(offered)
        except Unavailable as fault:
            yield fail(what, "half an address", str(fault))
            continue
        verdict = Verdict.WARN if choice.means is Means.NONE else Verdict.OK
        yield Finding(what, verdict, f"{choice.means}: {choice.why}")
