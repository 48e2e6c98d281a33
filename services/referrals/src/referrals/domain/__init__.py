"""What referrals, people and cases are, and the rules for them. Pure."""
