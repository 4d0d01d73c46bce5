"""How long the mock model takes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Delays(BaseModel):
    """Milliseconds. `rate_limit_per_s`: more are refused with 429; 0: none is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_token_ms: float = Field(default=60, ge=0)
    token_ms: float = Field(default=4, ge=0)
    tokens: int = Field(default=24, ge=1, le=4096)
    rate_limit_per_s: float = Field(default=0, ge=0)
