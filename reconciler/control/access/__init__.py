"""Who may call: tokens, OIDC, sessions, keys, and the secrets of manifests."""
