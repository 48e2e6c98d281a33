"""Family safety plans and the templates for them. Pure: no clock, no store, no wire."""
