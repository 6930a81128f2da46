"""The pages of the desk; each module holds one of them and registers it on `pages`."""

from biobank.desk.pages import blueprint, collections, corrections, find, home, participant, participants, scan, specimens

pages = blueprint.pages

__all__ = ["collections", "corrections", "find", "home", "pages", "participant", "participants", "scan", "specimens"]
