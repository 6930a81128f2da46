"""Ratios, measured side by side in one run: what our complete endpoints cost beside the bare driver and beside an empty endpoint."""
