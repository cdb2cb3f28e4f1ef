"""The runner: leases runs, starts them at their agents, follows and stops them."""
