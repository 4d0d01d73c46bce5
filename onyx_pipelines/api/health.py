"""`/api/health`: whether this process answers."""

from fastapi import FastAPI

from onyx_pipelines import __version__
from onyx_pipelines.api.models import Health


def add_health(app: FastAPI) -> None:
    @app.get("/api/health")
    async def health() -> Health:
        """Whether this process answers; needs no token."""
        return Health(version=__version__)
