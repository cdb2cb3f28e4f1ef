"""GitOps for agent automations: manifests in, plans and runs out."""

__version__ = "0.1.0"
