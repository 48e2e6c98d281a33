"""The passwords of the broker's users: one file each, in one directory."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from accord_chassis.development.process import kept_secret, write_private

from accord.faults import CannotGoOn


def new_passwords(users: Iterable[str]) -> dict[str, str]:
    """Make a random password for each user."""
    return {user: secrets.token_urlsafe(24) for user in users}


def keep(passwords: dict[str, str], folder: Path) -> None:
    """Write passwords to files that only their owner may read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for user, password in passwords.items():
        write_private(folder / user, password)


def made_in(folder: Path, users: Iterable[str]) -> dict[str, str]:
    """Read the users' passwords, and make those that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {user: kept_secret(folder / user).strip() for user in users}


def read_from(folder: Path, users: Iterable[str]) -> dict[str, str]:
    """Read the users' passwords.

    Raises:
        CannotGoOn: One is missing or empty; every such user is named.
    """
    found = {user: _content(folder / user) for user in users}
    if missing := [user for user, password in found.items() if not password]:
        raise CannotGoOn(
            f"{folder} holds no password for {', '.join(missing)}.",
            mend="Write one to a file of the user's name, or add --generate.",
        )
    return found


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
