"""What the notify service does when something happens, and when nobody answers."""
