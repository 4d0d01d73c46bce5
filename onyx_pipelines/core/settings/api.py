"""Settings of the REST API and of the Dagster that it launches runs by."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from onyx_pipelines.core.settings.host import HostSettings
from onyx_pipelines.core.settings.part import OptionalPath, Part, Words


class DagsterSettings(Part):
    """Dagster's web server."""

    dagster_url: str = Field(
        "http://127.0.0.1:3000", description="Dagster's web server, by which the API launches runs."
    )
    dagster_user: str = Field("", description="User of a proxy in front of it. Empty: none.")
    dagster_password: SecretStr = Field(SecretStr(""), description="Password of that user.")


class ApiSettings(HostSettings):
    """The REST API and its metrics."""

    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8910, ge=1, le=65535, description="Its port.")
    api_allowed_addresses: Words = Field(
        ("127.0.0.0/8", "::1"),
        description="Addresses and networks that may use the API, comma-separated.",
    )
    api_trusted_proxies: Words = Field(
        (),
        description="Proxies whose X-Forwarded-For is believed, comma-separated. Empty: none.",
    )
    api_tokens_file: OptionalPath = Field(
        None, description="Where the API's tokens are kept, as hashes; empty: in ONYX_STATE_DIR."
    )
    api_request_timeout_s: float = Field(
        60, gt=0, description="A request that takes longer is answered with 504."
    )
    api_public_url: str = Field(
        "",
        description="The API's address for people, for the links in messages by which they"
        " acknowledge an incident. Empty: no links.",
    )
    metrics_user: str = Field("admin", description="User of /metrics (basic authentication).")
    metrics_password: SecretStr = Field(
        SecretStr(""), description="Its password. Empty: /metrics is switched off."
    )

    @property
    def tokens_file(self) -> Path:
        """Of the API."""
        return self.api_tokens_file or self.state_dir / "api" / "tokens.json"
