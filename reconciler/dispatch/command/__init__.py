"""Programs of this host: supervised, bounded, and proven to be gone when stopped."""
