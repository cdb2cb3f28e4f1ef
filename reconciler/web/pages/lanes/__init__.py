"""Time as pictures: what was expected and what became of it, and what is to come."""
