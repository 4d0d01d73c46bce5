"""`/api/health`: whether this process answers."""

from fastapi import FastAPI

from onyx_pipelines import __version__
from onyx_pipelines.api.models import Health
from onyx_pipelines.api.stacks import Stacks


def add_health(app: FastAPI, stacks: Stacks) -> None:
    @app.get("/api/health", response_model_exclude_none=True)
    async def health() -> Health:
        """Whether this process answers, and for which of several stacks; needs no token."""
        return Health(version=__version__, stacks=list(stacks.names) or None)
