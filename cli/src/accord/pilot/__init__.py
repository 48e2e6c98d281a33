"""``accord replay --pilot``: the published pilot on a simulated clock.

Both sites of the Integrated Safety Response's pilot are replayed at their published
volumes and mixes, with invented people, through the real services, broker and store;
each site has five services of its own in this process, under a clock of its own. What
was published is in :mod:`accord.pilot.published`, what is assumed besides in
:mod:`accord.pilot.assumptions`, and no result is in either.
"""

from accord.pilot.replaying import run

__all__ = ["run"]
