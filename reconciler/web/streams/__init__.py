"""Answers that go on: what an agent writes while it works."""
