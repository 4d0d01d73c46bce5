"""Is everything sealed away, twice? Assets, checks and automation over sources and vault."""
