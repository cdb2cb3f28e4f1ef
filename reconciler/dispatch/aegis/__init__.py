"""Agents on an Aegis server: sessions over its API."""
