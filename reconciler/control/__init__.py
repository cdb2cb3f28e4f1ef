"""The imperative shell: reads, asks the core, and writes, each in one transaction."""
