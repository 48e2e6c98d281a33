"""Serve plans: ``python -m plans``."""

from accord_chassis.service import main

from plans.app import Settings, create_app

main("plans", Settings, create_app)
