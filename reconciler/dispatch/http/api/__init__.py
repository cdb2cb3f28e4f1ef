"""APIs of others, spoken to by templates."""
