"""What went wrong, from the first alert to the post-mortem: one record for each incident.

Opened by an alert or by hand, looked at, acknowledged, escalated, closed; works without Dagster.
"""
