"""Runs a self-hosted RAG stack safely, with Dagster as the control plane."""

__version__ = "0.1.0"
