"""How far the clock for reassessing a case has run. Pure."""

from enum import StrEnum


class Reassessment(StrEnum):
    """Where a case stands with being assessed anew; stopped while it is closed."""

    AHEAD = "ahead"
    DUE = "due"
    OVERDUE = "overdue"
    STOPPED = "stopped"


LATER = (Reassessment.AHEAD, Reassessment.DUE, Reassessment.OVERDUE)
"""How far a clock has run, in order."""
