"""An archive is unpacked as it was packed, or refused; nothing of it lands elsewhere."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.sources.qdrant.snapshot_archive import UnpackedSnapshot, unpack_snapshot
from onyx_pipelines_tests.attacks.odd_documents import NO_DOCUMENTS

_MANY = 1 << 40
_QUICK = settings(max_examples=40, deadline=None)
_CONFIG = {"params": {"vectors": {"size": 4, "distance": "Dot"}}}
_CONTENTS = st.binary(max_size=400) | st.integers(0, 200_000).map(bytes)
_NAMES = st.text("abcXYZ019_-", min_size=1, max_size=12)
# Prefixed, so that none is a place that another part of the archive needs.
_FILES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=3).map(lambda parts: "x" + "/x".join(parts) + ".dat"),
    _CONTENTS,
    max_size=4,
)
_SEGMENTS = st.dictionaries(st.uuids().map(str), _FILES, min_size=1, max_size=3)

Files = dict[str, bytes]


def _tar(files: Files) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return output.getvalue()


def _segment(extra: Files) -> Files:
    return {"version.info": b"0.6.0", "segment.json": b"{}", **extra}


def _nested(files: Files, prefix: str = "snapshot/files/") -> bytes:
    return _tar({prefix + name: data for name, data in files.items()})


def _archive(segments: dict[str, bytes], wal: Files | None = None) -> Files:
    """The files of a collection's snapshot, in the server's order."""
    return {
        **{f"0/segments/{name}.tar": data for name, data in segments.items()},
        **{f"0/wal/{name}": data for name, data in (wal or {"open-1": bytes(4096)}).items()},
        "0/replica_state.json": b'{"is_local": true}',
        "0/shard_config.json": b'{"type":"ReplicaSet"}',
        "version.info": b"0.4.2",
        "config.json": json.dumps(_CONFIG).encode(),
    }


_SMALL = _archive({"s": _nested(_segment({}))})


@contextmanager
def _unpacked(data: bytes, *, max_bytes: int = _MANY) -> Iterator[UnpackedSnapshot]:
    with tempfile.TemporaryDirectory() as folder:
        yield unpack_snapshot(io.BytesIO(data), Path(folder) / "out", max_bytes=max_bytes)


def _files_below(root: Path) -> Files:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def _refusal(data: bytes, *, max_bytes: int = _MANY) -> str:
    with pytest.raises(IntegrityError) as caught, _unpacked(data, max_bytes=max_bytes):
        pass
    return caught.value.what


@_QUICK
@given(_SEGMENTS, _FILES.filter(bool))
def test_every_file_comes_out_as_it_went_in(segments: dict[str, Files], wal: Files) -> None:
    packed = _tar(_archive({name: _nested(_segment(f)) for name, f in segments.items()}, wal))

    with _unpacked(packed) as snapshot:
        found = {
            name: _files_below(snapshot.directory / "0" / "segments" / name)
            for name in snapshot.shards[0].segments
        }
        found_wal = _files_below(snapshot.directory / "0" / "wal")

    assert found == {name: _segment(files) for name, files in segments.items()}
    assert found_wal == wal


@pytest.mark.parametrize("prefix", ["snapshot/files/", "files/", ""])
def test_the_layouts_of_nested_segments_are_all_read(prefix: str) -> None:
    packed = _tar(_archive({"s": _nested(_segment({"matrix.dat": b"123"}), prefix)}))

    with _unpacked(packed) as snapshot:
        found = _files_below(snapshot.directory / "0" / "segments" / "s")

    assert found == _segment({"matrix.dat": b"123"})


@pytest.mark.parametrize("prefix", ["files/", ""])
def test_segments_that_are_not_nested_are_read(prefix: str) -> None:
    rest = {name: data for name, data in _SMALL.items() if not name.startswith("0/segments/")}
    plain = {f"0/segments/s/{prefix}{name}": data for name, data in _segment({}).items()}

    with _unpacked(_tar({**plain, **rest})) as snapshot:
        found = _files_below(snapshot.directory / "0" / "segments" / "s")

    assert found == _segment({})


@pytest.mark.parametrize("folder", ["db_backup", "payload_index_db_backup"])
def test_what_a_segment_keeps_in_rocksdb_is_told(folder: str) -> None:
    """The engine leaves it out."""
    nested = _tar(
        {
            f"snapshot/{folder}/000008.sst": b"x",
            **{f"snapshot/files/{name}": data for name, data in _segment({}).items()},
        }
    )

    with _unpacked(_tar(_SMALL)) as snapshot:
        assert not snapshot.shards[0].has_rocksdb
    with _unpacked(_tar(_archive({"s": nested}))) as snapshot:
        assert snapshot.shards[0].has_rocksdb


def test_a_shards_snapshot_is_read_as_shard_zero() -> None:
    packed = _tar({name.removeprefix("0/"): data for name, data in _SMALL.items()})

    with _unpacked(packed) as snapshot:
        assert snapshot.shards[0].segments == ["s"]
        assert (snapshot.directory / "0" / "wal" / "open-1").is_file()


def test_a_shard_whose_data_is_on_another_node_is_said_to_be_remote() -> None:
    remote = {"1/replica_state.json": b'{"is_local": false}', "1/shard_config.json": b"{}"}

    with _unpacked(_tar({**_SMALL, **remote})) as snapshot:
        assert [snapshot.shards[0].is_local, snapshot.shards[1].is_local] == [True, False]


def test_the_collections_configuration_is_at_hand() -> None:
    with _unpacked(_tar(_SMALL)) as snapshot:
        assert snapshot.config == _CONFIG


def test_long_runs_of_zeros_become_holes() -> None:
    packed = _tar(_archive({"s": _nested(_segment({}))}, {"open-1": b"x" + bytes(8 << 20)}))

    with _unpacked(packed) as snapshot:
        status = (snapshot.directory / "0" / "wal" / "open-1").stat()

    assert status.st_size == 1 + (8 << 20)
    assert status.st_blocks * 512 < 1 << 20


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_an_archive_cut_anywhere_before_its_end_marker_is_refused(data: st.DataObject) -> None:
    packed = _tar(_SMALL)
    complete = len(packed.rstrip(b"\0")) // 512 * 512 + 512 + 1024
    kept = data.draw(st.integers(0, complete - 1) | st.integers(0, complete // 512 - 1).map(_block))

    assert _refusal(packed[:kept])


def _block(number: int) -> int:
    return number * 512


def test_zeros_of_a_file_are_not_taken_for_the_end_marker() -> None:
    whole = _tar({**_SMALL, "0/last": bytes(4096)})
    end_of_last = whole.index(b"0/last\0") + 512 + 4096

    assert "end marker" in _refusal(whole[:end_of_last])


def _without_end(archive: bytes) -> bytes:
    """As a server writes those of its segments: they end with their last member."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        last = opened.getmembers()[-1]
        return archive[: last.offset_data + -(-last.size // 512) * 512]


def test_a_nested_archive_ends_where_the_outer_one_says() -> None:
    nested = _without_end(_nested(_segment({"matrix.dat": b"123"})))

    with _unpacked(_tar(_archive({"s": nested}))) as snapshot:
        found = _files_below(snapshot.directory / "0" / "segments" / "s")

    assert found == _segment({"matrix.dat": b"123"})


@pytest.mark.parametrize("cut", [1, 100, 511, 513, 600, 1023])
def test_a_nested_archive_that_ends_within_a_member_is_refused(cut: int) -> None:
    nested = _without_end(_nested(_segment({"matrix.dat": b"x" * 2000})))

    assert _refusal(_tar(_archive({"s": nested[:-cut]})))


@pytest.mark.parametrize("name", ["0/segments/s.tar", "0/shard_config.json", "config.json"])
def test_a_damaged_header_does_not_pass_as_the_end(name: str) -> None:
    packed = bytearray(_tar(_SMALL))
    packed[packed.index(name.encode() + b"\0")] ^= 1

    assert _refusal(bytes(packed))


def test_a_damaged_header_within_a_nested_archive_does_not_pass_as_its_end() -> None:
    nested = bytearray(_without_end(_nested(_segment({"matrix.dat": b"123"}))))
    nested[nested.index(b"snapshot/files/matrix.dat\0")] ^= 1

    assert "no entry" in _refusal(_tar(_archive({"s": bytes(nested)})))


@pytest.mark.parametrize("name", ["config.json", "payload_index.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"7", b"\xff"])
def test_a_description_that_cannot_be_read_is_an_error_of_ours(name: str, content: bytes) -> None:
    with (
        _unpacked(_tar({**_SMALL, name: content})) as snapshot,
        pytest.raises(IntegrityError, match=name),
    ):
        _ = snapshot.config, snapshot.payload_schema


@pytest.mark.parametrize("data", [b"", b"\0" * 10240, b"no archive at all" * 100])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    assert _refusal(data)


@_QUICK
@given(st.binary(max_size=3000))
def test_bytes_of_any_kind_are_refused_with_an_error_of_ours(noise: bytes) -> None:
    packed = bytearray(_tar(_SMALL))
    packed[: len(noise)] = noise

    assert "not good" in _refusal(bytes(packed[:2000]))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../outside",
        "0/../../outside",
        "0/segments/s/../../../../outside",
        "0/wal/..",
        "0/segments/...tar",
        "0/segments/..tar",
    ],
)
def test_an_entry_that_would_leave_its_directory_is_refused(name: str, tmp_path: Path) -> None:
    packed = _tar({name: _nested(_segment({})), **_SMALL})

    with pytest.raises(IntegrityError):
        unpack_snapshot(io.BytesIO(packed), tmp_path / "a" / "b" / "c", max_bytes=_MANY)

    assert [path for path in tmp_path.rglob("*") if "a/b/c" not in str(path)] == [
        tmp_path / "a",
        tmp_path / "a" / "b",
    ]


@pytest.mark.parametrize("name", ["/etc/passwd", "../../outside", "snapshot/files/../../x"])
def test_a_nested_entry_that_would_leave_its_directory_is_refused(name: str) -> None:
    assert "leave" in _refusal(_tar(_archive({"s": _tar({name: b"x", **_segment({})})})))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
@pytest.mark.parametrize("wrap", [_tar, lambda files: _tar(_archive({"s": _tar(files)}))])
def test_links_and_devices_are_refused(kind: bytes, wrap: Callable[[Files], bytes]) -> None:
    packed = wrap({"0/odd": b""})
    header = tarfile.TarInfo("0/odd")
    header.type = kind
    header.linkname = "/etc/passwd"
    plain = tarfile.TarInfo("0/odd").tobuf(tarfile.GNU_FORMAT)

    changed = packed.replace(plain, header.tobuf(tarfile.GNU_FORMAT))

    assert "neither file nor directory" in _refusal(changed)


def test_two_entries_of_one_place_are_refused() -> None:
    output = io.BytesIO(_tar(_SMALL))
    with tarfile.open(fileobj=output, mode="a") as archive:
        archive.addfile(tarfile.TarInfo("0/shard_config.json"))

    assert "same place" in _refusal(output.getvalue())


def test_a_file_below_a_file_is_refused() -> None:
    assert "same place" in _refusal(_tar({**_SMALL, "0/shard_config.json/inner": b"x"}))


def test_a_name_that_no_file_system_takes_is_refused() -> None:
    assert "too long" in _refusal(_tar({**_SMALL, "0/" + "n" * 300: b"x"}))


def test_no_more_bytes_than_allowed_are_unpacked() -> None:
    packed = _tar(_archive({"s": _nested(_segment({"matrix.dat": bytes(1 << 20)}))}))

    assert "more bytes than allowed" in _refusal(packed, max_bytes=1 << 20)


def test_the_limit_counts_what_is_unpacked_and_not_the_archive() -> None:
    files = {"0/segments/s/segment.json": b"{}", "0/segments/s/version.info": b"1"}
    state = b'{"is_local":true}'
    rest = {"0/wal/open-1": b"123", "0/replica_state.json": state, "0/shard_config.json": b"{}"}
    exact = sum(map(len, [*files.values(), *rest.values()]))

    with _unpacked(_tar({**files, **rest}), max_bytes=exact) as snapshot:
        assert snapshot.shards[0].segments == ["s"]
    assert _refusal(_tar({**files, **rest}), max_bytes=exact - 1)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("0/replica_state.json", "replica_state.json"),
        ("0/wal/open-1", "write-ahead log"),
        ("0/segments/s.tar", "no segment"),
        ("0/shard_config.json", "shard_config.json"),
        ("config.json", "no config.json"),
        ("version.info", "no version.info"),
    ],
)
def test_a_part_that_a_shard_needs_and_lacks_is_named(missing: str, said: str) -> None:
    kept = {name: data for name, data in _SMALL.items() if name != missing}

    assert said in _refusal(_tar(kept))


@pytest.mark.parametrize("missing", ["version.info", "segment.json"])
def test_a_segment_that_the_engine_would_drop_in_silence_is_refused(missing: str) -> None:
    kept = {name: data for name, data in _segment({}).items() if name != missing}

    assert f"{missing} is missing" in _refusal(_tar(_archive({"s": _nested(kept)})))


@pytest.mark.parametrize("state", [*NO_DOCUMENTS, b"not json", b"7"])
def test_a_replica_state_that_says_nothing_is_refused(state: bytes) -> None:
    assert "replica_state.json" in _refusal(_tar({**_SMALL, "0/replica_state.json": state}))
