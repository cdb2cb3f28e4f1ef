"""Git, through its own program: repositories, commits, trees, checkouts."""
