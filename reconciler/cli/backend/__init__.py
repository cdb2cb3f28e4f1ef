"""Where the state of a command is: a database, or a running server."""
