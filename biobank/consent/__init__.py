"""Consent that decides: components, decisions with their signatories, and the verdict that every preserve and use asks for."""
