"""Manifests as models, their rules, and the sets Desired and Current."""
