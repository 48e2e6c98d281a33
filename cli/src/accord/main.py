"""The ``accord`` command, put together of its groups."""

import sys

import typer
from accord_chassis.development.process import Unavailable
from accord_chassis.settings import BadConfiguration

from accord import show
from accord.commands import (
    allocation,
    audit,
    contracts,
    directory,
    events,
    here,
    keys,
    letters,
    matching,
    risk,
    store,
    topology,
    world,
)
from accord.faults import CannotGoOn

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Accord: the platform under a multi-agency response to family violence.",
    epilog="A deployment is named by ACCORD_REGION, ACCORD_LOCALITY, "
    "ACCORD_MANAGEMENT_URL (administrator), ACCORD_AMQP_URL (operator), "
    "ACCORD_STORE_URL (administrator), ACCORD_CA_FILE, ACCORD_CLIENT_CERT_FILE, "
    "ACCORD_SERVER_CERT_FILE, ACCORD_AUDIT_URL (or the store's), "
    "ACCORD_AUDIT_KEY, ACCORD_AUDIT_ANCHORS, ACCORD_URL, ACCORD_JWKS_URL, "
    "ACCORD_ISSUER, ACCORD_AUDIENCE, ACCORD_OPERATOR_TOKEN (your own) and "
    "ACCORD_SMTP_URL, or by files of these names in "
    "ACCORD_SECRETS_DIR; where none is set, it is the demonstration that runs in "
    "./.accord.",
)
app.add_typer(here.group)
app.add_typer(events.group, name="events")
app.add_typer(letters.group, name="dead-letters")
app.add_typer(topology.group, name="topology")
app.add_typer(audit.group, name="audit")
app.add_typer(store.group, name="store")
app.add_typer(contracts.group, name="contracts")
app.add_typer(keys.group, name="keys")
app.add_typer(matching.group, name="match")
app.add_typer(allocation.group, name="allocation")
app.add_typer(directory.group, name="directory")
app.add_typer(risk.group, name="risk")
app.add_typer(world.group, name="world")


def main() -> None:
    """Run the command; say in a sentence what stops it."""
    try:
        app()
    except CannotGoOn as wrong:
        show.fault(wrong)
        sys.exit(1)
    except (BadConfiguration, Unavailable) as wrong:
        show.fault(CannotGoOn(str(wrong)))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
