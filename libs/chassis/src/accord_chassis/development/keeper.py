"""Runs one command that must not outlive whoever asked for it.

Started as a program of its own with the command as its arguments. Its standard input is
the line to whoever asked: ``t`` on it asks the command to end (SIGTERM), anything else
ends it at once (SIGKILL), and so does the end of the line, which the kernel sends when
the other side dies, however it dies. Unlike the kernel's own death signal
(``PR_SET_PDEATHSIG``) this does not end the command together with the mere thread that
started it, and it works on every Unix.

It runs without site packages, so it imports nothing but the standard library.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

PLEASE_END = b"t"
PID_FILE = "pid"


def keep(command: list[str]) -> int:
    """Run a command for as long as the other side is there, and give its exit code."""
    # The command inherits the lock on its folder, and holds it for as long as it lives.
    child = subprocess.Popen(  # noqa: S603 - The command is our own.
        command, stdin=subprocess.DEVNULL, close_fds=False
    )
    Path(PID_FILE).write_text(str(child.pid))
    threading.Thread(target=_obey, args=(child,), daemon=True).start()
    return child.wait()


def _obey(child: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1) == PLEASE_END:
        child.terminate()
    child.kill()


if __name__ == "__main__":
    sys.exit(abs(keep(sys.argv[1:])))
