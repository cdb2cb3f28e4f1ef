"""Agents behind a URL."""
