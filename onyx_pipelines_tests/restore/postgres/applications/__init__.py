"""Databases that real applications make by their own migrations."""
