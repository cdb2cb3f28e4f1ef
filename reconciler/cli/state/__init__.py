"""Commands that compare manifests with the database, and change it."""
