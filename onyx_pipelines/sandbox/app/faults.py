"""What can be made slow in the application, at its start or while it runs (PUT /faults)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """All off by default.

    Args:
        slow_db_ms: each transaction holds its connection this much longer, in the server.
        lock_ms: every request spends this long in a section that one at a time may enter.
        pool_size: connections to PostgreSQL; 0: the usual number.
        cpu_burn_ms: CPU time that each request takes on the event loop.
        slow_dns_ms: looking up the model's host takes this long.
        rate_limit_per_s: more requests are refused with 429; 0: none is.
        big_payload_kb: what each answer is longer by.
        leak_kb: what each request leaves in memory.
        caller_limit: connections to the model at a time; 0: as many as there are requests.
        crash: chats and searches break with an exception that nobody expects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slow_db_ms: float = Field(default=0, ge=0)
    lock_ms: float = Field(default=0, ge=0)
    pool_size: int = Field(default=0, ge=0, le=100)
    cpu_burn_ms: float = Field(default=0, ge=0)
    slow_dns_ms: float = Field(default=0, ge=0)
    rate_limit_per_s: float = Field(default=0, ge=0)
    big_payload_kb: int = Field(default=0, ge=0)
    leak_kb: int = Field(default=0, ge=0)
    caller_limit: int = Field(default=0, ge=0)
    crash: bool = False
