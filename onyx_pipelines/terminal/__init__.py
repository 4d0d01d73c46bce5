"""What a person at a terminal sees of a command: its lines, its bars, and how it ends."""
