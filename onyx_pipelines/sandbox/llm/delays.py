"""How long the mock model takes, and when it gives no answer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Delays(BaseModel):
    """Milliseconds.

    Args:
        rate_limit_per_s: more are refused with 429; 0: none is.
        refused_share: of all calls, those that are answered with `refused_status`: 401 where a key
            was revoked, 503 where the provider has an outage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_token_ms: float = Field(default=60, ge=0)
    token_ms: float = Field(default=4, ge=0)
    tokens: int = Field(default=24, ge=1, le=4096)
    rate_limit_per_s: float = Field(default=0, ge=0)
    refused_share: float = Field(default=0, ge=0, le=1)
    refused_status: int = Field(default=401, ge=400, le=599)
