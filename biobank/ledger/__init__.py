"""Chains of entries that cannot be changed unseen. Knows no tube."""
