"""Expressions of manifests, evaluated where they can stall nobody."""
