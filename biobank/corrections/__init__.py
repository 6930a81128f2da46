"""Corrections that need two people: a sample swap, and a tube that comes back from its end."""
