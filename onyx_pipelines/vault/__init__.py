"""Sealed bytes: what a backup set is, how it is written, opened, verified and re-wrapped."""
