"""One server process: its loops, its HTTP server, its start and stop."""
