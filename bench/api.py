"""Latency of three reading endpoints of the API on a real server: the list of sets, the status of
one and /metrics, with 5,000 sets in the local store and no second one."""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import uvicorn

from bench.table import Line
from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.backup.whole_backup import run_backup
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.vault.authenticity import signed
from onyx_pipelines.vault.host_keys import make_missing_keys
from onyx_pipelines.vault.manifest import BackupType, parse_manifest, to_bytes

SETS = 5_000
_REQUESTS = 400
_SECONDS = 30
_LIMIT_MS = 50.0


def run(directory: Path) -> list[Line]:
    """The three in turn, from one client; the first request is told apart."""
    settings = _host(directory)
    backup_id = _many_sets(settings)
    token = TokenFile(settings.tokens_file).create("bench", Scope.READ)
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    paths = ("/api/backup/sets", f"/api/backup/status/{backup_id}", "/metrics")
    taken: dict[str, list[float]] = {path: [] for path in paths}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        begun = time.monotonic()
        client.get(paths[0], timeout=300).raise_for_status()
        first_s = time.monotonic() - begun
        for _ in range(_REQUESTS):
            for path in paths:
                auth = ("admin", "benchmark-password") if path == "/metrics" else None
                begun = time.monotonic()
                client.get(path, auth=auth, timeout=60).raise_for_status()
                taken[path].append(1000 * (time.monotonic() - begun))
            time.sleep(_SECONDS / _REQUESTS)
    server.should_exit = True
    thread.join()
    lines = [
        Line(
            f"API {name} p95, {SETS:,} sets",
            statistics.quantiles(taken[path], n=20)[18],
            _LIMIT_MS,
            "ms",
            f"p50 {statistics.median(taken[path]):.1f} ms, slowest {max(taken[path]):.0f} ms",
        )
        for path, name in zip(paths, ("list of 100 sets", "status", "/metrics"), strict=True)
    ]
    return [*lines, Line("API, first look at the store", first_s, None, "s", f"{SETS:,} sets")]


def _host(directory: Path) -> Settings:
    for folder in ("state", "keys", "volume", "backups"):
        (directory / folder).mkdir(mode=0o700)
    (directory / "volume" / "file").write_bytes(os.urandom(2000))
    settings = load_settings(
        {
            "state_dir": directory / "state",
            "backup_dir": directory / "backups",
            "recipients_file": directory / "keys" / "recipients.json",
            "private_key_file": directory / "keys" / "private.json",
            "volumes": {"data": directory / "volume"},
            "metrics_password": "benchmark-password",
            "dagster_url": "http://127.0.0.1:9",
        }
    )
    make_missing_keys(settings, "bench")
    return settings


def _many_sets(settings: Settings) -> str:
    """One real set, copied under other names and times and signed; what is read is as real as the
    first."""
    outcome = run_backup(settings, backup_type=BackupType.DAILY, components=None, progress=silent)
    key = open_host(settings).trust.signing_key()
    root = settings.backup_dir / "sets"
    first = root / outcome.backup_id
    path = first / "manifest.json"
    manifest = parse_manifest(path.read_bytes(), where=str(path))
    for number in range(1, SETS):
        name = str(uuid.uuid4())
        shutil.copytree(first, root / name)
        moment = datetime.now(UTC) - timedelta(hours=6 * number)
        copy = manifest.model_copy(update={"backup_id": name, "timestamp": moment})
        (root / name / "manifest.json").write_bytes(to_bytes(signed(copy, key, at=moment)))
    return outcome.backup_id
