"""Which occurrences of a schedule start now, and which are recorded as not started."""
