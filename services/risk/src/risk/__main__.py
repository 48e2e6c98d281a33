"""Serve risk: ``python -m risk``."""

from accord_chassis.service import main

from risk.app import Settings, create_app

main("risk", Settings, create_app)
