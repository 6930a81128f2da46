"""Drivers: each draws the same layout in one format. Whoever calls them reads the layout back first (`proof`)."""
