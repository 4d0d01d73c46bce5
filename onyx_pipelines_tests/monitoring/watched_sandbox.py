"""A sandbox of a test's own that is well and watched: its backup is recent, whole and drilled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.backup.whole_backup import run_backup
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Thresholds, load_settings
from onyx_pipelines.load_test.promoted_latency import FOLDER
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.last_runs import LastRuns
from onyx_pipelines.sandbox.monitoring import programs
from onyx_pipelines.sandbox.monitoring.receiver import Told
from onyx_pipelines.sandbox.monitoring.visitors import ask
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.authenticity import signed
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.manifest import BackupType, Manifest, parse_manifest, to_bytes
from onyx_pipelines.vault.signing import SigningKey
from onyx_pipelines_tests.requirements_of_tests import program

_SIZE = 0.02
# This machine is others' too, and is busy.
THRESHOLDS = Thresholds(resources=1)
_BASELINE_MS = 400.0
_BASELINE_FILE = "20261101T000000Z-0123456789abcdef.json"


@dataclass(frozen=True)
class WatchedSandbox:
    """`host`: of the sandbox's backups. `backup_id`: the one set that there is. `disks`: where a
    test may mount some: others of this machine are none of its business."""

    disks: Path
    sandbox: Sandbox
    host: BackupHost
    backup_id: str

    def up(self) -> None:
        """Whatever was killed runs again."""
        self.sandbox.up(size=_SIZE, monitoring=True)

    def told(self, since: datetime, status: str) -> set[str]:
        """Alerts of the sandbox that reached the webhook since then."""
        return {each.alert for each in self._told(since) if each.status == status}

    def in_order(self, since: datetime) -> list[str]:
        """Alerts that fired, each once, as they came."""
        firing = [each.alert for each in self._told(since) if each.status == "firing"]
        return list(dict.fromkeys(firing))

    def active(self, state: str = "pending|firing") -> set[str]:
        """Alerts that Prometheus has now, told or not."""
        query = f'ALERTS{{alertstate=~"{state}",alertname!~"Watchdog|Stack.*"}}'
        return {
            str(each["metric"]["alertname"])
            for each in self.sandbox.monitoring.prometheus.series(query)
        }

    def pages(self, since: datetime) -> set[str]:
        """Those of them that wake somebody up."""
        return {
            each.alert
            for each in self._told(since)
            if each.status == "firing" and each.severity == "critical"
        }

    def _told(self, since: datetime) -> list[Told]:
        return [
            each
            for each in self.sandbox.monitoring.receiver.told()
            if datetime.fromisoformat(each.at) >= since
            and not self._is_of_the_machine(each)
            # It follows from the others, and in production after an hour.
            and not each.alert.startswith("Stack")
        ]

    def _is_of_the_machine(self, told: Told) -> bool:
        of_a_disk = told.alert.startswith("Disk")
        return told.alert == "OutOfMemoryKill" or (
            of_a_disk and str(self.disks) not in told.summary
        )

    def ask(self, times: int) -> None:
        """The application and Suna, as their users do."""
        ask([self.sandbox.app, self.sandbox.monitoring.suna], times)

    def note_drill(self, at: datetime) -> None:
        """As of then the newest set was restored and compared."""
        catalog = Catalog(self.host.stores, self.host.trust)
        for store in self.host.stores:
            catalog.record_drill(self.backup_id, store.name, passed=True, at=at)

    def note_baseline(self, p95_ms: float) -> None:
        """As if a load test had been promoted in which answers took so long."""
        folder = self.host.settings.state_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        baseline = {"series": {"chat full_answer p95": {"values": [p95_ms]}}}
        (folder / _BASELINE_FILE).write_text(json.dumps(baseline))

    def note_run(self, at: datetime) -> None:
        """As of then the nightly backup ended well."""
        LastRuns(self.host.settings.state_dir).note(
            Event(Outcome.SUCCEEDED, "", "run", Job.BACKUP, "", occurred_at=at)
        )

    def date_set(self, at: datetime) -> None:
        """As if the newest set had been taken then."""
        key = self.host.trust.signing_key()
        for store in self.host.stores:
            manifest = self.manifest.model_copy(update={"timestamp": at, "completed_at": at})
            store.put(manifest_key(self.backup_id), to_bytes(signed(manifest, key)))

    def put_set(self, backup_id: str, key: SigningKey) -> None:
        """Another set in the first store, signed by `key`."""
        manifest = self.manifest.model_copy(update={"backup_id": backup_id})
        self.host.first.put(manifest_key(backup_id), to_bytes(signed(manifest, key)))

    @property
    def manifest(self) -> Manifest:
        return parse_manifest(self.host.first.get(manifest_key(self.backup_id)))


@contextmanager
def watched_sandbox(
    folder: Path, disks: Path, *, docker_host: str = ""
) -> Iterator[WatchedSandbox]:
    """One that has been asked a few things, so that there is something to see.

    Args:
        docker_host: of an engine, in whose containers its services run.
    """
    for each in (programs.PROMETHEUS, programs.ALERTMANAGER, programs.REDIS, programs.NGINX):
        program(each.name)
    for each in programs.EXPORTERS:
        program(each.name)
    sandbox = Sandbox(folder)
    try:
        sandbox.up(size=_SIZE, docker_host=docker_host)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in sandbox.environment().items():
                patch.setenv(name, value)
            settings = load_settings()
        outcome = run_backup(
            settings,
            backup_type=BackupType.DAILY,
            components=frozenset({Component.VOLUMES}),
            progress=silent,
        )
        found = WatchedSandbox(disks, sandbox, open_host(settings), outcome.backup_id)
        found.note_baseline(_BASELINE_MS)
        found.note_drill(datetime.now(UTC))
        sandbox.monitoring.thresholds = THRESHOLDS
        found.up()
        found.ask(2)
        # An error, so that there is one to be seen; one is none too many.
        httpx.post(f"{sandbox.app.url}/api/rag/search", json={"query": ""}, trust_env=False)
        yield found
    finally:
        sandbox.down()
