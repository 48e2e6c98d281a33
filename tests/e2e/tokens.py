"""A token for everything that can be asked, which a stranger never has."""

import re
from pathlib import Path

from app import Region

ROOT = Path(__file__).parents[2]
SCOPES = re.compile(r'scopes=\["([a-z_.]+)"\]')


def every_scope() -> list[str]:
    """Every scope that a route asks for, so that a new one is tried at once."""
    sources = ROOT.glob("services/*/src/**/routes*/**/*.py")
    single = ROOT.glob("services/*/src/*/routes.py")
    texts = [each.read_text() for each in (*sources, *single)]
    return sorted({scope for text in texts for scope in SCOPES.findall(text)})


def fuzzer_token(region: Region) -> str:
    """A token with every scope, of an agency and of a worker whom there is."""
    return region.surroundings.issuer.token(
        "fuzzer",
        *every_scope(),
        region=region.surroundings.region,
        agency="police",
        agency_kind="police",
        worker=region.actors.staff[0].id,
    )
