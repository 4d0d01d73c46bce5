"""When a snapshot is deleted, and when it is left alone, on a server that answers as scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant import snapshots as snapshots_module
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.journal import SnapshotJournal
from onyx_pipelines.sources.qdrant.patience import Patience
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi
from onyx_pipelines.sources.qdrant.snapshots import Snapshots

URL: Final = "http://qdrant:6333"
# Far from this machine's clock: times are to be the server's.
NOW: Final = datetime(2031, 10, 26, 1, 30, 0, tzinfo=UTC)
DAY_S: Final = 86400


def name_at(offset_s: float = 0, collection: str = "documents") -> str:
    made = datetime.fromtimestamp(NOW.timestamp() + offset_s, UTC)
    return f"{collection}-77-{made:%Y-%m-%d-%H-%M-%S}.snapshot"


@dataclass
class ScriptedServer:
    """`creation` is what a request to create ends with; `gauge` the successive readings of
    snapshot_creation_running, the last one for ever, None where metrics are forbidden."""

    names: list[str] = field(default_factory=list)
    creation: httpx.Response | BaseException | None = None
    appears: list[str] = field(default_factory=list)
    gauge: list[int | None] = field(default_factory=lambda: [0])
    delete_status: int = 200
    collection_exists: bool = True
    clock_s: float = NOW.timestamp()
    deleted: list[str] = field(default_factory=list)
    gauge_readings: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/metrics":
            return self._metrics()
        if not self.collection_exists:
            return httpx.Response(404)
        if request.method == "GET":
            headers = {
                "date": format_datetime(datetime.fromtimestamp(self.clock_s, UTC), usegmt=True)
            }
            result = [{"name": name, "size": 1} for name in self.names]
            return httpx.Response(200, headers=headers, json={"result": result})
        if request.method == "POST":
            return self._create()
        return self._delete(request.url.path.rpartition("/")[2])

    def _metrics(self) -> httpx.Response:
        self.gauge_readings += 1
        value = self.gauge.pop(0) if len(self.gauge) > 1 else self.gauge[0]
        if value is None:
            return httpx.Response(403)
        other = 'snapshot_creation_running{id="documents2"} 1\n'
        return httpx.Response(
            200, text=f'{other}snapshot_creation_running{{id="documents"}} {value}'
        )

    def _create(self) -> httpx.Response:
        self.names += self.appears
        if isinstance(self.creation, BaseException):
            raise self.creation
        if self.creation is not None:
            return self.creation
        self.names.append(name_at())
        return httpx.Response(200, json={"result": {"name": name_at(), "size": 1}})

    def _delete(self, name: str) -> httpx.Response:
        if self.delete_status != 200:
            return httpx.Response(self.delete_status)
        if name not in self.names:
            return httpx.Response(404)
        self.names.remove(name)
        self.deleted.append(name)
        return httpx.Response(200, json={"result": True})


TIMEOUT: Final = httpx.ReadTimeout("")


@dataclass
class Run:
    """One run of ours against the server, with the journal in `state_dir`."""

    server: ScriptedServer
    state_dir: Path
    warnings: list[str] = field(default_factory=list)
    url: str = URL
    patience_s: float = 5

    @contextmanager
    def _snapshots(self) -> Iterator[Snapshots]:
        errors, patience = QdrantErrors(self.url, SecretStr("")), Patience(each_s=self.patience_s)
        transport = httpx.MockTransport(self.server)
        with httpx.Client(base_url=self.url, transport=transport) as client:
            yield Snapshots(
                SnapshotApi(client, errors, patience),
                self.url,
                SnapshotJournal(self.state_dir),
                create_timeout_s=1,
                patience=patience,
            )

    def take(self, error: BaseException | None = None) -> None:
        """Make a snapshot and use it, or fail while using it."""
        with self._snapshots() as snapshots, snapshots.snapshot("documents", self.warnings.append):
            if error is not None:
                raise error

    def remove_orphans(self) -> None:
        with self._snapshots() as snapshots:
            snapshots.remove_orphans(self.warnings.append)

    @property
    def journal(self) -> list[object]:
        files = (self.state_dir / "journal" / "qdrant").glob("*.json")
        return [json.loads(path.read_text())["snapshot"] for path in files]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots_module, "_POLL_S", 0.01)


def test_it_is_deleted_after_use_and_others_stay(tmp_path: Path) -> None:
    run = Run(ScriptedServer(names=["foreign.snapshot"]), tmp_path)

    run.take()

    assert run.server.names == ["foreign.snapshot"]
    assert (run.journal, run.warnings) == ([], [])


@pytest.mark.parametrize("error", [SourceError("cut", remedy=""), KeyboardInterrupt()])
def test_it_is_deleted_when_using_it_fails(tmp_path: Path, error: BaseException) -> None:
    run = Run(ScriptedServer(), tmp_path)

    with pytest.raises(type(error)):
        run.take(error)

    assert run.server.names == []
    assert run.journal == []


def test_its_name_is_in_the_journal_while_it_is_used(tmp_path: Path) -> None:
    run = Run(ScriptedServer(), tmp_path)
    seen: list[object] = []

    with run._snapshots() as snapshots, snapshots.snapshot("documents", run.warnings.append):
        seen = run.journal

    assert seen == [name_at()]


def test_one_that_somebody_deleted_meanwhile_is_fine(tmp_path: Path) -> None:
    run = Run(ScriptedServer(), tmp_path)

    with run._snapshots() as snapshots, snapshots.snapshot("documents", run.warnings.append):
        run.server.names.clear()

    assert (run.journal, run.warnings) == ([], [])


def test_a_delete_that_fails_is_a_warning_and_the_next_run_deletes(tmp_path: Path) -> None:
    run = Run(ScriptedServer(delete_status=500), tmp_path)
    run.take()
    assert len(run.warnings) == 1
    assert "stays on the Qdrant server" in run.warnings[0]
    assert run.journal == [name_at()]

    run.server.delete_status = 200
    run.remove_orphans()

    assert (run.server.names, run.journal) == ([], [])


def test_the_next_snapshot_does_not_hide_one_that_could_not_be_deleted(tmp_path: Path) -> None:
    run = Run(ScriptedServer(delete_status=500), tmp_path)
    run.take()
    run.server.names = [name_at().replace("77", "78")]

    run.take()

    assert len(run.journal) == 2


def test_after_a_timeout_we_wait_for_the_server_and_delete_what_it_made(tmp_path: Path) -> None:
    server = ScriptedServer(creation=TIMEOUT, appears=[name_at(2)], gauge=[1, 1, 1, 0])
    run = Run(server, tmp_path)

    with pytest.raises(SourceError, match="no answer in time") as caught:
        run.take()

    assert caught.value.transient
    assert server.deleted == [name_at(2)]
    assert server.gauge_readings >= 4
    assert (run.journal, run.warnings) == ([], [])


@pytest.mark.parametrize("status", [500, 502, 504])
def test_after_an_error_of_server_or_proxy_what_it_made_is_deleted(
    tmp_path: Path, status: int
) -> None:
    run = Run(ScriptedServer(creation=httpx.Response(status), appears=[name_at()]), tmp_path)

    with pytest.raises(SourceError, match=f"HTTP {status}"):
        run.take()

    assert (run.server.names, run.journal) == ([], [])


def test_a_refusal_ends_it_at_once(tmp_path: Path) -> None:
    run = Run(ScriptedServer(creation=httpx.Response(403), appears=[name_at()]), tmp_path)

    with pytest.raises(SourceError, match="HTTP 403"):
        run.take()

    # What appeared within the same second is somebody else's.
    assert run.server.names == [name_at()]
    assert (run.journal, run.server.gauge_readings) == ([], 0)


def test_of_two_new_ones_none_is_deleted_now_or_later(tmp_path: Path) -> None:
    both = [name_at(1), name_at(2)]
    run = Run(ScriptedServer(creation=TIMEOUT, appears=list(both)), tmp_path)

    with pytest.raises(SourceError):
        run.take()
    run.server.names = [name_at(2)]
    run.remove_orphans()

    assert run.server.deleted == []
    assert len(run.warnings) == 1
    assert name_at(1) in run.warnings[0]


def test_one_still_in_the_making_is_left_to_the_next_run(tmp_path: Path) -> None:
    server = ScriptedServer(creation=TIMEOUT, gauge=[1])
    run = Run(server, tmp_path, patience_s=0.05)
    with pytest.raises(SourceError):
        run.take()
    assert "still in the making" in run.warnings[0]

    run.server.names, run.server.gauge = [name_at(1)], [0]
    run.remove_orphans()

    assert run.server.deleted == [name_at(1)]
    assert run.journal == []


def test_without_metrics_one_that_comes_late_is_deleted_by_the_next_run(tmp_path: Path) -> None:
    run = Run(ScriptedServer(creation=TIMEOUT, gauge=[None]), tmp_path)
    with pytest.raises(SourceError):
        run.take()

    run.server.names = [name_at(1)]
    run.remove_orphans()

    assert run.server.deleted == [name_at(1)]


def test_without_metrics_one_that_never_comes_is_forgotten_after_a_day(tmp_path: Path) -> None:
    run = Run(ScriptedServer(creation=TIMEOUT, gauge=[None]), tmp_path)
    with pytest.raises(SourceError):
        run.take()

    run.remove_orphans()
    assert len(run.journal) == 1
    run.server.clock_s += DAY_S + 60
    run.remove_orphans()

    assert run.journal == []


def test_a_later_snapshot_of_somebody_else_is_never_taken_for_ours(tmp_path: Path) -> None:
    run = Run(ScriptedServer(creation=TIMEOUT, gauge=[None]), tmp_path)
    with pytest.raises(SourceError):
        run.take()

    run.server.names = [name_at(3600)]
    run.server.gauge = [0]
    run.remove_orphans()

    assert run.server.names == [name_at(3600)]


def test_an_interrupted_request_is_left_to_the_next_run_without_waiting(tmp_path: Path) -> None:
    server = ScriptedServer(creation=KeyboardInterrupt(), appears=[name_at()], gauge=[1])
    run = Run(server, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.take()
    assert server.gauge_readings == 0

    server.gauge = [0]
    run.remove_orphans()

    assert (server.names, run.journal) == ([], [])


def test_a_collection_that_is_gone_took_its_snapshots_along(tmp_path: Path) -> None:
    run = Run(ScriptedServer(creation=TIMEOUT, gauge=[None]), tmp_path)
    with pytest.raises(SourceError):
        run.take()

    run.server.collection_exists = False
    run.remove_orphans()

    assert (run.journal, run.warnings) == ([], [])


def test_what_stands_on_another_server_is_not_touched(tmp_path: Path) -> None:
    run = Run(ScriptedServer(delete_status=500), tmp_path)
    run.take()

    elsewhere = Run(ScriptedServer(names=[name_at()]), tmp_path, url="http://other:6333")
    elsewhere.remove_orphans()

    assert elsewhere.server.names == [name_at()]
    assert elsewhere.journal == [name_at()]


def test_one_that_has_the_name_of_an_earlier_one_is_used_and_stays(tmp_path: Path) -> None:
    run = Run(ScriptedServer(names=[name_at()]), tmp_path)

    run.take()

    assert run.server.deleted == []
    assert "made twice" in run.warnings[0]
    assert run.journal == []
