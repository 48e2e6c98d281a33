"""How plans and commitments are looked after once they are agreed to."""
