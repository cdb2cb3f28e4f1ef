"""The endpoints of the API, declared as operations."""
