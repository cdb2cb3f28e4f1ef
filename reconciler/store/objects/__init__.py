"""Rows of agents, squads, autopilots and triggers."""
