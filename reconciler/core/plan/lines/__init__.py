"""A plan in lines that text, Markdown and pages share: fields, long texts, what follows."""
