"""What a service is: its application, its life and its process.

A service's ``app.py`` says who listens to what; everything else that it needs to run
is here.
"""

from accord_chassis.service.application import PASSING, create_app, part
from accord_chassis.service.life import Service, StandIns
from accord_chassis.service.production import LIMITS, check_production
from accord_chassis.service.serving import main, run, spare_the_collector
from accord_chassis.service.settling import settled

__all__ = [
    "LIMITS",
    "PASSING",
    "Service",
    "StandIns",
    "check_production",
    "create_app",
    "main",
    "part",
    "run",
    "settled",
    "spare_the_collector",
]
