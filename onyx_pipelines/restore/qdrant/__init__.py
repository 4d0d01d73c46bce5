"""Qdrant comes back: in the embedded engine or a server for drills, and for good."""
