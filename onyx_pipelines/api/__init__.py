"""The REST API: thin over the domain code, launches runs through Dagster's queue, keeps nothing."""
