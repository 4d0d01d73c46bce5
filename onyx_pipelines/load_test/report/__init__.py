"""The report of a load test: one page, its Markdown twin, and pictures."""
