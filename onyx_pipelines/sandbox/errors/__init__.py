"""What errors are sent to in the sandbox: a real Bugsink, in an environment of its own."""
