"""The pages and endpoints that compose several capabilities: scan station, home, specimen, participant, collection plan."""
