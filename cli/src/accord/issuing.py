"""The demonstration's token endpoint, where an agency's integrator tries the real flow.

Each agency that a visitor may try has a key of its own in ``clients/``, as its system
would have; the endpoint believes it for that agency and for an agency's scopes.
"""

import json
from pathlib import Path

from accord_chassis.development.process import write_private
from accord_chassis.development.tokens import MachineClient, TokenEndpoint
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from accord.actors import AGENCY_SCOPES
from accord.faults import CannotGoOn
from accord.surroundings import Surroundings
from accord.world import AGENCIES

PATH = "/issuer"


def beside(app: ASGIApp, surroundings: Surroundings, url: str, here: Path) -> Starlette:
    """Serve the token endpoint beside the services, with a client for some agencies.

    Args:
        app: The services.
        surroundings: Whose issuer signs.
        url: Where all of it is served.
        here: Keeps the clients' keys; they are made anew at every start.
    """
    folder = here / "clients"
    folder.mkdir(exist_ok=True, mode=0o700)
    endpoint = TokenEndpoint(
        surroundings.issuer,
        *(_client(folder, each.code) for each in AGENCIES[:2]),
        url=f"{url}{PATH}",
        region=surroundings.region,
    )
    return Starlette(routes=[Mount(PATH, endpoint.app()), Mount("/", app)])


def assertion(here: Path, agency: str, url: str) -> str:
    """Sign a JWT with which an agency's system authenticates itself.

    Raises:
        CannotGoOn: There is no such client.
    """
    known = {each.stem: each for each in (here / "clients").glob("*.jwk")}
    if agency not in known:
        raise CannotGoOn(
            "There is no such client.", mend=f"One of {', '.join(sorted(known))}."
        )
    key = ECKey.import_key(json.loads(known[agency].read_text()))
    return _with(key, agency).assertion(f"{url}{PATH}/token")


def _client(folder: Path, agency: str) -> MachineClient:
    key = ECKey.generate_key("P-256")
    write_private(folder / f"{agency}.jwk", json.dumps(key.as_dict(private=True)))
    return _with(key, agency)


def _with(key: ECKey, agency: str) -> MachineClient:
    return MachineClient(agency, key, frozenset(AGENCY_SCOPES), {"agency": agency})
