"""Sign a token for someone who tries a compose deployment out, and print it.

    .venv/bin/python deploy/compose/sign.py police referrals.submit --agency police

The key is the one that prepare.py made. Only services that run in development believe
it, and only this deployment's.
"""

# ruff: noqa: INP001, T201 - A program, in no package; the token is what it prints.
import argparse
import os
from pathlib import Path

from accord_chassis.development.issuer import DevelopmentIssuer

FOLDER = Path(__file__).parent / "secrets"


def main() -> None:
    """Read the command line, sign, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject", help="who holds the token")
    parser.add_argument("scopes", nargs="+", help="what it is for")
    for claim in ("agency", "agency-kind", "worker"):
        parser.add_argument(f"--{claim}", help="a claim of that name")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--region", default=os.environ.get("ACCORD_REGION"))
    given = parser.parse_args()
    claims = {
        name: value
        for name in ("agency", "agency_kind", "worker")
        if (value := getattr(given, name))
    }
    issuer = DevelopmentIssuer(given.folder / "issuer")
    region = given.region or "canterbury"
    print(issuer.token(given.subject, *given.scopes, region=region, **claims))


if __name__ == "__main__":
    main()
