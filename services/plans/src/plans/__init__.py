"""Keeps the family safety plan of every case, and everyone's commitments in it."""
