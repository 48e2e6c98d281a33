"""Each package installs alone, by the very steps of the Dockerfile."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from accord_chassis.development.backing import Backing
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.process import free_ports
from accord_chassis.testing import AUDIT_KEY, VirtualHost, eventually
from packaging.markers import Marker

from .dockerfile import Builder, Built, ignoring
from .programs import found

ROOT = Path(__file__).parents[2]
SERVICES = ("referrals", "risk", "allocation", "plans", "notify")
PROGRAMS = "opt/accord/image"

DRAINS = 30
"""Seconds; what a Pod is given to end."""

# Imports every module of a package, so that a dependency which nobody declared is
# missed. What is left out needs an extra that no image has, or starts a service.
IMPORT_ALL = """
import importlib, pkgutil, sys
left_out = {"testing", "development", "__main__"}
package = importlib.import_module(sys.argv[1])
for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if left_out.isdisjoint(each.name.split(".")):
        importlib.import_module(each.name)
assert sys.prefix.endswith("/opt/accord"), sys.prefix
"""

# Nothing of development: no installer, no test tool, and no copyleft store.
NEVER = {
    "editables", "faststream", "hatchling", "hypothesis", "mypy", "pip", "pytest",
    "ruff", "secantusdb", "setuptools", "testcontainers", "uv",
}  # fmt: skip


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return Builder(
        dockerfile=ROOT / "Dockerfile",
        context=ROOT,
        folder=tmp_path_factory.mktemp("images"),
    )


@pytest.fixture(scope="session", params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def image(builder: Builder, service: str) -> Built:
    return builder.build("service", SERVICE=service)


@pytest.fixture(scope="session")
def command(builder: Builder) -> Built:
    return builder.build("command")


def run(
    built: Built, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program as a container of this image would, but for its walls."""
    moved = [built.moved(word) for word in words]
    return subprocess.run(
        moved,
        env=built.environment() | variables,
        cwd=built.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def installed(built: Built) -> dict[str, str]:
    """Every distribution in an image, with its version."""
    found = built.root.glob("opt/accord/lib/python*/site-packages/*.dist-info")
    return dict(
        path.name.removesuffix(".dist-info").replace("_", "-").lower().rsplit("-", 1)
        for path in found
    )


def pinned(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Read a lock: of each package its version for this Python, and its hashes."""
    stanzas = re.findall(r"^(\S+)==(\S+)(.*?)(?=^\S|\Z)", path.read_text("utf-8"),
                         re.DOTALL | re.MULTILINE)  # fmt: skip
    return {
        name: (version, frozenset(re.findall(r"sha256:(\w+)", rest)))
        for name, version, rest in stanzas
        if holds_here(rest)
    }


def holds_here(rest: str) -> bool:
    """Tell whether what follows a version is meant for this Python."""
    marker = rest.partition("\\")[0].strip().removeprefix(";").strip()
    return not marker or Marker(marker).evaluate()


def test_a_service_installs_alone_and_every_module_imports(
    image: Built, service: str
) -> None:
    done = run(image, "python", "-c", IMPORT_ALL, service)

    assert done.returncode == 0, done.stderr


def test_an_image_holds_one_service_and_only_what_is_locked(
    image: Built, service: str
) -> None:
    lock = pinned(ROOT / "requirements.lock")
    held = installed(image)

    ours = {name for name in held if name.startswith("accord")}
    assert ours == {"accord-contracts", "accord-chassis", f"accord-{service}"}
    assert NEVER.isdisjoint(held)
    for name in set(held) - ours:
        assert held[name] == lock[name][0]


def test_what_a_service_may_have_besides_comes_when_it_is_asked_for(
    builder: Builder,
) -> None:
    plain = builder.build("service-builder", SERVICE="notify")
    wide = builder.build("service-builder", SERVICE="notify", EXTRA="wide")

    assert "apprise" not in installed(plain)
    assert "apprise" in installed(wide)
    assert NEVER.isdisjoint(installed(wide))


def test_the_command_line_installs_with_every_service(command: Built) -> None:
    done = run(command, "python", "-c", IMPORT_ALL, "accord")
    held = installed(command)

    assert done.returncode == 0, done.stderr
    assert {f"accord-{name}" for name in SERVICES} <= set(held)
    assert NEVER.isdisjoint(held)
    assert command.entrypoint == ("accord",)


def test_the_command_lines_image_can_prepare_a_compose_deployment(
    command: Built, tmp_path: Path
) -> None:
    prepare = ROOT / "deploy/compose/prepare.py"

    done = run(command, "python", str(prepare), str(tmp_path / "secrets"))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "secrets/notify/service_token").exists()


@pytest.mark.parametrize(
    ("folders", "package"),
    [
        (["libs/contracts"], "accord_contracts"),
        (["libs/contracts", "libs/chassis"], "accord_chassis"),
    ],
)
def test_a_library_installs_alone_and_every_module_imports(
    builder: Builder, tmp_path: Path, folders: list[str], package: str
) -> None:
    built = copied(builder.build("builder"), tmp_path)

    install = run_install(built, *folders)
    done = run(built, "/opt/accord/bin/python", "-c", IMPORT_ALL, package)

    assert install.returncode == 0, install.stderr
    assert done.returncode == 0, done.stderr


def test_the_contracts_need_pydantic_alone(builder: Builder, tmp_path: Path) -> None:
    built = copied(builder.build("builder"), tmp_path)

    run_install(built, "libs/contracts")

    assert set(installed(built)) == {
        "accord-contracts", "annotated-types", "pydantic", "pydantic-core",
        "typing-extensions", "typing-inspection",
    }  # fmt: skip


def copied(built: Built, folder: Path) -> Built:
    root = folder / "root"
    shutil.copytree(built.root, root, symlinks=True, copy_function=os.link)
    return Built(root, built.workdir, built.variables)


def run_install(built: Built, *folders: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./install", *folders],
        env=built.environment(),
        cwd=built.path("."),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda stanza: re.sub(r"sha256:\w{8}", "sha256:deadbeef", stanza), "mismatch"),
        (lambda _: "", "no trusted hash was provided for: `pydantic-core`"),
    ],
)
def test_what_the_lock_does_not_hold_or_match_is_not_installed(
    builder: Builder, tmp_path: Path, change: object, said: str
) -> None:
    built = copied(builder.build("builder"), tmp_path)
    lock = built.path("requirements.lock")
    text = lock.read_text("utf-8")
    lock.unlink()
    stanza = re.compile(r"^pydantic-core==.*?(?=^\S)", re.DOTALL | re.MULTILINE)
    assert callable(change)
    lock.write_text(stanza.sub(lambda found: change(found[0]), text), "utf-8")

    done = run_install(built, "libs/contracts")

    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert installed(built) == {}


def test_the_builders_own_tools_are_the_workspaces() -> None:
    lock = pinned(ROOT / "requirements.lock")
    tools = pinned(ROOT / "deploy/image/build.txt")

    assert {"hatchling", "uv"} <= set(tools)
    assert all(hashes for _, hashes in tools.values())
    for name in set(tools) & set(lock):
        assert tools[name] == lock[name], f"Run scripts/lock-build: {name} differs."


def test_the_image_runs_as_nobody_and_starts_without_a_shell(
    image: Built, service: str
) -> None:
    assert image.user == "10001:10001"
    assert image.variables["SERVICE"] == service
    assert image.command == ("python", f"/{PROGRAMS}/start.py")
    assert image.healthcheck == ("python", f"/{PROGRAMS}/healthy.py")
    assert (image.root / PROGRAMS / "start.py").exists()


def test_the_image_runs_its_service_as_a_module(image: Built) -> None:
    as_module = run(image, "python", "-m", "platform")
    as_started = run(image, *image.command, SERVICE="platform")

    assert as_started.returncode == 0, as_started.stderr
    assert as_started.stdout == as_module.stdout


def test_a_service_without_settings_says_what_is_missing(image: Built) -> None:
    done = run(image, *image.command)

    assert done.returncode != 0
    assert "ACCORD_REGION" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


class Health(BaseHTTPRequestHandler):
    """Lives, and is not ready."""

    def do_GET(self) -> None:
        """Answer 200 for the one and 503 for the other."""
        self.send_response(200 if self.path == "/live" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - As it is.
        """Say nothing."""


@contextmanager
def a_service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield str(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_healthcheck_tells_life_from_readiness_and_from_death(
    builder: Builder,
) -> None:
    image = builder.build("service", SERVICE="risk")

    with a_service() as port:
        live = run(image, *image.healthcheck, ACCORD_PORT=port)
        ready = run(image, *image.healthcheck, "/ready", ACCORD_PORT=port)
    dead = run(image, *image.healthcheck, ACCORD_PORT=port)

    assert (live.returncode, ready.returncode, dead.returncode) == (0, 1, 1)


async def test_a_container_becomes_ready_and_ends_when_told(
    builder: Builder,
    backing_services: Backing,
    virtual_host: VirtualHost,
    issuer: DevelopmentIssuer,
    tmp_path: Path,
) -> None:
    image = builder.build("service", SERVICE="risk")
    (tmp_path / "accord_amqp_url").write_text(virtual_host.url("risk"), "utf-8")
    (tmp_path / "accord_store_url").write_text(backing_services.store_url, "utf-8")
    settings = {
        "ACCORD_ALLOCATION_URL": "http://127.0.0.1:1",
        "ACCORD_AUDIT_DATABASE": f"test_{uuid4().hex[:16]}_audit",
        "ACCORD_AUDIT_KEY": AUDIT_KEY,
        "ACCORD_DATABASE": f"test_{uuid4().hex[:16]}",
        "ACCORD_DEVELOPMENT": "true",
        "ACCORD_HOST": "127.0.0.1",
        "ACCORD_ISSUER": "urn:accord:development",
        "ACCORD_JWKS_URL": issuer.jwks_url,
        "ACCORD_LOCALITY": str(ROOT / "localities/canterbury"),
        "ACCORD_PORT": str(free_ports(1)[0]),
        "ACCORD_REGION": "canterbury",
        "ACCORD_SECRETS_DIR": str(tmp_path),
        "ACCORD_SERVICE_TOKEN": issuer.token("risk", region="canterbury"),
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(image.moved(word) for word in image.command),
            env=image.environment() | settings,
            stdout=out,
            stderr=out,
        )
    try:

        async def ready() -> bool:
            ask = partial(run, image, *image.healthcheck, "/ready", **settings)
            return (await asyncio.to_thread(ask)).returncode == 0

        assert await eventually(ready, within=60)
        process.terminate()
        ended = await asyncio.wait_for(process.wait(), DRAINS)
    finally:
        if process.returncode is None:
            process.kill()

    # uvicorn ends by the signal that it was told to end by; as process 1 of a
    # container, whom a signal cannot end, it then ends by itself.
    assert ended in (0, -signal.SIGTERM)
    assert "service.drained" in log.read_text("utf-8")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("requirements.lock", True),
        ("libs/chassis/src/accord_chassis/service/life.py", True),
        ("services/risk/pyproject.toml", True),
        ("deploy/image/start.py", True),
        (".git/config", False),
        (".env", False),
        (".accord/demo.json", False),
        ("deploy/compose/secrets/risk/accord_amqp_url", False),
        ("localities/canterbury/risk.yaml", False),
        ("libs/chassis/tests/test_store.py", False),
        ("services/risk/src/risk/__pycache__/app.cpython-311.pyc", False),
    ],
)
def test_only_what_an_image_needs_is_sent_to_the_builder(
    path: str, *, sent: bool
) -> None:
    assert ignoring(ROOT / ".dockerignore")(path) is not sent


@pytest.mark.parametrize("service", [each for each in SERVICES if each != "plans"])
def test_what_draws_no_papers_gets_nothing_more_of_the_system(service: str) -> None:
    done = subprocess.run(
        [str(ROOT / "deploy/image/packages"), service],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = found("hadolint")
    if hadolint is None:
        pytest.skip("no hadolint here: the Dockerfile was not linted")

    done = subprocess.run(
        [hadolint, str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == ""
