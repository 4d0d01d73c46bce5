"""What attackers do to a host and its stores, and what they get from it."""
