"""How many tubes there are for a purpose, exactly and now, and why the others do not count."""
