"""Commands about runs and time."""
