"""Needs of the people of a case, and the services that are to meet them."""
