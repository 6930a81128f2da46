"""Trials as data: eligibility, consent components, collection events and sub-studies of each study version."""
