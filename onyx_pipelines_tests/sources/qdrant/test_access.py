"""Keys: the right one works, a wrong or read-only one says what to do, and none is ever shown."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.sample_vectors import load_sample_vectors
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines_tests.fixtures_qdrant import back_up, journal_in
from onyx_pipelines_tests.recording_sink import RecordingSink

_KEY = "k3y-of-the-tests-e1f0"
_READ_ONLY = "r3ad-only-key-77aa"


@pytest.fixture(scope="module")
def locked_standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantStandIn]:
    folder = tmp_path_factory.mktemp("locked") / "standin"
    with QdrantStandIn(folder, api_key=_KEY, read_only_key=_READ_ONLY) as server:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            load_sample_vectors(server.url, api_key=_KEY, documents=10)
        yield server


@pytest.fixture
def locked(locked_standin: QdrantStandIn) -> Iterator[QdrantStandIn]:
    yield locked_standin
    locked_standin.set_faults()


def _source(server: QdrantStandIn, key: str, state_dir: Path) -> QdrantSource:
    return QdrantSource(server.url, state_dir=state_dir, api_key=SecretStr(key))


def _failure(server: QdrantStandIn, key: str, state_dir: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        _source(server, key, state_dir).back_up(RecordingSink(), silent)
    return caught.value


def test_with_the_right_key_everything_is_backed_up(locked: QdrantStandIn, tmp_path: Path) -> None:
    _, report = back_up(_source(locked, _KEY, tmp_path))

    assert report.status is ComponentStatus.COMPLETED
    assert report.summary["vector_count"] == 11
    assert report.summary["aliases_count"] == 1


@pytest.mark.parametrize("key", ["", "wrong-key-9c1d"])
def test_a_wrong_or_missing_key_says_which_setting_to_check(
    key: str, locked: QdrantStandIn, tmp_path: Path
) -> None:
    error = _failure(locked, key, tmp_path)

    assert "HTTP 401" in error.what
    assert "ONYX_QDRANT_API_KEY" in error.remedy
    assert not error.transient


def test_a_read_only_key_says_that_it_cannot_make_snapshots(
    locked: QdrantStandIn, tmp_path: Path
) -> None:
    error = _failure(locked, _READ_ONLY, tmp_path)

    assert "HTTP 403" in error.what
    assert "read-only" in error.remedy
    assert not error.transient
    assert journal_in(tmp_path) == []


@pytest.mark.parametrize("key", ["wrong-key-9c1d", _READ_ONLY])
def test_a_refused_key_is_in_no_part_of_the_error(
    key: str, locked: QdrantStandIn, tmp_path: Path
) -> None:
    error = _failure(locked, key, tmp_path)

    shown = "".join(traceback.TracebackException.from_exception(error).format())
    assert key not in shown + repr(error) + error.what + error.remedy


@pytest.mark.parametrize(
    "fault",
    [
        {"create_status": 500},
        {"wrong_checksum": True},
        {"compress_download": "gzip"},
        {"cut_archive": True},
        {"all_status": 500},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_the_right_key_is_in_no_error_either(
    fault: dict[str, object], locked: QdrantStandIn, tmp_path: Path
) -> None:
    locked.set_faults(**fault)

    error = _failure(locked, _KEY, tmp_path)

    shown = "".join(traceback.TracebackException.from_exception(error).format())
    assert _KEY not in shown + repr(error) + error.what + error.remedy


def test_the_key_is_in_no_object_no_report_and_no_description(
    locked: QdrantStandIn, tmp_path: Path
) -> None:
    source = _source(locked, _KEY, tmp_path)

    sink, report = back_up(source)

    shown = repr(report) + source.describe() + repr(source)
    assert _KEY not in shown
    assert [path for path, each in sink.objects.items() if _KEY.encode() in each.data] == []


def test_the_key_is_not_in_the_journal(locked: QdrantStandIn, tmp_path: Path) -> None:
    locked.set_faults(delete_status=500)

    back_up(_source(locked, _KEY, tmp_path))

    texts = [path.read_text() for path in journal_in(tmp_path)]
    assert len(texts) == 2
    assert [text for text in texts if _KEY in text] == []
