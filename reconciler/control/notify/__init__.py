"""Telling people: channels, and the sender that empties the outbox into them."""
