"""The token under which a service asks another one.

A service's clients themselves live in its own ``asks.py``.
"""

from pathlib import Path

from pydantic import SecretStr

from accord_chassis.settings import BadConfiguration, ChassisSettings


class ServiceToken:
    """The token under which a service asks.

    Args:
        given: As it is, for as long as the service lives.
        file: Where it stands; it is read again when the file changes.
    """

    def __init__(
        self, *, given: SecretStr | None = None, file: Path | None = None
    ) -> None:
        self._token = given.get_secret_value() if given else ""
        self._file = file
        self._read_at: tuple[int, int] | None = None

    def current(self) -> str:
        """Give the token as it is now.

        Raises:
            OSError: The file cannot be read.
        """
        if self._file is not None:
            found = self._file.stat()
            if self._read_at != (found.st_mtime_ns, found.st_ino):
                self._token = self._file.read_text().strip()
                self._read_at = (found.st_mtime_ns, found.st_ino)
        return self._token


def token_of(settings: ChassisSettings) -> ServiceToken:
    """Have the token under which a service asks others.

    Raises:
        BadConfiguration: There is none.
    """
    token = ServiceToken(given=settings.service_token, file=settings.service_token_file)
    try:
        current = token.current()
    except OSError:
        current = ""
    if not current:
        raise BadConfiguration(
            "Set ACCORD_SERVICE_TOKEN_FILE to a file with the token under which "
            "this service asks the allocation service, or ACCORD_SERVICE_TOKEN to the "
            "token."
        )
    return token
