"""How tasks are mapped: one Protocol, several engines."""
