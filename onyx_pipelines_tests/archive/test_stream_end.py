"""A tar archive counts as whole only with its end where a header would be."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.archive.stream_end import ArchiveEnd
from onyx_pipelines.sandbox.qdrant_standin.sparse_tar import add_file

contents = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from([b"\0", b"x"]), st.integers(1, 300)),
    max_size=5,
)
formats = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])


def archive_of(files: list[tuple[int, bytes, int]], kind: int) -> bytes:
    """Files of a size, of one byte, with a name of a length."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=kind) as archive:
        for size, byte, name_length in files:
            limit = 90 if kind == tarfile.USTAR_FORMAT else name_length
            entry = tarfile.TarInfo("n" * min(name_length, limit))
            entry.size = size
            archive.addfile(entry, io.BytesIO(byte * size))
    return output.getvalue()


def is_whole(data: bytes, chunk: int = 65536) -> bool:
    end = ArchiveEnd()
    for start in range(0, len(data), chunk):
        end.feed(data[start : start + chunk])
    return end.is_whole


def end_of(data: bytes) -> int:
    """Where the end blocks begin, by Python's own reading."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.getmembers()
        return archive.offset


@settings(max_examples=75, deadline=None)
@given(files=contents, kind=formats, chunk=st.integers(1, 3000))
def test_a_whole_one_is_whole_in_chunks_of_any_size(
    files: list[tuple[int, bytes, int]], kind: int, chunk: int
) -> None:
    assert is_whole(archive_of(files, kind), chunk)


@settings(max_examples=75, deadline=None)
@given(files=contents, kind=formats, data=st.data())
def test_one_cut_anywhere_before_its_end_is_not(
    files: list[tuple[int, bytes, int]], kind: int, data: st.DataObject
) -> None:
    archive = archive_of(files, kind)
    cut = data.draw(st.integers(0, end_of(archive) + 2 * tarfile.BLOCKSIZE - 1))

    assert not is_whole(archive[:cut])


def test_sparse_files_with_many_holes_are_walked_over(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        for number in range(60):
            file.seek(number * 16384)
            file.write(b"x")
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        add_file(archive, tmp_path / "file", "sparse")

    assert is_whole(output.getvalue())
    assert not is_whole(output.getvalue()[: -tarfile.RECORDSIZE * 2])


def test_sizes_beyond_octal_digits_are_understood() -> None:
    entry = tarfile.TarInfo("large")
    entry.size = 9 * 2**30
    end = ArchiveEnd()

    end.feed(entry.tobuf(tarfile.GNU_FORMAT))
    end.feed(bytes(1024))

    assert not end.is_whole


def test_what_is_no_archive_has_no_end() -> None:
    assert not is_whole(b"not an archive" * 1000 + bytes(1024))
    assert not is_whole(b"")
