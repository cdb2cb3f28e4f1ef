"""What is said in a session."""
