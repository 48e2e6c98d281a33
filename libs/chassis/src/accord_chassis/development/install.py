"""Installs RabbitMQ where that can be done without asking anybody."""

import os
import shutil
import subprocess
from collections.abc import Callable

from accord_chassis.development.broker import MISSING, RABBITMQ_SERVER
from accord_chassis.development.process import Unavailable, is_listening

APT_GET = "/usr/bin/apt-get"
SYSTEM_PORT = 5672

STEPS = (
    [APT_GET, "update", "--quiet=2"],
    [
        APT_GET,
        "install",
        "--quiet=2",
        "--assume-yes",
        "--no-install-recommends",
        "rabbitmq-server",
    ],
)


def install_rabbitmq(say: Callable[[str], None]) -> None:
    """Install Debian's RabbitMQ, saying so first. Does nothing where it is installed.

    Args:
        say: Told, in sentences, what is about to be done to the machine and what was.

    Raises:
        Unavailable: It is not for us to install here, or the installation failed.
    """
    if RABBITMQ_SERVER.exists():
        return
    if os.geteuid() != 0 or not shutil.which(APT_GET):
        raise Unavailable(f"{MISSING}; or start Docker.")
    was_taken = is_listening(SYSTEM_PORT)
    say("Installing RabbitMQ with `apt-get install rabbitmq-server`.")
    for step in STEPS:
        _run(step)
    if is_listening(SYSTEM_PORT) and not was_taken:
        say(
            "Debian has started a RabbitMQ of its own with it, which Accord does not "
            "use: `systemctl disable --now rabbitmq-server` ends it."
        )


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - The command is our own.
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"`{' '.join(command)}` failed: {' '.join(last)}")
