"""Meetings: where they are kept, what is heard and done, and their HTTP."""
