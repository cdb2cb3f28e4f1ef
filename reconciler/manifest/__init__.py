"""Files and git trees to Desired, and edits back into files."""
