"""Carries out the steps of our Dockerfile without a Docker engine.

Each stage gets a folder of its own as its root. Absolute paths in the instructions are
moved under it, so the programs that run are this machine's and everything they write
stays in the folder. What is not checked this way: the base image and what the system's
packages add to it, the layers, the user.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK",
    "LABEL", "RUN", "USER", "WORKDIR",
}  # fmt: skip

# What the instructions write to; every other absolute path is the machine's own.
MOVED = re.compile(r"(?<![\w./])/(?=(?:build|opt/accord|opt/build)(?:[/\s:]|$))")


# What installs the system's packages: nothing of this machine's own is touched.
PACKAGES = "/packages "


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word, its flags, and the rest as written."""

    word: str
    flags: tuple[str, ...]
    rest: str


@dataclass(frozen=True)
class Stage:
    """The instructions from one FROM to the next."""

    name: str
    parent: str
    instructions: tuple[Instruction, ...]


@dataclass
class Built:
    """A stage that was carried out, and what its image would remember."""

    root: Path
    workdir: Path
    variables: dict[str, str] = field(default_factory=dict)
    user: str = ""
    healthcheck: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def moved(self, text: str) -> str:
        """Put the absolute paths in a text under this stage's root."""
        return MOVED.sub(f"{self.root}/", text)

    def path(self, written: str) -> Path:
        """Return where a path of the image is here."""
        absolute = self.workdir / written
        return self.root / absolute.relative_to("/")

    def environment(self) -> dict[str, str]:
        """Return the variables that a program in this image sees, paths moved."""
        machine = _outside()
        mine = {
            name: self.moved(value).replace("${PATH}", machine["PATH"])
            for name, value in self.variables.items()
        }
        return machine | mine


def read(path: Path) -> tuple[Mapping[str, str], tuple[Stage, ...]]:
    """Read a Dockerfile: the arguments before its first stage, and its stages."""
    instructions = [_instruction(line) for line in _lines(path.read_text("utf-8"))]
    first = next(n for n, each in enumerate(instructions) if each.word == "FROM")
    arguments = dict(_assignment(each.rest) for each in instructions[:first])
    stages: list[Stage] = []
    for each in instructions[first:]:
        if each.word == "FROM":
            parent, _, name = each.rest.partition(" AS ")
            stages.append(Stage(name=name, parent=parent, instructions=()))
        else:
            last = stages.pop()
            stages.append(
                Stage(last.name, last.parent, (*last.instructions, each)),
            )
    return arguments, tuple(stages)


@dataclass(frozen=True)
class Builder:
    """Builds stages in a folder from what the context may send to a builder."""

    dockerfile: Path
    context: Path
    folder: Path
    done: dict[tuple[str, str], Built] = field(default_factory=dict)

    def build(self, target: str, **arguments: str) -> Built:
        """Carry out a stage, and the stages it stands on, once for these arguments."""
        base, stages = read(self.dockerfile)
        stage = next((each for each in stages if each.name == target), None)
        if stage is None:
            _expanded(target, base)
            return Built(self.folder / "base", Path("/"), {"PATH": "${PATH}"})
        uses = any(each.word == "ARG" for each in stage.instructions)
        key = (target, json.dumps(arguments, sort_keys=True) if uses else "")
        if key not in self.done:
            self.done[key] = self._carried_out(stage, arguments)
        return self.done[key]

    def _carried_out(self, stage: Stage, arguments: Mapping[str, str]) -> Built:
        parent = self.build(stage.parent, **arguments)
        named = "-".join((stage.name, *arguments.values()))
        built = Built(
            root=self.folder / named,
            workdir=parent.workdir,
            variables=dict(parent.variables),
            user=parent.user,
        )
        if parent.root.exists():
            # Hard links: a stage adds files and replaces none of its parent's.
            shutil.copytree(
                parent.root, built.root, symlinks=True, copy_function=os.link
            )
        given: dict[str, str] = {}
        for each in stage.instructions:
            self._step(each, built, given, arguments)
        return built

    def _step(
        self,
        step: Instruction,
        built: Built,
        given: dict[str, str],
        arguments: Mapping[str, str],
    ) -> None:
        known = {**given, **built.variables}
        match step.word:
            case "ARG":
                name, may_be_left_out, usual = step.rest.partition("=")
                left_out = may_be_left_out and name not in arguments
                given[name] = usual if left_out else arguments[name]
            case "ENV":
                for each in shlex.split(step.rest):
                    name, value = _assignment(each)
                    built.variables[name] = _expanded(value, known)
            case "WORKDIR":
                built.workdir = built.workdir / step.rest
            case "COPY":
                self._copy(step, built, known, arguments)
            case "RUN" if not step.rest.startswith(PACKAGES):
                _run(step, built, given)
            case _:
                _remember(step, built)

    def _copy(
        self,
        step: Instruction,
        built: Built,
        known: Mapping[str, str],
        arguments: Mapping[str, str],
    ) -> None:
        *sources, target = _expanded(step.rest, known).split()
        to = built.path(target)
        if step.flags:
            stage = step.flags[0].removeprefix("--from=")
            found = self.build(stage, **arguments).path(sources[0])
            shutil.copytree(found, to, symlinks=True, copy_function=os.link)
            return
        ignored = ignoring(self.context / ".dockerignore")
        for source in sources:
            sent = [
                each
                for each in _files(self.context / source)
                if not ignored(each.relative_to(self.context).as_posix())
            ]
            if not sent:
                raise FileNotFoundError(f"COPY finds nothing to copy at {source}.")
            for each in sent:
                one = each == self.context / source
                inside = each.name if one else each.relative_to(self.context / source)
                (to / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(each, to / inside)


class Ignored:
    """The rules of a .dockerignore: the last one that fits a path decides."""

    def __init__(self, lines: list[str]) -> None:
        self._rules = [
            (re.compile(_pattern(each.removeprefix("!"))), not each.startswith("!"))
            for each in lines
        ]

    def __call__(self, path: str) -> bool:
        """Say whether a file of the context is kept from the builder."""
        ignored = False
        for pattern, ignores in self._rules:
            if pattern.match(path):
                ignored = ignores
        return ignored


def ignoring(path: Path) -> Ignored:
    """Read a .dockerignore."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return Ignored([line for line in lines if line and not line.startswith("#")])


def _pattern(rule: str) -> str:
    """Translate a rule; what fits a folder fits everything in it."""
    parts = re.split(r"(\*\*/|\*)", rule)
    meant = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return "".join(meant.get(each, re.escape(each)) for each in parts) + "(?:/.*)?$"


def _lines(text: str) -> list[str]:
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(kept).replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


def _instruction(line: str) -> Instruction:
    word, _, rest = line.partition(" ")
    if word not in KNOWN:
        raise ValueError(f"The Dockerfile uses {word}: teach tests/deploy about it.")
    flags = []
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
    return Instruction(word, tuple(flags), rest)


def _assignment(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _expanded(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], text)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [each for each in sorted(path.rglob("*")) if each.is_file()]


def _outside() -> dict[str, str]:
    """Return this machine's variables, less what would choose another Python."""
    python = Path(sys.base_prefix, "bin")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "ACCORD_"))
    }
    return kept | {"PATH": f"{python}:/usr/local/bin:/usr/bin:/bin"}


def _remember(step: Instruction, built: Built) -> None:
    match step.word:
        case "USER":
            built.user = step.rest
        case "CMD":
            built.command = tuple(json.loads(step.rest))
        case "ENTRYPOINT":
            built.entrypoint = tuple(json.loads(step.rest))
        case "HEALTHCHECK":
            built.healthcheck = tuple(json.loads(step.rest.removeprefix("CMD ")))


def _run(step: Instruction, built: Built, given: dict[str, str]) -> None:
    folder = built.path(".")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["/bin/sh", "-c", built.moved(step.rest)],
        cwd=folder,
        env=built.environment() | given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"RUN {step.rest}\n{done.stdout}{done.stderr}")
