"""What the doctor finds of the certificates that a deployment's settings name."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from accord.deployment import Deployment
from accord.findings import Finding, Verdict, fail, ok

SOON = timedelta(days=14)
"""Before its end a certificate should be another. What renews them does so earlier
(cert-manager a third of a certificate's life before, 30 days of 90), so whatever is
found within a fortnight was not renewed."""


def certificates(deployment: Deployment, now: datetime) -> Iterator[Finding]:
    """Find when each file of certificates ends that the settings name.

    Args:
        deployment: Whose settings.
        now: The time.
    """
    shown = {
        "client": deployment.client_cert_file,
        "server": deployment.server_cert_file,
    }
    if deployment.ca_file:
        yield _looked("authority", deployment.ca_file, now, everyone=False)
    for whose, file in shown.items():
        if file:
            yield _looked(whose, file, now, everyone=True)


def _looked(whose: str, file: Path, now: datetime, *, everyone: bool) -> Finding:
    """Look into a file.

    Args:
        whose: Certificate it is.
        file: PEM; what is no certificate in it, a private key, is passed over.
        now: The time.
        everyone: All in it must be good, as in a chain; of several authorities one
            may be on its way out, and somebody should know.
    """
    what = f"certificate {whose}"
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return fail(what, f"{file} holds none that can be read", "Correct the file.")
    ends = [each.not_valid_after_utc for each in found]
    first = min(ends)
    told = f"{file} {'ended' if first <= now else 'ends'} {first:%Y-%m-%d %H:%M} UTC"
    if first > now + SOON:
        return ok(what, told)
    gone = first <= now if everyone else max(ends) <= now
    verdict = Verdict.FAIL if gone else Verdict.WARN
    return Finding(what, verdict, told, "Write a new one to the file: it is followed.")
