"""A certified OIDC provider as the issuer of a CI: oidc-provider, as a process of its own."""
