"""What an error tracker knows, asked over its API: one protocol, an adapter for each kind."""
