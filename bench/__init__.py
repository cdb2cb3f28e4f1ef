"""Benchmarks: each script prints ratios against a peer or a limit within one run."""
