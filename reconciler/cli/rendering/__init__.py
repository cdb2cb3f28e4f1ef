"""Plans, drift and lists as text, Markdown and JSON. Nothing here reads, writes or decides."""
