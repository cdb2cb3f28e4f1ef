"""Budgets: what may be spent, and whether another run would pass it."""
