"""How an autopilot is made and edited on a page (docs/dashboard.md#making-and-editing)."""
