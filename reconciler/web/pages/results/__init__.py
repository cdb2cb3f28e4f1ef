"""What agents answer, made fit for a page: Markdown, JSON, the fields of a coding agent."""
