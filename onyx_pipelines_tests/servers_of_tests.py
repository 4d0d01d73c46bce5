"""Which tests start servers or other programs, or use those of a fixture: `make check` leaves them
out, and does not even import files in which all do."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

FIXTURES: Final = frozenset(
    {
        *("sandbox", "postgres_server", "qdrant_server", "standin_process"),
        *("s3_server", "moto", "lockable"),
        *("dagster_server", "browser", "docker", "troubled", "k6", "bugsink"),
    }
)
STARTERS: Final = frozenset(
    {
        *("Sandbox", "PostgresServer", "S3Server", "QdrantStandIn", "ServiceProcess", "K6"),
        *("dagster_web_server", "prometheus", "nginx", "Workers", "ScratchCluster"),
        *("HostUnderTest", "subprocess", "engine_host", "judged_by_promtool", "node_service"),
    }
)
_NAMES: Final = "|".join(sorted(STARTERS))
_IMPORTED: Final = re.compile(
    rf"^(?:from \S+ )?import (?:.*\b)?(?:{_NAMES})\b|^    (?:{_NAMES}),$|^class (?:{_NAMES})\b",
    re.M,
)


def needs_a_server(item: pytest.Item) -> bool:
    """It asks for a fixture that is one, or stands in a file that starts one."""
    return bool(FIXTURES & set(getattr(item, "fixturenames", ()))) or starts_servers(item.path)


@cache
def starts_servers(file: Path) -> bool:
    """It imports what starts one, or a whole host."""
    return _IMPORTED.search(file.read_text(encoding="utf-8")) is not None
