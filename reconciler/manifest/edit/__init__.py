"""Edits of manifests in their text, and values written as YAML."""
