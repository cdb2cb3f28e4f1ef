"""Coding agents by their own command line: an adapter for each, on top of `command`."""
