"""One small sandbox per session of tests, and a backup host of its own for each test."""

from __future__ import annotations

import atexit
import json
import os
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from onyx_pipelines.backup import verifying
from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.backup.whole_backup import BackupOutcome, run_backup
from onyx_pipelines.core.progress import ProgressCallback, silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.host_keys import make_missing_keys
from onyx_pipelines.vault.manifest import BackupType, Manifest
from onyx_pipelines_tests.fixtures_qdrant import DIMENSIONS, open_client, sample_points
from onyx_pipelines_tests.forked_command import run_forked
from onyx_pipelines_tests.lifetime import one_at_a_time, session_directory
from onyx_pipelines_tests.planting import plant

SANDBOX_SIZE = 0.05
DEAD_PORT = 9
DEAD_URL = f"http://127.0.0.1:{DEAD_PORT}"
COMMAND = (sys.executable, "-c", "from onyx_pipelines.cli import main; main()")
VOLUME = "data"
# Of this worker: a snapshot's name is its collection's and the second.
COLLECTION = f"documents-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """PostgreSQL, S3, the Qdrant stand-in, an application and volumes with a little sample data.

    All workers share it, until the session's end: only read it, or write under names of your own.
    """
    stack = _sandbox()
    # Its servers outlive this worker, which may be their parent.
    atexit.register(warnings.simplefilter, "ignore", ResourceWarning)
    with one_at_a_time("sandbox"):
        stack.up(size=SANDBOX_SIZE)
    return stack


@pytest.fixture
def sandbox_alone(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The same, for a test that makes its servers slow: no other worker has it meanwhile."""
    with no_faults():
        yield sandbox
        sandbox.app.set_faults()
        sandbox.llm.set_delays()
        sandbox.qdrant.set_faults()


def no_faults() -> AbstractContextManager[None]:
    """No other worker makes the sandbox slow, or is busy with its application, meanwhile."""
    return one_at_a_time("faults")


def stop_sandbox() -> None:
    """Fine if no test has wanted it."""
    _sandbox().down()


@cache
def _sandbox() -> Sandbox:
    """Kept: it is the parent of the servers that it started."""
    return Sandbox(session_directory() / "sandbox")


@dataclass(frozen=True)
class Answer:
    """What a command of `onyx` answered."""

    status: int
    output: str
    errors: str

    @property
    def everything(self) -> str:
        return self.output + self.errors

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.output)


@dataclass(frozen=True)
class HostUnderTest:
    """A host whose settings stand in the environment, as in production; stores and keys are its
    own, servers are shared."""

    root: Path
    patch: pytest.MonkeyPatch

    def set(self, **variables: object) -> None:
        """`set(PG_PORT=1)` sets ONYX_PG_PORT; None removes a variable. Its _FILE form goes too."""
        for name, value in variables.items():
            self.patch.delenv(f"ONYX_{name}_FILE", raising=False)
            if value is None:
                self.patch.delenv(f"ONYX_{name}", raising=False)
            else:
                self.patch.setenv(f"ONYX_{name}", str(value))

    @property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def offsite_dir(self) -> Path:
        """Of a volume host, whose second store is a directory."""
        return self.root / "offsite"

    @property
    def volume(self) -> Path:
        return self.root / "volume"

    @property
    def private_key(self) -> Path:
        return self.root / "keys" / "private.json"

    @property
    def recipients(self) -> Path:
        return self.root / "keys" / "recipients.json"

    @property
    def signing_key(self) -> Path:
        return self.root / "keys" / "signing-key.json"

    @property
    def signers(self) -> Path:
        return self.root / "keys" / "signers.json"

    def open(self) -> BackupHost:
        return open_host(self.settings)

    def run(
        self,
        *components: Component,
        waits: list[float] | None = None,
        progress: ProgressCallback = silent,
    ) -> BackupOutcome:
        """A whole backup in this process; waits between attempts are noted and not slept."""
        return run_backup(
            self.settings,
            backup_type=BackupType.DAILY,
            components=frozenset(components) or None,
            progress=progress,
            sleep=(waits if waits is not None else []).append,
        )

    def listed(self) -> list[str]:
        """Ids of the sets in any store, newest first."""
        return [view.backup_id for view in self.open().catalog.sets()]

    def stores_of(self, backup_id: str) -> set[str]:
        return set(self.open().catalog.find(backup_id).stores)

    def manifest(self, backup_id: str) -> Manifest:
        return self.open().catalog.find(backup_id).manifest

    def intact(self, backup_id: str) -> bool:
        """Whether every byte of the set, wherever it lies, unseals to what it was."""
        host = self.open()
        stores = [store for store in host.stores if store.name in self.stores_of(backup_id)]
        return bool(stores) and all(
            verifying.verify_set(host, store, backup_id, silent, deep=True).ok for store in stores
        )

    def first_object(self, backup_id: str, *, store: str = "backups") -> Path:
        folder = self.root / store / "sets" / backup_id
        return sorted(folder.rglob("*.sealed"))[0]

    def onyx(self, *arguments: str, timeout_s: float = 240) -> Answer:
        """The command as a process of its own."""
        return Answer(*run_forked(*arguments, timeout_s=timeout_s))

    def secrets(self) -> list[str]:
        """What must stand in no output: passwords, and the material of the private key."""
        settings = self.settings
        passwords = (settings.pg_password, settings.s3_secret_access_key)
        return [
            *filter(None, (each.get_secret_value() for each in passwords)),
            *key_material(self.private_key),
            *key_material(self.signing_key),
        ]


def key_material(private_key: Path) -> list[str]:
    keyset = json.loads(json.loads(private_key.read_text(encoding="utf-8"))["private_keyset"])
    return [key["keyData"]["value"] for key in keyset["key"]]


def cut_manifest(store: Path, backup_id: str) -> None:
    """What `head -c 1000` leaves of it."""
    plant(store / "sets" / backup_id / "manifest.json", lambda data: data[:1000])


def make_host(root: Path, patch: pytest.MonkeyPatch) -> HostUnderTest:
    """A host with keys, a local store and no source yet."""
    host = HostUnderTest(root, patch)
    for folder in ("keys", "state", "backups"):
        (root / folder).mkdir(mode=0o700)
    host.set(
        STATE_DIR=root / "state",
        HOST_NAME="test-host",
        BACKUP_DIR=host.backups,
        REPORTS_DIR=root / "reports",
        RECIPIENTS_FILE=host.recipients,
        PRIVATE_KEY_FILE=host.private_key,
        SIGNING_KEY_FILE=host.signing_key,
        SIGNERS_FILE=host.signers,
    )
    make_missing_keys(host.settings, "test host")
    return host


def make_sandbox_host(root: Path, patch: pytest.MonkeyPatch, sandbox: Sandbox) -> HostUnderTest:
    """A host with all three components and the S3 server as its second store."""
    for name, value in sandbox.environment().items():
        if name.startswith("ONYX_"):
            patch.setenv(name, value)
    host = make_host(root, patch)
    # One database and one collection: every collection's snapshot has 130 MB of preallocated files.
    host.set(
        OFFSITE_URL=f"s3://{sandbox.s3.bucket}/test-{uuid.uuid4()}",
        PG_DATABASES="onyx",
        SCRATCH_DIR=session_directory() / "scratch",
        QDRANT_COLLECTIONS=_own_collection(sandbox),
    )
    return host


def _own_collection(sandbox: Sandbox) -> str:
    with open_client(sandbox.qdrant.url) as client:
        if not client.collection_exists(COLLECTION):
            vectors = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
            client.create_collection(COLLECTION, vectors_config=vectors)
            client.upsert(COLLECTION, points=sample_points(100), wait=True)
    return COLLECTION


@pytest.fixture
def backup_host(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostUnderTest:
    """Backs up the sandbox into stores of its own, sealed to a key of its own."""
    return make_sandbox_host(tmp_path, monkeypatch, sandbox)


@pytest.fixture
def volume_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostUnderTest:
    """Backs up one small volume into two directories; needs no server."""
    return make_volume_host(tmp_path, monkeypatch)


def make_volume_host(root: Path, patch: pytest.MonkeyPatch) -> HostUnderTest:
    host = make_host(root, patch)
    host.volume.mkdir()
    host.offsite_dir.mkdir(mode=0o700)
    (host.volume / "greeting.txt").write_text("hello\n" * 2000, encoding="utf-8")
    (host.volume / "random.bin").write_bytes(os.urandom(50_000))
    host.set(VOLUMES=f"{VOLUME}={host.volume}", OFFSITE_URL=f"file://{host.offsite_dir}")
    return host
