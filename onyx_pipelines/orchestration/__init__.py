"""What every run in Dagster shares, whichever capability it belongs to."""
