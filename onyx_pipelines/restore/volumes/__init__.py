"""Volumes out of a backup set: drilled in scratch, or restored for good."""
