"""The embedded stack for the demo, tests and drills. Only the command line and tests import it."""
