"""Notify over HTTP: a worker's own inbox, and who was told of a case."""
