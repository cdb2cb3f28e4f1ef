"""Endpoints that sum up many rows."""
