"""k6 sends the load: which binary, one process per unit, and the rows that it prints."""
