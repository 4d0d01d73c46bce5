"""The report of a load test: one page, short Markdown for Dagster, and a thumbnail."""
