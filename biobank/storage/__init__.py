"""Tubes in places."""
