"""The command line: thin commands over the domain code, none of which needs Dagster."""

from onyx_pipelines.cli.app import main

__all__ = ["main"]
