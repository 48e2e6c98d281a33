"""What the allocation service does when something happens."""
