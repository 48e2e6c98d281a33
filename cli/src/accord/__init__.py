"""The ``accord`` command, and what runs the five services together."""
