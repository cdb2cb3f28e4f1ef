"""The webhook receiver, from the raw request to the durable run."""
