"""Takes referrals in, recognises the people in them and keeps their cases."""
