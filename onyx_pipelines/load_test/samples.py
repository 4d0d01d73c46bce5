"""The table of samples: one row per request, kept as Parquet.

Everything after the run is a pure function of it (and of the services' telemetry).
"""

from __future__ import annotations

from typing import Final

# Unix milliseconds; names are `load_test.results` enums' values; times are milliseconds; NaN where
# there is none. `blocked_ms` contains name lookup, connect and TLS (k6's meaning of it).
COLUMNS: Final[dict[str, str]] = {
    "started_ms": "float64",
    "ended_ms": "float64",
    "scenario": "str",
    "block": "str",
    "repeat": "int32",
    "users": "int32",
    "vu": "int32",
    "iteration": "int32",
    "request": "str",
    "status": "int32",
    "error_code": "int32",
    "error": "str",
    "blocked_ms": "float64",
    "connecting_ms": "float64",
    "tls_ms": "float64",
    "sending_ms": "float64",
    "waiting_ms": "float64",
    "receiving_ms": "float64",
    "bytes": "int64",
    "first_token_ms": "float64",
    "tokens": "float64",
    "retry_after_s": "float64",
    # The server's own account (Server-Timing) as it came: "total;dur=12.1, pg_wait;dur=0.2".
    "server_timing": "str",
}

# One row per service and second, beside the samples.
TELEMETRY_COLUMNS: Final[dict[str, str]] = {
    "at_ms": "float64",
    "service": "str",
    "cores": "float64",
    "cpu_cores": "float64",
    "run_queue_cores": "float64",
    "throttled_share": "float64",
    "memory_bytes": "float64",
    "memory_peak_bytes": "float64",
    "pool_size": "float64",
    "pool_busy": "float64",
    "pool_waiting": "float64",
}
