"""Serve allocation: ``python -m allocation``."""

from accord_chassis.service import main

from allocation.app import Settings, create_app

main("allocation", Settings, create_app)
