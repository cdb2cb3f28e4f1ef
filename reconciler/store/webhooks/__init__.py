"""Tokens, idempotency keys and deliveries."""
