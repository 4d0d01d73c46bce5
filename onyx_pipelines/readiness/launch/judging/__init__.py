"""Facts in, a verdict out. Nothing here looks at anything."""
