"""What a demonstration says of itself: what it is, where it is, who may come in."""

from pathlib import Path
from typing import Any

from accord.catalogue import SERVICES
from accord.mail import captured

EXAMPLE = "example-referral.json"


def lines(state: dict[str, Any]) -> list[str]:
    """Write the banner of a demonstration that runs."""
    here, url = state["here"], state["url"]
    mail = captured(Path(here) / "mail")
    roles = ", ".join(state["credentials"])
    return [
        "",
        f"Accord runs: {url}, locality {state['locality']}.",
        "Invented data, not for real cases. Only this machine can reach it.",
        "",
        *(f"  {'API' if not n else '':<12}{url}/api/{each}/docs"
          for n, each in enumerate(SERVICES)),
        f"  {'Inbox':<12}{url}/api/notify/v1/inbox (as the specialist)",
        f"  {'Mail':<12}{here}/mail: {mail} kept; answer by their links",
        f"  {'Tokens':<12}{here}/tokens: {roles}; made anew at every start",
        f"  {'Issuer':<12}{url}/issuer/token: client credentials (cli/README.md)",
        f"  {'Data':<12}{here}, kept until `accord reset`",
        f"  {'Logs':<12}{here}/logs",
        "",
        "Try, in another terminal in this directory:",
        "  accord events tail",
        f'  curl -H "Authorization: Bearer $(cat {here}/tokens/police)" \\',
        f"       -H 'Content-Type: application/json' -d @{here}/{EXAMPLE} \\",
        f"       {url}/api/referrals/v1/referrals",
        f'  curl -H "Authorization: Bearer $(cat {here}/tokens/specialist)" \\',
        f"       {url}/api/notify/v1/inbox",
        "",
        "Ctrl-C stops everything.",
    ]  # fmt: skip
