"""Finds the right worker for every role that a case needs."""
