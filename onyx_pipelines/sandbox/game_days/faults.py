"""What is done to the sandbox in each rehearsal, for real, and how all of it is put right again,
whatever the playbook has done meanwhile and whoever was killed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from onyx_pipelines.core.errors import AlreadyRunningError, OnyxError
from onyx_pipelines.core.names import Job
from onyx_pipelines.host.durable_files import remove_durably
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.notify.last_runs import LastRuns
from onyx_pipelines.sandbox.game_days.compose import services_of
from onyx_pipelines.sandbox.game_days.small_disk import SmallDisk
from onyx_pipelines.sandbox.game_days.terminal import Terminal
from onyx_pipelines.vault.unfinished_restore import refuse_while_restoring

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

_LEAK_KB: Final = 350_000
_BURN_MS: Final = 600_000
# Of what the application searches.
_COLLECTION: Final = "documents"
# As much of a file as one write of a disk that failed may have hit.
_DAMAGED_BYTES: Final = 4096
_BACKUP: Final = "onyx backup run --json"


def _nothing(_: Sandbox) -> None:
    pass


def _as_before(_: Sandbox) -> str:
    return ""


class NotStruckError(OnyxError):
    """A rehearsal could not break what it was to break.

    Cause: the sandbox lacks a part of it, or survived what was done to it.
    Remedy: read what it says; `onyx sandbox up --monitoring` names what this machine lacks.
    """

    code = "not-struck"


@dataclass(frozen=True)
class Fault:
    """Of one scenario.

    Args:
        strike: returns when the incident has begun.
        undo: whatever is still broken of it, and nothing where nothing is; what does not run is
            left to whoever starts the sandbox.
        lacks: what is not as it was before, after the repair; empty: nothing.
        why_not: why this machine cannot do it; empty: it can.
    """

    strike: Callable[[Sandbox], None]
    undo: Callable[[Sandbox], None] = _nothing
    lacks: Callable[[Sandbox], str] = _as_before
    why_not: Callable[[], str] = str


def _kill_model(sandbox: Sandbox) -> None:
    (sandbox.litellm if sandbox.litellm.pid else sandbox.llm).kill()


def _start_model(sandbox: Sandbox) -> None:
    """The proxy, where there is one: nobody else would start it again."""
    if sandbox.litellm.pid_path.exists():
        services_of(sandbox)["litellm"].up()


def _stop_postgres(sandbox: Sandbox) -> None:
    sandbox.postgres.stop()


def _hog(sandbox: Sandbox) -> None:
    """One request that somebody sends, and whose answer nobody waits for."""
    app = sandbox.app
    app.set_faults(leak_kb=_LEAK_KB, cpu_burn_ms=_BURN_MS)
    with suppress(httpx.TimeoutException):
        httpx.post(
            f"{app.url}/api/rag/search", json={"query": "all of it"}, timeout=1, trust_env=False
        )


def _end_hog(sandbox: Sandbox) -> None:
    """Killed where it does not answer, or still takes so much of each request."""
    app = sandbox.app
    if app.pid is None:
        return
    try:
        faults = httpx.get(f"{app.url}/faults", timeout=2, trust_env=False).json()
    except httpx.HTTPError:
        app.kill()
    else:
        if any(faults.values()):
            app.set_faults()


def _end_certificate(sandbox: Sandbox) -> None:
    sandbox.monitoring.edge.renew(days=1)


def _renew_certificate(sandbox: Sandbox) -> None:
    if sandbox.monitoring.edge.certificate.exists():
        sandbox.monitoring.edge.renew()


@dataclass(frozen=True)
class _Damage:
    """Of a collection's files, which can be taken back: what was overwritten is kept."""

    sandbox: Sandbox

    @property
    def collection(self) -> Path:
        return self.sandbox.qdrant.data_dir / "storage" / "collections" / _COLLECTION

    @property
    def aside(self) -> Path:
        """Where the playbook puts it."""
        return self.collection.parents[1] / f"{_COLLECTION}.damaged"

    @property
    def kept(self) -> Path:
        return self.sandbox.state_dir / "undamaged"

    def do(self) -> None:
        points = self.points()
        self.sandbox.qdrant.kill()
        shutil.rmtree(self.kept, ignore_errors=True)
        self.kept.mkdir()
        (self.kept / "points.json").write_text(json.dumps(points), encoding="utf-8")
        for path in sorted(self.collection.glob("0/segments/**/*")):
            if path.is_file():
                self._overwrite(path)

    def undo(self) -> None:
        """The files are those of before, also where the playbook has restored the collection."""
        if not self.kept.exists():
            return
        self.sandbox.qdrant.stop()
        if self.aside.exists():
            shutil.rmtree(self.collection, ignore_errors=True)
            self.aside.rename(self.collection)
        for path in self.kept.glob("files/**/*"):
            if path.is_file():
                with (self.collection / path.relative_to(self.kept / "files")).open("r+b") as file:
                    file.write(path.read_bytes())
        shutil.rmtree(self.kept)

    def lacks(self) -> str:
        """What is not in the collection again."""
        before = int(json.loads((self.kept / "points.json").read_bytes()))
        now = self.points()
        return "" if now == before else f"{_COLLECTION} has {now} points; before it had {before}."

    def points(self) -> int:
        """Of the collection now."""
        qdrant = self.sandbox.qdrant
        answer = httpx.get(f"{qdrant.url}/collections/{_COLLECTION}", trust_env=False, timeout=10)
        answer.raise_for_status()
        return int(answer.json()["result"]["points_count"])

    def _overwrite(self, path: Path) -> None:
        kept = self.kept / "files" / path.relative_to(self.collection)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b") as file:
            data = file.read(_DAMAGED_BYTES)
            kept.write_bytes(data)
            file.seek(0)
            file.write(bytes(byte ^ 0x5A for byte in data))


def _damage_vectors(sandbox: Sandbox) -> None:
    _Damage(sandbox).do()
    try:
        sandbox.qdrant.start()
    except OnyxError:
        return
    raise NotStruckError(
        "Qdrant started in spite of damaged files.", remedy="Report it; the files are put back."
    )


def _replace_vectors(sandbox: Sandbox) -> None:
    damage = _Damage(sandbox)
    if damage.kept.exists():
        damage.undo()
        try:
            refuse_while_restoring(_state(sandbox))
        except AlreadyRunningError:
            # It was killed with us, and nothing that it began is wanted any more.
            Terminal(sandbox).type("onyx restore --abort")


def _fail_backup(sandbox: Sandbox) -> None:
    """Begun as the schedule would, and told as failed."""
    sandbox.qdrant.set_faults(create_status=403)
    try:
        said = Terminal(sandbox).type(_BACKUP)
    finally:
        sandbox.qdrant.set_faults()
    if not _backup_failed(sandbox):
        raise NotStruckError(
            f"The backup did not fail: {said.output[-500:]}", remedy="Read what it said."
        )


def _forget_failure(sandbox: Sandbox) -> None:
    """The run that was made to fail, unless one has succeeded since."""
    if sandbox.qdrant.pid:
        sandbox.qdrant.set_faults()
    if _backup_failed(sandbox):
        remove_durably(_state(sandbox) / "last-runs" / f"{Job.BACKUP}.json")


def _backup_failed(sandbox: Sandbox) -> bool:
    last = LastRuns(_state(sandbox)).of(Job.BACKUP)
    return last is not None and last.failed


def _state(sandbox: Sandbox) -> Path:
    return Path(sandbox.environment()["ONYX_STATE_DIR"])


# By scenario.
FAULTS: Final[Mapping[str, Fault]] = {
    Playbook.LLM_DOWN.value: Fault(_kill_model, _start_model),
    Playbook.DATABASE_FAILURE.value: Fault(_stop_postgres),
    "database-disk-full": Fault(
        lambda sandbox: SmallDisk(sandbox).fill(),
        lambda sandbox: SmallDisk(sandbox).remove(),
        why_not=SmallDisk.why_not,
    ),
    Playbook.HIGH_RESOURCE_USAGE.value: Fault(_hog, _end_hog),
    Playbook.VECTOR_CORRUPTION.value: Fault(
        _damage_vectors, _replace_vectors, lambda sandbox: _Damage(sandbox).lacks()
    ),
    Playbook.CERTIFICATE_EXPIRY.value: Fault(_end_certificate, _renew_certificate),
    Playbook.SYNC_FAILURE.value: Fault(_fail_backup, _forget_failure),
}
