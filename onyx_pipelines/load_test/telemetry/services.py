"""Which services are watched, and how: by process id, by cgroup, by their own /metrics,
or by what Prometheus has scraped of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.core.errors import SettingsError

_KINDS = ("pid", "pidfile", "cgroup", "metrics", "job", "container")


@dataclass(frozen=True)
class WatchedService:
    """`pid_file`: a file with a process id, whose children belong to the service too. `cgroup`: a
    version 2 directory, as of a container. `metrics_url`: Prometheus text with gauges of a pool.
    `prometheus`: `job:NAME` (its process_… metrics) or `container:NAME` (cAdvisor's)."""

    name: str
    pid: int | None = None
    pid_file: Path | None = None
    cgroup: Path | None = None
    metrics_url: str = ""
    prometheus: str = ""


def parse_services(texts: Mapping[str, str]) -> tuple[WatchedService, ...]:
    """From `{"app": "pid:123 metrics:http://…", "db": "cgroup:/sys/fs/cgroup/…"}`.

    Raises:
        SettingsError: an entry is of another form.
    """
    return tuple(_parse(name, text) for name, text in texts.items())


def _parse(name: str, text: str) -> WatchedService:
    found: dict[str, str] = {}
    for part in text.split():
        kind, separator, value = part.partition(":")
        if kind not in _KINDS or not separator or not value or kind in found:
            raise _malformed(name, part)
        found[kind] = value
    if not found or ("pid" in found and not found["pid"].isdigit()):
        raise _malformed(name, text)
    asked = [f"{kind}:{found[kind]}" for kind in ("job", "container") if kind in found]
    if len(asked) > 1:
        raise _malformed(name, text)
    return WatchedService(
        name=name,
        pid=int(found["pid"]) if "pid" in found else None,
        pid_file=Path(found["pidfile"]) if "pidfile" in found else None,
        cgroup=Path(found["cgroup"]) if "cgroup" in found else None,
        metrics_url=found.get("metrics", ""),
        prometheus="".join(asked),
    )


def _malformed(name: str, part: str) -> SettingsError:
    return SettingsError(
        f"ONYX_LOAD_TEST_SERVICES: {part!r} of {name} is not understood.",
        remedy="Write NAME=pid:123, pidfile:/path, cgroup:/sys/fs/cgroup/…, metrics:http://…,"
        " or job:NAME or container:NAME as Prometheus knows it; several of one service between"
        " spaces, services between commas.",
    )
