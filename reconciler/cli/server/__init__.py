"""Commands that run a server or serve its operator."""
