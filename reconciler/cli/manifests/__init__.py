"""Commands about manifests that need no database."""
