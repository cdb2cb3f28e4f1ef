"""All SQL: plain functions of a transaction that take and return values of the core."""
