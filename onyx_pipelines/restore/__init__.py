"""Does it come back, how fast, and is it the same data? Drills, and the real restore."""
