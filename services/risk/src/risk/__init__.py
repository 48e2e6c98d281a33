"""Weighs the risk of every case and says why."""
