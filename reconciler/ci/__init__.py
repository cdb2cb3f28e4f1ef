"""What the CI of a repository of manifests runs beside the commands (docs/ci.md)."""
