"""From sources to what is in force: load, plan, guard, apply, record."""
