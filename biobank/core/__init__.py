"""What every capability stands on: database, unit of work, errors, clock, codes and units. Knows no tube."""
