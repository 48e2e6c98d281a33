"""Serve notify: ``python -m notify``."""

from accord_chassis.service import main

from notify.app import create_app
from notify.settings import Settings

main("notify", Settings, create_app)
