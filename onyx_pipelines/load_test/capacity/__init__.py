"""How many users the system serves: a queueing model of the sweep, and its knee."""
