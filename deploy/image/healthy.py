"""Exit with 0 if the service in this container answers ``/live``, or what is named."""

# ruff: noqa: INP001 - A program of the image, in no package.
import os
import sys
from http.client import HTTPConnection, HTTPException


def answers(path: str, port: int) -> bool:
    """Ask the service, and give it two seconds."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004 - HTTP's OK.
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


path = sys.argv[1] if len(sys.argv) > 1 else "/live"
raise SystemExit(not answers(path, int(os.environ["ACCORD_PORT"])))
