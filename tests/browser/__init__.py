"""Real Chromium against a real server: only what hands and eyes can do."""
