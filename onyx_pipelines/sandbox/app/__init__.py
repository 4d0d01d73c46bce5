"""A small application like Onyx, so that load tests and their analysis have something real."""
