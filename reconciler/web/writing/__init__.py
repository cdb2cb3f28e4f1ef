"""Writes of manifests, for API and pages alike: the edit, its plan, what became of it."""
