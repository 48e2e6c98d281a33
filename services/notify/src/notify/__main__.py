"""Serve notify: ``python -m notify``."""

from accord_chassis.service import main

from notify.app import Settings, create_app

main("notify", Settings, create_app)
