"""Objects and runs as they go over the wire."""
