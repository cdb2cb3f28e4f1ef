"""Roles, claims and addresses: who somebody is, as values."""
