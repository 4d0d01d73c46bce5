"""What the application is told by its environment."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from onyx_pipelines.sandbox.app.faults import Faults


class AppSettings(BaseSettings):
    """Variables SANDBOX_APP_*."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_APP_", frozen=True, extra="ignore")

    port: int = 0
    pg_host: str = "127.0.0.1"
    pg_port: int = 5432
    pg_user: str = "postgres"
    pg_password: SecretStr = SecretStr("")
    pg_database: str = "onyx_app"
    pool_size: int = 20
    qdrant_url: str = "http://127.0.0.1:6333"
    collection: str = "documents"
    llm_url: str = "http://127.0.0.1:4000/v1"
    llm_key: SecretStr = SecretStr("")
    llm_model: str = "mock"
    faults: Faults = Faults()
