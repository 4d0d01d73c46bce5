"""Which tests start servers or other programs, or use those of a fixture: `make check` leaves them
out."""

from __future__ import annotations

from typing import Final

import pytest

FIXTURES: Final = frozenset(
    {
        *("sandbox", "postgres_server", "qdrant_server", "standin_process"),
        *("s3_server", "moto", "lockable"),
        *("dagster_server", "browser", "docker", "troubled", "k6"),
    }
)
STARTERS: Final = frozenset(
    {
        *("Sandbox", "PostgresServer", "S3Server", "QdrantStandIn", "ServiceProcess", "K6"),
        *("dagster_web_server", "prometheus", "nginx", "Workers", "ScratchCluster"),
        *("HostUnderTest", "subprocess"),
    }
)


def needs_a_server(item: pytest.Item) -> bool:
    """It asks for a fixture that is one, or its file imports what starts one, or a whole host."""
    fixtures = set(getattr(item, "fixturenames", ()))
    names = vars(item.module).keys() if isinstance(item, pytest.Function) else set()
    return bool(FIXTURES & fixtures or STARTERS & names)
