"""Serve referrals: ``python -m referrals``."""

from accord_chassis.service import main

from referrals.app import Settings, create_app

main("referrals", Settings, create_app)
