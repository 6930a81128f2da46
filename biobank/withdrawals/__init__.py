"""Withdrawal of consent components, and what it does to tubes."""
