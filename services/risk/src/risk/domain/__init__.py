"""What an assessment of risk is, and the locality's rules for it. Pure."""
