"""What a service of the stack embeds to be seen: requests, business figures, its `/metrics`."""
