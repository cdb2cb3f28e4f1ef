"""Agents that speak A2A."""
