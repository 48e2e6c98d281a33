"""Makes sure that the people who must know, know in time."""
