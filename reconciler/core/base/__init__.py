"""What everything stands on: errors, identities, codes, units."""
