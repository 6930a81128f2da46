"""Participants by pseudonym, their enrolments, disease episodes, and the days that sampling is counted from."""
