"""The outbox of notifications: written with what they tell of, claimed, sent, logged."""
