"""Runs as values: admission, standing, retries, health, what people see."""
