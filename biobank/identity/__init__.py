"""People, organisations, roles, tokens, and the one table of who may do what."""
