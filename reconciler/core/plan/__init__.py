"""From two sets of manifests to an ordered, guarded plan with a digest."""
