"""Rows of runs: inserting, leasing, moving, listing; and intervals without a run."""
