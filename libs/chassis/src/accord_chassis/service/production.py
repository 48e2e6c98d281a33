"""What may only run in development."""

from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.doors import check_lines
from accord_chassis.settings import BadConfiguration, ChassisSettings

LIMITS = (
    "requests_a_minute",
    "guesses_a_minute",
    "records_an_hour",
    "agency_records_an_hour",
)
"""The settings that only a development may set to nought."""


def check_production(settings: ChassisSettings) -> None:
    """Refuse what may only run in development.

    Raises:
        BadConfiguration: A development issuer or database, keys that anybody could
            have put there, or no TLS of its own, to the broker, to the store or to
            another service.
    """
    if settings.issuer == DEVELOPMENT_ISSUER or settings.jwks_url.startswith("file:"):
        raise BadConfiguration(
            "The development issuer signs anything: set ACCORD_ISSUER and "
            "ACCORD_JWKS_URL (https) to your identity provider's."
        )
    if not settings.jwks_url.startswith("https:"):
        raise BadConfiguration(
            "Whoever stands between could put keys of their own into "
            "ACCORD_JWKS_URL's answer: it must begin with https://."
        )
    if settings.database.endswith("_demo"):
        raise BadConfiguration(
            "ACCORD_DATABASE holds a demonstration's invented data: name another."
        )
    if settings.audit_database in {settings.database, ""}:
        raise BadConfiguration(
            "Whoever may change a database may change the audit log in it: "
            "ACCORD_AUDIT_DATABASE must name another than ACCORD_DATABASE."
        )
    if settings.audit_anchors is None and settings.log_level not in {"debug", "info"}:
        raise BadConfiguration(
            "Nothing would tell the heads of the audit log to anybody: set "
            "ACCORD_AUDIT_ANCHORS, or ACCORD_LOG_LEVEL=info."
        )
    if not settings.tls_terminated and settings.server_cert_file is None:
        raise BadConfiguration(
            "This service would speak without TLS: set ACCORD_SERVER_CERT_FILE to its "
            "certificate, or ACCORD_TLS_TERMINATED=true if a proxy beside it ends TLS."
        )
    if lifted := [name for name in LIMITS if not getattr(settings, name)]:
        raise BadConfiguration(
            f"Nothing limits what one may ask for: set ACCORD_{lifted[0].upper()} to "
            "more than nought, or leave it out."
        )
    check_lines(settings)
