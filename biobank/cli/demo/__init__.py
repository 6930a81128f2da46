"""`demo`: a synthetic cohort across all six studies, made by the same use cases that people use, as if years had passed."""

from biobank.cli.demo.command import add

__all__ = ["add"]
