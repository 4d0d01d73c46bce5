"""Databases of all kinds of objects that PostgreSQL's documentation has, drawn by hypothesis."""
